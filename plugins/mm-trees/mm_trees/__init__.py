"""Boosted trees for mm: models of tables without a network."""
