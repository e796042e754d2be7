"""The hooks. Each is a noun that returns records; none does work.

A plugin is a light module that implements some of these with ``@hookimpl`` and is named by an entry
point in the group ``mm_core.plugins``. Nothing heavy may be imported by that module.
"""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from mm_core.api.checkpoints import CheckpointFormatSpec, CheckpointSourceSpec
from mm_core.api.planning import NoteSpec
from mm_core.api.specs import (
    AdapterSpec,
    ArtifactSavedSpec,
    BackboneSpec,
    CommandSpec,
    ExporterSpec,
    FitEndSpec,
    FitterSpec,
    FusionHeadSpec,
    LossSpec,
    MetricSpec,
    ModalitySpec,
    ModelMethodSpec,
    PluginInfo,
    PresetSpec,
    ProcessorSpec,
    ReaderSpec,
    RecipeReadySpec,
    RuntimeSpec,
    TaskSpec,
)

PROJECT = "mm_core"
ENTRY_POINT_GROUP = "mm_core.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def mm_plugin_info() -> PluginInfo:  # type: ignore[empty-body]
    """The API version the plugin was written for, and a summary. Every plugin has exactly one."""


@hookspec
def mm_modalities() -> Sequence[ModalitySpec]:  # type: ignore[empty-body]
    """Kinds of data a column can hold, each with its detector."""


@hookspec
def mm_processors() -> Sequence[ProcessorSpec]:  # type: ignore[empty-body]
    """Ways to turn cells into arrays."""


@hookspec
def mm_backbones() -> Sequence[BackboneSpec]:  # type: ignore[empty-body]
    """Networks that turn arrays into features."""


@hookspec
def mm_adapters() -> Sequence[AdapterSpec]:  # type: ignore[empty-body]
    """Ways to train a part of a backbone, or small weights beside it."""


@hookspec
def mm_fusion_heads() -> Sequence[FusionHeadSpec]:  # type: ignore[empty-body]
    """Ways to combine the features of several backbones."""


@hookspec
def mm_tasks() -> Sequence[TaskSpec]:  # type: ignore[empty-body]
    """What can be predicted."""


@hookspec
def mm_losses() -> Sequence[LossSpec]:  # type: ignore[empty-body]
    """Losses that tasks can be trained with."""


@hookspec
def mm_metrics() -> Sequence[MetricSpec]:  # type: ignore[empty-body]
    """Scores."""


@hookspec
def mm_fitters() -> Sequence[FitterSpec]:  # type: ignore[empty-body]
    """Ways to fit a model."""


@hookspec
def mm_checkpoint_formats() -> Sequence[CheckpointFormatSpec]:  # type: ignore[empty-body]
    """Forms in which pretrained weights are stored."""


@hookspec
def mm_checkpoints() -> Sequence[CheckpointSourceSpec]:  # type: ignore[empty-body]
    """Places where pretrained weights come from."""


@hookspec
def mm_presets() -> Sequence[PresetSpec]:  # type: ignore[empty-body]
    """Named sets of values for components."""


@hookspec
def mm_runtimes() -> Sequence[RuntimeSpec]:  # type: ignore[empty-body]
    """What answers for a fitted model."""


@hookspec
def mm_exporters() -> Sequence[ExporterSpec]:  # type: ignore[empty-body]
    """Ways to write a trained model in another form."""


@hookspec
def mm_readers() -> Sequence[ReaderSpec]:  # type: ignore[empty-body]
    """Data that is no table yet, wherever rows are asked for."""


@hookspec
def mm_commands() -> Sequence[CommandSpec]:  # type: ignore[empty-body]
    """Commands beside the core's: ``mm <name> ...``."""


@hookspec
def mm_methods() -> Sequence[ModelMethodSpec]:  # type: ignore[empty-body]
    """What predictors can do besides, whatever their task: ``predictor.explain(rows)``."""


@hookspec
def mm_notes() -> Sequence[NoteSpec]:  # type: ignore[empty-body]
    """Who has a word on plans: what could be set instead, and why."""


@hookspec
def mm_recipe_ready() -> Sequence[RecipeReadySpec]:  # type: ignore[empty-body]
    """Who is told of the recipe of each fit, before it begins."""


@hookspec
def mm_fit_end() -> Sequence[FitEndSpec]:  # type: ignore[empty-body]
    """Who is told of each fit that ended, with its model."""


@hookspec
def mm_artifact_saved() -> Sequence[ArtifactSavedSpec]:  # type: ignore[empty-body]
    """Who is told of each model that was saved."""
