"""What the conformance tests try the components on."""

from __future__ import annotations

from math import nan, sin

from mm_core.api import SampleColumn, Samples, Trial

_WAVES = [[round(sin(row + 0.7 * t), 3) for t in range(8 + row)] for row in range(12)]

SAMPLES = Samples(
    columns=(
        SampleColumn(
            modality="series",
            kind="array",
            cells=[*_WAVES, None, [0.5, None, 0.25, nan, *_WAVES[0]], [], (1, 2, 3), None],
            broken=["wave", 3.5, {"x": 1}, [[1.0, 2.0], [3.0]], ["a", "b"], [1.0, float("inf")]],
            name="curve",
        ),
        SampleColumn(
            modality="series",
            kind="json",
            cells=[*map(str, _WAVES), None, "[1, null, 2.5, NaN, 1e-3, 4, 5, 6]", "[]", None],
            broken=["[1, 2", "[[1, 2], [3, 4]]", '["a"]', "[1, Infinity]", "", "[" * 9999, 7],
            name="signal",
        ),
        SampleColumn(
            modality="series",
            kind="separated",
            cells=[";".join(map(str, wave)) for wave in _WAVES]
            + [None, "1;;3;nan;5;6;7;8", "1 2 3 4 5 6 7 8", "1|2|3|4|5|6|7|8", None],
            broken=["1;two;3", "", "0.1;1e400", "1_0;2;3", "none of it"],
            name="trace",
        ),
    ),
    trials=(
        Trial("processor", "points"),
        Trial("processor", "points", {"scaling": "series", "keep": "last", "max_length": 9}),
        Trial("processor", "points", {"jitter": 0.1}),
        Trial("backbone", "resnet", {"width": 16}),
        Trial("backbone", "resnet", {"width": 16, "dilation": 2, "dropout": 0.1}),
        Trial("backbone", "resnet", {"width": 16, "pooling": "max"}),
    ),
)
