"""What a plugin's components are tried on by ``mm plugins check``: cells, labels, small settings.

``PluginInfo.samples`` names a :class:`Samples`; its module is imported by the checks only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mm_core.api.batch import Batch
    from mm_core.api.engine import Engine, EngineContext


@dataclass(frozen=True)
class SampleColumn:
    """A column that one of the plugin's modalities is to claim.

    Attributes:
        modality: name of the modality.
        kind: the kind it is to be claimed as.
        cells: None: missing. A dozen or more that are not, all columns of the modality together.
        broken: cells that are there but cannot be read: each must be reported, none may raise.
        files: name -> content of files that cells name; written to the folder of the table.
        name: name of the column, which detectors may read.
    """

    modality: str
    kind: str
    cells: Sequence[Any]
    broken: Sequence[Any] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    name: str = "sample"


@dataclass(frozen=True)
class SampleTask:
    """What one of the plugin's tasks is tried on: what it reads, and what it learns.

    Attributes:
        task: name of the task; of another plugin's its id, where a fitter that reads some
            modalities only is to be tried on these columns.
        label: name of label column -> two dozen labels or more, some of them equal; a label may be
            a list or a dict. Empty: it is tried without labels.
        columns: sample columns that it reads, row by row with the labels; role -> those of the role
            where it has roles. The shortest of columns and labels says how many rows there are.
            Empty: points that the kit makes up, near one another where labels are equal.
        inputs: how many inputs of such points, 1 or 2 (a match has two sides).
        backbone: id of what reads the columns; None: what a user gets who names none.
        processor: likewise.
        settings: of the recipe, by dotted key: ``{"training.epochs": 30}``.
        files: where labels may name files, such as masks: name -> content of some.
        named: name of label column -> labels that name these files, from their folder.
    """

    task: str
    label: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    columns: Sequence[SampleColumn] | Mapping[str, Sequence[SampleColumn]] = ()
    inputs: int = 1
    backbone: str | None = None
    processor: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    named: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class SampleCheckpoint:
    """The smallest files that one of the plugin's formats recognises; they need hold no weights.

    Attributes:
        format: name of the format.
        files: name -> content; none may be left out.
        name: by which it is asked for.
    """

    format: str
    files: Mapping[str, bytes]
    name: str = "./sample"


@dataclass(frozen=True)
class SampleData:
    """Data that one of the plugin's readers claims.

    Attributes:
        reader: name of the reader.
        files: name -> content, written to an empty folder; a name may have folders in it.
        data: (that folder) -> what the reader is given: ``lambda folder: folder / "boxes.json"``.
        columns: column -> its cells, in the order of the rows: all that is to be read.
    """

    reader: str
    files: Mapping[str, bytes]
    data: Callable[[Path], Any]
    columns: Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class SampleEngine:
    """A small engine of one of the plugin's runtimes.

    Attributes:
        runtime: name of the runtime.
        engine: () -> an engine as a fit or an export leaves it; each call gives an equal one.
        batch: () -> a few rows for it, arrays of numpy.
        context: () -> what it is read back for; None: it needs nothing of its model.
    """

    runtime: str
    engine: Callable[[], Engine]
    batch: Callable[[], Batch]
    context: Callable[[], EngineContext] | None = None


@dataclass(frozen=True)
class Trial:
    """One component with the settings it is tried with. Without a trial: with its defaults.

    Attributes:
        kind: the component's kind: ``"backbone"``, ``"fusion_head"``, ...
        name: its name, without the plugin.
        settings: small ones; ``{"checkpoint": "random"}`` where a backbone would download. Of a
            command: ``{"arguments": ["{model}", ...]}``, what is typed after its name; ``{model}``
            stands for the folder of a saved model, ``{data}`` for a file of rows for it. Of a note:
            of the recipe, by dotted key.
        xfail: check -> why it fails. It is run and shown; that it passes after all is a failure.
        needs: modules of an extra of the plugin, or modules in them, without which the component
            cannot be built: where one is not installed, only its settings are tried.
        targets: of a backbone that makes its own loss: what it is to learn, under the names by
            which that stands among the arrays of its inputs in training; one array for each cell
            of the sample columns, which it gets as a list of tensors.
    """

    kind: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    xfail: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    targets: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Samples:
    """All that a plugin's author lists; the kit writes the tests.

    Attributes:
        columns: for modalities, processors and backbones.
        tasks: for tasks, for metrics that read a view of theirs, and for fitters that cannot read
            what the kit makes up.
        checkpoints: for checkpoint formats.
        data: for readers.
        engines: for runtimes.
        trials: settings and known failures.
        xfail: known failures of the plugin as a whole, as in :class:`Trial`.
    """

    columns: tuple[SampleColumn, ...] = ()
    tasks: tuple[SampleTask, ...] = ()
    checkpoints: tuple[SampleCheckpoint, ...] = ()
    data: tuple[SampleData, ...] = ()
    engines: tuple[SampleEngine, ...] = ()
    trials: tuple[Trial, ...] = ()
    xfail: Mapping[str, str] = field(default_factory=dict)
