"""Tables of sample cells."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pandas as pd

from mm_core.api.processors import Field, Table
from mm_core.api.samples import SampleColumn
from mm_core.api.specs import BackboneSpec, ModalitySpec, ProcessorSpec
from mm_core.plugins.registry import Component, Registry
from mm_core.testing.outcome import expect
from mm_core.testing.subject import Subject

AT_LEAST = 12
"""Cells of a modality: rows to train on, and as many to be new to it."""


class Folder:
    """A new folder that is there as long as this object: processors read files late, in batches."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="mm-check-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def modality_of(registry: Registry, name: str) -> Component[ModalitySpec]:
    """The modality of a name; ids and short names alike."""
    return registry.get(ModalitySpec, name)


def columns_of(subject: Subject[Any], modality: str) -> list[SampleColumn]:
    """The sample columns of a modality, under names of their own.

    Raises:
        CheckError: the samples have none, or too few cells.
    """
    wanted = modality_of(subject.registry, modality).id
    found = [
        column
        for column in subject.samples.columns
        if modality_of(subject.registry, column.modality).id == wanted
    ]
    expect(found, f"the samples have no column of {modality}: give a SampleColumn of it")
    n = sum(cell is not None for column in found for cell in column.cells)
    expect(n >= AT_LEAST, f"sample columns of {modality} have {n} cells; give {AT_LEAST}")
    return found


def fields_of(columns: Sequence[SampleColumn]) -> tuple[Field, ...]:
    """The columns as an input reads them."""
    return tuple(
        Field(name, column.kind) for name, column in zip(_names(columns), columns, strict=True)
    )


def table_of(columns: Sequence[SampleColumn], folder: Path) -> Table:
    """The sample cells as a table of ``AT_LEAST`` rows or more; a shorter column begins again."""
    write_files(columns, folder)
    n = max(AT_LEAST, *(len(column.cells) for column in columns))
    cells = {
        name: pd.Series(list(islice(cycle(column.cells), n)))
        for name, column in zip(_names(columns), columns, strict=True)
    }
    return Table(pd.DataFrame(cells), folder)


def write_files(columns: Sequence[SampleColumn], folder: Path) -> None:
    """The files that cells name."""
    for column in columns:
        for name, content in column.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def frame_of(columns: Mapping[str, SampleColumn], folder: Path, n: int) -> pd.DataFrame:
    """The first ``n`` cells of columns by name, beginning again; files are named from anywhere."""
    write_files(list(columns.values()), folder)
    return pd.DataFrame(
        {
            name: pd.Series(
                [_placed(cell, column, folder) for cell in islice(cycle(column.cells), n)]
            )
            for name, column in columns.items()
        }
    )


def _placed(cell: Any, column: SampleColumn, folder: Path) -> Any:
    """A cell; where it names a file of the column, it names it from anywhere."""
    return str(folder / cell) if isinstance(cell, str) and cell in column.files else cell


def processor_of(subject: Subject[BackboneSpec], modality: str) -> Component[ProcessorSpec]:
    """The processor that a backbone reads a modality through."""
    known = modality_of(subject.registry, modality)
    name = subject.spec.processor_of(known.id, known.spec.name) or known.spec.processor
    return subject.registry.get(ProcessorSpec, name)


def settings_of(subject: Subject[Any], component: Component[Any]) -> dict[str, Any]:
    """With what the samples of the subject's plugin try another component; else its defaults."""
    if component.plugin.name != subject.component.plugin.name:
        return {}
    for trial in subject.samples.trials:
        if (trial.kind, trial.name) == (component.spec.kind, component.spec.name):
            return dict(trial.settings)
    return {}


def _names(columns: Sequence[SampleColumn]) -> list[str]:
    """Names of the columns, numbered where they are not distinct."""
    names = [column.name for column in columns]
    if len(set(names)) == len(names):
        return names
    return [f"{name}_{number}" for number, name in enumerate(names)]
