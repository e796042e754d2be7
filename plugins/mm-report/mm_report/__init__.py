"""Explanations and reports of models of mm."""
