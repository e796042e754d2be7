"""``TokenTagger``: one layer over the tokens of a text, and the tags that entities make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from mm_core.api.nn import Batch, Latents, Outputs, Parts, Topology, features_of
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

Array = npt.NDArray[Any]


class TokenTagger(Topology):
    """Tags of tokens, see :mod:`mm_spans.tags`. Special tokens have no tag and no loss.

    A word that is cut into pieces has one in each piece: the first may begin, the others go on.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        # One role that takes one column: there is one backbone, which reads one input.
        ((self.name, backbone),) = parts.backbones.items()
        ((self.input,),) = parts.backbone_inputs.values()
        self.tags = nn.Linear(backbone.dims["tokens"], self.task.output_dim)

    def forward_latents(self, latents: Latents, present: Mapping[str, Tensor]) -> Outputs:
        """``logits`` [B, T, C] and ``mask`` [B, T], False where a row is padded or absent."""
        features = features_of(latents, self.name)
        assert features.tokens is not None
        assert features.mask is not None
        # Encoders differ in scale by orders of magnitude, and a new layer learns at one rate.
        tokens = functional.layer_norm(features.tokens, features.tokens.shape[-1:])
        return {"logits": self.tags(tokens), "mask": features.mask}

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Cross-entropy, the mean over the tokens of a row, and over the rows by their weight.

        The tags that are wanted are made here, where spans (targets) and tokens (meta) meet.
        """
        logits: Tensor = outputs["logits"]
        offsets = _padded(batch.meta[self.input]["offsets"], logits.shape[1]).to(logits.device)
        wanted = tags_of(batch.targets["spans"], offsets)
        losses = functional.cross_entropy(logits.float().mT, wanted, reduction="none")
        real = outputs["mask"] & (offsets[..., 0] < offsets[..., 1])
        rows: Tensor = losses.masked_fill(~real, 0.0).sum(dim=1) / real.sum(dim=1).clamp(min=1)
        return rows.mean() if batch.weight is None else (rows * batch.weight).mean()

    def predict(self, batch: Batch, options: Any = None) -> dict[str, Any]:
        """``tags`` and ``scores``, their probabilities: lists of B tensors [T of the row]."""
        outputs = self.forward(batch)
        scores, tags = outputs["logits"].float().softmax(dim=2).max(dim=2)
        lengths = outputs["mask"].sum(dim=1).tolist()
        cut = {"tags": tags.cpu(), "scores": scores.cpu()}  # once, not row by row
        return {
            name: [row[:n] for row, n in zip(values, lengths, strict=True)]
            for name, values in cut.items()
        }

    def embed(self, batch: Batch, of: str = "fused") -> Tensor:
        """The mean of the tokens, [B, D]; zeros where there is no text."""
        self.check_embedding(of)
        features = features_of(self.encode(batch), self.name)
        assert features.tokens is not None
        assert features.mask is not None
        mask = features.mask.unsqueeze(2)
        total = features.tokens.masked_fill(~mask, 0.0).sum(dim=1)
        return total / mask.sum(dim=1).clamp(min=1)


def tags_of(spans: Sequence[Tensor], offsets: Tensor) -> Tensor:
    """int64 [B, T]: a token belongs to the span that it shares a character with.

    Args:
        spans: B tensors, int64 [S of the row, 3]: first character, end, group.
        offsets: int64 [B, T, 2]; (0, 0) shares no character with anything.
    """
    # One more, empty span in each row: no batch is without any.
    padded = pad_sequence([functional.pad(one, (0, 0, 0, 1)) for one in spans], batch_first=True)
    begin, end, group = (one.unsqueeze(1) for one in padded.unbind(2))  # [B, 1, S]
    first, last = (one.unsqueeze(2) for one in offsets.unbind(2))  # [B, T, 1]
    shared = (first < end) & (begin < last)
    inside, which = shared.int().max(dim=2)
    before = functional.pad(torch.where(inside > 0, which, -1), (1, 0), value=-1)[:, :-1]
    goes_on = which == before
    return torch.where(inside > 0, 1 + 2 * group[:, 0].gather(1, which) + goes_on, 0)


def _padded(offsets: Sequence[Array], length: int) -> Tensor:
    """int64 [B, length, 2] of B arrays [T of the row, 2]."""
    padded = np.zeros((len(offsets), length, 2), dtype=np.int64)
    for row, places in enumerate(offsets):
        padded[row, : len(places)] = places[:length]
    return torch.from_numpy(padded)
