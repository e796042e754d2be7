"""Matching: two sides of a pair in one space; search; classes from names or a few rows."""
