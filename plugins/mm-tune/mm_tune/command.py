"""``mm tune``: search for settings. Optuna is imported when the search begins."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mm_core.api import ConfigError
from mm_core.api.commands import (
    Answer,
    AsJson,
    ColumnType,
    Data,
    EvalMetric,
    HoldoutFrac,
    Plugins,
    Preset,
    ProblemType,
    Quiet,
    Role,
    SampleWeight,
    Set,
    column_types,
    pairs,
    roles,
    settings,
)
from mm_tune.api import tune as search
from mm_tune.on_ray import Ray
from mm_tune.sigterm import sigterm_ends
from mm_tune.spaces import FORMS

if TYPE_CHECKING:
    import pandas as pd

    from mm_tune.tuned import Tuned

Label = Annotated[
    list[str], typer.Option("--label", metavar="COLUMN", help="The label column; may be repeated.")
]
Space = Annotated[
    list[str] | None,
    typer.Option(
        "--space",
        metavar="KEY=RANGE",
        help=f"What a setting may be: {FORMS}; may be repeated; none: the usual ones.",
    ),
]
Trials = Annotated[int, typer.Option("--trials", min=1, help="In all, resumed ones counted.")]
Seconds = Annotated[float | None, typer.Option("--time", min=1, help="Seconds; no limit if none.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FOLDER",
        help="For each trial as it ends, trials.csv, trials.svg and recipe.json; given again, the "
        "search goes on.",
    ),
]
Tuning = Annotated[
    str | None,
    typer.Option(
        "--tuning", "--tuning-data", metavar="DATA", help="Validation rows; else some are held out."
    ),
]
Metric = Annotated[
    str | None, typer.Option("--validation-metric", metavar="NAME", help="What is searched by.")
]
Sampler = Annotated[str, typer.Option("--sampler", help="tpe or random.")]
Prune = Annotated[
    bool, typer.Option("--prune/--no-prune", help="Give up networks that validate worse.")
]
OnRay = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Trials side by side on a Ray cluster: auto, HOST:PORT, or local, this machine.",
    ),
]
Cpus = Annotated[
    float | None, typer.Option("--cpus-per-trial", help="With --ray: CPU cores of a trial; 1.")
]
Gpus = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-trial",
        help="With --ray: GPUs of a trial; else one for networks where there are any.",
    ),
]
MaxConcurrent = Annotated[
    int | None, typer.Option("--max-concurrent", help="With --ray: trials at once, at most.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the search and of the fits.")]


def tune(
    data: Data,
    label: Label,
    space: Space = None,
    trials: Trials = 20,
    time: Seconds = None,
    out: Out = None,
    set_: Set = None,
    preset: Preset = None,
    tuning_data: Tuning = None,
    column_type: ColumnType = None,
    role: Role = None,
    problem_type: ProblemType = None,
    eval_metric: EvalMetric = None,
    validation_metric: Metric = None,
    sampler: Sampler = "tpe",
    prune: Prune = True,
    holdout_frac: HoldoutFrac = None,
    sample_weight: SampleWeight = None,
    seed: Seed = 0,
    ray: OnRay = None,
    cpus_per_trial: Cpus = None,
    gpus_per_trial: Gpus = None,
    max_concurrent: MaxConcurrent = None,
    plugin: Plugins = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> Answer:
    """Search for settings; the best ones are a recipe, which mm fit --recipe follows.

    Example: mm tune train.csv --label y --trials 20 --space "fit.depth=int(4, 9)" --out tuned
    """
    room = {
        "cpus_per_trial": cpus_per_trial,
        "gpus_per_trial": gpus_per_trial,
        "max_concurrent": max_concurrent,
    }
    given = {
        "space": pairs(space, "--space") or None,
        "hyperparameters": settings(set_),
        "column_types": column_types(column_type),
        "roles": roles(role),
        "executor": _executor(ray, room),
    }
    with sigterm_ends():
        found = search(
            data,
            label,
            trials=trials,
            time=time,
            tuning_data=tuning_data,
            presets=preset,
            problem_type=problem_type,
            eval_metric=eval_metric,
            validation_metric=validation_metric,
            holdout_frac=holdout_frac,
            sample_weight=sample_weight,
            folder=out,
            sampler=sampler,
            prune=prune,
            seed=seed,
            plugins=plugin or (),
            tell=None if quiet else _tell,
            **given,
        )
    following = _following(data, label, tuning_data, plugin or (), out)
    said = {
        "settings": found.settings,
        "score": found.score,
        "metric": found.metric,
        "resumed": found.resumed,
        "trials": found.trials.to_dict(orient="records"),
    }
    return Answer(said, "\n".join([*_lines(found), following]))


def _lines(found: Tuned) -> list[str]:
    """What a search came to."""
    best = _best_of(found.trials)
    lines = [f"{found.metric} {found.score:.4f} on the held-out rows, {best}"]
    lines += [f"  {key} = {json.dumps(value)}" for key, value in found.settings.items()]
    lines += [] if found.settings else ["  the settings as they are"]
    first = found.trials.head(1)  # its number is another where it was tried again
    usual = first[first.state == "done"]
    if len(usual):
        lines.append(f"with the settings as they are: {usual.score.iloc[0]:.4f}")
    return lines


def _best_of(trials: pd.DataFrame) -> str:
    """``the best of 5 trials (1 failed, 2 given up)``"""
    from mm_tune.tuned import counted

    states = list(trials.state)
    others = {"failed": states.count("failed"), "given up": states.count("pruned")}
    apart = ", ".join(f"{number} {state}" for state, number in others.items() if number)
    return f"the best of {counted(len(states))}" + (f" ({apart})" if apart else "")


def _following(
    data: str, label: Sequence[str], tuning: str | None, plugins: Sequence[Path], out: Path | None
) -> str:
    """What to type next: all that is not in the recipe."""
    if out is None:
        return "nothing is written down; --out FOLDER writes a recipe, for mm fit --recipe"
    from mm_tune.tuned import RECIPE

    typed = ["mm", "fit", data]
    typed += [part for name in label for part in ("--label", name)]
    typed += [] if tuning is None else ["--tuning", tuning]
    typed += [part for file in plugins for part in ("--plugin", str(file))]
    return shlex.join([*typed, "--recipe", str(out / RECIPE), "--out", "model"])


def _executor(address: str | None, room: Mapping[str, Any]) -> Ray | None:
    """What runs the trials; None: this process.

    Raises:
        ConfigError: room is asked of a cluster that is none.
    """
    asked = {key: value for key, value in room.items() if value is not None}
    if address is not None:
        return Ray(address, **asked)
    if asked:
        named = ", ".join(f"--{key.replace('_', '-')}" for key in asked)
        raise ConfigError(
            f"{named}: of trials on a Ray cluster, and there is none",
            value=list(asked.values()),
            remedy="give --ray local, or the address of a cluster, too",
        )
    return None


def _tell(line: str) -> None:
    typer.echo(line, err=True)
