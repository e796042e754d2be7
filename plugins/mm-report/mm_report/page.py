"""Pages from what was found: one file, no script, nothing that is loaded."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from mm_report.facts import readable
from mm_report.shown import number

if TYPE_CHECKING:
    from mm_report.compared import Compared
    from mm_report.report import Report


@cache
def _pages() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("mm_report", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"number": number, "readable": readable}
    return pages


def report_page(report: Report) -> str:
    """Of one model."""
    html: str = _pages().get_template("report.html").render(report=report)
    return html


def compared_page(compared: Compared) -> str:
    """Of two models."""
    html: str = _pages().get_template("compared.html").render(compared=compared)
    return html
