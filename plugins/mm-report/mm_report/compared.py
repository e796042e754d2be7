"""Two models side by side: scores on the same rows, what was set otherwise, who is right where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mm_core.api import ConfigError, tools
from mm_report import facts, plots
from mm_report.figures import Drawing, curve
from mm_report.plots import Plots
from mm_report.report import written
from mm_report.scores import DRAWS, drawn, interval, metrics_of
from mm_report.shown import ShownRow, shown
from mm_report.tested import Tested

SHOWN = 6


@dataclass(frozen=True)
class Duel:
    """A metric of both.

    Attributes:
        name: short.
        first: score of the first model.
        second: of the second.
        apart: second - first.
        low: lower end of the interval that 95% of the draws of ``apart`` fall into; or None.
        high: upper end.
        higher_is_better: its direction.
    """

    name: str
    first: float
    second: float
    apart: float
    low: float | None
    high: float | None
    higher_is_better: bool

    @property
    def verdict(self) -> str:
        """Which is better, if chance does not explain it."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return "chance explains it"
        return "second" if (self.apart > 0) == self.higher_is_better else "first"


@dataclass(frozen=True)
class Compared:
    """What was found.

    Attributes:
        names: of both.
        tasks: ids of both.
        rows: that they were tried on; 0: none.
        duels: scores on the same rows.
        settings: key -> what it is in each, where they differ.
        columns: column -> how it is read in each, where they differ.
        curves: of both fits.
        wins: rows that the second got better than the first, and the other way around.
        better: rows that the second gets right, or gains most on; as the first says, as it says.
        worse: likewise, of the first.
        speeds: of both; none without rows.
        sizes: bytes of both.
    """

    names: tuple[str, str]
    tasks: tuple[str, str]
    rows: int
    duels: list[Duel]
    settings: list[tuple[str, str, str]]
    columns: list[tuple[str, str, str]]
    curves: list[Drawing]
    wins: tuple[int, int] = (0, 0)
    better: list[tuple[ShownRow, str]] = field(default_factory=list)
    worse: list[tuple[ShownRow, str]] = field(default_factory=list)
    speeds: list[dict[str, float]] = field(default_factory=list)
    sizes: tuple[int, int] = (0, 0)

    @property
    def html(self) -> str:
        """One page, which loads nothing."""
        from mm_report.page import compared_page

        return compared_page(self)

    def as_json(self) -> dict[str, Any]:
        """Figures and differences."""
        left_out = ("curves", "better", "worse")
        found = {name: value for name, value in asdict(self).items() if name not in left_out}
        for one, duel in zip(found["duels"], self.duels, strict=True):
            one["verdict"] = duel.verdict
        return found

    def save(self, path: str | Path) -> Path:
        """Write the page.

        Raises:
            ConfigError: it cannot be written there.
        """
        return written(self.html, path)


def compared(
    folders: tuple[Path, Path],
    data: Any = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    on_error: str = "raise",
    plugins: Any = (),
) -> Compared:
    """Compare two saved models.

    Args:
        folders: of both.
        data: labelled rows that both are tried on; None: only what was set and how they trained.
        draws: of the rows, the same for both.
        seed: of the draws.
        on_error: ``"raise"`` on cells that cannot be read, or take them as ``"missing"``.
        plugins: one-file plugins.

    Raises:
        ConfigError: models of different tasks or labels, which no score compares.
    """
    models = [tools.load(folder, plugins) for folder in folders]
    recipes = [one.recipe for one in models]
    names = _names(folders)
    found: dict[str, Any] = {"rows": 0, "duels": []}
    if data is not None:
        _check_alike(recipes)
        found = _tried([Tested(one, data, on_error) for one in models], draws, seed)
    return Compared(
        names=names,
        tasks=(recipes[0].task.id, recipes[1].task.id),
        settings=_apart(*({k: str(v) for k, v in one.flat().items()} for one in recipes)),
        columns=_apart(*({k: str(v) for k, v in one.columns.types.items()} for one in recipes)),
        curves=_curves(models, names),
        sizes=(_size(folders[0]), _size(folders[1])),
        **found,
    )


def _size(folder: Path) -> int:
    return sum(facts.files(folder).values())


def _names(folders: tuple[Path, Path]) -> tuple[str, str]:
    first, second = (one.resolve().name for one in folders)
    return (first, second) if first != second else (str(folders[0]), str(folders[1]))


def _check_alike(recipes: list[Any]) -> None:
    for what in ("task.id", "data.label"):
        section, key = what.split(".")
        first, second = (getattr(getattr(one, section), key) for one in recipes)
        if first != second:
            raise ConfigError(
                f"{what} is {first!r} and {second!r}: no score compares these models",
                value=str(second),
                remedy="leave the data out to compare what was set",
            )


def _tried(tested: list[Tested], draws: int, seed: int) -> dict[str, Any]:
    duels = []
    for metric in metrics_of(tested[0]):
        first, second = (one.score(metric) for one in tested)
        if first is None or second is None:
            continue
        found = drawn(tested, metric, seed, draws)
        low, high = interval(found[:, 1] - found[:, 0])
        better = tested[0].metrics.higher_is_better(metric)
        name = tools.short_name(metric)
        duels.append(Duel(name, first, second, second - first, low, high, better))
    gained = tested[0].wrong.values - tested[1].wrong.values
    order = np.argsort(-np.nan_to_num(gained), kind="stable")
    best = [row for row in order[:SHOWN] if gained[row] > 0]
    worst = [row for row in order[::-1][:SHOWN] if gained[row] < 0]
    return {
        "rows": len(tested[0]),
        "duels": duels,
        "wins": (int((gained > 0).sum()), int((gained < 0).sum())),
        "better": [_both(tested, int(row)) for row in best],
        "worse": [_both(tested, int(row)) for row in worst],
        "speeds": [facts.speed(one) for one in tested],
    }


def _both(tested: list[Tested], row: int) -> tuple[ShownRow, str]:
    """The row as the second model answers it, and what the first said."""
    first = shown(tested[0], row)
    return shown(tested[1], row), f"{first.answer} ({first.how})"


def _apart(first: Mapping[str, str], second: Mapping[str, str]) -> list[tuple[str, str, str]]:
    keys = dict.fromkeys([*first, *second])
    pairs = [(key, first.get(key, "-"), second.get(key, "-")) for key in keys]
    return [(key, one, two) for key, one, two in pairs if one != two and key != "format"]


def _curves(models: list[Any], names: tuple[str, str]) -> list[Drawing]:
    metrics = {one.recipe.data.validation_metric for one in models}
    if len(metrics) > 1:
        return []
    metric, curves = tools.short_name(metrics.pop()), {}
    for name, one in zip(names, models, strict=True):
        curves[name] = curve(tools.result_of(one).history, metric)
    if all(len(along) < 2 for along, _ in curves.values()):
        return []
    title = f"Validation {metric}"
    draw = partial(plots.lines, curves=curves, x=plots.EPOCH, y=metric, markers=True)
    return [Drawing(title, Plots().draw(f"{title} of both by epoch", draw))]
