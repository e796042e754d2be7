"""Fusion heads by their papers, wrappers around any head, heads on cached latents."""
