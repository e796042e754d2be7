"""What mm-fusemix offers. Light: strings and records only."""

from __future__ import annotations

from mm_matching.api import pair_task, sides

from mm_core.api import Defaults, FitterSpec, PluginInfo, PresetSpec, TaskSpec, hookimpl

FUSEMIX = "arxiv:2312.10144"

_PRESETS = ("medium_quality", "high_quality", "best_quality", "multilingual")


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Frozen encoders brought into one space by adapters on paired latents.",
        samples="mm_fusemix.samples:SAMPLES",
    )


@hookimpl
def mm_tasks() -> list[TaskSpec]:
    """Pairs, as those of mm-matching, under adapters."""
    return [
        pair_task(
            "alignment",
            "What belongs together, by frozen encoders of any modality and adapters above them.",
            references=(FUSEMIX,),
            roles=sides()[:2],
            defaults={
                "text": Defaults(
                    backbone="matching:sentence", processor="matching:sentence_tokenizer"
                )
            },
            topology="mm_fusemix.aligned:Aligned",
            topology_config="mm_fusemix.configs:AlignedConfig",
            label="none",
        )
    ]


@hookimpl
def mm_fitters() -> list[FitterSpec]:
    """Mixtures of latents."""
    return [
        FitterSpec(
            name="latent_mix",
            summary="Encoders run once a row; what stands above learns from mixtures of latents.",
            references=(FUSEMIX,),
            target="mm_fusemix.fitter:LatentMix",
            config="mm_fusemix.configs:LatentMixConfig",
        )
    ]


@hookimpl
def mm_presets() -> list[PresetSpec]:
    """The fitter of the task, and a pace for adapters: steps are cheap, and many."""
    return [
        PresetSpec(
            name=name,
            summary="frozen encoders, adapters on mixtures of their latents",
            components=("fusemix:alignment",),
            values={
                "fit.id": "fusemix:latent_mix",
                "training.epochs": 200,
                "training.patience": 40,
                "training.batch_size": 256,
                "training.head_learning_rate": 1e-3,
                "training.weight_decay": 0.1,
            },
        )
        for name in _PRESETS
    ]
