"""The plugin keeps the rules of the contract: one test for each rule and component."""

import pytest


@pytest.mark.mm_plugin("tabicl")
def test_conformance(conformance_check):
    conformance_check()
