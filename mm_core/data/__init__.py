"""Frames in, splits, encoded frames, batches."""
