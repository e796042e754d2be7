"""``TokenTagger``: one layer over the tokens of a text, and the tags that entities make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from mm_core.api import LabelError
from mm_core.api.nn import Batch, Latents, Outputs, Parts, Topology, features_of
from mm_ner.tags import cut

Array = npt.NDArray[Any]

AT_ONCE = 64
"""Windows of long texts that the network reads at once."""


class TokenTagger(Topology):
    """Tags of tokens, see :mod:`mm_ner.tags`. Special tokens have no tag and no loss.

    A word that is cut into pieces has one at the first, see :mod:`mm_ner.words`.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        # One role that takes one column: there is one backbone, which reads one input.
        ((self.name, backbone),) = parts.backbones.items()
        ((self.input,),) = parts.backbone_inputs.values()
        self.window = int(parts.infos[self.input]["max_length"]) if parts.infos else 0
        self.tags = nn.Linear(backbone.dims["tokens"], self.task.output_dim)

    def encode(self, batch: Batch) -> Latents:
        """Latents of a batch; of one with long texts ``tokens`` [B, W * window, D] and ``mask``."""
        mask = batch.inputs[self.input].get("attention_mask")
        if mask is None or not self.window:
            return super().encode(batch)
        if torch.compiler.is_exporting():
            return self._read_any(batch, mask)
        if mask.shape[1] <= self.window:
            return super().encode(batch)
        return self._read_windows(batch, mask)

    def _read_any(self, batch: Batch, mask: Tensor) -> Latents:
        """The same without a branch, for a graph: what is no longer than a window is one."""
        rows, length = mask.shape
        count = (length + self.window - 1) // self.window
        arrays = {
            name: one.reshape(rows * count, length // count)
            for name, one in batch.inputs[self.input].items()
        }
        there = batch.present[self.input].unsqueeze(1).expand(rows, count).reshape(-1)
        found = super().encode(Batch({self.input: arrays}, {self.input: there}))
        read = {f"{self.name}.{name}" for name in ("tokens", "mask")}
        return {
            name: one.reshape(rows, length, *one.shape[2:])
            for name, one in found.items()
            if name in read
        }

    def _read_windows(self, batch: Batch, mask: Tensor) -> Latents:
        """Each window that has a token is read as a row of its own."""
        count = mask.shape[1] // self.window
        arrays = {
            name: one.reshape(-1, self.window) for name, one in batch.inputs[self.input].items()
        }
        there = batch.present[self.input].repeat_interleave(count)
        there = there & arrays["attention_mask"].bool().any(dim=1)
        read: dict[str, list[Tensor]] = {"tokens": [], "mask": []}
        places = there.nonzero()[:, 0]
        for some in places.split(AT_ONCE):
            inputs = {self.input: {name: one[some] for name, one in arrays.items()}}
            found = super().encode(Batch(inputs, {self.input: there[some]}))
            for name, parts in read.items():
                parts.append(found[f"{self.name}.{name}"])
        latents = {}
        for name, parts in read.items():
            one = torch.cat(parts)
            whole = one.new_zeros(len(there), *one.shape[1:]).index_copy(0, places, one)
            latents[f"{self.name}.{name}"] = whole.reshape(*mask.shape, *one.shape[2:])
        return latents

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
        logits, mask = outputs["logits"], outputs["mask"]
        meta = batch.meta[self.input]
        spans = batch.targets["spans"]
        if "ends" in meta:
            _refuse_beyond(spans, meta["ends"], batch.row_ids, self.task.label[0])
        offsets = _padded(meta["offsets"], mask)
        wanted = tags_of(spans, offsets)
        losses = functional.cross_entropy(logits.float().mT, wanted, reduction="none")
        real = mask & (offsets[..., 0] < offsets[..., 1])
        rows: Tensor = losses.masked_fill(~real, 0.0).sum(dim=1) / real.sum(dim=1).clamp(min=1)
        return rows.mean() if batch.weight is None else (rows * batch.weight).mean()

    def predict(self, batch: Batch, options: Any = None) -> dict[str, Any]:
        """``tags`` and ``scores``, their probabilities: of each row its tokens', special ones
        included.
        """
        outputs = self.forward(batch)
        scores, tags = outputs["logits"].float().softmax(dim=2).max(dim=2)
        return cut(tags.cpu(), scores.cpu(), outputs["mask"].cpu())  # once, not row by row

    def arrays(self, batch: Batch, options: Any = None) -> dict[str, Tensor]:
        """``logits`` [B, T, C], zeros where ``mask`` [B, T] is not: nobody reads them."""
        outputs = self.forward(batch)
        mask = outputs["mask"]
        return {"logits": outputs["logits"].float().masked_fill(~mask[..., None], 0), "mask": mask}

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
    """int64 [B, T]: a token belongs to the span that it shares a character with, and goes on with
    it where the token before does: the last that has characters, maybe in another window.

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
    # Place 0 is that before all tokens.
    spans_at = functional.pad(torch.where(inside > 0, which, -1), (1, 0), value=-1)
    real = functional.pad((offsets[..., 0] < offsets[..., 1]).long(), (1, 0))
    last = (real * torch.arange(real.shape[1], device=real.device)).cummax(dim=1).values
    goes_on = which == spans_at.gather(1, last[:, :-1])
    return torch.where(inside > 0, 1 + 2 * group[:, 0].gather(1, which) + goes_on, 0)


def _padded(offsets: Sequence[Array], mask: Tensor) -> Tensor:
    """int64 [B, T, 2] of B arrays [n of the row, 2], at the places that ``mask`` [B, T] has."""
    there = mask.cpu().numpy()
    padded = np.zeros((*there.shape, 2), dtype=np.int64)
    for row, places in enumerate(offsets):
        padded[row, there[row]] = places[: there[row].sum()]
    return torch.from_numpy(padded).to(mask.device)


def _refuse_beyond(spans: Sequence[Tensor], ends: Array, row_ids: Any, label: str) -> None:
    """Entities beyond their texts, which the labels alone do not tell.

    Raises:
        LabelError: there is one.
    """
    lengths = torch.tensor([len(one) for one in spans])
    limits = torch.as_tensor(np.asarray(ends)).repeat_interleave(lengths)
    flat = torch.cat(list(spans))
    beyond = flat[:, 1] > limits.to(flat.device)
    if not bool(beyond.any()):
        return
    first = int(beyond.nonzero()[0, 0])
    row = int(torch.arange(len(spans)).repeat_interleave(lengths)[first])
    place = row if row_ids is None else int(row_ids[row])
    start, end = flat[first, :2].tolist()
    raise LabelError(
        f"row {place}: an entity ends at character {end}, and its text at {int(limits[first])}",
        column=label,
        rows=[place],
        value=[start, end],
        remedy="`mm ner check DATA` lists all such rows; start and end count characters, "
        "not bytes or tokens",
    )
