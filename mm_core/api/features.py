"""What a backbone gives, and how it is run on the rows that have something for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mm_core.api.errors import PluginError

if TYPE_CHECKING:
    from mm_core.api.nn import Backbone

Dims = Mapping[str, Any]
"""Feature -> its width, or a list of widths where the feature is a list of maps."""

Latents = dict[str, Tensor]
"""Named tensors at the cut where caching happens: ``"text.pooled"``, ``"image.spatial.0"``, ..."""


@dataclass
class Features:
    """What a backbone gives for each row.

    Attributes:
        pooled: [B, D] one vector per row.
        tokens: [B, T, D] a sequence, with ``mask`` bool [B, T], True = real token.
        spatial: [B, D, H, W] a feature map, or a list of them, fine to coarse.
        extra: other tensors [B, ...] by name, or lists or dicts of them.
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

    While it is exported (``torch.export``) it runs on all rows, for the shapes of a graph do not
    depend on data; what it gives for absent ones is replaced afterwards.
    """
    there = torch.stack([present[name] for name in inputs]).any(dim=0)
    if len(inputs) > 1:
        inputs = {name: _blank(arrays, present[name]) for name, arrays in inputs.items()}
    if torch.compiler.is_exporting():
        return map_features(backbone(inputs), lambda value: _zero_where_not(value, there))
    if any(told_true(present[name]) for name in inputs) or bool(there.all()):
        with _norms_of_one(backbone, len(there)):
            whole: Features = backbone(inputs)
        return whole
    rows = there.nonzero()[:, 0]
    if len(rows) == 0:
        return _nothing(backbone, inputs, there)
    # BatchNorm cannot train on one row: it is given twice, and the second answer is dropped.
    run = rows.repeat(2) if backbone.training and len(rows) == 1 else rows
    found = backbone({name: take(arrays, run) for name, arrays in inputs.items()})
    return map_features(found, lambda value: _scatter(value[: len(rows)], rows, len(there)))


@contextmanager
def _norms_of_one(backbone: Backbone, rows: int) -> Iterator[None]:
    """Batches of one row (``training.batch_size=1``) have no statistics that BatchNorm could train
    on: it takes the running ones, which start as those of a layer that changes nothing.
    """
    alone = backbone.training and rows == 1
    modules = backbone.modules() if alone else ()
    norms = [one for one in modules if isinstance(one, _BatchNorm) and one.training]
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm in norms:
            norm.train()


def told_true(mask: Tensor) -> bool:
    """Whether a mask is known to be True everywhere: :func:`tell_true` said so.

    To look at what a GPU holds is to wait until it is done with all before.
    """
    return getattr(mask, _ALL_TRUE, False)


def tell_true(mask: Tensor) -> Tensor:
    """Say of a mask that it is True everywhere; the same mask. It is not to be changed in place."""
    setattr(mask, _ALL_TRUE, True)
    return mask


_ALL_TRUE = "_mm_all_true"


def take(values: Any, rows: Tensor) -> Any:
    """Rows of tensors [B, ...], of lists where rows are ragged, or of mappings of them."""
    if isinstance(values, Mapping):
        return {name: take(value, rows) for name, value in values.items()}
    return values[rows] if isinstance(values, Tensor) else [values[row] for row in rows.tolist()]


def latents_of(found: Mapping[str, Features]) -> Latents:
    """All tensors of the features of all backbones, by name.

    ``"<backbone>.pooled"``, ``".tokens"``, ``".mask"``; ``".spatial"`` of a single map, or
    ``".spatial.0"``, ``".spatial.1"``, ... of a list; ``".extra.<name>"``. What is no tensor is
    left out.

    Args:
        found: backbone name -> its features.

    Raises:
        PluginError: a name in ``extra`` would not be found again.
    """
    latents: Latents = {}
    for backbone, features in found.items():
        for name, value in vars(features).items():
            latents.update(_named(f"{backbone}.{name}", value))
    return latents


def features_of(latents: Mapping[str, Tensor], backbone: str) -> Features:
    """The features of one backbone again, from what :func:`latents_of` gave."""
    tree: dict[str, Any] = {}
    for path, value in latents.items():
        owner, *inner, last = path.split(".")
        if owner == backbone:
            branch = tree
            for name in inner:
                branch = branch.setdefault(name, {})
            branch[last] = value
    return Features(**{name: _listed(value) for name, value in tree.items()})


def _named(path: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    """Each tensor with its path; places in a list are numbers."""
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            if "." in name or name.isdigit():
                raise PluginError(
                    f"{path} has the name {name!r}: names of features have no dot and are no "
                    "numbers",
                    value=name,
                    remedy="call it differently in Features.extra",
                )
            yield from _named(f"{path}.{name}", one)
    elif isinstance(value, list | tuple):
        for place, one in enumerate(value):
            yield from _named(f"{path}.{place}", one)


def _listed(branch: Any) -> Any:
    """Branches whose names are numbers are lists."""
    if isinstance(branch, Tensor):
        return branch
    if all(name.isdigit() for name in branch):
        return [_listed(branch[name]) for name in sorted(branch, key=int)]
    return {name: _listed(value) for name, value in branch.items()}


def _blank(arrays: Mapping[str, Any], present: Tensor) -> dict[str, Any]:
    """The arrays with zeros in absent rows."""
    return {name: _fill(value, present) for name, value in arrays.items()}


def _fill(values: Any, present: Tensor) -> Any:
    return _zero_where_not(values, present) if isinstance(values, Tensor) else values


def _nothing(
    backbone: Backbone, inputs: Mapping[str, Mapping[str, Any]], present: Tensor
) -> Features:
    """Zeros of the backbone's widths, and no token."""
    n, dims, device = len(present), backbone.dims, present.device
    if set(dims) - {"pooled", "tokens"}:
        return map_features(
            _shapes(backbone, inputs), lambda value: value.new_zeros(n, *value[0].shape)
        )
    features = Features()
    if "pooled" in dims:
        features.pooled = torch.zeros(n, dims["pooled"], device=device)
    if "tokens" in dims:
        features.tokens = torch.zeros(n, 1, dims["tokens"], device=device)
        features.mask = torch.zeros(n, 1, dtype=torch.bool, device=device)
    return features


def _shapes(backbone: Backbone, inputs: Mapping[str, Mapping[str, Any]]) -> Features:
    """What the backbone gives for one row of zeros: widths alone do not tell height and width.

    As at prediction, whatever it does: no statistics are taken, nothing is drawn, no gradient is
    kept. So its weights are as unused in the batch as those of any backbone that is not run.
    """
    one = {
        name: {
            key: torch.zeros_like(value[:1]) if isinstance(value, Tensor) else value[:1]
            for key, value in arrays.items()
        }
        for name, arrays in inputs.items()
    }
    with _as_at_prediction(backbone), torch.no_grad():
        found: Features = backbone(one)
    return found


@contextmanager
def _as_at_prediction(module: nn.Module) -> Iterator[None]:
    """Inside, all parts are in ``eval``; afterwards each is as it was."""
    training = [part for part in module.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


def map_features(features: Features, change: Callable[[Tensor], Tensor]) -> Features:
    """The same features, each tensor changed."""
    return replace(
        features, **{name: _each(value, change) for name, value in vars(features).items()}
    )


def _each(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, list | tuple):
        return [_each(one, change) for one in value]
    if isinstance(value, Mapping):
        return {name: _each(one, change) for name, one in value.items()}
    return value


def _scatter(values: Tensor, rows: Tensor, n: int) -> Tensor:
    """``values`` at ``rows`` of a tensor of ``n`` rows, zeros elsewhere."""
    return values.new_zeros(n, *values.shape[1:]).index_copy(0, rows, values)


def _zero_where_not(values: Tensor, present: Tensor) -> Tensor:
    """``values`` [B, ...], zeros in rows that are not present."""
    there = present.view(-1, *[1] * (values.dim() - 1))
    if values.dtype == torch.bool:
        return values & there  # onnxruntime chooses between numbers, not between truth values
    return torch.where(there, values, torch.zeros((), dtype=values.dtype, device=values.device))
