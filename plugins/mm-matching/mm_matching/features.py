"""Topologies of pretrained features: as they are, under a head, or beside names of classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mm_core.api import RecipeError
from mm_core.api.nn import Batch, Latents, Outputs, Parts, Topology
from mm_matching.configs import FeaturesConfig, ZeroShotConfig
from mm_matching.losses import classes_apart
from mm_matching.prompts import with_prompt

SCALE = 20.0
"""What cosines are multiplied by to become logits, as in sentence-transformers."""


class Joined(Topology):
    """``fused``: the vectors of all backbones side by side, zeros where one has nothing to read."""

    config: FeaturesConfig

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.widths = {name: one.dims["pooled"] for name, one in parts.backbones.items()}

    @property
    def embeddings(self) -> tuple[str, ...]:
        """``fused``; of several backbones each by its name too."""
        return ("fused", *(self.widths if len(self.widths) > 1 else ()))

    def encode(self, batch: Batch) -> Latents:
        """``<backbone>`` [B, D]; texts with the prompt of queries, where there is one."""
        inputs = {
            name: with_prompt(arrays, self.infos.get(name, {}), "query")
            for name, arrays in batch.inputs.items()
        }
        found = {}
        for name, features in self.run_backbones(replace(batch, inputs=inputs)).items():
            assert features.pooled is not None
            found[name] = features.pooled
        return found

    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """``features`` [B, D]."""
        there = self.presence(present)
        parts = []
        for name, vector in latents.items():
            one = functional.normalize(vector.float(), dim=1) if self._unit else vector.float()
            parts.append(torch.where(there[name][:, None], one, 0.0))
        return {"features": torch.cat(parts, dim=1)}

    @property
    def _unit(self) -> bool:
        return bool(getattr(self.config, "normalize", True))

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """There is nothing to learn: zero."""
        nothing: Tensor = outputs["features"].sum() * 0.0
        return nothing

    def predict(self, batch: Batch, options: Any = None) -> dict[str, Any]:
        """``features`` of the name that is asked for."""
        return {"features": self.embed(batch, getattr(options, "of", None) or "fused")}

    def embed(self, batch: Batch, of: str = "fused") -> Tensor:
        """[B, D]."""
        self.check_embedding(of)
        features: Tensor = self.forward(batch)["features"]
        if of == "fused":
            return features
        names = list(self.widths)
        start = sum(self.widths[name] for name in names[: names.index(of)])
        return features[:, start : start + self.widths[of]]


class Scored(Joined):
    """Classes by ``logits`` [B, C] over the joined features."""

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The task's, where the whole is trained: of few shots by ``fit=core:finetune``."""
        found: Tensor = self.task.loss(outputs["logits"], batch.targets, batch.weight)
        return found

    def predict(self, batch: Batch, options: Any = None) -> dict[str, Any]:
        """``logits``."""
        return {"logits": self.forward(batch)["logits"]}


class FewShot(Scored):
    """A linear head over the joined features.

    Attributes:
        contrast: while it is set, training draws the features of each class together, by this
            temperature, and leaves the head as it is.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.contrast: float | None = None
        self.head = nn.Linear(sum(self.widths.values()), parts.task.output_dim)

    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """``features`` and ``logits`` [B, C]."""
        features = super().forward_latents(latents, present)["features"]
        return {"features": features, "logits": self.head(features)}

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The task's; or that the classes lie apart."""
        if self.contrast is None:
            return super().loss(outputs, batch)
        rows = functional.normalize(outputs["features"], dim=1)
        own = batch.targets["class"]
        return classes_apart(rows @ rows.T, own, self.contrast, batch.weight)


class ZeroShot(Scored):
    """Cosines with the vectors of classes, which the backbone's own text side made of their names.

    They are made once, when it is built from a checkpoint, and saved with the weights.
    """

    config: ZeroShotConfig  # type: ignore[assignment]

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        if len(self.widths) != 1:
            raise RecipeError(
                f"names of classes are compared with one column, not {len(self.widths)} kinds",
                plugin="matching:zero_shot_classification",
                value=list(self.widths),
                remedy="leave the others out: column_types={'COLUMN': 'ignore'}",
            )
        ((name, width),) = self.widths.items()
        backbone: Any = self.backbones[name]
        classes = list(parts.task.info["classes"])
        if not hasattr(backbone, "text_vectors"):
            raise RecipeError(
                f"backbones.{name} reads no words: names of classes mean nothing to it",
                plugin="matching:zero_shot_classification",
                value=name,
                remedy=f"backbones.{name}.id=matching:dual for pictures, matching:sentence for "
                "texts",
            )
        # Those of a saved model are loaded; new weights (checkpoint=random) have new ones.
        made = torch.randn(len(classes), width)
        if backbone.reads_words:
            made = _class_vectors(backbone, parts.task.config, classes)
        backbone.forget_words()
        self.register_buffer("classes", functional.normalize(made, dim=1))
        own = float(getattr(backbone, "logit_scale", SCALE))
        self.register_buffer("scale", torch.tensor(self.config.scale or own))

    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """``features`` and ``logits`` [B, C]: an even chance where nothing is there."""
        features = super().forward_latents(latents, present)["features"]
        classes: Any = self.classes
        return {"features": features, "logits": features @ classes.T * self.scale}


def _class_vectors(backbone: Any, config: Any, classes: list[str]) -> Tensor:
    """[C, D], of length 1: the mean direction of a class's sentences."""
    given = config.classes if isinstance(config.classes, dict) else dict.fromkeys(classes, None)
    templates = config.templates or backbone.templates
    parts = []
    for name in classes:
        said = name if given[name] is None else given[name]
        words = (said,) if isinstance(said, str) else tuple(said)
        sentences = [template.replace("{}", word) for template in templates for word in words]
        vectors = functional.normalize(backbone.text_vectors(sentences), dim=1)
        parts.append(functional.normalize(vectors.sum(dim=0), dim=0))
    return torch.stack(parts)
