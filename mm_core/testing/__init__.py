"""The conformance kit: an author lists samples, the kit writes the tests.

``mm plugins check NAME`` runs it in a terminal; in a test suite, it is one test
(:mod:`mm_core.testing.pytest_plugin`).
"""
