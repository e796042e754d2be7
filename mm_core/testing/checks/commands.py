"""What every command keeps, as it is typed: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import typer

from mm_core.api.specs import CommandSpec
from mm_core.testing import end_to_end, forked, fresh
from mm_core.testing.kit import KIT
from mm_core.testing.outcome import CheckError, NotTried, expect
from mm_core.testing.subject import Subject

Command = Subject[CommandSpec]

_LABELS = end_to_end.repeated({"label": ["yes", "no"]})
_JOB = end_to_end.Job(
    _LABELS, "binary", {"training.epochs": 1}, "mm_core.testing.checks.commands:one_side"
)
_SHOWN_LINES = 6


def check_has_help_and_json(subject: Command) -> None:
    """Its --help is shown, and says that --json prints one JSON document; so with each of several
    that are one command.
    """
    for said in _each(subject):
        shown = " ".join([*said, "--help"])
        done = _typed(subject, [*said, "--help"])
        expect(done.returncode == 0, f"{shown} ends with exit code {done.returncode}: {_end(done)}")
        expect("--json" in done.stdout, f"{shown}: no --json; give it `as_json: AsJson = False`")


def check_answers_as_text_and_as_json(subject: Command) -> None:
    """With the arguments of its trial it exits with 0, and with --json it prints JSON."""
    with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
        arguments = _arguments(subject, Path(name))
        for more in ([], ["--json"]):
            done = _typed(subject, [*arguments, *more])
            shown = " ".join([*arguments, *more])
            expect(done.returncode == 0, f"{shown}: exit code {done.returncode}: {_end(done)}")
        try:
            json.loads(done.stdout)
        except json.JSONDecodeError as error:
            raise CheckError(f"with --json it prints no JSON document: {error}") from None


def check_a_missing_model_is_an_error(subject: Command) -> None:
    """A model that is not there is a message and exit code 1 or 2, no traceback."""
    given = _given(subject)
    if "{model}" not in given:
        raise NotTried("its trial names no {model}")
    with tempfile.TemporaryDirectory(prefix="mm-check-") as name:
        rows = Path(name) / "rows.csv"
        rows.write_text("left\nleft 1 2\n", encoding="utf-8")
        arguments = _filled(given, Path(name) / "no such model", rows)
        done = _typed(subject, arguments)
    expect(done.returncode in (1, 2), f"it ends with exit code {done.returncode}")
    expect(
        "error:" in done.stderr.lower() and "Traceback" not in done.stderr,
        f"it says: {_end(done)}",
    )
    expect("failed:" not in done.stderr, f"it is no error of mm_core.api: {_end(done)}")


def one_side(subject: Command, folder: Path) -> pd.DataFrame:
    """One input for a fit."""
    return end_to_end.points(_LABELS, ("left",))


def _each(subject: Command) -> list[list[str]]:
    """What is typed after the command's name to come to each function that it is made of."""
    target = subject.component.load()
    if not isinstance(target, typer.Typer):
        return [[]]
    inner = target.registered_groups or target.registered_callback or target.info.callback
    expect(not inner, "a typer.Typer of functions alone is read, without groups and callbacks")
    return [[name] for name in typer.main.get_group(target).commands]


def _given(subject: Command) -> list[str]:
    given = subject.trial.settings.get("arguments")
    if given is None:
        raise NotTried(
            f'no Trial("command", "{subject.spec.name}", {{"arguments": [...]}}) says what to type'
        )
    return [str(one) for one in given]


def _arguments(subject: Command, folder: Path) -> list[str]:
    """The arguments of the trial, with a model and rows where it asks for them."""
    given = _given(subject)
    data = folder / "rows.csv"
    if any("{model}" in one or "{data}" in one for one in given):
        rows, _ = end_to_end.fitted(subject, _JOB, folder)
        rows.assign(**_LABELS).to_csv(data, index=False)
    return _filled(given, folder / "model", data)


def _filled(given: Sequence[str], model: Path, data: Path) -> list[str]:
    return [one.replace("{model}", str(model)).replace("{data}", str(data)) for one in given]


def _typed(subject: Command, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    files = [option for file in (KIT, *subject.files) for option in ("--plugin", str(file))]
    return forked.mm(
        *(*files, subject.component.id, *arguments),
        env={**os.environ, "COLUMNS": "100", "MM_DEBUG": ""},
        libraries=fresh.libraries(subject),
    )


def _end(done: subprocess.CompletedProcess[str]) -> str:
    return "\n".join(done.stderr.strip().splitlines()[-_SHOWN_LINES:])
