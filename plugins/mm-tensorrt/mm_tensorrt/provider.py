"""The same graph by onnxruntime's TensorRT provider, which builds its engines by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort

from mm_core.api import ConfigError
from mm_tensorrt.library import PLUGIN
from mm_tensorrt.ranges import Range

NAME = "TensorrtExecutionProvider"
TYPE = "pip install onnxruntime-gpu in place of onnxruntime"
_OPTIONS = {"16": "trt_fp16_enable", "bf16": "trt_bf16_enable"}


def missing() -> str | None:
    """Why onnxruntime has no such provider, and what to type; None: it names one."""
    if NAME in ort.get_available_providers():
        return None
    return f"onnxruntime {ort.__version__} has no {NAME}: {TYPE}"


class Provider:
    """A session that TensorRT answers in.

    Args:
        graph: ONNX.
        precision: as in the settings of the exporter.
        known: shapes of each input that are answered.

    Raises:
        ConfigError: there is no such provider, or onnxruntime silently took another.
    """

    way = "onnxruntime"

    def __init__(self, graph: bytes, precision: str, known: Mapping[str, Range]) -> None:
        why = missing()
        if why is not None:
            raise ConfigError(why.partition(": ")[0], plugin=PLUGIN, value=NAME, remedy=TYPE)
        options = provider_options(precision, known)
        quiet = ort.SessionOptions()
        quiet.log_severity_level = 3
        self._session = ort.InferenceSession(graph, quiet, providers=[(NAME, options)])
        used = self._session.get_providers()
        if not used or used[0] != NAME:  # where its libraries are not found it takes the CPU
            raise ConfigError(
                f"onnxruntime answers by {', '.join(used)}, not by {NAME}: TensorRT's libraries "
                "are not found",
                plugin=PLUGIN,
                value=used,
                remedy="pip install 'tensorrt>=10.0,<11', and put its libraries on LD_LIBRARY_PATH",
            )
        self.inputs = [one.name for one in self._session.get_inputs()]
        self.outputs = [one.name for one in self._session.get_outputs()]

    def answers(self, names: Sequence[str], given: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Outputs of these names."""
        found = self._session.run(list(names), {name: given[name] for name in self.inputs})
        return dict(zip(names, found, strict=True))


def provider_options(precision: str, known: Mapping[str, Range]) -> dict[str, str]:
    """As onnxruntime names them: precision, and one profile of shapes."""
    found = {_OPTIONS[precision]: "True"} if precision in _OPTIONS else {}
    for place, what in enumerate(("min", "opt", "max")):
        shapes = (f"{name}:{'x'.join(map(str, one[place]))}" for name, one in known.items())
        found[f"trt_profile_{what}_shapes"] = ",".join(shapes)
    return found
