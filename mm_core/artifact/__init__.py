"""Saved models: JSON, safetensors and small assets. Loading one executes nothing of it."""
