"""A backbone with real input: sample cells through its processors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mm_core.api.nn import Backbone, BackboneContext, Features
from mm_core.api.processors import Encoded, Processor
from mm_core.api.specs import BackboneSpec, ModalitySpec
from mm_core.checkpoints.finder import RANDOM, CheckpointFinder
from mm_core.testing.columns import (
    Folder,
    columns_of,
    fields_of,
    processor_of,
    settings_of,
    table_of,
)
from mm_core.testing.networks import copied
from mm_core.testing.outcome import expect
from mm_core.testing.subject import Subject
from mm_core.training.seeding import seeded

Inputs = dict[str, dict[str, Any]]
"""By input; tensors, and lists of one a row where they are ragged."""

_TASK = {"output_dim": 3, "classes": ["a", "b", "c"]}


@dataclass(frozen=True)
class Setup:
    """A backbone's processors with the encoded sample rows, and what it is built for.

    Attributes:
        subject: the backbone.
        processors: by input name, fitted.
        encoded: all sample rows, by input name.
        rows: positions of those in which every input is present.
        folder: where the files are that cells name.
        modalities: id of each, by input name.
    """

    subject: Subject[BackboneSpec]
    processors: dict[str, Processor]
    encoded: dict[str, Encoded]
    rows: list[int]
    folder: Folder
    modalities: dict[str, str]

    def build(self, seed: int = 0, like: Backbone | None = None) -> Backbone:
        """The backbone: as at fit, or as it is loaded with the architecture of another."""
        asked = self.subject.trial.settings.get("checkpoint") if like is None else None
        finder = CheckpointFinder(self.subject.registry)
        architecture = None if like is None else like.architecture
        context = BackboneContext(
            inputs={name: processor.info for name, processor in self.processors.items()},
            task=_TASK,
            checkpoint=finder.fetch(self.subject.component.id, asked or RANDOM),
            architecture=architecture,
            modalities=self.modalities,
            saved=architecture,
        )
        with seeded(seed):
            backbone: Backbone = self.subject.component.load()(self.subject.config, context)
        return backbone

    def inputs(self, rows: list[int]) -> Inputs:
        """What it reads of these rows."""
        found: Inputs = {}
        for name, processor in self.processors.items():
            batch = processor.batch(self.encoded[name], np.array(rows, dtype=np.int64))
            expect(not batch.bad, f"its processor cannot read sample cells: {batch.bad[:1]}")
            found[name] = {
                key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
                for key, value in batch.arrays.items()
            }
        return found

    def shown(self, rows: list[int]) -> Inputs:
        """The same in training: beside it what is to be learned, of a backbone with a loss."""
        targets = {
            name: [torch.as_tensor(values[row % len(values)]) for row in rows]
            for name, values in self.subject.trial.targets.items()
        }
        return {name: {**arrays, **targets} for name, arrays in self.inputs(rows).items()}


def setup(subject: Subject[BackboneSpec]) -> Setup:
    """Processors fitted on the samples; the rows in which every input is present."""
    processors, encoded, modalities, folder = {}, {}, {}, Folder()
    present: np.ndarray | None = None
    for modality in subject.spec.modalities:
        columns = columns_of(subject, modality)
        component = processor_of(subject, modality)
        config = component.config_class()(**settings_of(subject, component))
        table = table_of(columns, folder.path)
        processor: Processor = component.load()(config, fields_of(columns), None)
        processor.fit(table)
        known = subject.registry.get(ModalitySpec, modality)
        name, modalities[known.spec.name] = known.spec.name, known.id
        processors[name], encoded[name] = processor, processor.encode(table)
        there = encoded[name].present
        present = there if present is None else present & there
    assert present is not None
    rows = np.flatnonzero(present).tolist()
    expect(len(rows) >= 4, "fewer than 4 sample rows have all inputs")
    return Setup(subject, processors, encoded, rows, folder, modalities)


def features(backbone: Backbone, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: features by name, torch's generator at a fixed seed."""
    with seeded(0):
        found: Features = backbone(inputs)
    expect(isinstance(found, Features), f"it gives {type(found).__name__}, not Features")
    named = {"pooled": found.pooled, "tokens": found.tokens, "mask": found.mask}
    if isinstance(found.spatial, Tensor):
        named["spatial"] = found.spatial
    elif found.spatial is not None:
        named |= {f"spatial.{i}": value for i, value in enumerate(found.spatial)}
    named |= found.extra
    return {name: value for name, value in named.items() if isinstance(value, Tensor)}


def answer(backbone: Backbone, inputs: Inputs) -> dict[str, Tensor]:
    """Features at prediction."""
    with torch.no_grad():
        return copied(features(backbone.eval(), inputs))
