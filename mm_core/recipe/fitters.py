"""Which fitter is taken, and what it leaves to be planned."""

from __future__ import annotations

from collections.abc import Iterator

from mm_core.api.errors import ConfigError, EmptyDataError
from mm_core.api.specs import FitterSpec, LossSpec, TaskSpec
from mm_core.plugins.registry import Component, Registry
from mm_core.plugins.slots import USER
from mm_core.recipe.overrides import Overrides
from mm_core.recipe.roles import without
from mm_core.schema.schema import Schema

DEFAULT_FITTER = "core:finetune"

_TOPOLOGY = TaskSpec.model_fields["topology"].default

UNREAD = {
    "network": (),
    "inputs": ("backbones", "fusion", "topology"),
    "rows": ("backbones", "fusion", "topology", "inputs"),
}
"""Sections that models of a fitter do not have, by what it reads."""


def choose_fitter(
    user: Overrides,
    schema: Schema,
    task: Component[TaskSpec],
    loss: Component[LossSpec] | None,
    registry: Registry,
    wished: tuple[str, str] | None = None,
) -> tuple[Component[FitterSpec], str]:
    """The fitter, and who says so: the user, a preset, what the columns are, or nobody.

    A task that brings a topology of its own, or reads by roles, is fitted by the network unless
    the user, or a preset of that task, names another fitter. That of a preset steps back, as one
    for columns alone does, where the user sets something that it does not read.

    Args:
        user: settings.
        schema: of the columns.
        task: of the recipe.
        loss: that the recipe will name; None: the task has its own.
        registry: installed components.
        wished: by the chosen presets: its id, and what to say of where it came from.

    Raises:
        ConfigError: the user's fitter does not read what is set, or several would be taken.
    """
    if user.fit.id is not None:
        fitter = registry.get(FitterSpec, user.fit.id)
        _refuse_unread(user, fitter)
        _refuse_loss(loss, fitter)
        return fitter, USER
    default = registry.get(FitterSpec, DEFAULT_FITTER)
    ordinary = task.spec.topology == _TOPOLOGY and not task.spec.roles
    reasons = []
    if wished is not None:  # presets name their tasks: one with a topology of its own, too
        fitter = registry.get(FitterSpec, wished[0])
        unread = _unlike(user, fitter, loss)
        if unread is None:
            return fitter, wished[1]
        reasons.append(unread)
    fitters = registry.all(FitterSpec) if ordinary else ()
    able = [one for one in fitters if _reads_all(one, schema, loss)]
    free = [one for one in able if next(_unread(user, one), None) is None]
    if len(free) > 1:
        ids = [one.id for one in free]
        raise ConfigError(
            f"several fitters are for such columns alone: {', '.join(ids)}",
            value=ids,
            remedy=f"name one: fit={ids[0]}",
        )
    if free:
        alone = f"no column is other than {_listed(set(free[0].spec.modalities))}"
        return free[0], "; ".join([alone, *reasons])
    reasons += [f"{one.id} reads no {next(_unread(user, one))}" for one in able]
    return default, "; ".join(["default", *reasons])


def _unlike(
    user: Overrides, fitter: Component[FitterSpec], loss: Component[LossSpec] | None
) -> str | None:
    """Why a fitter that a preset chooses steps back; None: it does not."""
    unread = next(_unread(user, fitter), None)
    if unread is not None:
        return f"{fitter.id} reads no {unread}"
    return None if _trains_by(loss, fitter.spec) else f"{fitter.id} does not train by this loss"


def _reads_all(
    fitter: Component[FitterSpec], schema: Schema, loss: Component[LossSpec] | None
) -> bool:
    """Whether it is for such columns alone, and trains by this loss."""
    spec, used = fitter.spec, schema.by_modality()
    return (
        spec.alone
        and bool(used)
        and all({name, name.split(":")[1]} & set(spec.modalities) for name in used)
        and _trains_by(loss, spec)
    )


def _trains_by(loss: Component[LossSpec] | None, spec: FitterSpec) -> bool:
    return not spec.losses or (loss is not None and loss.id in spec.losses)


def _unread(user: Overrides, fitter: Component[FitterSpec]) -> Iterator[str]:
    """What the user sets that models of a fitter do not have."""
    yield from (name for name in UNREAD[fitter.spec.reads] if name in user.model_fields_set)
    reads = fitter.spec.training
    if reads is not None:
        yield from (f"training.{name}" for name in user.training if name not in reads)


def _refuse_unread(user: Overrides, fitter: Component[FitterSpec]) -> None:
    """Refuse settings that the fitter's models do not have.

    Raises:
        ConfigError: names the first.
    """
    for name in _unread(user, fitter):
        said = name if "." in name else f"{name}.*"
        raise ConfigError(
            f"{said} is set, and models of {fitter.id} have no {name}",
            plugin=fitter.id,
            value=name,
            remedy="leave it out, or choose another fitter: fit=core:finetune",
        )


def _refuse_loss(loss: Component[LossSpec] | None, fitter: Component[FitterSpec]) -> None:
    """Refuse a loss that the fitter does not train by.

    Raises:
        ConfigError: names those that it does.
    """
    if not _trains_by(loss, fitter.spec):
        said = "the task has a loss of its own" if loss is None else f"training.loss is {loss.id}"
        raise ConfigError(
            f"{said}, and {fitter.id} trains by {', '.join(fitter.spec.losses)}",
            plugin=fitter.id,
            value=None if loss is None else loss.id,
            remedy="choose one of them, where the task has it, or another fitter: "
            "fit=core:finetune",
        )


def refuse_unread_loop(fitter: Component[FitterSpec], **given: object) -> None:
    """Refuse what the core's training loop would be given, where the fitter does not run it.

    Args:
        fitter: of the recipe.
        given: arguments of ``fit``, such as callbacks.

    Raises:
        ConfigError: names what is given.
    """
    for name, value in given.items():
        if value and fitter.spec.training is not None:
            raise ConfigError(
                f"{name} are those of a network's training, and {fitter.id} trains none",
                plugin=fitter.id,
                value=name,
                remedy="leave them out, or train a network: hyperparameters={'fit': "
                f"'{DEFAULT_FITTER}'}}",
            )


def readable(schema: Schema, fitter: Component[FitterSpec]) -> Schema:
    """The schema in which columns that the fitter cannot read are not used, which is said.

    Raises:
        EmptyDataError: it can read none.
    """
    reads = set(fitter.spec.modalities)
    if not reads:
        return schema
    idle = [
        plan.name
        for plan in schema.columns
        if plan.modality is not None and not {plan.modality, plan.modality.split(":")[1]} & reads
    ]
    found = without(schema, idle, f"fitter {fitter.id}", f"{fitter.id} reads {_listed(reads)} only")
    if not found.by_modality():
        raise EmptyDataError(
            f"{fitter.id} reads {_listed(reads)}, and no column holds that",
            remedy="choose another fitter: fit=core:finetune",
        )
    return found


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
