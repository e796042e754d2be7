"""Made-up orders, in which names of dishes and places stand; some of them are cut into pieces."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mm_spans.samples import GROUPS, marked

FORMS = (
    "We had {} in {}.",
    "Is there any {}, please?",
    "They went to {} for {} and {}",
    "Nothing for me",
    "{}!",
)


def orders(n: int, seed: int = 0) -> pd.DataFrame:
    """Texts of unequal length and the JSON of their entities."""
    rng = np.random.default_rng(seed)
    rows = [
        marked(FORMS[rng.integers(len(FORMS))], *rng.permutation(sorted(GROUPS))[:3])
        for _ in range(n)
    ]
    return pd.DataFrame(rows, columns=["said", "entities"])
