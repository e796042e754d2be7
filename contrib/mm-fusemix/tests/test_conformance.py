"""The plugin keeps the rules of the conformance kit."""

import pytest


@pytest.mark.mm_plugin("fusemix")
def test_conformance(conformance_check):
    conformance_check()
