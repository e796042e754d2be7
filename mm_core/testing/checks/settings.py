"""What every component's settings keep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mm_core.api.errors import ConfigError, MMError
from mm_core.api.specs import FitterSpec
from mm_core.recipe.training import TrainingConfig
from mm_core.testing.outcome import CheckError, NotTried, expect
from mm_core.testing.subject import Subject


def check_settings_go_through_json(subject: Subject[Any]) -> None:
    """Settings written as JSON and read again are the same, every choice of them."""
    for config in subject.configs():
        again = type(config).read(json.loads(config.model_dump_json()), where="settings")
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

    A fitter's ``training.*`` are settings that it reads. A default is in its range, for the first
    trial of a search is the settings as they are; null is, for what is left to the component.
    """
    if not subject.spec.search_space:
        raise NotTried("its spec has no search_space")
    for key, search in subject.spec.search_space.items():
        training = key.removeprefix("training.") if key.startswith("training.") else None
        for value in search.some:
            try:
                if training is None:
                    subject.component.read({**subject.trial.settings, key: value}, where="settings")
                else:
                    _read_training(subject.spec, training, value)
            except MMError as error:
                raise CheckError(f"search_space[{key!r}] = {search}: {error.message}") from error
        default = _defaults(subject, training).get(training or key)
        expect(
            default is None or default in search,
            f"search_space[{key!r}] = {search}, and the default is {default!r}: let the range hold "
            "it",
        )


def _read_training(spec: Any, key: str, value: Any) -> None:
    expect(isinstance(spec, FitterSpec), f"training.{key} is a fitter's to be searched")
    reads = spec.training
    expect(reads is None or key in reads, f"training.{key} is not among what `training` names")
    TrainingConfig.read({key: value}, where="training")


def _defaults(subject: Subject[Any], training: str | None) -> Mapping[str, Any]:
    fields = TrainingConfig if training is not None else subject.component.config_class()
    return {name: field.get_default() for name, field in fields.model_fields.items()}
