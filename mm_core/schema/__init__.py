"""Columns -> modalities, with reasons."""
