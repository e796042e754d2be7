"""Everything the core announces can be imported, built and described."""

from __future__ import annotations

import pytest

from mm_core.api.specs import FusionHeadSpec, LossSpec, MetricSpec, PresetSpec, TaskSpec
from mm_core.plugins import Registry

REGISTRY = Registry(entry_points=[])
KINDS = (TaskSpec, FusionHeadSpec, LossSpec, MetricSpec)


@pytest.mark.parametrize(
    "component", [c for kind in KINDS for c in REGISTRY.all(kind)], ids=lambda c: c.id
)
def test_target_and_config_can_be_imported(component) -> None:  # type: ignore[no-untyped-def]
    assert callable(component.load())
    if component.spec.kind != "metric":
        config = component.config_class()
        assert config(**config().model_dump(mode="json")) == config()
        assert all(field.description for field in config.model_fields.values())


@pytest.mark.parametrize("component", REGISTRY.all(TaskSpec), ids=lambda c: c.id)
def test_metrics_of_a_task_exist_and_include_the_default(component) -> None:  # type: ignore[no-untyped-def]
    spec = component.spec
    assert isinstance(spec, TaskSpec)
    assert spec.default_metric in spec.metrics
    known = {one.spec.name: one.spec for one in REGISTRY.all(MetricSpec)}
    wanted = {"values"} if spec.name == "regression" else {"labels", "proba"}
    wanted |= {"indicators"} if spec.name == "multilabel" else set()
    for name in spec.metrics:
        metric = known[name]
        assert isinstance(metric, MetricSpec)
        assert metric.needs in wanted
    assert callable(component.load("detector"))
    assert component.load("topology").__name__ == "LateFusion"


def test_every_metric_belongs_to_a_task() -> None:
    offered = {name for task in REGISTRY.all(TaskSpec) for name in task.spec.metrics}  # type: ignore[attr-defined]
    assert offered == {metric.spec.name for metric in REGISTRY.all(MetricSpec)}


def test_every_loss_belongs_to_a_task() -> None:
    offered = {name for task in REGISTRY.all(TaskSpec) for name in task.spec.losses}  # type: ignore[attr-defined]
    assert offered == {loss.spec.name for loss in REGISTRY.all(LossSpec)}


def test_presets_set_training_values_of_the_cores_tasks() -> None:
    presets = {preset.spec.name: preset.spec for preset in REGISTRY.all(PresetSpec)}
    assert set(presets) == {"medium_quality", "high_quality", "best_quality", "multilingual"}
    for spec in presets.values():
        assert set(spec.components) == {task.id for task in REGISTRY.all(TaskSpec)}  # type: ignore[attr-defined]
        assert all(key.startswith("training.") for key in spec.values)  # type: ignore[attr-defined]
