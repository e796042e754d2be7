"""What other distributions may import: graphs of models, and how near others are to them.

No torch, and no onnxruntime: what needs them is imported when a function is called.
"""

from __future__ import annotations

from mm_onnx.arrays import VECTORS, check_options, flat
from mm_onnx.graphs import graph_of, reasons_against
from mm_onnx.parity import Parity, compare, refuse_drift

__all__ = [
    "VECTORS",
    "Parity",
    "check_options",
    "compare",
    "flat",
    "graph_of",
    "reasons_against",
    "refuse_drift",
]
