"""Masks for people: what a server answers and draws, what a report shows."""

from __future__ import annotations

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mm_core.api import ConfigError


def picture_of(text):
    return Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2] or text)))


@pytest.fixture(scope="module")
def rows(table):
    return pd.read_csv(table).head(6).map(lambda one: str(table.parent / one))


def test_a_server_answers_with_a_mask_as_png_and_what_is_drawn_of_it(fitted, rows):
    """Its pixels are the labels' values; what is drawn is clear beside the one thing to find."""
    make_app = pytest.importorskip("mm_serve.app").make_app
    from starlette.testclient import TestClient

    files = [open(path, "rb").read() for path in rows.photo[:3]]  # noqa: SIM115
    sent = [{"photo": base64.b64encode(one).decode()} for one in files]
    with TestClient(make_app(fitted)) as client:
        told = client.post("/v1/predict", json={"rows": [*sent, {}], "draw": True}).json()
    wanted = fitted.predict(rows[:3])
    assert told["answers"][3] is told["overlays"][3] is None
    for mask, answer, over in zip(wanted, told["answers"], told["overlays"], strict=False):
        assert (answer["height"], answer["width"]) == mask.shape
        assert (np.asarray(picture_of(answer["png"])) == mask).all()
        drawn = np.asarray(picture_of(over["mask"]))
        assert drawn.shape == (*mask.shape, 4)
        assert ((drawn[..., 3] > 0) == (mask == 255)).all()
        shares = {one["value"]: one["share"] for one in over["legend"]}
        assert shares.get("255", 0) == pytest.approx((mask == 255).mean())
        assert sum(shares.values()) == pytest.approx(1)


def test_answers_of_another_form_are_not_drawn(fitted, rows):
    with pytest.raises(ConfigError, match="no mask"):
        fitted.overlays(rows[:1], fitted.predict(rows[:1], form="rle").tolist())


def test_a_report_has_scores_by_class_and_the_worst_pictures(fitted, rows, tmp_path):
    """Truth beside answer, in words too, on one page; a row without a picture has none."""
    pytest.importorskip("mm_report")
    given = rows.copy()
    given.loc[1, "photo"] = None
    found = fitted.report(given, importance_rows=0, draws=0, out=tmp_path / "report.html")
    scores = fitted.evaluate(given)
    assert found.by_class == pytest.approx(
        {name: scores[f"iou.class.{name}"] for name in ("0", "255")}
    )
    sheets = {row.row: row.sheet for row in found.worst}
    assert sheets["1"] == ""
    assert sum(one.startswith("data:image/jpeg") for one in sheets.values()) == len(sheets) - 1 > 0
    assert all("255" in row.answer or "picture" in row.answer for row in found.worst)
    assert all("255 " in row.truth and "%" in row.truth for row in found.worst)
    assert len((tmp_path / "report.html").read_text(encoding="utf-8")) < 5_000_000
