"""Schema + task + presets + the user's settings -> Recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mm_core.api.config import suggest
from mm_core.api.contracts import ColumnSample, LabelSample, Table
from mm_core.api.errors import ColumnError, ConfigError, LabelError, RecipeError
from mm_core.api.specs import (
    BackboneSpec,
    FitterSpec,
    FusionHeadSpec,
    MetricSpec,
    ProcessorSpec,
    TaskSpec,
)
from mm_core.plugins.registry import Component, Registry
from mm_core.recipe.checkpoints import CheckpointFinder
from mm_core.recipe.inputs import PlannedInput, plan_inputs
from mm_core.recipe.presets import TRAINING, Presets, choose_presets
from mm_core.recipe.recipe import DataConfig, Recipe, TrainingConfig
from mm_core.schema.sample import sample_column
from mm_core.schema.schema import Schema, infer_schema

CUSTOM_METRIC = "custom:"


@dataclass(frozen=True)
class Request:
    """What the user asked for, before anything is looked at.

    Attributes:
        label: label columns.
        presets: names of presets.
        overrides: nested settings (:func:`mm_core.recipe.overrides.read_overrides`); metrics may
            be ``"custom:<name>"`` for a callable.
        column_types: the user's decisions on columns.
    """

    label: tuple[str, ...]
    presets: str | Sequence[str] | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    column_types: Mapping[str, str | None] | None = None

    @property
    def sample_weight(self) -> str | None:
        """Column of row weights."""
        section = self.overrides.get("data")
        return section.get("sample_weight") if isinstance(section, Mapping) else None


def resolve(table: Table, request: Request, registry: Registry, finder: CheckpointFinder) -> Recipe:
    """The fully resolved plan for fitting ``table``.

    Raises:
        LabelError, ColumnError, ConfigError, RecipeError, CheckpointError, UnknownComponentError.
    """
    for name in (*request.label, *filter(None, [request.sample_weight])):
        _check_column(name, table, is_label=name in request.label)
    exclude = [*request.label, *filter(None, [request.sample_weight])]
    for name in exclude:
        if name in (request.column_types or {}):
            raise ColumnError(
                f"column_types names {name!r}, which is no input but the label or the weight",
                column=name,
                remedy="leave it out",
            )
    schema = infer_schema(table, exclude, registry, request.column_types)
    presets = choose_presets(request.presets, registry)
    return _Resolver(request, registry, finder, presets).resolve(table, schema)


@dataclass(frozen=True)
class _Chosen:
    """A backbone with the inputs it reads and what the user set on it."""

    component: Component[BackboneSpec]
    inputs: tuple[str, ...]
    user: Mapping[str, Any]


class _Resolver:
    """Fills the sections one after the other and notes the origin of each value."""

    def __init__(
        self, request: Request, registry: Registry, finder: CheckpointFinder, presets: Presets
    ) -> None:
        self.request = request
        self.registry = registry
        self.finder = finder
        self.presets = presets
        self.origins: dict[str, str] = {}

    def resolve(self, table: Table, schema: Schema) -> Recipe:
        task = self._task(table)
        planned = plan_inputs(schema, self._user("inputs"), self.registry)
        backbones = self._backbones(planned)
        inputs = {name: self._input(name, plan, backbones) for name, plan in planned.items()}
        for name, plan in planned.items():
            self.origins[f"inputs.{name}.columns"] = plan.origin
        resolved = {
            "schema": schema,
            "inputs": inputs,
            "backbones": {name: self._backbone(name, part) for name, part in backbones.items()},
            "fusion": self._fusion(backbones, task),
            "task": self._component("task", task, self._user("task")),
            "fit": self._fit(),
            "training": self._training(task, backbones),
            "data": self._data(task),
        }
        return Recipe.model_validate({**resolved, "origins": self.origins})

    # ---- layers ------------------------------------------------------------------------------

    def _user(self, section: str) -> dict[str, Any]:
        value = self.request.overrides.get(section, {})
        if not isinstance(value, Mapping):
            raise ConfigError(
                f"{section!r} is a section, not a value",
                value=value,
                remedy=f"set a key of it: {section}.<key>",
            )
        return dict(value)

    def _component(
        self,
        section: str,
        component: Component[Any],
        user: Mapping[str, Any],
        owned: Sequence[str] = (),
    ) -> dict[str, Any]:
        """``{"id": ..., **complete config}``; ``owned`` keys belong to the core, not the config."""
        preset, preset_origin = self.presets.values(component.id)
        preset = {k: v for k, v in preset.items() if not k.startswith(TRAINING)}
        own = {k: v for k, v in user.items() if k not in ("id", *owned)}
        config = component.config_class().read({**preset, **own}, where=section)
        values = config.model_dump(mode="json")
        for key in values:
            origin = "user" if key in own else preset_origin if key in preset else "default"
            self.origins[f"{section}.{key}"] = origin
        self.origins[f"{section}.id"] = (
            "user" if "id" in user else self.origins.get(f"{section}.id", "default")
        )
        return {"id": component.id, **values}

    # ---- sections ----------------------------------------------------------------------------

    def _task(self, table: Table) -> Component[TaskSpec]:
        named = self._user("task").get("id")
        if named:
            self.origins["task.id"] = "user"
            return self.registry.get(TaskSpec, named)
        columns = tuple(
            sample_column(table.frame[name], name, table.folder) for name in self.request.label
        )
        _check_varied(columns)
        claims = []
        for component in self.registry.all(TaskSpec):
            if component.spec.detector:
                detection = component.load("detector")(LabelSample(columns))
                if detection is not None:
                    claims.append((-detection.score, component.id, component, detection))
        if not claims:
            raise LabelError(
                f"no task recognises the label {', '.join(self.request.label)}",
                column=self.request.label[0],
                value=columns[0].values[0] if columns[0].values else None,
                remedy="name it: problem_type='multiclass' (mm plugins list shows the tasks)",
            )
        _, _, component, detection = min(claims, key=lambda claim: claim[:2])
        self.origins["task.id"] = f"label: {detection.reason}"
        return component

    def _backbones(self, planned: Mapping[str, PlannedInput]) -> dict[str, _Chosen]:
        user = {name: _as_part(value) for name, value in self._user("backbones").items()}
        taken = {name for part in user.values() for name in part.get("inputs", ())}
        names = list(dict.fromkeys([*(n for n in planned if n in user or n not in taken), *user]))
        found = {}
        for name in names:
            part = user.get(name, {})
            inputs = tuple(part.get("inputs", (name,)))
            for wanted in inputs:
                if wanted not in planned:
                    near = suggest(wanted, list(planned))
                    raise RecipeError(
                        f"backbones.{name} reads input {wanted!r}, which does not exist",
                        value=wanted,
                        remedy=f"did you mean {near!r}?"
                        if near
                        else f"inputs: {', '.join(planned)}",
                    )
            found[name] = self._chosen(name, part, inputs, planned)
        return found

    def _chosen(
        self,
        name: str,
        part: Mapping[str, Any],
        inputs: tuple[str, ...],
        planned: Mapping[str, PlannedInput],
    ) -> _Chosen:
        modality = planned[inputs[0]].modality
        component = self.registry.get(BackboneSpec, part.get("id", modality.spec.backbone))
        reads = component.spec.modalities
        for given in inputs:
            if planned[given].modality.spec.name not in reads:
                raise RecipeError(
                    f"backbones.{name} = {component.id} reads {', '.join(reads)}, "
                    f"not {planned[given].modality.spec.name} (input {given!r})",
                    plugin=component.id,
                    remedy="choose another backbone (mm plugins list)",
                )
        self.origins[f"backbones.{name}.id"] = f"modality {modality.id}"
        self.origins[f"backbones.{name}.inputs"] = "user" if "inputs" in part else "core"
        self.origins[f"backbones.{name}.learning_rate"] = (
            "user" if "learning_rate" in part else "default"
        )
        return _Chosen(component, inputs, part)

    def _input(
        self, name: str, plan: PlannedInput, backbones: Mapping[str, _Chosen]
    ) -> dict[str, Any]:
        reader = next(part for part in backbones.values() if name in part.inputs)
        modality = plan.modality.spec
        processor = reader.component.spec.processor or modality.processor
        wanted = plan.processor.get("id", processor)
        section = f"inputs.{name}.processor"
        self.origins[f"{section}.id"] = f"backbone {reader.component.id}"
        component = self.registry.get(ProcessorSpec, wanted)
        return {
            "columns": plan.columns,
            "processor": self._component(section, component, plan.processor),
        }

    def _backbone(self, name: str, chosen: _Chosen) -> dict[str, Any]:
        section = f"backbones.{name}"
        user = chosen.user
        part = self._component(section, chosen.component, user, owned=("inputs", "learning_rate"))
        if "checkpoint" in part:
            wanted = part["checkpoint"]
            candidates = [wanted] if isinstance(wanted, str) else list(wanted)
            found = self.finder.find(chosen.component.id, candidates)
            part["checkpoint"] = found.name
            self.origins[f"{section}.checkpoint"] += f" ({found.reason})"
        return {**part, "inputs": chosen.inputs, "learning_rate": user.get("learning_rate")}

    def _fusion(
        self, backbones: Mapping[str, _Chosen], task: Component[TaskSpec]
    ) -> dict[str, Any] | None:
        user = self._user("fusion")
        wanted = user.get("id", task.spec.fusion)
        if wanted is None or len(backbones) == 1:
            self.origins["fusion"] = "one backbone: bypassed" if len(backbones) == 1 else "task"
            return None
        head = self.registry.get(FusionHeadSpec, wanted)
        for name, part in backbones.items():
            lacking = set(head.spec.needs) - set(part.component.spec.provides)
            if lacking:
                raise RecipeError(
                    f"{head.id} needs {', '.join(sorted(lacking))} features, which "
                    f"backbones.{name} = {part.component.id} does not provide",
                    plugin=head.id,
                    remedy="choose another fusion head or backbone (mm plugins list)",
                )
        self.origins["fusion.id"] = f"task {task.id}"
        return self._component("fusion", head, user)

    def _fit(self) -> dict[str, Any]:
        user = self._user("fit")
        return self._component(
            "fit", self.registry.get(FitterSpec, user.get("id", "core:finetune")), user
        )

    def _training(
        self, task: Component[TaskSpec], backbones: Mapping[str, _Chosen]
    ) -> dict[str, Any]:
        preset, origin = self.presets.values(task.id)
        layers = [
            (
                origin,
                {k.removeprefix(TRAINING): v for k, v in preset.items() if k.startswith(TRAINING)},
            )
        ]
        if len(backbones) == 1:
            only = next(iter(backbones.values())).component
            layers.append((f"backbone {only.id} alone", only.spec.alone))
        layers.append(("user", self._user("training")))
        return self._layered("training", TrainingConfig, layers)

    def _data(self, task: Component[TaskSpec]) -> dict[str, Any]:
        user = self._user("data")
        if "label" in user:
            raise ConfigError(
                "data.label cannot be set here",
                value=user["label"],
                remedy="name the label itself: label=..., --label",
            )
        metric = self._metric(user.get("eval_metric", task.spec.default_metric), task)
        choosing = user.get("validation_metric")
        metrics = {
            "eval_metric": metric,
            "validation_metric": self._metric(choosing, task) if choosing else metric,
        }
        layers: list[tuple[str, Mapping[str, Any]]] = [
            ("user", {"label": self.request.label, **user}),
            ("user" if "eval_metric" in user else f"task {task.id}", metrics),
        ]
        return self._layered("data", DataConfig, layers)

    def _metric(self, name: str, task: Component[TaskSpec]) -> str:
        if name.startswith(CUSTOM_METRIC):
            return name
        return check_metric(name, task, self.registry).id

    def _layered(
        self,
        section: str,
        config: type[TrainingConfig] | type[DataConfig],
        layers: Sequence[tuple[str, Mapping[str, Any]]],
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        origins = dict.fromkeys(config.model_fields, "default")
        for origin, layer in layers:
            values.update(layer)
            origins.update(dict.fromkeys(layer, origin))
        read = config.read(values, where=section)
        self.origins.update({f"{section}.{key}": origin for key, origin in origins.items()})
        return read.model_dump()


def check_metric(name: str, task: Component[TaskSpec], registry: Registry) -> Component[MetricSpec]:
    """The metric of that name, if it fits the task.

    Raises:
        UnknownComponentError: no such metric.
        ConfigError: it is not defined for the task.
    """
    metric = registry.get(MetricSpec, name)
    same_plugin = metric.plugin.name == task.plugin.name
    if same_plugin and metric.spec.name not in task.spec.metrics:
        raise ConfigError(
            f"metric {name!r} is not defined for {task.spec.name}",
            plugin=task.id,
            value=name,
            remedy=f"choose from {', '.join(task.spec.metrics)}, or pass a callable",
        )
    return metric


def _check_varied(label: Sequence[ColumnSample]) -> None:
    """Say what is wrong with a label that no task could learn."""
    for column in label:
        if column.n_unique == 0:
            raise LabelError(
                f"every label in {column.name!r} is missing",
                column=column.name,
                remedy="give rows with labels",
            )
        if column.n_unique == 1:
            raise LabelError(
                f"label {column.name!r} is {column.values[0]!r} in all rows",
                column=column.name,
                value=column.values[0],
                remedy="give rows of at least two classes",
            )


def _as_part(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"a backbone is a section, not {value!r}", value=value)
    return dict(value)


def _check_column(name: str, table: Table, *, is_label: bool) -> None:
    if name in table.frame.columns:
        return
    near = suggest(name, list(table.frame.columns))
    error = LabelError if is_label else ColumnError
    raise error(
        f"{'label' if is_label else 'weight'} column {name!r} is not in the data",
        column=name,
        remedy=f"did you mean {near!r}?"
        if near
        else f"columns: {', '.join(table.frame.columns[:20])}",
    )
