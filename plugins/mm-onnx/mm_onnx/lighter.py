"""Graphs of fewer bytes: int8 for linear layers, or weights as halves. Imports onnx."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

SMALL = 1024
"""Weights of fewer numbers stay as they are: norms and biases, which are little and matter."""


def lighter(file: Path, precision: str) -> None:
    """Change the graph in its file.

    Args:
        file: of the graph.
        precision: ``"32"``: weights as they are. ``"int8"``: those of linear layers in 8 bits,
            activations measured in each call; convolutions stay, which would get slower. ``"16"``:
            weights in halves, which onnxruntime widens once when it reads them: half the file, the
            same speed, for a CPU computes in 32 bits.
    """
    import onnx

    model = onnx.load(str(file))
    _without_traces(model)
    if precision == "16":
        _halve(model)
    if precision == "int8":
        onnx.helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    onnx.save(model, str(file))
    if precision != "int8":  # of int8_static: see static.py
        return
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with quiet():
        quantize_dynamic(
            str(file),
            str(file),
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
        )


def _without_traces(model: Any) -> None:
    """Nodes tell which line of which file on this machine they come of: more bytes than a small
    network, and nobody's business. The shapes of what is between them, a quantizer would trust.
    """
    del model.graph.value_info[:]
    for part in (model.graph, *model.functions):
        for node in part.node:
            del node.metadata_props[:]
            node.doc_string = ""


def _halve(model: Any) -> None:
    """Large float32 weights as float16, each widened by a node of its own."""
    from onnx import TensorProto, helper, numpy_helper

    widened = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(weight)
        if values.size < SMALL or np.abs(values).max() > np.finfo(np.float16).max:
            continue
        name, half = weight.name, f"{weight.name}.half"
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half))
        widened.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
    nodes = [*widened, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@contextmanager
def quiet() -> Iterator[None]:
    """The quantizer speaks through the root logger, which would set it up for the whole process."""
    root = logging.getLogger()
    handler = None if root.handlers else logging.NullHandler()
    if handler is not None:
        root.addHandler(handler)
    try:
        yield
    finally:
        if handler is not None:
            root.removeHandler(handler)
