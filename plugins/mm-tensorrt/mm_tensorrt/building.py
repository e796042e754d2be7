"""From a graph to a plan: what TensorRT calls an engine that is written down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mm_core.api import ConfigError
from mm_tensorrt.configs import TensorRTConfig
from mm_tensorrt.library import PLUGIN, Libraries
from mm_tensorrt.ranges import Range

_FLAGS = {"16": "FP16", "bf16": "BF16"}


def build(
    found: Libraries, graph: bytes, known: Mapping[str, Range], config: TensorRTConfig
) -> bytes:
    """The plan's bytes: of this GPU's kind and this version of TensorRT alone.

    Args:
        found: the libraries.
        graph: ONNX.
        known: shapes of each input that are to be answered, one optimisation profile.
        config: precision, workspace, timing cache.

    Raises:
        ConfigError: the graph has what TensorRT does not know, or no engine can be built.
    """
    trt = found.trt
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)  # batches are explicit; types are chosen by the flags
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph):
        said = "; ".join(str(parser.get_error(one)) for one in range(parser.num_errors))
        raise ConfigError(
            f"TensorRT cannot read the graph: {said[:500] or 'it does not say why'}",
            plugin=PLUGIN,
            remedy="use the ONNX graph: format='onnx'",
        )
    settings = builder.create_builder_config()
    settings.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, config.workspace_mb << 20)
    if config.precision == "32":
        settings.clear_flag(trt.BuilderFlag.TF32)  # 10 bits of the mantissa: not what 32 says
    else:
        settings.set_flag(getattr(trt.BuilderFlag, _FLAGS[config.precision]))
    _add_profile(builder, settings, known)
    remembered = _timing_cache(settings, config.timing_cache)
    plan = builder.build_serialized_network(network, settings)
    if plan is None:
        raise ConfigError(
            "TensorRT builds no engine of the graph; its log says why",
            plugin=PLUGIN,
            remedy="use the ONNX graph: format='onnx', or more workspace_mb",
        )
    if remembered is not None:
        _write(remembered, bytes(settings.get_timing_cache().serialize()))
    return bytes(plan)


def _add_profile(builder: Any, settings: Any, known: Mapping[str, Range]) -> None:
    profile = builder.create_optimization_profile()
    for name, (low, usual, high) in known.items():
        profile.set_shape(name, low, usual, high)
    if settings.add_optimization_profile(profile) < 0:
        raise ConfigError(
            f"TensorRT takes no such shapes: {dict(known)}",
            plugin=PLUGIN,
            value=dict(known),
            remedy="set rows, usual_rows and longest",
        )


def _timing_cache(settings: Any, name: str | None) -> Path | None:
    """Read into the settings; where it is to be written afterwards."""
    if name is None:
        return None
    file = Path(name).expanduser()
    content = file.read_bytes() if file.is_file() else b""
    # One of another GPU or version is refused by TensorRT: it begins anew, and is replaced.
    if not settings.set_timing_cache(settings.create_timing_cache(content), False):
        settings.set_timing_cache(settings.create_timing_cache(b""), False)
    return file


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise ConfigError(
            f"the timing cache cannot be written: {error}",
            plugin=PLUGIN,
            value=str(file),
            remedy="timing_cache=FILE, where you may write",
        ) from error
