"""What the conformance tests try the runtime on: a graph of one matrix."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mm_core.api import Batch, SampleEngine, Samples
from mm_onnx.engine import GraphEngine

N_ROWS, WIDTH, OUTPUTS = 7, 4, 3


def _engine() -> GraphEngine:
    """``logits`` [N, 3] = ``points/cells`` [N, 4] times a matrix, which is a vector as well."""
    matrix = np.random.default_rng(0).normal(size=(WIDTH, OUTPUTS)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["points/cells", "matrix"], ["logits"]),
            helper.make_node("Identity", ["logits"], ["embed.fused"]),
        ],
        "sample",
        [helper.make_tensor_value_info("points/cells", TensorProto.FLOAT, ["rows", WIDTH])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", OUTPUTS])
            for name in ("logits", "embed.fused")
        ],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return GraphEngine(model.SerializeToString())


def _batch() -> Batch:
    cells = np.random.default_rng(1).normal(size=(N_ROWS, WIDTH)).astype(np.float32)
    return Batch({"points": {"cells": cells}}, {"points": np.ones(N_ROWS, dtype=bool)})


SAMPLES = Samples(
    engines=(SampleEngine(runtime="onnx", engine=_engine, batch=_batch),),
)
