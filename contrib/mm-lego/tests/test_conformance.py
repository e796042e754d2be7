"""The plugin keeps the rules of the conformance kit."""

import pytest


@pytest.mark.mm_plugin("lego")
def test_conformance(conformance_check):
    conformance_check()
