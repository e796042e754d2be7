"""The core's own components keep the rules that plugins are held to."""

import pytest


@pytest.mark.mm_plugin("core")
def test_conformance(conformance_check):
    conformance_check()
