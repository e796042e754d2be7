"""``predictor.report``: what a model is, how good it is, and where it fails, on one page."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mm_core.api import ConfigError, tools
from mm_report import facts
from mm_report.drawn import looks
from mm_report.figures import (
    Confusion,
    Drawing,
    by_class,
    confusion,
    drawings,
    training_curves,
)
from mm_report.importance import Importance, importance
from mm_report.plots import Plots, bars
from mm_report.scores import DRAWS, Score, scores
from mm_report.shown import ShownRow, shown, surest_errors, worst
from mm_report.slices import Slices, slices
from mm_report.tested import Tested

CARD = "model_card.md"
SHOWN = 8
MOST_BAD = 20


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        model: name of its folder, or empty.
        task: id.
        label: names of the label columns.
        rows: that it was tried on.
        when: date of the report.
        answers: what they are: ``"classes"``, ``"labels"``, ``"number"``, ``"other"``.
        scores: with intervals, the model's own first.
        details: other numbers of the model's own metric by name, such as ``class.<name>``.
        confusion: truth against answer, of one class a row; else None.
        drawings: as fits the answers.
        training: curves of the fit.
        fit: how it ended.
        worst: rows that are most wrong.
        surest: wrong answers that the model was surest of.
        wrong: what ``worst`` is ordered by.
        importance: by permutation; None: not asked for, or not defined.
        importance_plot: a drawing of it, or empty.
        slices: kinds of rows that do badly.
        unlike: by column, cells unlike those of training.
        missing: column -> cells that are missing.
        bad: cells that could not be read, as texts.
        columns: name, how it is read, why, and who decided, of each.
        settings: key, value and origin, of each.
        speed: see :func:`mm_report.facts.speed`.
        parameters: of the network, or None.
        files: name -> bytes.
        versions: of what the model was made with.
    """

    model: str
    task: str
    label: list[str]
    rows: int
    when: str
    answers: str
    scores: list[Score]
    details: dict[str, float]
    confusion: Confusion | None
    drawings: list[Drawing]
    training: list[Drawing]
    fit: str
    worst: list[ShownRow]
    surest: list[ShownRow]
    wrong: str
    importance: Importance | None
    importance_plot: str
    slices: Slices
    unlike: list[dict[str, Any]]
    missing: dict[str, int]
    bad: list[str]
    columns: list[dict[str, str]]
    settings: list[dict[str, str]]
    speed: dict[str, float]
    parameters: int | None
    files: dict[str, int]
    versions: dict[str, str]

    @property
    def html(self) -> str:
        """One page, which loads nothing."""
        from mm_report.page import report_page

        return report_page(self)

    @property
    def card(self) -> str:
        """A model card in Markdown."""
        from mm_report.card import model_card

        return model_card(self)

    @property
    def by_class(self) -> dict[str, float]:
        """What the model's own metric says of each class, where it tells; the best first."""
        return by_class(self.details)

    def as_json(self) -> dict[str, Any]:
        """All but drawings and pictures."""
        found = asdict(self)
        for name in ("drawings", "training", "importance_plot"):
            del found[name]
        for row in [*found["worst"], *found["surest"]]:
            del row["sheet"]
            for cell in row["cells"]:
                del cell["picture"]
        return found

    def save(self, path: str | Path) -> Path:
        """Write the page.

        Raises:
            ConfigError: it cannot be written there.
        """
        return written(self.html, path)


def report(
    predictor: Any,
    data: Any,
    *,
    out: str | Path | None = None,
    folder: str | Path | None = None,
    importance_rows: int = 200,
    repeats: int = 3,
    draws: int = DRAWS,
    seed: int = 0,
    on_error: str = "raise",
) -> Report:
    """Try a model on labelled rows that it has not seen, and write down what comes out.

    Args:
        predictor: with a model of any kind.
        data: rows with the label; see :func:`mm_core.data.rows.read_rows`.
        out: where the page is written; None: nowhere (``Report.save``).
        folder: where the model was saved, for its name and sizes.
        importance_rows: rows that permutation importance is measured on, at most: each column and
            input costs ``repeats`` answers of the model to them; 0: none.
        repeats: orders that a column is put into.
        draws: of the rows, for the intervals of scores.
        seed: of orders and draws.
        on_error: ``"raise"`` on cells that cannot be read, or take them as ``"missing"``.

    Raises:
        ConfigError: a number that makes no sense.
        ColumnError: no label in the rows.
    """
    for name, value, least in (
        ("importance_rows", importance_rows, 0),
        ("repeats", repeats, 1),
        ("draws", draws, 0),
    ):
        if value < least:
            raise ConfigError(f"{name}={value}: {least} at least", value=value)
    tested = Tested(predictor, data, on_error)
    where = None if folder is None else Path(folder)
    found = importance(tested, importance_rows, repeats, seed)
    made = _made(tested, predictor, where, found, scores(tested, seed, draws))
    if out is not None:
        made.save(out)
    return made


def _made(
    tested: Tested,
    predictor: Any,
    folder: Path | None,
    found: Importance | None,
    scored: list[Score],
) -> Report:
    plots, recipe, result = Plots(), tested.recipe, tools.result_of(predictor)
    metric = tools.short_name(recipe.data.validation_metric)
    worst_rows, surest = worst(tested, SHOWN), surest_errors(tested, SHOWN)
    drawn = looks(predictor, tested, worst_rows)
    return Report(
        model="" if folder is None else folder.resolve().name,
        task=recipe.task.id,
        label=list(recipe.data.label),
        rows=len(tested),
        when=datetime.now(UTC).strftime("%Y-%m-%d"),
        answers=tested.form,
        scores=scored,
        details=tested.details,
        confusion=confusion(tested),
        drawings=drawings(tested, plots),
        training=training_curves(result.history, metric, plots),
        fit=_fit(result, metric),
        # Of two classes, the most wrong are those that the model is surest of: shown once.
        worst=[]
        if surest == worst_rows
        else [shown(tested, row, drawn.get(row)) for row in worst_rows],
        surest=[shown(tested, row) for row in surest],
        wrong=tested.wrong.what,
        importance=found,
        importance_plot=_importance_plot(found, plots),
        slices=slices(tested),
        unlike=_unlike(tested),
        missing=_missing(tested),
        bad=[f"row {tested.index[cell.row]}: {cell}" for cell in tested.bad[:MOST_BAD]],
        columns=_columns(recipe),
        settings=_settings(recipe),
        speed=facts.speed(tested),
        parameters=facts.parameters(tested.model),
        files=facts.files(folder),
        versions=facts.versions(tested),
    )


def _fit(result: Any, metric: str) -> str:
    said = f"{len(result.history)} validations"
    if result.best_score is not None:
        said += f", best {metric} {result.best_score:.4f}"
    return said + (" on rows that it may have been trained on before" if result.known_rows else "")


def _importance_plot(found: Importance | None, plots: Plots) -> str:
    if found is None or not found.parts:
        return ""
    parts = found.parts
    names = [f"{part.name} (input)" if part.level == "input" else part.name for part in parts]
    losses, spread = [part.loss for part in parts], [part.spread for part in parts]

    def draw(axes: Any) -> None:
        bars(axes, names, losses, spread)
        axes.set_xlabel(f"{found.metric} that is lost")

    said = ", ".join(f"{name} {loss:.3g}" for name, loss in zip(names, losses, strict=True))
    return plots.draw(f"{found.metric} lost: {said}", draw, height=0.8 + 0.3 * len(parts))


def _unlike(tested: Tested) -> list[dict[str, Any]]:
    found = [
        asdict(one) | {"examples": list(one.examples)}
        for encoded in tested.frame.inputs.values()
        for one in encoded.unlike
        if one.count
    ]
    return sorted(found, key=lambda one: one["expected"] - one["count"] / one["cells"])


def _missing(tested: Tested) -> dict[str, int]:
    known = tested.table.frame.drop(columns=list(tested.recipe.data.label)).isna().sum()
    counted = Counter({str(name): int(count) for name, count in known.items() if count})
    return dict(counted.most_common())


def _columns(recipe: Any) -> list[dict[str, str]]:
    return [
        {
            "name": plan.name,
            "read_as": "not used"
            if plan.modality is None
            else f"{plan.modality.split(':')[-1]} ({plan.kind})",
            "reason": plan.reason,
            "origin": plan.origin,
        }
        for plan in recipe.columns.columns
    ]


def _settings(recipe: Any) -> list[dict[str, str]]:
    return [
        {
            "key": key,
            "value": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
            "origin": recipe.origin(key),
        }
        for key, value in recipe.flat().items()
        if key != "format"
    ]


def written(text: str, path: str | Path) -> Path:
    """Write a text to a file.

    Raises:
        ConfigError: it cannot be written there.
    """
    where = Path(path)
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{str(where)!r} cannot be written: {error.strerror or error}", value=str(where)
        ) from error
    return where
