"""What mm-lightgbm offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import Defaults, FitterSpec, PluginInfo, RuntimeSpec, hookimpl

LIGHTGBM = "doi:10.5555/3294996.3295074"  # Ke et al. 2017


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Boosted trees for mm: models of tables without a network.",
        samples="mm_lightgbm.samples:SAMPLES",
    )


@hookimpl
def mm_fitters() -> list[FitterSpec]:
    """Trees read what the processors of tables give: no backbone, no fusion."""
    return [
        FitterSpec(
            name="trees",
            summary="Gradient boosted trees on numbers, dates, categories and booleans.",
            references=(LIGHTGBM,),
            target="mm_lightgbm.trees:Trees",
            config="mm_lightgbm.configs:TreesConfig",
            reads="inputs",
            modalities=("tabular",),
            defaults={"tabular": Defaults(processor="tabular:table")},
            runtime="lightgbm:booster",
        )
    ]


@hookimpl
def mm_runtimes() -> list[RuntimeSpec]:
    """What answers for them; it imports no torch."""
    return [
        RuntimeSpec(
            name="booster",
            summary="LightGBM's own predictor, on its text model file.",
            references=(LIGHTGBM,),
            target="mm_lightgbm.booster:TreeEngine",
        )
    ]
