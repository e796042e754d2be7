"""What mm-onnx offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import ExporterSpec, PluginInfo, RuntimeSpec, hookimpl

ONNX = "https://onnx.ai"


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Models as ONNX graphs, which answer without torch.",
        samples="mm_onnx.samples:SAMPLES",
    )


@hookimpl
def mm_exporters() -> list[ExporterSpec]:
    """It needs torch, onnx and onnxscript; what it writes does not."""
    return [
        ExporterSpec(
            name="onnx",
            summary="A model folder with an ONNX graph for a network; it answers without torch.",
            references=(ONNX,),
            target="mm_onnx.exporter:OnnxExporter",
            config="mm_onnx.configs:OnnxConfig",
        )
    ]


@hookimpl
def mm_runtimes() -> list[RuntimeSpec]:
    """What answers for the models that it writes; it imports no torch."""
    return [
        RuntimeSpec(
            name="onnx",
            summary="An ONNX graph in onnxruntime, on the CPU.",
            references=(ONNX,),
            target="mm_onnx.engine:GraphEngine",
        )
    ]
