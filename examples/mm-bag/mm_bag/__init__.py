"""Bags for mm: several models in one, each fitted on folds of the rows."""
