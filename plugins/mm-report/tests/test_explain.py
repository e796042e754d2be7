"""Planted signals are found, and nothing else; sums and their absence are said."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_report.parts import picture_regions
from PIL import Image

from mm_core import MultiModalPredictor
from mm_core.api import BadCellError, ConfigError, tools
from mm_core.testing import forked


def part(found: pd.DataFrame, level: str) -> pd.Series:
    """Mean size of the contributions of a level, by part."""
    lines = found[found.level == level]
    return lines.groupby("part").contribution.apply(lambda values: values.abs().mean())


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=240), rng.normal(size=240)
    place = rng.choice(["north", "south"], 240)
    value = 3 * x + 2 * (place == "north")
    return pd.DataFrame({"x": x, "noise": noise, "place": place, "value": value})


@pytest.fixture(scope="module")
def trees(rows: pd.DataFrame) -> Any:
    """A model without a network."""
    pytest.importorskip("catboost")
    settings = {"fit": "trees:catboost", "fit.rounds": 150}
    return MultiModalPredictor("value", hyperparameters=settings, verbosity=0).fit(rows)


def test_columns_of_trees(trees: Any, rows: pd.DataFrame) -> None:
    """Against the distribution of training the column that counts most comes first."""
    found = trees.explain(rows[:20], background=rows, samples=8)
    size = part(found, "column")
    assert size["x"] > size["place"] > 3 * size["noise"]
    assert set(found.level) == {"answer", "base", "input", "column", "rest"}
    assert np.allclose(found[found.level == "answer"].contribution, trees.predict(rows[:20]))


def test_what_does_not_add_up_is_said(trees: Any, rows: pd.DataFrame) -> None:
    """answer = base + columns + rest, row by row."""
    found = trees.explain(rows[:10].set_axis(list("abcdefghij")))
    wide = found.pivot_table("contribution", "row", "level", "sum")
    assert np.allclose(wide.answer, wide.base + wide.column + wide.rest)
    assert list(wide.index) == list("abcdefghij")


def test_cells_that_cannot_be_read(trees: Any, rows: pd.DataFrame) -> None:
    """Refused as by ``predict``, or missing where that is asked for."""
    some = rows[:2].astype({"x": object})
    some.loc[0, "x"] = "many"
    with pytest.raises(BadCellError, match="'x'"):
        trees.explain(some)
    found = trees.explain(some, on_error="missing")
    assert np.allclose(
        found[found.level == "answer"].contribution, trees.predict(some, on_error="missing")
    )


def test_the_same_is_asked_once(
    trees: Any, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only input is all columns: two answers and one a column."""
    asked: list[int] = []
    answer = tools.outputs

    def counted(*args: Any, **more: Any) -> Any:
        asked.append(1)
        return answer(*args, **more)

    monkeypatch.setattr(tools, "outputs", counted)
    trees.explain(rows[:2])
    assert len(asked) == 2 + 3


def test_a_turned_picture_is_cut_up_upright(tmp_path: Path) -> None:
    """As the model sees it: the turn that EXIF tells is lost with the file."""
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=turned)
    found = picture_regions("picture", "a.jpg", tmp_path)
    assert found is not None
    assert Image.open(io.BytesIO(found.cells[0])).size == (20, 40)


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, pd.DataFrame]:
    """A word says it, a bright corner of a picture says nothing, and no number does."""
    folder, rng, n = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0), 160
    good = rng.random(n) < 0.5
    words = [
        " ".join(rng.permutation([rng.choice(list("abcdefg")), "fine" if one else "poor", str(i)]))
        for i, one in enumerate(good)
    ]
    for row in range(n):
        pixels = rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{row}.png")
    frame = pd.DataFrame(
        {
            "review": words,
            "picture": [str(folder / f"{row}.png") for row in range(n)],
            "price": rng.normal(size=n),
            "liked": np.where(good, "yes", "no"),
        }
    )
    settings = {
        "backbones.text.checkpoint": "random",
        "backbones.image.checkpoint": "random",
        "inputs.image.processor.image_size": 32,
        "training.epochs": 12,
        "training.learning_rate": 2e-3,
        "training.head_learning_rate": 2e-3,
    }
    predictor = MultiModalPredictor("liked", hyperparameters=settings, verbosity=0)
    predictor.fit(frame, column_types={"review": "text"})
    return predictor, frame


def test_the_word_and_its_input_are_found(fused: tuple[Any, pd.DataFrame]) -> None:
    """The text counts, the others do not; in it the one word."""
    predictor, frame = fused
    assert predictor.evaluate(frame, "accuracy")["accuracy"] > 0.95
    found = predictor.explain(frame[:8])
    size = part(found, "input")
    assert size["text"] > 3 * max(size["image"], size["tabular"])
    lines = found[found.level == "word"]
    strongest = lines.loc[lines.groupby("row").contribution.idxmax()].part
    assert strongest.str.contains("fine|poor").mean() >= 0.75
    regions = found[found.level == "region"]
    assert len(regions) == 8 * 16
    assert regions.contribution.abs().max() < size["text"]


def test_of_another_class(fused: tuple[Any, pd.DataFrame]) -> None:
    """What speaks for one of two classes speaks against the other."""
    predictor, frame = fused
    plain = {"words": False, "regions": False}
    yes, no = (predictor.explain(frame[:4], of=one, **plain) for one in ("yes", "no"))
    inner = yes.level.isin(["input", "column", "rest"])
    assert np.allclose(yes[inner].contribution, -no[inner].contribution, atol=1e-5)
    with pytest.raises(ConfigError, match="did you mean 'yes'"):
        predictor.explain(frame[:4], of="yess")


def test_the_command(trees: Any, rows: pd.DataFrame, tmp_path: Path) -> None:
    """``mm explain`` writes the same table."""
    trees.save(tmp_path / "model")
    rows[:3].to_csv(tmp_path / "rows.csv", index=False)
    done = forked.mm("explain", "model", "rows.csv", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "contribution" in json.dumps(json.loads(done.stdout))
