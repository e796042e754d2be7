"""What mm-tabular offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import (
    BackboneSpec,
    ModalitySpec,
    PluginInfo,
    PresetSpec,
    ProcessorSpec,
    hookimpl,
)
from mm_tabular.presets import (
    FT_ALONE,
    FT_PRESETS,
    MLP_ALONE,
    MLP_PRESETS,
    REALMLP_ALONE,
    REALMLP_PRESETS,
    TABM_ALONE,
    TABM_PRESETS,
)
from mm_tabular.spaces import FT_SPACE, MLP_SPACE, REALMLP_SPACE


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Tables: numbers, categories, dates, booleans; MLP, TabM, RealMLP, FT-Transformer.",
        samples="mm_tabular.samples:SAMPLES",
    )


@hookimpl
def mm_modalities() -> list[ModalitySpec]:
    """The modality ``tabular``."""
    return [
        ModalitySpec(
            name="tabular",
            summary="Numbers, categories, dates and booleans; all such columns are one input.",
            detector="mm_tabular.detect:detect",
            kinds=("numerical", "categorical", "datetime", "boolean"),
            processor="tabular:table",
            backbone="tabular:mlp",
        )
    ]


@hookimpl
def mm_processors() -> list[ProcessorSpec]:
    """One processor reads all kinds of columns."""
    return [
        ProcessorSpec(
            name="table",
            summary="Scales numbers, codes categories, unfolds dates; missing cells are marked.",
            target="mm_tabular.table:TableProcessor",
            config="mm_tabular.configs:TableConfig",
            modalities=("tabular",),
        )
    ]


@hookimpl
def mm_backbones() -> list[BackboneSpec]:
    """The MLP (default), TabM, RealMLP and the FT-Transformer."""
    return [
        BackboneSpec(
            name="mlp",
            summary="MLP over periodic embeddings of numbers and embeddings of categories.",
            target="mm_tabular.mlp:MLP",
            config="mm_tabular.configs:MLPConfig",
            modalities=("tabular",),
            provides=("pooled",),
            processor="tabular:table",
            alone=MLP_ALONE,
            search_space=MLP_SPACE,
            references=("arxiv:2203.05556",),
        ),
        BackboneSpec(
            name="tabm",
            summary="An ensemble of MLPs that share their weights.",
            target="mm_tabular.tabm:TabM",
            config="mm_tabular.configs:TabMConfig",
            modalities=("tabular",),
            provides=("pooled",),
            processor="tabular:table",
            alone=TABM_ALONE,
            search_space=MLP_SPACE,
            references=("arxiv:2410.24210", "arxiv:2002.06715"),
        ),
        BackboneSpec(
            name="realmlp",
            summary="MLP with tuned defaults: factors of features, waves of the learning rate.",
            target="mm_tabular.realmlp:RealMLP",
            config="mm_tabular.configs:RealMLPConfig",
            modalities=("tabular",),
            provides=("pooled",),
            processor="tabular:table",
            alone=REALMLP_ALONE,
            search_space=REALMLP_SPACE,
            references=("arxiv:2407.04491",),
        ),
        BackboneSpec(
            name="ft_transformer",
            summary="Transformer over one token per column.",
            target="mm_tabular.ft_transformer:FTTransformer",
            config="mm_tabular.configs:FTTransformerConfig",
            modalities=("tabular",),
            provides=("pooled", "tokens"),
            processor="tabular:table",
            alone=FT_ALONE,
            search_space=FT_SPACE,
            references=("arxiv:2106.11959",),
        ),
    ]


@hookimpl
def mm_presets() -> list[PresetSpec]:
    """Sizes of the backbones under the common preset names."""
    return [
        PresetSpec(
            name=name,
            summary=f"{component} for {name}",
            components=(component,),
            values=values,
        )
        for component, presets in (
            ("tabular:mlp", MLP_PRESETS),
            ("tabular:tabm", TABM_PRESETS),
            ("tabular:realmlp", REALMLP_PRESETS),
            ("tabular:ft_transformer", FT_PRESETS),
        )
        for name, values in presets.items()
    ]
