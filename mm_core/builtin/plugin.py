"""What ships with the core, offered through the same hooks as everything else."""

from __future__ import annotations

from collections.abc import Mapping

from mm_core.api.checkpoints import CheckpointSourceSpec
from mm_core.api.hookspecs import hookimpl
from mm_core.api.search import Search
from mm_core.api.specs import (
    CommandSpec,
    FitterSpec,
    FusionHeadSpec,
    LossSpec,
    MetricSpec,
    PluginInfo,
    PresetSpec,
    RuntimeSpec,
    TaskSpec,
)
from mm_core.builtin.commands import COMMANDS

_CLASSIFICATION = "mm_core.builtin.metrics.classification"
_INDICATORS = "mm_core.builtin.metrics.indicators"
_REGRESSION = "mm_core.builtin.metrics.regression"

_ANY_CLASSES = (
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "f1_micro",
    "f1_weighted",
    "precision_macro",
    "precision_weighted",
    "recall_macro",
    "recall_weighted",
    "roc_auc",
    "log_loss",
    "mcc",
    "cohen_kappa",
    "quadratic_kappa",
    "brier",
)
_TWO_CLASSES = ("f1", "precision", "recall", "average_precision")
_MANY_CLASSES = ("roc_auc_ovr", "roc_auc_ovo")
_LABELS = (
    "accuracy",
    "hamming_loss",
    "f1_macro",
    "f1_micro",
    "f1_weighted",
    "f1_samples",
    "precision_macro",
    "precision_micro",
    "precision_weighted",
    "precision_samples",
    "recall_macro",
    "recall_micro",
    "recall_weighted",
    "recall_samples",
    "jaccard_macro",
    "jaccard_samples",
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier",
)
_LOSSES = {
    "class": ("cross_entropy", "focal"),
    "value": ("mse", "mae", "huber", "quantile"),
    "labels": ("bce", "binary_focal", "asymmetric"),
}
"""Target -> the losses that read it."""
_DROPOUT = {"dropout": Search(0, 0.4)}
_GAMMA = {"gamma": Search(0.5, 5)}
_NUMBERS = (
    "rmse",
    "mse",
    "mae",
    "median_absolute_error",
    "mean_pinball_loss",
    "mape",
    "r2",
    "spearmanr",
    "pearsonr",
)


@hookimpl
def mm_plugin_info() -> PluginInfo:
    return PluginInfo(
        api=(2, 0),
        summary="Classification, regression, simple fusion, and their metrics.",
        samples="mm_core.builtin.samples:SAMPLES",
    )


@hookimpl
def mm_tasks() -> list[TaskSpec]:
    return [
        TaskSpec(
            name="binary",
            target="mm_core.builtin.tasks.binary:Binary",
            config="mm_core.builtin.configs:BinaryConfig",
            detector="mm_core.builtin.detect:detect_binary",
            summary="One of two classes.",
            metrics=(*_ANY_CLASSES, *_TWO_CLASSES),
            default_metric="roc_auc",
            losses=_LOSSES["class"],
            default_loss="cross_entropy",
            fusion="core:hybrid",
        ),
        TaskSpec(
            name="multiclass",
            target="mm_core.builtin.tasks.multiclass:Multiclass",
            config="mm_core.builtin.configs:MulticlassConfig",
            detector="mm_core.builtin.detect:detect_multiclass",
            summary="One of several classes.",
            metrics=(*_ANY_CLASSES, *_MANY_CLASSES),
            default_metric="accuracy",
            losses=_LOSSES["class"],
            default_loss="cross_entropy",
            fusion="core:hybrid",
        ),
        TaskSpec(
            name="multilabel",
            target="mm_core.builtin.tasks.multilabel:Multilabel",
            config="mm_core.builtin.configs:MultilabelConfig",
            detector="mm_core.builtin.detect:detect_multilabel",
            summary="Any number of labels.",
            metrics=_LABELS,
            default_metric="f1_macro",
            validation_metric="log_loss",
            losses=_LOSSES["labels"],
            default_loss="bce",
            fusion="core:hybrid",
        ),
        TaskSpec(
            name="regression",
            target="mm_core.builtin.tasks.regression:Regression",
            config="mm_core.builtin.configs:RegressionConfig",
            detector="mm_core.builtin.detect:detect_regression",
            summary="A number.",
            metrics=_NUMBERS,
            default_metric="rmse",
            losses=_LOSSES["value"],
            default_loss="mse",
            fusion="core:hybrid",
        ),
    ]


@hookimpl
def mm_fusion_heads() -> list[FusionHeadSpec]:
    return [
        FusionHeadSpec(
            name="concat_mlp",
            target="mm_core.builtin.fusion.concat_mlp:ConcatMLP",
            config="mm_core.builtin.configs:ConcatMLPConfig",
            summary="MLP over the concatenated features; absent inputs have a learned embedding.",
            references=("arxiv:2404.16233",),
            fills_missing=True,
            search_space=_DROPOUT,
        ),
        FusionHeadSpec(
            name="mean",
            target="mm_core.builtin.fusion.mean:Mean",
            config="mm_core.builtin.configs:MeanConfig",
            search_space=_DROPOUT,
            summary="Mean of the projected features of the inputs that are present.",
        ),
        FusionHeadSpec(
            name="logit",
            target="mm_core.builtin.fusion.logit:Logit",
            config="mm_core.builtin.configs:LogitConfig",
            search_space=_DROPOUT,
            summary="Learned weighted mean of each present input's own answer.",
        ),
        FusionHeadSpec(
            name="hybrid",
            target="mm_core.builtin.fusion.hybrid:Hybrid",
            config="mm_core.builtin.configs:HybridConfig",
            summary="Learned weighted mean of concat_mlp's answer and each input's own.",
            references=("arxiv:1705.09406",),
            fills_missing=True,
            search_space=_DROPOUT,
        ),
    ]


@hookimpl
def mm_losses() -> list[LossSpec]:
    focal, asymmetric = "arxiv:1708.02002", "arxiv:2009.14119"
    return [
        _loss("cross_entropy", "class", "classes:CrossEntropy", "Cross entropy."),
        _loss(
            "focal",
            "class",
            "classes:Focal",
            "Rows that are right count less.",
            focal,
            space=_GAMMA,
        ),
        _loss("mse", "value", "values:MSE", "Squared error; aims at the mean."),
        _loss("mae", "value", "values:MAE", "Absolute error; aims at the median.", chooses="mae"),
        _loss(
            "huber",
            "value",
            "values:Huber",
            "Squared error, linear for large ones.",
            chooses="mae",  # by squares the outliers would choose, which are to pull less
        ),
        _loss(
            "quantile",
            "value",
            "values:Quantile",
            "Pinball loss; aims at a quantile.",
            chooses="mean_pinball_loss",
        ),
        _loss("bce", "labels", "labels:BCE", "Binary cross entropy of each label."),
        _loss(
            "binary_focal",
            "labels",
            "labels:BinaryFocal",
            "Labels right count less.",
            focal,
            space=_GAMMA,
        ),
        _loss(
            "asymmetric",
            "labels",
            "labels:Asymmetric",
            "Negative labels that are right count less.",
            asymmetric,
        ),
    ]


@hookimpl
def mm_metrics() -> list[MetricSpec]:
    return [
        _metric("accuracy", "labels", "Share of rows that are right, in all labels."),
        _metric("balanced_accuracy", "labels", "Mean recall of the classes that occur."),
        _metric("f1", "labels", "F1 of the positive class."),
        _metric("f1_macro", "labels", "Mean of the classes' F1."),
        _metric("f1_micro", "labels", "F1 over all decisions."),
        _metric("f1_weighted", "labels", "Mean of the classes' F1, weighted by class size."),
        _metric("f1_samples", "indicators", "Mean of the rows' F1."),
        _metric("precision", "labels", "Precision of the positive class."),
        _metric("precision_macro", "labels", "Mean of the classes' precision."),
        _metric("precision_micro", "labels", "Precision over all decisions."),
        _metric("precision_samples", "indicators", "Mean of the rows' precision."),
        _metric("precision_weighted", "labels", "Mean precision, weighted by class size."),
        _metric("recall", "labels", "Recall of the positive class."),
        _metric("recall_macro", "labels", "Mean of the classes' recall."),
        _metric("recall_micro", "labels", "Recall over all decisions."),
        _metric("recall_samples", "indicators", "Mean of the rows' recall."),
        _metric("recall_weighted", "labels", "Mean recall, weighted by class size."),
        _metric("hamming_loss", "labels", "Share of wrong decisions.", higher=False),
        _metric("jaccard_macro", "labels", "Mean of the classes' right / (right + wrong)."),
        _metric("jaccard_samples", "indicators", "Mean of the rows' right / (right + wrong)."),
        _metric("mcc", "labels", "Matthews correlation coefficient."),
        _metric("cohen_kappa", "labels", "Agreement beyond chance."),
        _metric("quadratic_kappa", "labels", "Agreement with quadratic weights, ordered classes."),
        _metric("roc_auc", "proba", "Area under the ROC curve; several classes: one against rest."),
        _metric("roc_auc_ovr", "proba", "Mean ROC AUC of each class against the rest."),
        _metric("roc_auc_ovo", "proba", "Mean ROC AUC over pairs of classes."),
        _metric("average_precision", "proba", "Area under the precision-recall curve."),
        _metric("log_loss", "proba", "Cross entropy in nats.", higher=False),
        _metric("brier", "proba", "Squared error of the probabilities.", higher=False),
        _metric("rmse", "values", "Root mean squared error.", higher=False),
        _metric("mse", "values", "Mean squared error.", higher=False),
        _metric("mae", "values", "Mean absolute error.", higher=False),
        _metric("median_absolute_error", "values", "Median absolute error.", higher=False),
        _metric(
            "mean_pinball_loss",
            "values",
            "Mean pinball loss of a quantile, the median's unless the loss has a level.",
            higher=False,
            knows=("level",),
        ),
        _metric("mape", "values", "Mean absolute error as a share of the truth.", higher=False),
        _metric("r2", "values", "Share of variance explained."),
        _metric("spearmanr", "values", "Rank correlation."),
        _metric("pearsonr", "values", "Linear correlation."),
    ]


@hookimpl
def mm_fitters() -> list[FitterSpec]:
    return [
        FitterSpec(
            name="finetune",
            target="mm_core.training.finetune:Finetune",
            config="mm_core.api.config:Config",
            summary="Trains backbones and heads together by gradient descent.",
            search_space={
                "training.learning_rate": Search(1e-5, 3e-4, log=True),
                "training.head_learning_rate": Search(3e-4, 1e-2, log=True),
                "training.weight_decay": Search(1e-4, 1e-1, log=True),
                "training.batch_size": Search(choices=(16, 32, 64)),
            },
        )
    ]


@hookimpl
def mm_runtimes() -> list[RuntimeSpec]:
    return [
        RuntimeSpec(
            name="network",
            target="mm_core.network.engine:NetworkEngine",
            summary="Backbones, fusion and heads on torch.",
            network=True,
        )
    ]


@hookimpl
def mm_checkpoints() -> list[CheckpointSourceSpec]:
    """From near to far."""
    return [
        _source("folder", 10, "A folder or file on this machine."),
        _source("hf_cache", 20, "The local Hugging Face cache, no network."),
        _source("weight_package", 30, "Installed distributions that carry weights."),
        _source("hf_hub", 90, "The Hugging Face hub, asked with a short time-out.", "from_hub"),
    ]


@hookimpl
def mm_presets() -> list[PresetSpec]:
    return [
        _preset("medium_quality", "Fast; small models.", {}),
        _preset("high_quality", "The default.", {}),
        _preset("best_quality", "Large models, more epochs.", {"training.epochs": 20}),
        _preset("multilingual", "Text in any language.", {}),
    ]


def _loss(
    name: str,
    needs: str,
    target: str,
    summary: str,
    *references: str,
    chooses: str | None = None,
    space: Mapping[str, Search] | None = None,
) -> LossSpec:
    return LossSpec(
        name=name,
        target=f"mm_core.builtin.losses.{target}",
        config=f"mm_core.builtin.losses.configs:{target.partition(':')[2]}Config",
        needs=needs,
        summary=summary,
        references=references,
        validation_metric=chooses,
        search_space=dict(space or {}),
    )


def _source(name: str, order: int, summary: str, fetch: str | None = None) -> CheckpointSourceSpec:
    sources = "mm_core.checkpoints.sources"
    return CheckpointSourceSpec(
        name=name,
        summary=summary,
        target=f"{sources}:{name}",
        fetch=fetch and f"{sources}:{fetch}",
        order=order,
    )


def _metric(
    name: str, needs: str, summary: str, higher: bool = True, knows: tuple[str, ...] = ()
) -> MetricSpec:
    modules = {"values": _REGRESSION, "indicators": _INDICATORS}
    return MetricSpec(
        name=name,
        target=f"{modules.get(needs, _CLASSIFICATION)}:{name}",
        needs=needs,
        higher_is_better=higher,
        summary=summary,
        loss_settings=knows,
    )


def _preset(name: str, summary: str, changes: dict[str, object]) -> PresetSpec:
    return PresetSpec(
        name=name,
        summary=summary,
        components=("core:binary", "core:multiclass", "core:multilabel", "core:regression"),
        # AutoMM's (arxiv:2404.16233) but for batch_size, there 128: data is often small here and
        # the machine may have no GPU, where more steps per epoch learn more in the same time. And
        # but for layer_decay, there 0.9: docs/benchmarks.md, "Layer-wise decay".
        values={
            "training.epochs": 10,
            "training.batch_size": 32,
            "training.learning_rate": 1e-4,
            "training.head_learning_rate": 1e-3,
            "training.layer_decay": 1.0,
            "training.weight_decay": 1e-3,
            "training.schedule": "cosine",
            "training.warmup": 0.1,
            "training.clip_norm": 1.0,
            "training.patience": 10,
            **changes,
        },
    )


@hookimpl
def mm_commands() -> list[CommandSpec]:
    return [
        CommandSpec(name=name, summary=summary, target=target)
        for name, (target, summary) in COMMANDS.items()
    ]
