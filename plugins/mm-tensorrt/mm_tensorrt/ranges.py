"""Which shapes a graph is to answer. Imports onnx."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx

from mm_tensorrt.configs import TensorRTConfig

Shape = list[int]
Range = tuple[Shape, Shape, Shape]
"""The least, the usual and the greatest."""


def ranges(
    graph: bytes,
    seen: Iterable[Mapping[str, np.ndarray]],
    longest: Mapping[str, int],
    config: TensorRTConfig,
) -> dict[str, Range]:
    """Of each input of a graph the shapes that are answered.

    Its first axis is rows. Of another that is free (tokens, pictures of a row) the least is one,
    or what was seen, the usual is the median of what was seen, and the greatest is told.

    Args:
        graph: content of the file.
        seen: arrays by name, of batches of the sample.
        longest: input's name -> the most that a free axis of its arrays can have; of others as
            many as were seen.
        config: how many rows.
    """
    found: dict[str, list[tuple[int, ...]]] = {}
    for arrays in seen:
        for name, array in arrays.items():
            found.setdefault(name, []).append(array.shape)
    made = {}
    for one in onnx.load_from_string(graph).graph.input:
        dims = [axis.dim_value for axis in one.type.tensor_type.shape.dim]
        shapes = np.array(found[one.name])
        most = longest.get(one.name.partition("/")[0])
        parts = [_axis(dim, shapes[:, axis], most) for axis, dim in enumerate(dims)]
        rows = 1, min(config.usual_rows, config.rows), config.rows
        parts[:1] = [rows]
        low, usual, high = (list(map(int, part)) for part in zip(*parts, strict=True))
        made[one.name] = (low, usual, high)
    return made


def _axis(dim: int, seen: np.ndarray, most: int | None) -> tuple[int, int, int]:
    """``dim`` is 0 where the axis is free."""
    if dim:
        return dim, dim, dim
    high = max(int(seen.max()), most or 0)
    return min(1, int(seen.min())), int(np.median(seen)), high


def outside(shapes: Mapping[str, tuple[int, ...]], known: Mapping[str, Range]) -> str | None:
    """Which input has a shape that is not answered, in words; None: none has."""
    for name, shape in shapes.items():
        low, _, high = known[name]
        if any(not a <= size <= b for a, size, b in zip(low, shape, high, strict=True)):
            return f"{name} is {list(shape)}, and the engine was built for {low} to {high}"
    return None
