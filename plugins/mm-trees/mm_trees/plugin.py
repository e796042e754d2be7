"""What mm-trees offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import CommandSpec, Defaults, FitterSpec, PluginInfo, RuntimeSpec, hookimpl
from mm_trees.losses import LOSSES
from mm_trees.spaces import SPACES

CATBOOST = "arxiv:1706.09516"  # Prokhorenkova et al. 2018
LIGHTGBM = "doi:10.5555/3294996.3295074"  # Ke et al. 2017


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Boosted trees on tables, without a network: CatBoost and LightGBM.",
        samples="mm_trees.samples:SAMPLES",
    )


@hookimpl
def mm_fitters() -> list[FitterSpec]:
    """Trees read what the processors of tables give: no backbone, no fusion."""
    return [
        FitterSpec(
            name=name,
            summary=summary,
            references=(reference,),
            target=f"mm_trees.{name}_fit:{title}Trees",
            config=f"mm_trees.configs:{title}Config",
            reads="inputs",
            modalities=("tabular",),
            defaults={"tabular": Defaults(processor="tabular:table")},
            runtime=f"trees:{name}",
            alone=name == "catboost",
            training=("class_weights", "loss", "seed"),
            losses=tuple(LOSSES),
            search_space=SPACES[name],
        )
        for name, title, summary, reference in (
            (
                "catboost",
                "CatBoost",
                "Symmetric trees, categories by their statistics.",
                CATBOOST,
            ),
            ("lightgbm", "LightGBM", "Trees grown leaf by leaf; fast on many rows.", LIGHTGBM),
        )
    ]


@hookimpl
def mm_runtimes() -> list[RuntimeSpec]:
    """What answers for them; neither imports torch."""
    return [
        RuntimeSpec(
            name="catboost",
            summary="CatBoost's own predictor, on its JSON model file.",
            references=(CATBOOST,),
            target="mm_trees.catboost_engine:CatBoostEngine",
        ),
        RuntimeSpec(
            name="lightgbm",
            summary="LightGBM's own predictor, on its text model file.",
            references=(LIGHTGBM,),
            target="mm_trees.lightgbm_engine:LightGBMEngine",
        ),
    ]


@hookimpl
def mm_commands() -> list[CommandSpec]:
    """What the trees of a saved model look at."""
    return [
        CommandSpec(
            name="importances",
            summary="Say how much each column counts in a model of boosted trees.",
            target="mm_trees.importances:importances",
        )
    ]
