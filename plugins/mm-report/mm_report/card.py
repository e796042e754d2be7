"""A model card in Markdown, written from a report."""

from __future__ import annotations

from mm_report.facts import readable
from mm_report.report import Report
from mm_report.scores import Score

TOP = 8


def model_card(report: Report) -> str:
    """What the model is for, what it reads, how good it is, where it fails, how it is used."""
    name = report.model or "model"
    lines = [
        f"# {name}",
        "",
        f"Predicts `{', '.join(report.label)}` ({report.task}). Tried on {report.rows:,} rows that "
        f"were given for it on {report.when}.",
        "",
        "## How good",
        "",
        "| score | value | 95% of draws | better is |",
        "|---|---|---|---|",
        *[_score(one) for one in report.scores],
        *_weak(report),
        *_important(report),
        "",
        "## What it reads",
        "",
        "| column | read as | why |",
        "|---|---|---|",
        *[
            f"| {_cell(one['name'])} | {one['read_as']} | {_cell(one['reason'])} |"
            for one in report.columns
        ],
        "",
        "## How it was made",
        "",
        f"{report.fit}. Settings that are not at their defaults:",
        "",
        *[
            f"- `{one['key']}` = `{one['value']}` ({one['origin']})"
            for one in report.settings
            if one["origin"] != "default"
        ],
        "",
        *_costs(report),
        "",
        "## How it is used",
        "",
        "```python",
        "from mm_core import MultiModalPredictor",
        "",
        f"predictor = MultiModalPredictor.load({name!r})",
        "predictor.predict(rows)",
        "```",
    ]
    return "\n".join(lines) + "\n"


def _score(score: Score) -> str:
    value = "not defined" if score.value is None else f"{score.value:.4f}"
    between = "" if score.low is None else f"{score.low:.4f} to {score.high:.4f}"
    return f"| {score.name} | {value} | {between} | {_direction(score)} |"


def _direction(score: Score) -> str:
    return "more" if score.higher_is_better else "less"


def _weak(report: Report) -> list[str]:
    lines = ["", "## Where it does worse", ""]
    found = report.slices
    if not found.worse:
        return [*lines, f"In none of {found.looked_at} kinds of rows more than chance explains."]
    return [
        *lines,
        f"Of {found.looked_at} kinds of rows ({found.what}):",
        "",
        *[
            f"- {_cell(one.column)} {_cell(one.what)}: {one.inside:.3g}, elsewhere "
            f"{one.outside:.3g} ({one.rows:,} rows)"
            for one in found.worse[:TOP]
        ],
    ]


def _important(report: Report) -> list[str]:
    if report.importance is None:
        return []
    found = report.importance
    return [
        "",
        "## What counts",
        "",
        f"{found.metric} that is lost when the cells are those of other rows "
        f"({found.rows:,} rows, {found.repeats} orders):",
        "",
        *[
            f"- {part.level} {_cell(part.name)}: {part.loss:.3g} ± {part.spread:.2g}"
            for part in found.parts[:TOP]
        ],
    ]


def _costs(report: Report) -> list[str]:
    size = f", {readable(sum(report.files.values()))} on disk" if report.files else ""
    count = "" if report.parameters is None else f", {report.parameters:,} parameters"
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return [
        f"One row {report.speed['one_row_ms']:g} ms, {report.speed['rows_per_second']:,.0f} rows a "
        f"second where the report was made{count}{size}.",
        "",
        f"With {versions}.",
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
