"""What every detector keeps."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from mm_core.api.columns import ColumnSample, Detection
from mm_core.api.specs import BackboneSpec, ModalitySpec, ProcessorSpec
from mm_core.schema.sample import sample_column
from mm_core.testing.columns import Folder, columns_of, fields_of, table_of
from mm_core.testing.outcome import expect
from mm_core.testing.subject import Subject

Modality = Subject[ModalitySpec]

_ODD: dict[str, list[Any]] = {
    "nothing": [None] * 5,
    "one cell": ["x"],
    "numbers": [1.5, -2.0, 3e300, float("inf")],
    "integers": [1, 2, 3],
    "booleans": [True, False],
    "dates": [datetime.datetime(2020, 1, 1), datetime.datetime(2021, 5, 6)],
    "decimals": [Decimal("1.5"), Decimal(2)],
    "texts": ["", " ", "a" * 100_000, "\0", "\ud800", "/", "..", "http://localhost/a.png"],
    "bytes": [b"", b"\xff\xd8", b"\0" * 50],
    "lists": [[1, 2], [], ["a"]],
    "dicts": [{"a": 1}, {}],
    "a mixture": [1, "two", None, 3.0, b"four", [5]],
}
_TYPED = ("numbers", "integers", "booleans", "dates")


def check_claims_its_samples(subject: Modality) -> None:
    """Every sample column of the modality is claimed, as the kind that its author says."""
    for sample, kind in _own(subject):
        found = _detect(subject, sample)
        expect(found is not None, f"column {sample.name!r} of kind {kind!r} is not claimed")
        assert found is not None
        expect(found.score > 0, f"column {sample.name!r} of kind {kind!r} is not claimed: score 0")
        expect(found.kind == kind, f"column {sample.name!r} is {found.kind!r}, not {kind!r}")


def check_judges_any_column(subject: Modality) -> None:
    """Whatever a column holds, the detector raises nothing."""
    for name, cells in _ODD.items():
        _detect(subject, sample_column(pd.Series(cells, dtype=object), name, Path()))
    for name in _TYPED:
        _detect(subject, sample_column(pd.Series(_ODD[name]), name, Path()))
    codes = pd.Series(["a", "b", None], dtype="category")
    _detect(subject, sample_column(codes, "categories", Path()))


def check_judges_the_same_twice(subject: Modality) -> None:
    """The same column gets the same judgment."""
    for sample, _ in _own(subject):
        first, second = _detect(subject, sample), _detect(subject, sample)
        expect(first == second, f"column {sample.name!r}: {first}, then {second}")


def check_names_what_reads_it(subject: Modality) -> None:
    """Its processor and backbone are there, and say that they read it."""
    registry, spec = subject.registry, subject.spec
    for name, reads in (
        (spec.processor, registry.get(ProcessorSpec, spec.processor).spec.modalities),
        (spec.backbone, registry.get(BackboneSpec, spec.backbone).spec.modalities),
    ):
        ids = {registry.get(ModalitySpec, one).id for one in reads}
        expect(subject.component.id in ids, f"{name} reads {', '.join(reads)} only")


def _own(subject: Modality) -> Iterator[tuple[ColumnSample, str]]:
    """Its sample columns and their kinds; files are there until the next is asked for."""
    for column in columns_of(subject, subject.component.id):
        folder = Folder()
        table = table_of([column], folder.path)
        (field,) = fields_of([column])
        yield sample_column(table.frame[field.column], field.column, table.folder), column.kind


def _detect(subject: Modality, sample: ColumnSample) -> Detection | None:
    found: Detection | None = subject.component.load("detector")(sample)
    where = f"column of {sample.name}"
    expect(
        found is None or isinstance(found, Detection), f"{where}: it gives {found!r}, no Detection"
    )
    if found is not None:
        kinds = subject.spec.kinds
        expect(found.kind in kinds, f"{where}: kind {found.kind!r} is none of {', '.join(kinds)}")
        expect(0 <= found.score <= 1, f"{where}: score {found.score} is not in 0..1")
        expect(found.reason, f"{where}: it gives no reason")
    return found
