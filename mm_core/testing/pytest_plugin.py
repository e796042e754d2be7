"""Conformance checks as tests: found by pytest wherever mm-core is installed.

    @pytest.mark.mm_plugin("points")
    def test_conformance(conformance_check):
        conformance_check()

The name is the plugin's entry point, or the path of a one-file plugin. Each check of each
component becomes a test of its own; what the samples expect to fail is marked xfail (strict).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mm_core.testing.outcome import Case

MARK = "mm_plugin"
FIXTURE = "conformance_check"


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known, for ``--strict-markers``."""
    config.addinivalue_line(
        "markers", f"{MARK}(name): conformance checks of this plugin, or of this one-file plugin"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each check."""
    if FIXTURE not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker(MARK)
    if mark is None or len(mark.args) != 1:
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid} asks for {FIXTURE}: say of what, "
            f'@pytest.mark.{MARK}("name of the plugin")'
        )
    from mm_core.testing.kit import cases

    name, files = plugin_named(str(mark.args[0]))
    parameters = [
        pytest.param(
            _Test(case),
            id=case.id,
            marks=[] if case.xfail is None else [pytest.mark.xfail(reason=case.xfail, strict=True)],
        )
        for case in cases(name, files)
    ]
    metafunc.parametrize(FIXTURE, parameters)


def plugin_named(name: str) -> tuple[str, list[Path]]:
    """The plugin's name, and the file of a one-file plugin."""
    file = Path(name)
    return (file.stem, [file]) if file.suffix == ".py" else (name, [])


class _Test:
    """A case that pytest understands: what is not tried is skipped."""

    def __init__(self, case: Case) -> None:
        self.id = case.id
        self._case = case

    def __call__(self) -> None:
        from mm_core.testing.outcome import NotTried

        try:
            self._case()
        except NotTried as reason:
            pytest.skip(str(reason))
