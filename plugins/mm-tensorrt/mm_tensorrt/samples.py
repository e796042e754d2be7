"""What the conformance tests try, where TensorRT is installed: a graph of one matrix."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mm_core.api import Batch, SampleEngine, Samples, Trial
from mm_tensorrt import library
from mm_tensorrt.building import build
from mm_tensorrt.configs import TensorRTConfig
from mm_tensorrt.engine import TensorRTEngine
from mm_tensorrt.ranges import ranges

N_ROWS, WIDTH, OUTPUTS = 7, 4, 3


def _graph() -> bytes:
    """``logits`` [N, 3] = ``points/cells`` [N, 4] times a matrix."""
    matrix = np.random.default_rng(0).normal(size=(WIDTH, OUTPUTS)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["points/cells", "matrix"], ["logits"])],
        "sample",
        [helper.make_tensor_value_info("points/cells", TensorProto.FLOAT, ["rows", WIDTH])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", OUTPUTS])],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _engine() -> TensorRTEngine:
    graph, config = _graph(), TensorRTConfig()
    known = ranges(graph, [{"points/cells": _batch().inputs["points"]["cells"]}], {}, config)
    return TensorRTEngine(graph, build(library.libraries(), graph, known, config), "32", known)


def _batch() -> Batch:
    cells = np.random.default_rng(1).normal(size=(N_ROWS, WIDTH)).astype(np.float32)
    return Batch({"points": {"cells": cells}}, {"points": np.ones(N_ROWS, dtype=bool)})


SAMPLES = Samples(
    engines=(SampleEngine(runtime="tensorrt", engine=_engine, batch=_batch),),
    trials=(
        Trial("exporter", "tensorrt", needs=("tensorrt",)),
        Trial("runtime", "tensorrt", needs=("tensorrt",)),
    ),
)
