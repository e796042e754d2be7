"""What every component's settings keep."""

from __future__ import annotations

import json
from typing import Any

from mm_core.api.errors import ConfigError
from mm_core.testing.outcome import CheckError, expect
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
