"""What starts a process is tried with one head of each kind, and among the slow tests with all."""

from __future__ import annotations

import pytest

TRIED = ("gmu", "cross_attention", "modality_dropout")
DEAR = ("fits_end_to_end", "answers_the_same_after_saving")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before pytest leaves out what is slow."""
    for item in items:
        dear = item.name.startswith("test_conformance[fusion_head") and any(
            check in item.name for check in DEAR
        )
        if dear and not any(f"fusion_head-{name}-" in item.name for name in TRIED):
            item.add_marker(pytest.mark.slow)
