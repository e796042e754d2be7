"""Boxes for people: what a server answers, what its page draws, what a report shows."""

from __future__ import annotations

import base64
import re
import shutil
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from mm_detection import methods
from PIL import Image

from mm_core.api import ConfigError

CHROMIUM = shutil.which("chromium")


def as_rows(frame):
    cells = (base64.b64encode(Path(path).read_bytes()).decode() for path in frame.photo)
    return [{"photo": cell} for cell in cells]


@pytest.fixture(scope="module")
def app(fitted):
    return pytest.importorskip("mm_serve.app").make_app(fitted)


def test_a_server_answers_with_boxes_and_what_is_drawn_of_them(app, fitted, frame):
    """Nothing is drawn unless asked for; a row without a picture has nothing to draw on."""
    from starlette.testclient import TestClient

    with TestClient(app) as client:
        rows = [*as_rows(frame[1:4]), {}]
        plain = client.post("/v1/predict", json={"rows": rows}).json()
        drawn = client.post("/v1/predict", json={"rows": rows, "draw": True}).json()
        assert client.get("/v1/schema").json()["draw"] is True
    wanted = fitted.predict(frame[1:4]).tolist()
    assert plain["answers"][:3] == drawn["answers"][:3] == wanted
    assert "overlays" not in plain
    colours: dict[str, set[str]] = {}
    for answer, over, path in zip(wanted, drawn["overlays"], frame.photo[1:4], strict=False):
        assert (over["width"], over["height"]) == Image.open(path).size
        assert over["mask"] is None
        told = [[*box["corners"], box["name"], box["score"]] for box in over["boxes"]]
        assert told == answer
        for box in over["boxes"]:
            colours.setdefault(box["name"], set()).add(box["colour"])
    assert len(colours) > 1
    assert all(len(one) == 1 for one in colours.values())
    assert len(set.union(*colours.values())) == len(colours)
    assert drawn["overlays"][3] is None


def test_boxes_of_a_turned_picture_lie_where_it_is_shown(fitted, tmp_path, monkeypatch):
    """A browser turns it upright; boxes may be given as its pixels are stored."""
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    Image.new("RGB", (40, 20), "grey").save(tmp_path / "turned.jpg", exif=exif)
    rows = pd.DataFrame({"photo": [str(tmp_path / "turned.jpg")]})
    monkeypatch.setattr(methods, "_settings", lambda part: ("stored", 10**6))
    ((over,),) = [fitted.overlays(rows, [[[0.0, 0.0, 10.0, 5.0, "red", 0.9]]])]
    assert (over["width"], over["height"]) == (20, 40)
    assert over["boxes"][0]["corners"] == [15.0, 0.0, 20.0, 10.0]


def test_answers_of_another_form_are_not_drawn(fitted, frame):
    with pytest.raises(ConfigError, match="as_coco=True are not drawn"):
        fitted.overlays(frame[:1], [[{"bbox": [0.0, 0.0, 4.0, 4.0], "score": 0.9}]])


def test_a_report_has_scores_by_class_and_the_worst_pictures(fitted, frame, tmp_path):
    """Truth beside answer, in words too, on one page."""
    pytest.importorskip("mm_report")
    rows = frame[:10]
    found = fitted.report(rows, importance_rows=0, draws=0, out=tmp_path / "report.html")
    scores = fitted.evaluate(rows)
    assert found.by_class
    assert found.by_class == pytest.approx(
        {name: scores[f"map.class.{name}"] for name in found.by_class}
    )
    titles = [one.title for one in found.drawings]
    assert titles[0] == "map by class"
    assert titles[-2:] == [
        "Precision and recall at an overlap of 0.50",
        "Average precision by overlap",
    ]
    for name in found.by_class:
        said = rf"precision along recall of .*{name} \([01]\.\d+\)"
        assert re.search(said, found.drawings[-2].svg)
    assert found.worst
    assert all(row.sheet.startswith("data:image/jpeg") for row in found.worst)
    assert any("red" in row.answer or "blue" in row.answer for row in found.worst)
    assert found.worst[0].how.startswith("map of the row alone: ")
    for row in found.worst:  # as answers are said, without scores
        assert "[" not in row.truth
        assert "red (" in row.truth or "blue (" in row.truth or row.truth == "nothing there"
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count('<img class="sheet"') == page.count("<img") == len(found.worst)
    assert "<script" not in page
    assert len(page) < 5_000_000


@pytest.mark.slow  # a browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_the_page_draws_boxes_over_the_uploaded_picture(app, frame, tmp_path):
    """And says them in words."""
    api = pytest.importorskip("playwright.sync_api")
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        with api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM)
            page = browser.new_page()
            wrong: list[str] = []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.goto(f"http://127.0.0.1:{port}/")
            page.set_input_files("input[type=file]", frame.photo[3])
            page.wait_for_selector(".drop img:visible")
            page.click("#send")
            page.wait_for_selector(".stage rect")
            names = page.locator(".found b").all_text_contents()
            assert page.locator(".stage rect").count() == len(names) > 0
            assert all(name in page.locator(".stage img").get_attribute("alt") for name in names)
            page.screenshot(path=tmp_path / "page.png", full_page=True)
            assert not wrong
            browser.close()
    finally:
        server.should_exit = True
        thread.join()
