"""Pretrained weights: where they are looked for, and how they come onto this machine."""
