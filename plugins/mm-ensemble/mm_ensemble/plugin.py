"""What mm-ensemble offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import (
    FitterSpec,
    ModelMethodSpec,
    PluginInfo,
    PresetSpec,
    RuntimeSpec,
    Search,
    hookimpl,
)

CARUANA = "doi:10.1145/1015330.1015432"  # Caruana et al. 2004
BREIMAN = "doi:10.1007/BF00058655"  # Breiman 1996


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Several models in one: ensembles of trees and networks, encoders as features.",
        samples="mm_ensemble.samples:SAMPLES",
    )


@hookimpl
def mm_fitters() -> list[FitterSpec]:
    """All but one read cells, for the models inside them do."""
    return [
        FitterSpec(
            name="greedy",
            summary="Several models; their weights are chosen on held-out rows.",
            references=(CARUANA,),
            target="mm_ensemble.fitting:Greedy",
            config="mm_ensemble.configs:EnsembleConfig",
            reads="rows",
            runtime="ensemble:models",
        ),
        FitterSpec(
            name="bagged",
            summary="Each model on all folds of the rows but one; weights are chosen on all rows.",
            references=(CARUANA, BREIMAN),
            target="mm_ensemble.bagging:Bagged",
            config="mm_ensemble.configs:BaggedConfig",
            reads="rows",
            runtime="ensemble:models",
            holds_out=False,
        ),
        FitterSpec(
            name="features",
            summary="What encoders say of texts and pictures, as columns for trees.",
            target="mm_ensemble.features:Features",
            config="mm_ensemble.configs:FeaturesConfig",
            reads="rows",
            runtime="ensemble:features",
        ),
        FitterSpec(
            name="frozen",
            summary="A network with its weights as they came: nothing is trained.",
            target="mm_ensemble.frozen:Frozen",
            training=(),
        ),
        FitterSpec(
            name="distilled",
            summary="A network that learns what a saved model says, beside the labels.",
            references=("arxiv:1503.02531",),
            target="mm_ensemble.distilled:Distilled",
            config="mm_ensemble.configs:DistilledConfig",
            search_space={"share": Search(0, 1), "temperature": Search(1, 5, log=True)},
        ),
    ]


@hookimpl
def mm_runtimes() -> list[RuntimeSpec]:
    """What answers: whole models, each with its own processors and engine."""
    return [
        RuntimeSpec(
            name="models",
            summary="The weighted mean of several models.",
            target="mm_ensemble.models:Models",
        ),
        RuntimeSpec(
            name="features",
            summary="Encoders, and a model that reads what they say as columns.",
            target="mm_ensemble.columns:EncodedColumns",
        ),
    ]


@hookimpl
def mm_methods() -> list[ModelMethodSpec]:
    """What ensembles do besides answering."""
    return [
        ModelMethodSpec(
            name="leaderboard",
            summary="The ensemble beside each of its members: scores, weights, pace and size.",
            target="mm_ensemble.leaderboard:leaderboard",
            command=True,
            runtimes=("ensemble:models",),
        ),
        ModelMethodSpec(
            name="distill",
            summary="One network that learns what the ensemble says.",
            target="mm_ensemble.distilling:distill",
            runtimes=("ensemble:models",),
        ),
    ]


@hookimpl
def mm_presets() -> list[PresetSpec]:
    """The best that is to be had: several models."""
    return [
        PresetSpec(
            name="best_quality",
            summary="Several models in one.",
            components=("core:binary", "core:multiclass", "core:multilabel", "core:regression"),
            values={"fit.id": "ensemble:greedy"},
        )
    ]
