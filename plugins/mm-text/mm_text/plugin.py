"""The hooks of mm-text: specs only, nothing heavy is imported here."""

from __future__ import annotations

from mm_core.api import (
    BackboneSpec,
    CheckpointFormatSpec,
    ModalitySpec,
    PluginInfo,
    PresetSpec,
    ProcessorSpec,
    hookimpl,
)
from mm_text.catalogue import CARDS, PACKAGE, PRESETS


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
            formats=("hf",),
            cards=CARDS,
            references=("https://huggingface.co/docs/transformers",),
        )
    ]


@hookimpl
def mm_checkpoint_formats() -> list[CheckpointFormatSpec]:
    """Folders of transformers, and the package that holds one."""
    return [
        CheckpointFormatSpec(
            name="hf",
            summary="A folder with config.json, weights and a tokenizer, as transformers saves it",
            target="mm_core.api.checkpoints:HFFolder",
            packages=(PACKAGE,),
        )
    ]


@hookimpl
def mm_presets() -> list[PresetSpec]:
    """Which checkpoint each quality level takes."""
    return list(PRESETS)
