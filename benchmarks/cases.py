"""What is timed: sets of ``sets.py`` at two epochs, and made tables. Light: definitions only."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.sets import SETS, BenchmarkSet, Budget


def made_table(n_rows: int, n_columns: int, epochs: int) -> BenchmarkSet:
    """A table that ``synthetic.py`` makes; every fifth column is a category."""
    n_categories = n_columns // 5
    return BenchmarkSet(
        name=f"table_{n_rows}x{n_columns}",
        label="y",
        metric="accuracy",
        budget=Budget(epochs=epochs, batch_size=256, max_rows=n_rows),
        numbers=tuple(f"n{i}" for i in range(n_columns - n_categories)),
        categories=tuple(f"c{i}" for i in range(n_categories)),
    )


def _short(name: str) -> BenchmarkSet:
    one = SETS[name]
    return replace(one, budget=replace(one.budget, epochs=2, max_rows=1000))


def find(name: str) -> BenchmarkSet:
    """A case by its name, or any made table: ``"table_<rows>x<columns>@<epochs>"``."""
    if name in CASES:
        return CASES[name]
    size, _, epochs = name.removeprefix("table_").partition("@")
    n_rows, n_columns = map(int, size.split("x"))
    return replace(made_table(n_rows, n_columns, int(epochs)), name=name)


CASES = {
    one.name: one
    for one in (
        _short("snips"),
        _short("magnetic_tile"),
        _short("pokemon"),
        made_table(10_000, 20, epochs=10),
        made_table(500, 30, epochs=20),
    )
}
