"""Without onnx, onnxscript and onnxruntime there is nothing to test."""

from __future__ import annotations

import pytest

for _name in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(_name, reason=f"{_name} is not installed")
