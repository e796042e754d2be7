"""The plugin keeps the rules of the conformance kit."""

import pytest


@pytest.mark.mm_plugin("fusion")
def test_conformance(conformance_check):
    conformance_check()
