"""What can be seen of a predictor: facts of its model, itself as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from mm_core.api.errors import AmbiguousComponentError
from mm_core.api.specs import TaskSpec
from mm_core.plugins.offered import Having, method_of, methods_of, no_method
from mm_core.plugins.registry import Registry
from mm_core.recipe.recipe import Recipe
from mm_core.recipe.request import Request
from mm_core.recipe.roles import Roles
from mm_core.recipe.shown import html_table, plan_html, plan_text
from mm_core.scoring import Metrics
from mm_core.session.session import Held, Session
from mm_core.summary import ended, made_of

if TYPE_CHECKING:
    from mm_core.model import Model

NO_MODEL = "no model yet: fit(train_data) makes one, plan(data) shows which"


class Looking:
    """The part of a predictor that changes nothing."""

    label: tuple[str, ...]
    roles: Roles
    match_label: Any
    presets: str | Sequence[str] | None
    hyperparameters: Mapping[str, Any]
    _session: Session
    _named_type: str | None
    _eval_metric: str | None
    _validation_metric: str | None

    @property
    def _request(self) -> Request:
        """What the predictor was made with."""
        return Request(
            label=self.label,
            roles=self.roles,
            problem_type=self._named_type,
            match_label=self.match_label,
            presets=self.presets,
            hyperparameters=(self.hyperparameters,),
            eval_metric=self._eval_metric,
            validation_metric=self._validation_metric,
        )

    @property
    def problem_type(self) -> str | None:
        """Name of the task: of the model, or without one as it was given; None: to be inferred."""
        return self._named_type if self._fitted is None else _short(self.recipe, self._registry)

    @problem_type.setter
    def problem_type(self, name: str | None) -> None:
        self._named_type = name

    @property
    def class_labels(self) -> list[Any] | None:
        """The classes, or labels, in the order of the columns of ``predict_proba``; None: none."""
        return self._model.task.class_labels

    @property
    def positive_class(self) -> Any:
        """The one of two classes that recall and its like are about (``task.positive``)."""
        return self._model.task.positive_class

    @property
    def recipe(self) -> Recipe:
        """The recipe the model was trained by."""
        return self._model.recipe

    @property
    def column_types(self) -> dict[str, str | None]:
        """Column -> ``"modality:kind"``, or None where it is not used."""
        return self.recipe.columns.types

    @property
    def history(self) -> pd.DataFrame:
        """One row per validation: epoch, step, seconds, training loss, validation score."""
        return pd.DataFrame(self._session.need_held().result.history)

    # ---- as text -------------------------------------------------------------------------------

    def __repr__(self) -> str:
        facts = self._facts()
        width = max(len(name) for name, _ in facts)
        lines = [f"{type(self).__name__}", *(f"  {n:<{width}}  {said}" for n, said in facts)]
        if self._fitted is not None:
            lines += ["", plan_text(self.recipe, full=False)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        plan = "" if self._fitted is None else plan_html(self.recipe)
        return html_table((type(self).__name__, ""), self._facts()) + plan

    def _facts(self) -> list[tuple[str, str]]:
        """(what, said) of the model, or of what was asked for while there is none."""
        if self._fitted is None:
            return [("model", NO_MODEL), *_given(self._request)]
        recipe, task = self.recipe, self._model.task
        label = f" of {', '.join(recipe.data.label)}" if recipe.data.label else ""
        facts = [("task", f"{recipe.task.id}{label}"), ("model", made_of(recipe))]
        if task.class_labels is not None:
            facts.append(("classes", ", ".join(map(str, task.class_labels))))
        if task.positive_class is not None:
            facts.append(("positive", str(task.positive_class)))
        return [*facts, ("fit", ended(recipe, self._fitted.result))]

    # ---- what plugins add ----------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        """A method of the task (``TaskSpec.methods``), or of a plugin (``mm_methods``)."""
        if name.startswith("_"):  # asked of copies that are still empty, too
            raise AttributeError(name)
        method = method_of(self._having, name, self._registry)
        if method is None:
            known = [one for one in dir(self) if not one.startswith("_")]
            raise no_method(self._having, name, known)
        return method.bound(self)

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *methods_of(self._having, self._registry)]

    @property
    def _having(self) -> Having:
        """The model's task and runtime, or the task that was named."""
        if self._fitted is None:
            return Having(self._named_type)
        return Having(self.recipe.task.id, self._model.runtime)

    # ---- inside --------------------------------------------------------------------------------

    @property
    def _registry(self) -> Registry:
        return self._session.registry

    @property
    def _metrics(self) -> Metrics:
        return self._session.metrics

    @property
    def _fitted(self) -> Held | None:
        return self._session.held

    @property
    def _model(self) -> Model:
        return self._session.need_held().model


def _given(asked: Request) -> list[tuple[str, str]]:
    """What was asked for; settings one by one."""
    found = []
    for name in asked.given:
        value = getattr(asked, name)
        if name == "hyperparameters":
            found += [(str(key), repr(one)) for layer in value for key, one in layer.items()]
        else:
            several = isinstance(value, tuple)
            found.append((name, ", ".join(map(repr, value)) if several else repr(value)))
    return found


def _short(recipe: Recipe, registry: Registry) -> str:
    """The task's name, or its id where another task has that name too."""
    task = registry.get(TaskSpec, recipe.task.id)
    try:
        registry.get(TaskSpec, task.spec.name)
    except AmbiguousComponentError:
        return task.id
    return task.spec.name
