"""From a network to a graph. Imports torch; onnx and onnxscript when it is written."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.export import Dim

from mm_core.api import Batch, ConfigError
from mm_core.api.nn import Backbone, Latents, Topology, tensors
from mm_onnx.arrays import VECTORS, as_json, flat

Inputs = dict[str, dict[str, Tensor]]
Present = dict[str, Tensor]


class Answers(nn.Module):
    """Arrays of a topology, and the vectors that it has, by name."""

    def __init__(self, topology: Topology, options: Any) -> None:
        super().__init__()
        self.topology = topology
        self.options = options
        self.once = _Once(topology.encode)
        topology.encode = self.once  # type: ignore[method-assign]

    def forward(self, inputs: Inputs, present: Present) -> dict[str, Tensor]:
        """``inputs[name][array]`` [B, ...], ``present[name]`` bool [B]."""
        batch = Batch(inputs, present)
        answers: dict[str, Tensor] = self.topology.arrays(batch, self.options)
        vectors = {
            f"{VECTORS}{name}": self.topology.embed(batch, name)
            for name in self.topology.embeddings
        }
        return answers | vectors


class _Once:
    """Latents of a batch, computed once: predicting and each vector ask for them anew."""

    def __init__(self, encode: Callable[[Batch], Latents]) -> None:
        self._encode = encode
        self._last: tuple[Batch, Latents] | None = None

    def __call__(self, batch: Batch) -> Latents:
        if self._last is None or self._last[0] is not batch:
            self._last = (batch, self._encode(batch))
        return self._last[1]


class _Noted:
    """Options that write down which of them are read."""

    def __init__(self, options: Any) -> None:
        self._options = options
        self.read: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._options, name)
        self.read[name] = value
        return value


def write_graph(topology: Topology, batch: Batch, options: Any, path: Path) -> dict[str, Any]:
    """Write the network as an ONNX graph, for any number of rows and of tokens.

    Args:
        topology: stays as it is; adapters are merged in the graph.
        batch: two rows or more (one row would be taken for a constant), arrays of numpy.
        options: of the task, where a prediction is given none; or None.
        path: of the file.

    Returns:
        Options of the task that the network read, with the values that it was followed with: the
        graph knows no others.

    Raises:
        ConfigError: the network cannot be followed, or gives something other than arrays.
    """
    noted = None if options is None else _Noted(options)
    network = Answers(_merged(topology), noted)
    given = tensors(batch)
    kwargs = {"inputs": given.inputs, "present": given.present}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch's own about its own
        names = _names(network(**kwargs), len(batch), topology)
        try:
            torch.onnx.export(
                network,
                (),
                str(path),
                kwargs=kwargs,  # by name: a dict at the end of args would be taken for them
                dynamo=True,
                dynamic_shapes={key: _free(value) for key, value in kwargs.items()},
                input_names=list(flat(batch)),
                output_names=names,
                external_data=False,
                # onnxruntime would do most of it where the graph is read, but it leaves the zeros
                # that stand for a missing bias to be made anew by each call, and convolutions then
                # unfused with what follows them: four times slower.
                optimize=True,
                verbose=False,
                custom_translation_table=_translations(),
            )
        except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
            raise _not_followed(topology, str(first_cause(error))) from error
    fixed: dict[str, Any] = as_json({} if noted is None else noted.read)
    return fixed


def _translations() -> dict[Any, Any]:
    """Operators that the exporter has no translation of.

    transformers checks shapes by tensors (``torch_compilable_check``): the check is taken out of a
    graph, and what it looked at is left.
    """
    from onnx import TensorProto
    from onnxscript import opset18

    def is_all_true(values: Any) -> Any:
        numbers = opset18.Cast(values, to=TensorProto.INT32)
        return opset18.Cast(opset18.ReduceMin(numbers, keepdims=0), to=TensorProto.BOOL)

    return {torch.ops.aten._is_all_true.default: is_all_true}


def _merged(topology: Topology) -> Topology:
    """A copy on the CPU, adapters folded in."""
    made = copy.deepcopy(topology).cpu().eval()
    for module in dict.fromkeys(made.backbones.values()):
        backbone = cast("Backbone", module)
        if backbone.adapter is not None:
            backbone.adapter.merge(backbone)
    return made.requires_grad_(False)


def _names(found: dict[str, Any], rows: int, topology: Topology) -> list[str]:
    """Names of the outputs, in the order in which they come.

    Raises:
        ConfigError: one is not an array of one entry a row.
    """
    for name, value in found.items():
        if not isinstance(value, Tensor) or value.dim() == 0 or len(value) != rows:
            raise _not_followed(
                topology,
                f"its output {name!r} is no array of one entry a row; its author overrides "
                "Topology.arrays and Task.postprocess",
            )
    if all(name.startswith(VECTORS) for name in found):
        raise _not_followed(topology, "its arrays() gives nothing")
    return list(found)


def first_cause(error: BaseException) -> BaseException:
    """What went wrong: torch's own error says only which of its steps failed, in colours."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _not_followed(topology: Topology, why: str) -> ConfigError:
    said = why.strip().splitlines() or ["torch.onnx.export fails"]
    return ConfigError(
        f"{type(topology).__name__} cannot be written as a graph: {said[0][:300]}",
        plugin="onnx:onnx",
        value=type(topology).__name__,
        remedy="use the model itself: save() and load()",
    )


def _free(values: Any) -> Any:
    """Rows are free; the second axis (tokens, pictures of a row) where the network lets it be.

    One without a place is as it is: torch would take it for any number but none.
    """
    if isinstance(values, dict):
        return {name: _free(value) for name, value in values.items()}
    return {0: Dim.DYNAMIC} | ({1: Dim.AUTO} if values.dim() > 1 and values.shape[1] else {})
