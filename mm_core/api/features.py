"""What a backbone gives, and how it is run on the rows that have something for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from mm_core.api.nn import Backbone


@dataclass
class Features:
    """What a backbone gives for each row.

    Attributes:
        pooled: [B, D] one vector per row.
        tokens: [B, T, D] a sequence, with ``mask`` bool [B, T], True = real token.
        spatial: [B, D, H, W] a feature map, or a list of them, fine to coarse.
        extra: anything else, by name.
    """

    pooled: Tensor | None = None
    tokens: Tensor | None = None
    mask: Tensor | None = None
    spatial: Any = None
    extra: dict[str, Any] = field(default_factory=dict)


def run_present(
    backbone: Backbone,
    inputs: Mapping[str, Mapping[str, Any]],
    present: Mapping[str, Tensor],
) -> Features:
    """Features of all rows. A row is run where any of the backbone's inputs is present.

    Absent rows are never seen by the backbone, so that NaN in them reaches neither its output nor a
    gradient, and BatchNorm takes no statistics of them. Where one of several inputs is absent in a
    row that is run, its arrays are zeros there.

    Args:
        backbone: run once.
        inputs: input name -> array name -> tensor, first axis B.
        present: input name -> bool [B]; of the same inputs.

    Returns:
        Features with zeros in absent rows: ``pooled`` [B, D], ``tokens`` [B, T, D] with a mask that
        is False there, ``spatial`` and ``extra`` likewise.
    """
    there = torch.stack([present[name] for name in inputs]).any(dim=0)
    if len(inputs) > 1:
        inputs = {name: _blank(arrays, present[name]) for name, arrays in inputs.items()}
    if bool(there.all()):
        whole: Features = backbone(inputs)
        return whole
    rows = there.nonzero()[:, 0]
    if len(rows) == 0:
        return _nothing(backbone, there)
    # BatchNorm cannot train on one row: it is given twice, and the second answer is dropped.
    run = rows.repeat(2) if backbone.training and len(rows) == 1 else rows
    found = backbone({name: take(arrays, run) for name, arrays in inputs.items()})
    return map_features(found, lambda value: _scatter(value[: len(rows)], rows, len(there)))


def take(values: Any, rows: Tensor) -> Any:
    """Rows of tensors [B, ...], of lists where rows are ragged, or of mappings of them."""
    if isinstance(values, Mapping):
        return {name: take(value, rows) for name, value in values.items()}
    return values[rows] if isinstance(values, Tensor) else [values[row] for row in rows.tolist()]


def _blank(arrays: Mapping[str, Any], present: Tensor) -> dict[str, Any]:
    """The arrays with zeros in absent rows."""
    return {name: _fill(value, present) for name, value in arrays.items()}


def _fill(values: Any, present: Tensor) -> Any:
    if not isinstance(values, Tensor):
        return values
    return values.masked_fill(~present.view(-1, *[1] * (values.dim() - 1)), 0)


def _nothing(backbone: Backbone, present: Tensor) -> Features:
    """Zeros of the backbone's widths, and no token."""
    n, dims, device = len(present), backbone.dims, present.device
    features = Features()
    if "pooled" in dims:
        features.pooled = torch.zeros(n, dims["pooled"], device=device)
    if "tokens" in dims:
        features.tokens = torch.zeros(n, 1, dims["tokens"], device=device)
        features.mask = torch.zeros(n, 1, dtype=torch.bool, device=device)
    return features


def map_features(features: Features, change: Callable[[Tensor], Tensor]) -> Features:
    """The same features, each tensor changed."""
    return replace(
        features, **{name: _each(value, change) for name, value in vars(features).items()}
    )


def _each(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, list):
        return [_each(one, change) for one in value]
    return {name: _each(one, change) for name, one in value.items()} if value else value


def _scatter(values: Tensor, rows: Tensor, n: int) -> Tensor:
    """``values`` at ``rows`` of a tensor of ``n`` rows, zeros elsewhere."""
    return values.new_zeros(n, *values.shape[1:]).index_copy(0, rows, values)
