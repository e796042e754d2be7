"""What the components are tried on by ``mm plugins check tabular``."""

from __future__ import annotations

from mm_core.api import SampleColumn, Samples, Trial

_N = 24

SAMPLES = Samples(
    columns=(
        SampleColumn(
            "tabular",
            "numerical",
            [None if i == 5 else 0.37 * (i * 11 % _N) - 3 for i in range(_N)],
            name="height",
        ),
        SampleColumn(
            "tabular",
            "categorical",
            [None if i == 7 else ("north", "south", "west")[i % 3] for i in range(_N)],
            name="place",
        ),
        SampleColumn(
            "tabular",
            "datetime",
            [None if i == 9 else f"2024-{i % 12 + 1:02d}-{i + 1:02d}" for i in range(_N)],
            name="day",
        ),
        SampleColumn("tabular", "boolean", [i % 3 == 0 for i in range(_N)], name="member"),
    ),
    trials=(
        Trial("backbone", "mlp", {"width": 16, "embedding_dim": 4, "n_frequencies": 4}),
        Trial(
            "backbone",
            "tabm",
            {"width": 16, "members": 4, "embedding_dim": 4, "numbers": "piecewise", "n_bins": 4},
        ),
        Trial("backbone", "realmlp", {"width": 16, "embedding_dim": 4, "n_frequencies": 4}),
        Trial("backbone", "ft_transformer", {"width": 16, "n_heads": 2, "n_blocks": 2}),
    ),
)
