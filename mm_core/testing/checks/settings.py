"""What every component's settings keep."""

from __future__ import annotations

import json
from typing import Any

from mm_core.api.errors import ConfigError, MMError
from mm_core.api.slots import slot_fields
from mm_core.api.specs import BackboneSpec, FitterSpec
from mm_core.plugins.slots import nested
from mm_core.recipe.overrides import PLACES
from mm_core.recipe.recipe import flat
from mm_core.recipe.training import TrainingConfig
from mm_core.testing.outcome import CheckError, NotTried, expect
from mm_core.testing.subject import Subject

TRAINING = "training."


def check_settings_go_through_json(subject: Subject[Any]) -> None:
    """Settings written as JSON and read again are the same, every choice of them."""
    for config in subject.configs():
        again = subject.component.read(json.loads(config.model_dump_json()), where="settings")
        expect(again == config, f"{config!r} becomes {again!r}")


def check_settings_are_described(subject: Subject[Any]) -> None:
    """Every setting has a description."""
    fields = subject.component.config_class().model_fields
    silent = [name for name, field in fields.items() if not field.description]
    expect(not silent, f"without description: {', '.join(silent)}; give Field(description=...)")


def check_unknown_settings_are_refused(subject: Subject[Any]) -> None:
    """A key that is no setting is an error."""
    values = {**subject.trial.settings, "no_such_setting": 1}
    try:
        subject.component.read(values, where="settings")
    except ConfigError:
        return
    raise CheckError("no_such_setting=1 is accepted; leave extra='forbid' as it is")


def check_search_space_is_of_its_settings(subject: Subject[Any]) -> None:
    """What a search of settings tries of it can be set, at both ends and between them.

    ``training.*`` are settings that a fitter reads, or those of a backbone that has ``alone``. A
    default is in its range, for the first trial of a search is the settings as they are; null is,
    for what is left to the component.
    """
    spec = subject.spec
    if not spec.search_space:
        raise NotTried("its spec has no search_space")
    expect(isinstance(spec, tuple(PLACES.values())), f"no plan has a {spec.kind}: nobody searches")
    usual = _defaults(subject)
    for key, search in spec.search_space.items():
        where = f"search_space[{key!r}] = {search}"
        expect(not _is_slot(subject, key), f"{where}: it is a component: say {key}.id")
        for value in search.some:
            try:
                _read(subject, key, value)
            except MMError as error:
                raise CheckError(f"{where}: {error.message}") from error
        default = usual.get(key)
        expect(
            default is None or default in search,
            f"{where}, and the default is {default!r}: let the range hold it",
        )


def _read(subject: Subject[Any], key: str, value: Any) -> None:
    if not key.startswith(TRAINING):
        subject.component.read(nested({**subject.trial.settings, key: value}), where="settings")
        return
    spec, name = subject.spec, key.removeprefix(TRAINING)
    if isinstance(spec, FitterSpec):
        reads = spec.training
        expect(reads is None or name in reads, f"{key} is not among what `training` names")
    else:
        alone = isinstance(spec, BackboneSpec) and spec.alone
        expect(alone, f"{key} is searched of a fitter, or of a backbone that has `alone`")
    TrainingConfig.read({name: value}, where="training")


def _defaults(subject: Subject[Any]) -> dict[str, Any]:
    """Dotted key -> value, where nobody sets anything that need not be set."""
    fields, trial = subject.component.config_class().model_fields, subject.trial.settings
    needed = {name: trial[name] for name, field in fields.items() if field.is_required()}
    own = subject.component.read(needed, where="settings").model_dump(mode="json")
    found = {key: value for key, value in flat(own).items() if key not in needed}
    training = {name: field.get_default() for name, field in TrainingConfig.model_fields.items()}
    training |= subject.spec.alone if isinstance(subject.spec, BackboneSpec) else {}
    return found | {f"{TRAINING}{name}": value for name, value in training.items()}


def _is_slot(subject: Subject[Any], key: str) -> bool:
    """Of the config itself; what stands deeper is what its own component says."""
    return key in slot_fields(subject.component.config_class())
