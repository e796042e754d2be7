"""Schema + task + presets + the user's settings -> Recipe."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mm_core.api.errors import ColumnError, ConfigError, MMWarning, RecipeError
from mm_core.api.processors import Table
from mm_core.api.specs import (
    AdapterSpec,
    FitterSpec,
    FusionHeadSpec,
    LossSpec,
    ProcessorSpec,
    TaskSpec,
)
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.plugins.registry import Component, Registry
from mm_core.plugins.slots import USER, Filler, inside
from mm_core.recipe.backbones import (
    Chosen,
    asked_alone,
    check_features,
    choose_backbones,
    own_components,
    shared,
)
from mm_core.recipe.choices import Choices, chosen_by_preset
from mm_core.recipe.claims import Label
from mm_core.recipe.columns import check_column
from mm_core.recipe.first import beside_others
from mm_core.recipe.fitters import choose_fitter, readable
from mm_core.recipe.inputs import PlannedInput, by_column, columns_set, plan_inputs
from mm_core.recipe.losses import choose_loss, default_validation, refuse_settings
from mm_core.recipe.overrides import PartOverride
from mm_core.recipe.presets import TRAINING, Presets, choose_presets, is_of_task
from mm_core.recipe.recipe import DataConfig, Recipe
from mm_core.recipe.request import Request
from mm_core.recipe.roles import assign_roles, without_others
from mm_core.recipe.tasks import check_epochs, check_label, choose_task
from mm_core.recipe.training import TrainingConfig, check_mixing
from mm_core.schema.sample import sample_column
from mm_core.schema.schema import Schema, infer_schema
from mm_core.scoring import Metrics


def resolve(
    table: Table,
    request: Request,
    registry: Registry,
    finder: CheckpointFinder,
    metrics: Metrics,
) -> Recipe:
    """The fully resolved plan for fitting ``table``.

    Raises:
        LabelError, ColumnError, ConfigError, RecipeError, CheckpointError, UnknownComponentError.
    """
    weight = request.overrides.data.get("sample_weight")
    exclude = [*request.label, *([] if weight is None else [str(weight)])]
    for name in exclude:
        if request.learns or name not in request.label:
            check_column(name, table, is_label=name in request.label)
        if name in (request.column_types or {}):
            raise ColumnError(
                f"column_types names {name!r}, which is no input but the label or the weight",
                column=name,
                remedy="leave it out",
            )
    if len(set(exclude)) < len(exclude):
        raise ConfigError(
            f"a column is named twice as label or weight: {', '.join(exclude)}",
            value=exclude,
            remedy="name each once",
        )
    presets = choose_presets(request.presets, registry)
    return _Resolver(request, registry, finder, metrics, presets).resolve(table, exclude)


class _Resolver:
    """Fills the sections one after the other and notes the origin of each value."""

    def __init__(
        self,
        request: Request,
        registry: Registry,
        finder: CheckpointFinder,
        metrics: Metrics,
        presets: Presets,
    ) -> None:
        self.request = request
        self.user = request.overrides
        self.registry = registry
        self.finder = finder
        self.metrics = metrics
        self.presets = presets
        self.origins: dict[str, str] = {}
        self.filler = Filler(registry, self._preset, self.origins)

    def resolve(self, table: Table, exclude: Sequence[str]) -> Recipe:
        task, labels = self._task(table)
        schema = infer_schema(
            table,
            exclude,
            self.registry,
            self.request.column_types,
            constant=not task.spec.requires_fit,
            strangers=bool(task.spec.roles),
            told=columns_set(self.user.inputs),
        )
        roles = assign_roles(task, self.request.roles, schema)
        if task.spec.roles:
            schema = without_others(schema, roles, task.id)
        fitter = self._fitter(task, schema)
        schema = readable(schema, fitter)
        planned: dict[str, PlannedInput] = {}
        if fitter.spec.reads != "rows":
            planned = plan_inputs(schema, self.user.inputs, self.registry, roles)
        choices = self._choices(task, fitter)
        network = fitter.spec.reads == "network"
        backbones = self._backbones(planned, schema, task, choices) if network else {}
        inputs = {
            n: self._input(n, plan, backbones, choices, schema.settings(plan.columns))
            for n, plan in planned.items()
        }
        fusion = self._fusion(backbones, planned, task) if network else None
        training = self._training(task, backbones, fitter, fused=fusion is not None)
        resolved = {
            "schema": schema.settled(),
            "presets": () if self.request.presets is None else self.presets.names,
            "inputs": self._shared_inputs(inputs, backbones),
            "backbones": self._settled(backbones),
            "fusion": fusion,
            "task": self._task_settings(task, labels),
            "fit": self._component("fit", fitter, self.user.fit),
            "topology": self._topology(task) if network else {},
            "training": training,
            "data": self._data(task, training["loss"]),
        }
        recipe = Recipe.build({**resolved, "origins": self.origins}, source="the plan")
        check_mixing(recipe, self.registry)
        return recipe

    # ---- layers ------------------------------------------------------------------------------

    def _component(
        self,
        section: str,
        component: Component[Any],
        user: PartOverride,
        found: Mapping[str, dict[str, Any]] | None = None,
        default: tuple[str, Mapping[str, Any]] = ("", {}),
    ) -> dict[str, Any]:
        """``{"id": ..., **complete config}``, of a component that is chosen.

        Args:
            section: of the recipe.
            component: the chosen one.
            user: what the user sets of it.
            found: what detectors found out: setting -> column -> value; those that it has.
            default: who chose it, and what is set with that choice.
        """
        self.origins.setdefault(f"{section}.id", "default")
        if user.id is not None:
            self.origins[f"{section}.id"] = USER
        known = component.config_class().model_fields
        read = {key: value for key, value in (found or {}).items() if key in known}
        own = by_column(read, user.own)
        layers = [default, ("detector", read), (USER, own)]
        return self.filler.settle(component, layers, section).dump()

    def _preset(
        self, component: Component[Any], decided: frozenset[str]
    ) -> tuple[Mapping[str, Any], str]:
        """What presets set of a component itself, wherever it stands."""
        preset, origin = self.presets.values(component.id, decided=decided)
        foreign = [key for key in preset if is_of_task(key)]
        if foreign and not isinstance(component.spec, TaskSpec):
            raise ConfigError(
                f"{origin} sets {foreign[0]} of {component.id}: only a task's may",
                plugin=component.id,
                value=foreign[0],
                remedy="report this to the plugin; meanwhile choose another preset",
            )
        return {key: value for key, value in preset.items() if key not in foreign}, origin

    # ---- sections ----------------------------------------------------------------------------

    def _task(self, table: Table) -> tuple[Component[TaskSpec], pd.DataFrame]:
        """The task, and the label columns that are there."""
        there = [name for name in self.request.label if name in table.frame.columns]
        columns = tuple(sample_column(table.frame[name], name, table.folder) for name in there)
        label = Label(columns, table.frame[there])
        component, origin = choose_task(label, self.user.task, self.registry)
        if origin is not None:
            self.origins["task.id"] = origin
        check_label(component, self.request.label)
        return component, label.frame

    def _task_settings(self, task: Component[TaskSpec], labels: pd.DataFrame) -> dict[str, Any]:
        """The user's, the defaults, and what the labels decide."""
        part = self._component("task", task, self.user.task)
        config = task.read({k: v for k, v in part.items() if k != "id"}, where="task")
        for key, (value, why) in task.load().decided(config, labels).items():
            part[key], self.origins[f"task.{key}"] = value, why
        return part

    def _fitter(self, task: Component[TaskSpec], schema: Schema) -> Component[FitterSpec]:
        preset, origin = self.presets.values(task.id, decided=self.user.task.own)
        loss = choose_loss(self.user.loss.id or preset.get(f"{TRAINING}loss"), task, self.registry)
        wished = (preset["fit.id"], origin) if "fit.id" in preset else None
        fitter, self.origins["fit.id"] = choose_fitter(
            self.user, schema, task, loss, self.registry, wished
        )
        return fitter

    def _choices(self, task: Component[TaskSpec], fitter: Component[FitterSpec]) -> Choices:
        """Who chooses components of modalities: the preset, the fitter, the task."""
        preset, origin = self.presets.values(task.id, decided=self.user.task.own)
        return Choices(
            (
                (origin, chosen_by_preset(preset, origin)),
                (f"fitter {fitter.id}", fitter.spec.defaults),
                (f"task {task.id}", task.spec.defaults),
            )
        )

    def _backbones(
        self,
        planned: Mapping[str, PlannedInput],
        schema: Schema,
        task: Component[TaskSpec],
        choices: Choices,
    ) -> dict[str, Chosen]:
        found = choose_backbones(planned, self.user.backbones, choices, schema, self.registry)
        found = shared(found, planned, task.spec.roles, self.user.inputs)
        for name, part in found.items():
            section = f"backbones.{name}"
            rate = part.user.learning_rate
            self.origins[f"{section}.id"] = part.origin
            self.origins[f"{section}.inputs"] = "user" if part.user.inputs else "core"
            self.origins[f"{section}.learning_rate"] = "default" if rate is None else "user"
            role = planned[part.inputs[0]].role
            asked = "share_with" in part.user.model_fields_set
            self.origins[f"{section}.share_with"] = (
                "user" if asked else f"role {role}" if part.share_with else "default"
            )
        return found

    def _input(
        self,
        name: str,
        plan: PlannedInput,
        backbones: Mapping[str, Chosen],
        choices: Choices,
        found: Mapping[str, dict[str, Any]],
    ) -> dict[str, Any]:
        reader = next((part for part in backbones.values() if name in part.inputs), None)
        if reader is None and backbones:
            raise RecipeError(
                f"no backbone reads the input {name!r}",
                value=name,
                remedy=f"add it to the inputs of a backbone, or set backbones.{name}.id",
            )
        self.origins[f"inputs.{name}.columns"] = plan.origin
        processor, origin = choices.processor(plan, None if reader is None else reader.component)
        section = f"inputs.{name}.processor"
        self.origins[f"{section}.id"] = origin
        component = self.registry.get(ProcessorSpec, plan.processor.id or processor)
        default = choices.settings(plan, component.id)
        return {
            "columns": plan.columns,
            "processor": self._component(section, component, plan.processor, found, default),
            "role": plan.role,
        }

    def _shared_inputs(
        self, inputs: dict[str, dict[str, Any]], backbones: Mapping[str, Chosen]
    ) -> dict[str, dict[str, Any]]:
        """Inputs of a backbone that is another one have the processors of that one's."""
        for name, part in backbones.items():
            whole = part.share_with and backbones[part.share_with]
            for own, other in zip(part.inputs, whole.inputs if whole else (), strict=False):
                section = f"inputs.{own}.processor"
                asked = self.user.inputs.get(own)
                if asked is not None and asked.processor.model_fields_set:
                    raise ConfigError(
                        f"{section} is that of {other}, which backbones.{name} shares: settings of "
                        "its own would not be used",
                        value=section,
                        remedy=f"set inputs.{other}.processor, or backbones.{name}.share_with=null",
                    )
                inputs[own] = {**inputs[own], "processor": inputs[other]["processor"]}
                self._same_origins(section, f"inputs.{other}.processor", f"inputs.{other}")
        return inputs

    def _settled(self, backbones: Mapping[str, Chosen]) -> dict[str, dict[str, Any]]:
        """The backbones' settings; one that is another has all of that one's."""
        parts = {
            name: self._backbone(name, part)
            for name, part in backbones.items()
            if part.share_with is None
        }
        for name, part in backbones.items():
            if part.share_with is not None:
                shared_with = {"inputs": part.inputs, "share_with": part.share_with}
                parts[name] = {**parts[part.share_with], **shared_with}
                section = f"backbones.{name}"
                kept = {key: self.origins[f"{section}.{key}"] for key in ("inputs", "share_with")}
                whole = f"backbones.{part.share_with}"
                self._same_origins(section, whole, whole)
                self.origins |= {f"{section}.{key}": origin for key, origin in kept.items()}
        return {name: parts[name] for name in backbones}

    def _same_origins(self, section: str, other: str, said: str) -> None:
        """Every value of a section comes from another one."""
        keys = [key for key in self.origins if key.startswith(f"{other}.")]
        self.origins |= {section + key.removeprefix(other): f"as {said}" for key in keys}

    def _backbone(self, name: str, chosen: Chosen) -> dict[str, Any]:
        section = f"backbones.{name}"
        user = chosen.user
        part = self._component(section, chosen.component, user)
        if "checkpoint" in part:
            wanted = part["checkpoint"]
            candidates = [wanted] if isinstance(wanted, str) else list(wanted)
            found = self.finder.find(chosen.component.id, candidates)
            part["checkpoint"] = found.name
            self.origins[f"{section}.checkpoint"] += f" ({found.reason})"
        return {
            **part,
            "inputs": chosen.inputs,
            "learning_rate": self._learning_rate(section, chosen, part.get("checkpoint")),
            "adapter": self._adapter(f"{section}.adapter", user.adapter),
        }

    def _learning_rate(self, section: str, chosen: Chosen, checkpoint: str | None) -> float | None:
        """The user's; else the one on the checkpoint's card, unless the user set one for all."""
        cards = chosen.component.spec.cards
        card = next((one for one in cards if one.name == checkpoint), None)
        if chosen.user.learning_rate is not None or "learning_rate" in self.user.training:
            return chosen.user.learning_rate
        if card is None or card.learning_rate is None:
            return None
        self.origins[f"{section}.learning_rate"] = f"card of {card.name}"
        return card.learning_rate

    def _adapter(self, section: str, user: PartOverride) -> dict[str, Any] | None:
        slot = self.filler.fill(AdapterSpec, user.given, section)
        return None if slot is None else slot.dump()

    def _fusion(
        self,
        backbones: Mapping[str, Chosen],
        planned: Mapping[str, PlannedInput],
        task: Component[TaskSpec],
    ) -> dict[str, Any] | None:
        """The head that the user names, be it for one backbone; else that of preset or task."""
        user = self.user.fusion
        preset, origin = self.presets.values(task.id, decided=self.user.task.own)
        named = "id" in user.model_fields_set
        wished = preset.get("fusion.id", task.spec.fusion)
        alone = len(backbones) == 1 and not named
        wanted = None if alone else user.id if named else wished
        head = None if wanted is None else self.registry.get(FusionHeadSpec, wanted)
        check_features(backbones, planned, task, head, self.registry)
        if head is None:
            self.origins["fusion"] = "one backbone: bypassed" if alone else "task"
            if user.own:
                warnings.warn(
                    f"{', '.join(f'fusion.{key}' for key in user.own)}: set, and not used, for "
                    + ("one backbone needs no fusion" if alone else f"{task.id} has none")
                    + "; fusion.id=NAME puts a head on it all the same",
                    MMWarning,
                    stacklevel=2,
                )
            return None
        self.origins["fusion.id"] = origin if "fusion.id" in preset else f"task {task.id}"
        settled = self._component("fusion", head, user)
        for _, kind, name in inside(head.config_class(), settled, self.registry):
            if kind is FusionHeadSpec:  # it reads the same features
                inner = self.registry.get(FusionHeadSpec, name)
                check_features(backbones, planned, task, inner, self.registry)
        return settled

    def _topology(self, task: Component[TaskSpec]) -> dict[str, Any]:
        config = task.config_class("topology_config")
        given = [(USER, self.user.topology)]
        return self.filler.config(config, given, "topology").model_dump(mode="json")

    def _training(
        self,
        task: Component[TaskSpec],
        backbones: Mapping[str, Chosen],
        fitter: Component[FitterSpec],
        *,
        fused: bool,
    ) -> dict[str, Any]:
        reads = fitter.spec.training
        preset, origin = self.presets.values(task.id, decided=self.user.task.own)
        layers = [
            (
                origin,
                {k.removeprefix(TRAINING): v for k, v in preset.items() if k.startswith(TRAINING)},
            )
        ]
        components = {chosen.component.id: chosen.component for chosen in backbones.values()}
        layers.append(
            (
                f"backbone {', '.join(components)} alone",
                asked_alone([component.spec.alone for component in components.values()]),
            )
        )
        first = beside_others(own_components(backbones), task) if fused else ()
        if first:
            ids = dict.fromkeys(backbones[name].component.id for name in first)
            layers.append((f"backbone {', '.join(ids)} beside others", {"new_first": True}))
        layers.append(("user", self.user.training))
        wished = preset.get(f"{TRAINING}loss")  # its name; its settings are its own presets'
        source = f"task {task.id}" if wished is None else origin
        others = [
            (
                said,
                {k: v for k, v in layer.items() if k != "loss" and (reads is None or k in reads)},
            )
            for said, layer in layers
        ]
        values = self._layered("training", TrainingConfig, others)
        check_epochs(values["epochs"], task)
        return {**values, "loss": self._loss(task, wished, source)}

    def _loss(
        self, task: Component[TaskSpec], wished: str | None, source: str
    ) -> dict[str, Any] | None:
        user = self.user.loss
        loss = choose_loss(user.id or wished, task, self.registry)
        self.origins["training.loss"] = source
        if loss is None:
            refuse_settings(user.own, task)
            return None
        self.origins["training.loss.id"] = source
        return self._component("training.loss", loss, user)

    def _data(self, task: Component[TaskSpec], loss: Mapping[str, Any] | None) -> dict[str, Any]:
        user = self.user.data
        if "label" in user:
            raise ConfigError(
                "data.label cannot be set here",
                value=user["label"],
                remedy="name the label itself: label=..., --label",
            )
        metric = self.metrics.resolve(user.get("eval_metric", task.spec.default_metric), task)
        choosing, origin = metric, "data.eval_metric"
        if "validation_metric" in user:
            choosing = self.metrics.resolve(user["validation_metric"], task)
        elif "eval_metric" not in user:  # a user's metric of evaluation also chooses
            trained_with = None if loss is None else self.registry.get(LossSpec, loss["id"])
            choosing, origin = default_validation(task, trained_with, metric, self.metrics)
        layers: list[tuple[str, Mapping[str, Any]]] = [
            (f"task {task.id}", {"eval_metric": metric}),
            (origin, {"validation_metric": choosing}),
            ("user" if self.request.label else f"task {task.id}", {"label": self.request.label}),
            ("user", user),
        ]
        resolved = self._layered("data", DataConfig, layers)
        return {**resolved, "eval_metric": metric, "validation_metric": choosing}

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
