"""A page that says what is true: planted weaknesses are found, and nothing is loaded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from mm_report.command import report as command
from mm_report.compared import compared
from mm_report.report import CARD, report
from PIL import Image

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, BadCellError, ColumnError, ConfigError

QUICK = {"importance_rows": 60, "repeats": 2, "draws": 30}


def made(n: int, seed: int) -> pd.DataFrame:
    """Three classes, told by x but for the rows from Zug; y says nothing."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    city = rng.choice(["Bern", "Basel", "Zug"], n)
    x = np.where(city == "Zug", rng.normal(1, 1, n), kind + rng.normal(0, 0.12, n))
    return pd.DataFrame(
        {
            "x": x,
            "y": rng.normal(size=n),
            "city": city,
            "kind": np.array(["<b>one</b>", "two", "three"])[kind],
        }
    )


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return made(240, seed=1)


def fitted(label: str, rows: pd.DataFrame, epochs: int, folder: Path) -> Any:
    settings = {"fit": "core:finetune", "training.epochs": epochs, "training.batch_size": 32}
    predictor = MultiModalPredictor(label, hyperparameters=settings, path=folder, verbosity=0)
    return predictor.fit(rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def classes(folder: Path) -> Any:
    return fitted("kind", made(400, seed=0), 12, folder / "classes")


@pytest.fixture(scope="module")
def told(classes: Any, rows: pd.DataFrame) -> Any:
    given = rows.copy()
    given.loc[:5, "y"] = np.nan
    given.loc[:9, "city"] = "Nowhere"
    return classes.report(given, **QUICK)


def test_scores_are_those_of_evaluate(classes: Any, rows: pd.DataFrame) -> None:
    """With an interval around them, narrower for more rows."""
    few, many = (report(classes, one, **QUICK) for one in (rows[:40], rows))
    for one in many.scores:
        assert one.value == pytest.approx(classes.evaluate(rows, one.name)[one.name])
        assert one.low < one.value < one.high
    apart = [found.scores[0].high - found.scores[0].low for found in (few, many)]
    assert apart[1] < 0.8 * apart[0]


def test_what_was_planted_is_found(told: Any) -> None:
    """The column that tells the classes, and the rows in which it does not."""
    columns = [part.name for part in told.importance.parts if part.level == "column"]
    losses = {part.name: part.loss for part in told.importance.parts}
    assert columns[0] == "x"
    assert losses["x"] > 5 * abs(losses["y"])
    assert told.slices.worse[0].column == "city"
    assert told.slices.worse[0].what == "= Zug"
    assert {one.column for one in told.slices.worse} == {"city"}


def test_answers_are_counted(told: Any, rows: pd.DataFrame) -> None:
    """Truth by truth; the rest of the page agrees."""
    counts = np.array(told.confusion.counts)
    names = [str(name) for name in told.confusion.classes]
    truth = rows.kind.value_counts()
    assert dict(zip(names, counts.sum(axis=1).tolist(), strict=True)) == truth.to_dict()
    right = np.trace(counts) / counts.sum()
    assert right == pytest.approx(next(s.value for s in told.scores if s.name == "accuracy"))
    assert all(row.answer != row.truth for row in told.surest)
    assert [one.title for one in told.drawings] == [
        "ROC curve",
        "Precision and recall",
        "Calibration",
    ]


def test_strange_and_missing_cells(told: Any) -> None:
    """As the processors tell of them."""
    assert told.missing == {"y": 6}
    (city,) = [one for one in told.unlike if one["column"] == "city"]
    assert city["count"] == 10
    assert "'Nowhere'" in city["examples"]


def test_the_page_loads_nothing_and_runs_nothing(told: Any) -> None:
    """What stands in cells is text; ids and addresses stay on the page."""
    page = told.html
    assert "<b>one</b>" not in page
    assert "&lt;b&gt;one&lt;/b&gt;" in page
    assert "<script" not in page
    used = re.findall(r"""(?:src|href)=["']([^"']*)""", page) + re.findall(r"url\(([^)]*)", page)
    assert all(one.startswith(("#", "data:")) for one in used)
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert {one[1:] for one in used if one.startswith("#")} <= set(ids)
    assert page.count('role="img"') == len(told.drawings) + len(told.training) + 1


def test_every_setting_and_column_has_its_origin(told: Any, classes: Any) -> None:
    """As in the recipe."""
    recipe = classes.recipe
    assert {one["key"]: one["origin"] for one in told.settings} == {
        key: recipe.origin(key) for key in recipe.flat() if key != "format"
    }
    assert [one["reason"] for one in told.columns] == [c.reason for c in recipe.columns.columns]
    assert "training.epochs" in told.html


def test_a_number(folder: Path, rows: pd.DataFrame) -> None:
    """Residuals in the place of curves; the worst row is the one planted."""
    train = made(300, seed=2)
    predictor = fitted("x", train[["city", "kind", "x"]], 8, folder / "number")
    given = rows[["city", "kind", "x"]].copy()
    given.loc[17, "x"] = 40.0
    found = report(predictor, given, **QUICK)
    assert [one.title for one in found.drawings] == ["Answer against truth", "Residuals"]
    assert found.worst[0].row == "17"
    assert found.confusion is None


def test_labels(folder: Path) -> None:
    """Several a row: curves of each, no confusion."""
    train = made(200, seed=3).assign(a=lambda f: (f.x > 1) * 1, b=lambda f: (f.y > 0) * 1)
    settings = {"fit": "core:finetune", "training.epochs": 2}
    predictor = MultiModalPredictor(["a", "b"], hyperparameters=settings, verbosity=0)
    predictor.fit(train[["x", "y", "a", "b"]])
    found = report(predictor, train[:80], importance_rows=0, draws=20)
    assert found.answers == "labels"
    assert found.importance is None
    assert [one.title for one in found.drawings][-1] == "Calibration"


@pytest.mark.parametrize("on_error", ["raise", "missing"])
def test_cells_that_cannot_be_read(classes: Any, rows: pd.DataFrame, on_error: str) -> None:
    """Refused, or shown."""
    given = rows.astype({"x": object})
    given.loc[3, "x"] = "many"
    if on_error == "raise":
        with pytest.raises(BadCellError, match="'x'"):
            classes.report(given, **QUICK)
        return
    found = classes.report(given, on_error=on_error, **QUICK)
    assert "many" in found.bad[0]
    assert "row 3" in found.bad[0]


def test_what_is_refused(classes: Any, rows: pd.DataFrame) -> None:
    """Rows without labels, numbers that make no sense, a way with errors that there is not."""
    with pytest.raises(ColumnError, match="'kind'"):
        classes.report(rows.drop(columns="kind"))
    with pytest.raises(ConfigError, match="repeats=0"):
        classes.report(rows, repeats=0)
    for method in (classes.report, classes.explain):
        with pytest.raises(ConfigError, match="on_error='typo'"):
            method(rows, on_error="typo")


def test_pictures_and_texts_below_five_megabytes(tmp_path: Path) -> None:
    """Three kinds of columns; large pictures are shown small."""
    rng, n = np.random.default_rng(0), 24
    for row in range(n):
        pixels = rng.integers(0, 255, (700, 900, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{row}.jpg", quality=90)
    frame = pd.DataFrame(
        {
            "review": [f"a text of some {word} words" for word in rng.choice(list("abcd"), n)],
            "photo": [f"{row}.jpg" for row in range(n)],
            "price": rng.normal(size=n),
            "liked": np.arange(n) % 2,
        }
    )
    frame.to_csv(tmp_path / "rows.csv", index=False)
    settings = {
        "backbones.text.checkpoint": "random",
        "backbones.image.checkpoint": "random",
        "inputs.image.processor.image_size": 32,
        "training.epochs": 1,
    }
    predictor = MultiModalPredictor("liked", hyperparameters=settings, verbosity=0)
    predictor.fit(tmp_path / "rows.csv", column_types={"review": "text"})
    found = predictor.report(
        tmp_path / "rows.csv", out=tmp_path / "r.html", importance_rows=4, repeats=1, draws=5
    )
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == len([*found.worst, *found.surest]) > 0
    assert len(page) < 1_000_000
    assert {part.name for part in found.importance.parts} >= {"image", "text", "tabular"}


# ---- two models, and the command ---------------------------------------------------------------


@pytest.fixture(scope="module")
def poor(folder: Path) -> Any:
    return fitted("kind", made(400, seed=0)[["y", "city", "kind"]], 1, folder / "poor")


def test_two_models(classes: Any, poor: Any, folder: Path, rows: pd.DataFrame) -> None:
    """The better one is named; a model is no better than itself."""
    found = compared((folder / "poor", folder / "classes"), rows, draws=30)
    assert {one.verdict for one in found.duels} == {"second"}
    assert found.wins[0] > found.wins[1]
    assert ("training.epochs", "1", "12") in found.settings
    assert "training.epochs" in found.html
    same = compared((folder / "classes", folder / "classes"), rows, draws=30)
    assert {one.verdict for one in same.duels} == {"chance explains it"}
    assert same.wins == (0, 0)
    assert same.settings == []


def test_models_that_no_score_compares(folder: Path, rows: pd.DataFrame, classes: Any) -> None:
    """Said so; without rows they are compared all the same."""
    fitted("x", rows[["y", "x"]], 1, folder / "other")
    with pytest.raises(ConfigError, match="no score compares"):
        compared((folder / "classes", folder / "other"), rows)
    assert compared((folder / "classes", folder / "other")).duels == []


def test_the_command(
    classes: Any, folder: Path, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page, and a card in the model's folder, which is still one."""
    monkeypatch.chdir(folder)
    rows.to_csv("rows.csv", index=False)
    said = command(["classes", "rows.csv"], Path("r.html"), importance_rows=20, draws=20)
    assert "accuracy" in said.text
    json.dumps(said.data)
    assert Path("r.html").stat().st_size > 10_000
    card = Path("classes", CARD).read_text(encoding="utf-8")
    assert "| accuracy |" in card
    assert "city = Zug" in card
    MultiModalPredictor.load("classes", verbosity=0)
    both = command(["compare", "classes", "classes"], Path("c.html"))
    assert both.data["settings"] == []
    assert Path("c.html").is_file()


def test_words_that_are_too_few(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one word after it, "compare" is the name of a model."""
    monkeypatch.chdir(folder)
    with pytest.raises(typer.BadParameter, match="mm report compare"):
        command(["model"])
    with pytest.raises(ArtifactError, match="compare"):
        command(["compare", "rows.csv"])
