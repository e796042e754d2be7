"""Run where ``fit.py`` ran: ``python load.py FOLDER``. The model is read back and answers alike."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from mm_core import MultiModalPredictor

folder = Path(sys.argv[1])
answers = MultiModalPredictor.load(folder / "model").predict_proba(
    pd.read_parquet(folder / "rows.parquet")
)
pd.testing.assert_frame_equal(
    answers, pd.read_parquet(folder / "answers.parquet"), rtol=0, atol=1e-5
)
