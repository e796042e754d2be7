"""Patients made up with a fixed seed, whose true times are known."""

from __future__ import annotations

import numpy as np
import pandas as pd

GRADES = ("calm and well behaved", "somewhat irregular", "aggressive and spreading")


def cohort(n: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Patients as they were seen, and the same as they would be with no end of observation.

    Risk rises with age, falls with dose, and rises with the grade that only ``note`` tells. The
    young joined late, so that they were not seen for long: half of all rows are censored.
    """
    rng = np.random.default_rng(seed)
    age, dose = rng.uniform(30, 80, n), rng.normal(size=n)
    grade = rng.integers(0, len(GRADES), n)
    risk = (age - 55) / 20 - 0.8 * dose + 1.5 * (grade - 1)
    time = 24 * (rng.exponential(size=n) * np.exp(-risk)) ** (1 / 1.8)
    end = rng.uniform(1, 48, n) * np.exp((age - 55) / 25)
    frame = pd.DataFrame(
        {
            "age": age.round(1),
            "dose": dose.round(3),
            "note": [
                f"The tissue looks {GRADES[one]} in section {cut}."
                for one, cut in zip(grade, rng.integers(1, 9, n), strict=True)
            ],
        }
    )
    seen = frame.assign(months=np.minimum(time, end), died=(time <= end).astype(int))
    return seen, frame.assign(months=time, died=1)


def crossing(n: int, seed: int = 0) -> pd.DataFrame:
    """Two treatments whose hazards cross: one kills early or never, the other late."""
    rng = np.random.default_rng(seed)
    surgery = rng.random(n) < 0.5
    shape = np.where(surgery, 0.5, 3.0)
    time = 24 * rng.exponential(size=n) ** (1 / shape)
    end = rng.uniform(10, 60, n)
    return pd.DataFrame(
        {
            "treatment": np.where(surgery, "surgery", "drug"),
            "months": np.minimum(time, end),
            "died": (time <= end).astype(int),
        }
    )
