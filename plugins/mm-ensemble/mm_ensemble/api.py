"""What other distributions may import. No torch."""

from __future__ import annotations

from mm_ensemble.distilling import distill
from mm_ensemble.leaderboard import leaderboard

__all__ = ["distill", "leaderboard"]
