"""What mm-trees offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import CommandSpec, Defaults, FitterSpec, PluginInfo, RuntimeSpec, hookimpl
from mm_trees.losses import LOSSES
from mm_trees.spaces import SPACES

CATBOOST = "arxiv:1706.09516"  # Prokhorenkova et al. 2018
LIGHTGBM = "doi:10.5555/3294996.3295074"  # Ke et al. 2017
SCIKIT_LEARN = "arxiv:1201.0490"  # Pedregosa et al. 2011


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Boosted trees on tables, without a network: CatBoost, LightGBM, scikit-learn.",
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
            losses=losses,
            search_space=SPACES[name],
        )
        for name, title, summary, reference, losses in (
            (
                "catboost",
                "CatBoost",
                "Symmetric trees, categories by their statistics.",
                CATBOOST,
                tuple(LOSSES),
            ),
            (
                "lightgbm",
                "LightGBM",
                "Trees grown leaf by leaf; fast on many rows.",
                LIGHTGBM,
                tuple(LOSSES),
            ),
            (
                "hist_gradient_boosting",
                "HistGradientBoosting",
                "scikit-learn's trees, grown leaf by leaf on 255 bins of each column.",
                SCIKIT_LEARN,
                tuple(loss for loss in LOSSES if loss != "core:huber"),
            ),
        )
    ]


@hookimpl
def mm_runtimes() -> list[RuntimeSpec]:
    """What answers for them; none imports torch."""
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
        RuntimeSpec(
            name="hist_gradient_boosting",
            summary="scikit-learn's own predictor, on a file of skops: JSON and arrays in a zip.",
            references=(SCIKIT_LEARN,),
            target="mm_trees.hist_gradient_boosting_engine:HistGradientBoostingEngine",
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
