"""What mm-tensorrt offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import ExporterSpec, PluginInfo, RuntimeSpec, hookimpl

TENSORRT = "https://docs.nvidia.com/deeplearning/tensorrt"


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Models as TensorRT engines, on NVIDIA's GPUs.",
        samples="mm_tensorrt.samples:SAMPLES",
    )


@hookimpl
def mm_exporters() -> list[ExporterSpec]:
    """It needs the libraries, and says so where they are not."""
    return [
        ExporterSpec(
            name="tensorrt",
            summary="A model folder with a TensorRT engine, built for the GPU at hand.",
            references=(TENSORRT,),
            target="mm_tensorrt.exporter:TensorRTExporter",
            config="mm_tensorrt.configs:TensorRTConfig",
        )
    ]


@hookimpl
def mm_runtimes() -> list[RuntimeSpec]:
    """What answers for the models that it writes; it imports no torch."""
    return [
        RuntimeSpec(
            name="tensorrt",
            summary="A TensorRT engine, or onnxruntime's TensorRT provider where it cannot run.",
            references=(TENSORRT,),
            target="mm_tensorrt.engine:TensorRTEngine",
        )
    ]
