"""From a network to a graph. Imports torch; onnx and onnxscript when it is written."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import torch
from mm_core.api import Batch
from mm_core.api.nn import Topology, tensors
from torch import Tensor, nn
from torch.export import Dim

from mm_onnxlite.engine import VECTORS, flat

Inputs = dict[str, dict[str, Tensor]]
Present = dict[str, Tensor]


class Answers(nn.Module):
    """What a topology predicts, and the vectors that it has, by name."""

    def __init__(self, topology: Topology) -> None:
        super().__init__()
        self.topology = topology

    def forward(self, inputs: Inputs, present: Present) -> dict[str, Tensor]:
        """``inputs[name][array]`` [B, ...], ``present[name]`` bool [B]."""
        batch = Batch(inputs, present)
        answers: dict[str, Tensor] = self.topology.predict(batch)
        vectors = {
            f"{VECTORS}{name}": self.topology.embed(batch, name)
            for name in self.topology.embeddings
        }
        return answers | vectors


def write_graph(topology: Topology, batch: Batch, path: Path) -> None:
    """Write the network as an ONNX graph, for any number of rows and of tokens.

    Args:
        topology: stays as it is.
        batch: two rows or more (one row would be taken for a constant), arrays of numpy.
        path: of the file.
    """
    network = Answers(copy.deepcopy(topology).cpu().eval())
    given = tensors(batch)
    kwargs = {"inputs": given.inputs, "present": given.present}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch's own about its own
        names = list(network(**kwargs))
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
            optimize=False,  # onnxruntime does so where the graph is read
            verbose=False,
        )


def _free(values: Any) -> Any:
    """Rows are free; the second axis (tokens, pictures of a row) where the network lets it be."""
    if isinstance(values, dict):
        return {name: _free(value) for name, value in values.items()}
    return {0: Dim.DYNAMIC} | ({1: Dim.AUTO} if values.dim() > 1 else {})
