"""Answers, limits and hostile requests, through the app itself: no socket."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import struct
import time
import urllib.parse
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_serve.app import make_app
from mm_serve.limits import Limits
from mm_serve.served import plain
from PIL import Image

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError

LIMITS = Limits(rows=50, body_bytes=2**20, text_chars=1000, pixels=10_000, seconds=20)
WORDS = np.array(["works very well", "broke within a day"])


def png(width: int = 20, height: int = 20) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(file, "PNG")
    return file.getvalue()


def bomb() -> str:
    """A small PNG that says it has 60,000 x 60,000 pixels."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunk).decode()


class Client:
    """Requests to an ASGI app whose life is that of the client."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def run(self, *asked: tuple[Any, ...]) -> list[tuple[int, Any]]:
        """Requests at once: (method, path, body, headers) -> status and what was answered."""

        async def all_() -> list[Any]:
            async with self.app.app.router.lifespan_context(self.app.app):
                return list(await asyncio.gather(*(self._one(*one) for one in asked)))

        return asyncio.run(all_())

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        return self.run(("POST", path, body, headers))[0]

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        return self.run(("GET", path, None, headers))[0]

    async def _one(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        content = b"" if body is None else content
        given = {"content-type": "application/json", **headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "server": ("test", 80),
            "client": ("test", 1),
            "headers": [
                (name.replace("_", "-").encode(), value.encode()) for name, value in given.items()
            ],
        }
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        text = b"".join(one.get("body", b"") for one in sent[1:])
        try:
            return sent[0]["status"], json.loads(text)
        except json.JSONDecodeError:
            return sent[0]["status"], text.decode()


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder, rng, n = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0), 60
    for row in range(n):
        pixels = rng.integers(0, 255, (24, 24, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{row}.png")
    good = np.arange(n) % 2
    return pd.DataFrame(
        {
            "review": [f"{WORDS[one]} number {row}" for row, one in enumerate(good)],
            "picture": [str(folder / f"{row}.png") for row in range(n)],
            "price": rng.normal(size=n),
            "place": rng.choice(["north", "south"], n),
            "liked": np.where(good == 0, "yes", "no"),
        }
    )


@pytest.fixture(scope="module")
def predictor(rows: pd.DataFrame) -> Any:
    settings = {
        "backbones.text.checkpoint": "random",
        "backbones.image.checkpoint": "random",
        "inputs.image.processor.image_size": 32,
        "training.epochs": 1,
    }
    return MultiModalPredictor("liked", hyperparameters=settings, verbosity=0).fit(rows)


@pytest.fixture(scope="module")
def client(predictor: Any) -> Client:
    return Client(make_app(predictor, LIMITS))


def as_request(rows: pd.DataFrame) -> list[dict[str, Any]]:
    found = rows.drop(columns="liked").to_dict("records")
    for row in found:
        row["picture"] = base64.b64encode(Path(row["picture"]).read_bytes()).decode()
    return found


def test_answers_are_the_models_own(client: Client, predictor: Any, rows: pd.DataFrame) -> None:
    """Of several requests at once, answered together."""
    sent = as_request(rows[:12])
    found = client.run(*(("POST", "/v1/predict", {"rows": sent[i : i + 3]}, {}) for i in (0, 3, 9)))
    assert [status for status, _ in found] == [200] * 3
    wanted = predictor.predict_proba(rows[:12])
    for start, (_, told) in zip((0, 3, 9), found, strict=True):
        shares = pd.DataFrame(told["proba"])[list(map(str, wanted.columns))].to_numpy()
        assert np.abs(shares - wanted[start : start + 3].to_numpy()).max() < 1e-5
        assert told["answers"] == predictor.predict(rows[start : start + 3]).tolist()


def test_missing_cells_and_forms(client: Client, rows: pd.DataFrame) -> None:
    """A form with a file is the row with its picture in base64; an empty row is a row."""
    body = b""
    for name, value in (("review", b"works"), ("price", b"1.5")):
        body += b'--x\r\ncontent-disposition: form-data; name="%s"\r\n\r\n' % name.encode()
        body += value + b"\r\n"
    body += b'--x\r\ncontent-disposition: form-data; name="picture"; filename="/etc/passwd"\r\n'
    body += b"content-type: image/png\r\n\r\n" + png() + b"\r\n--x--\r\n"
    row = {"review": "works", "price": 1.5, "picture": base64.b64encode(png()).decode()}
    kind = {"content_type": "multipart/form-data; boundary=x"}
    (one, form), (two, plain), (three, _) = client.run(
        ("POST", "/v1/form", body, {"content-type": kind["content_type"]}),
        ("POST", "/v1/predict", {"rows": [row]}, {}),
        ("POST", "/v1/predict", {"rows": [{}]}, {}),
    )
    assert (one, two, three) == (200, 200, 200)
    assert form["proba"][0] == pytest.approx(plain["proba"][0], abs=1e-5)


def test_a_picture_as_text_of_a_form(client: Client) -> None:
    """It is read as that of a row, and refused as one."""
    kind = {"content-type": "application/x-www-form-urlencoded"}
    text = base64.b64encode(png()).decode()
    good = urllib.parse.urlencode({"picture": text}).encode()
    (one, form), (two, plain), (three, _) = client.run(
        ("POST", "/v1/form", good, kind),
        ("POST", "/v1/predict", {"rows": [{"picture": text}]}, {}),
        ("POST", "/v1/form", b"picture=/etc/passwd", kind),
    )
    assert (one, two, three) == (200, 200, 422)
    assert form["proba"][0] == pytest.approx(plain["proba"][0], abs=1e-5)


def test_json_is_no_form(client: Client) -> None:
    """It would be read as a row of missing cells."""
    status, told = client.post("/v1/form", {"price": 1.5})
    assert status == 415
    assert "/v1/predict" in told["detail"]


def test_cells_that_only_the_model_can_judge() -> None:
    """A text that is no date is refused with its column, and never taken as missing."""
    days = pd.date_range("2020-01-01", periods=40).astype(str)
    rows = pd.DataFrame({"day": days, "liked": ["yes", "no"] * 20})
    settings = {"training.epochs": 1}
    predictor = MultiModalPredictor("liked", hyperparameters=settings, verbosity=0).fit(rows)
    good, bad = ({"rows": [{"day": day}]} for day in ("2020-01-03", "someday"))
    (one, _), (two, told), (three, _) = Client(make_app(predictor, LIMITS)).run(
        ("POST", "/v1/predict", good, {}),
        ("POST", "/v1/predict", bad, {}),
        ("POST", "/v1/predict_proba", bad, {}),
    )
    assert (one, two, three) == (200, 422, 422)
    assert told["column"] == "day"


def test_what_it_says_of_itself(client: Client) -> None:
    """Columns with their types, in the schema and in OpenAPI; counts."""
    status, told = client.get("/v1/schema")
    assert status == 200
    types = {column["name"]: column["type"] for column in told["columns"]}
    assert types == {"review": "text", "picture": "image", "price": "number", "place": "category"}
    place = next(column for column in told["columns"] if column["name"] == "place")
    assert sorted(place["values"]) == ["north", "south"]
    _, api = client.get("/openapi.json")
    assert set(api["components"]["schemas"]["Row"]["properties"]) == set(types)
    assert api["components"]["schemas"]["Row"]["additionalProperties"] is False
    said = api["paths"]["/v1/predict"]["post"]["responses"]["422"]["content"]["application/json"]
    assert said["schema"]["$ref"].endswith("Refused")  # not FastAPI's own, which ours are not
    assert client.get("/health")[0] == 200
    assert client.get("/ready") == (200, {"ready": True})
    assert 'mm_requests_total{path="/v1/schema",status="200"}' in client.get("/metrics")[1]
    assert "<form" in client.get("/")[1]


def test_vectors_and_reasons(client: Client, predictor: Any, rows: pd.DataFrame) -> None:
    """What the predictor gives."""
    body = {"rows": as_request(rows[:2])}
    _, told = client.post("/v1/embed", body)
    assert np.allclose(told["vectors"], predictor.extract_embedding(rows[:2]), atol=1e-4)
    assert client.post("/v1/embed", body | {"of": "nothing"})[0] == 422
    if "explain" in dir(predictor):
        _, told = client.post("/v1/explain", {"rows": body["rows"][:1]})
        assert {part["level"] for part in told["parts"]} >= {"answer", "input", "column", "word"}


HOSTILE = {
    "a bomb": ({"picture": bomb()}, 422),
    "too many pixels": ({"picture": base64.b64encode(png(200, 200)).decode()}, 422),
    "no picture": ({"picture": base64.b64encode(b"nothing").decode()}, 422),
    "a path": ({"picture": "/etc/passwd"}, 422),
    "a path upwards": ({"picture": "../../etc/passwd"}, 422),
    "an address": ({"picture": "http://localhost/a.png"}, 422),
    "a file address": ({"picture": "file:///etc/passwd"}, 422),
    "words for a number": ({"price": "many"}, 422),
    "a list for a number": ({"price": [1]}, 422),
    "a number for a text": ({"review": 5}, 422),
    "an object for a text": ({"review": {"a": 1}}, 422),
    "a long text": ({"review": "a" * 2000}, 422),
    "an unknown column": ({"prize": 1}, 422),
    "the label": ({"liked": "yes"}, 422),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_rows(name: str, client: Client) -> None:
    """Each is refused in time, with a message that is short."""
    row, wanted = HOSTILE[name]
    started = time.monotonic()
    status, told = client.post("/v1/predict", {"rows": [row]})
    assert (status, time.monotonic() - started < 5) == (wanted, True)
    assert len(json.dumps(told)) < 2000


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"rows": [{"price": NaN}]}', 422),
        (b'{"rows": [{"price": 1e999}]}', 422),
        (b'{"rows": [{"review": "' + b"a" * 10_000_000 + b'"}]}', 413),
        (b'{"rows": [' + b"{}," * 9_999 + b"{}]}", 422),
        (b'{"rows": []}', 422),
        (b"[" * 100_000, 400),
        (b"nothing", 422),
        (b"\xff\xfe", 422),
        (b'{"rows": [{}], "path": "/etc/passwd"}', 422),
    ],
    ids=["NaN", "1e999", "10 MB", "10,000 rows", "none", "deep", "no JSON", "no text", "more"],
)
def test_hostile_bodies(body: bytes, wanted: int, client: Client) -> None:
    started = time.monotonic()
    assert client.post("/v1/predict", body)[0] == wanted
    assert time.monotonic() - started < 5


def test_what_is_wrong_is_said_in_words_of_the_model(client: Client) -> None:
    _, told = client.post("/v1/predict", {"rows": [{"prize": 1}]})
    (one,) = told["detail"]
    assert one["where"] == ["body", "rows", "0", "prize"]
    assert "did you mean 'price'? It reads " in one["message"]
    _, told = client.post("/v1/predict", b'{"rows": [{}]}', **{"content-type": "text/plain"})
    assert "content-type: application/json" in told["detail"][0]["message"]


def test_paths_outside(client: Client) -> None:
    """Nothing is read from the disk for a path."""
    for path in ("/../../etc/passwd", "/static/../../etc/passwd", "/v1/../etc", "/%2e%2e/etc"):
        assert client.get(path)[0] == 404


def test_the_key(predictor: Any) -> None:
    client = Client(make_app(predictor, LIMITS, api_key="secret"))
    assert client.post("/v1/predict", {"rows": [{}]})[0] == 401
    assert client.post("/v1/predict", {"rows": [{}]}, x_api_key="wrong")[0] == 401
    assert client.post("/v1/predict", {"rows": [{}]}, x_api_key="secret")[0] == 200
    assert client.post("/v1/predict", {"rows": [{}]}, authorization="Bearer secret")[0] == 200
    assert client.get("/health")[0] == 200
    assert client.get("/metrics")[0] == 401


def test_more_than_may_wait(predictor: Any) -> None:
    """The first are answered, the others told to come again."""
    client = Client(make_app(predictor, replace(LIMITS, queue=2)))
    found = client.run(*([("POST", "/v1/predict", {"rows": [{"price": 1.0}]}, {})] * 6))
    assert sorted(status for status, _ in found) == [200, 200, 429, 429, 429, 429]


def test_an_answer_that_takes_too_long(predictor: Any) -> None:
    client = Client(make_app(predictor, replace(LIMITS, seconds=0.0)))
    assert client.post("/v1/predict", {"rows": [{"price": 1.0}]})[0] == 504


# ---- several models, and an index --------------------------------------------------------------


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    """Three small models of one table that answer differently."""
    x = np.linspace(0, 1, 40)
    found = {}
    for name, factor in (("a@1", 1.0), ("a@2", 5.0), ("b", -1.0)):
        settings = {"fit": "core:finetune", "training.epochs": 1}
        rows = pd.DataFrame({"x": x, "y": 100 * factor + factor * x})
        found[name] = MultiModalPredictor("y", hyperparameters=settings, verbosity=0).fit(rows)
    return found


def test_several_models_and_versions(numbers: dict[str, Any]) -> None:
    """Each at its path, the first at the root, the last version below the bare name."""
    client = Client(make_app(numbers, LIMITS))
    body = {"rows": [{"x": 0.5}]}
    wanted = {name: one.predict({"x": [0.5]})[0] for name, one in numbers.items()}
    assert len({round(value) for value in wanted.values()}) == 3
    paths = {"": "a@1", "/models/a@1": "a@1", "/models/a@2": "a@2", "/models/a": "a@2"}
    paths["/models/b"] = "b"
    found = client.run(*(("POST", f"{path}/v1/predict", body, {}) for path in paths))
    for (status, told), name in zip(found, paths.values(), strict=True):
        assert status == 200
        assert told["answers"] == pytest.approx([wanted[name]], rel=1e-4)
    (_, told), (status, page), (none, _), (_, counts) = client.run(
        ("GET", "/v1/models", None, {}),
        ("GET", "/models/b/", None, {}),
        ("POST", "/models/c/v1/predict", body, {}),
        ("GET", "/metrics", None, {}),
    )
    assert [one["path"] for one in told["models"]] == [f"/models/{name}/" for name in numbers]
    assert (status, none) == (200, 404)
    assert "<form" in page
    assert 'path="/models/b/v1/predict",status="200"' in counts


@pytest.mark.parametrize(
    ("names", "word"), [(["a", "a@1"], "version"), (["a/b"], "no name"), ([], "no model")]
)
def test_names_that_cannot_be(numbers: dict[str, Any], names: list[str], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        make_app(dict.fromkeys(names, numbers["b"]), LIMITS)


def test_an_index_is_searched(numbers: dict[str, Any], tmp_path: Path) -> None:
    """As the predictor searches it; models that have none say so."""
    pytest.importorskip("mm_matching")
    asked = [f"what is {one} then" for one in "abcdefgh"]
    rows = pd.DataFrame({"asked": asked, "said": [f"it is {one} of course" for one in "abcdefgh"]})
    predictor = MultiModalPredictor(
        problem_type="text_similarity",
        query="asked",
        response="said",
        hyperparameters={
            "backbones.query_text.checkpoint": "random",
            "training.epochs": 1,
            "training.batch_size": 4,
        },
        verbosity=0,
    ).fit(rows)
    items = pd.DataFrame({"said": rows.said, "sku": range(8)})
    predictor.build_index(items, ids="sku").save(tmp_path / "index")
    client = Client(make_app(predictor, LIMITS, indexes={"model": tmp_path / "index"}))
    body = {"rows": [{"asked": one} for one in asked[1:3]], "top_k": 3}
    status, told = client.post("/v1/search", body)
    assert status == 200
    wanted = predictor.search(rows[["asked"]][1:3], tmp_path / "index", top_k=3)
    assert [one["item"] for row in told["items"] for one in row] == wanted["item"].tolist()
    assert [one["rank"] for one in told["items"][0]] == [1, 2, 3]
    assert client.get("/v1/schema")[1]["search"] is True
    assert client.post("/v1/search", body | {"top_k": 0})[0] == 422
    assert Client(make_app(predictor, LIMITS)).post("/v1/search", body)[0] == 404
    with pytest.raises(ConfigError, match="search no index"):
        make_app(numbers["b"], LIMITS, indexes={"model": tmp_path / "index"})


def test_lists_are_answered_as_lists() -> None:
    """Boxes, spans and the like, numbers of numpy among them."""
    found = plain([np.array([1.5, np.nan]), ("a", np.int64(2)), {"b": np.bool_(True)}, None])
    assert found == [[1.5, None], ["a", 2], {"b": True}, None]
    assert json.loads(json.dumps(found)) == found


def test_masks_are_answered_as_pictures() -> None:
    """Values that 8 bits do not hold in 16; numbers that are no mask's as lists."""
    for largest in (200, 40_000):
        mask = np.arange(12).reshape(3, 4) * (largest // 11)
        found = plain(mask)
        assert (found["width"], found["height"]) == (4, 3)
        image = Image.open(io.BytesIO(base64.b64decode(found["png"])))
        assert (np.asarray(image) == mask).all()
    assert plain(np.array([[-1, 2]])) == [[-1, 2]]
    assert plain(np.array([[0.5, 2.0]])) == [[0.5, 2.0]]


def test_nothing_is_drawn_by_a_model_that_cannot(client: Client) -> None:
    assert client.post("/v1/predict", {"rows": [{}], "draw": True})[0] == 422
