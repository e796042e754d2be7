"""Two tiny networks for tests and examples; taught on made-up tables, of no use for data. Light."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent
CHECKPOINTS = {kind: str(_HERE / f"{kind}.safetensors") for kind in ("classes", "numbers")}
"""What they answer -> file, as ``fit.checkpoint`` takes it."""
