"""Convolutions in 8 bits, their ranges measured on rows. Imports onnx and onnxruntime."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mm_core.api import ConfigError
from mm_onnx.lighter import quiet

IN_8_BITS = (
    "Conv",
    "Gemm",
    "MatMul",
    "Add",
    "Relu",
    "Clip",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
)
"""Kinds of nodes: layers, and what stands between them, which would else be widened each time."""


def calibrated(
    file: Path, rows: Iterable[Mapping[str, Any]], method: str, weight_bits: int = 7
) -> None:
    """Convolutions, linear layers and what runs between them in 8 bits, in the graph's file.

    Written as pairs of QuantizeLinear and DequantizeLinear (QDQ). Weights have a scale for each
    channel and use 7 of their bits unless told otherwise: x86 processors without an instruction for
    them (VNNI) add two products of 8 in 16 bits, which overflow, and the one that answers may be
    such. Those of depthwise convolutions use all 8: onnxruntime adds them in 32 bits everywhere.

    Args:
        file: of the graph in 32 bits.
        rows: arrays by name, some rows at a time; what the graph does not read is left out.
        method: ``"minmax"``: the whole range of what was seen; ``"entropy"``: the part of it that
            loses least.
        weight_bits: 7, or 8 where the processor that answers has VNNI, or is of ARM.

    Raises:
        ConfigError: the graph has no convolution.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    methods = {"minmax": CalibrationMethod.MinMax, "entropy": CalibrationMethod.Entropy}
    with quiet():
        # Norms go into the convolutions before them, functions into the graph.
        quant_pre_process(str(file), str(file), skip_symbolic_shape=True)
        graph = onnx.load(str(file)).graph
        if all(node.op_type != "Conv" for node in graph.node):
            raise ConfigError(
                "the network has no convolutions, which int8_static is for",
                plugin="onnx:onnx",
                value="int8_static",
                remedy="precision=int8 keeps linear layers in 8 bits",
            )
        kind = QuantType.QInt8
        in_8_bits = {"axis": 0, "quant_type": kind, "symmetric": True, "reduce_range": False}
        quantize_static(
            str(file),
            str(file),
            _Reader(rows, [one.name for one in graph.input]),
            op_types_to_quantize=list(IN_8_BITS),
            per_channel=True,
            reduce_range=weight_bits == 7,
            activation_type=QuantType.QUInt8,
            weight_type=kind,
            calibrate_method=methods[method],
            extra_options={
                "MatMulConstBOnly": True,
                "TensorQuantOverrides": {name: [in_8_bits] for name in _depthwise(graph)},
            },
        )


def _depthwise(graph: Any) -> list[str]:
    """Names of the weights of convolutions that look at each channel alone."""
    shapes = {one.name: list(one.dims) for one in graph.initializer}
    found = []
    for node in graph.node:
        groups = {one.name: one.i for one in node.attribute}.get("group", 1)
        shape = shapes.get(node.input[1]) if node.op_type == "Conv" else None
        if shape is not None and groups > 1 and shape[:2] == [groups, 1]:
            found.append(node.input[1])
    return found


class _Reader:
    """What onnxruntime calls a CalibrationDataReader."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> None:
        self._rows, self._names = iter(rows), names

    def get_next(self) -> dict[str, Any] | None:
        """Some rows by name; None: there are no more."""
        found = next(self._rows, None)
        return None if found is None else {name: found[name] for name in self._names}
