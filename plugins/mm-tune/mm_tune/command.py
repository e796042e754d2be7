"""``mm tune``: search for settings. Optuna is imported when the search begins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mm_core.api import ConfigError
from mm_core.api.commands import (
    Answer,
    AsJson,
    Data,
    Plugins,
    Preset,
    ProblemType,
    Quiet,
    Set,
    pairs,
    settings,
)
from mm_tune.on_ray import Ray
from mm_tune.spaces import FORMS

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
Seed = Annotated[int, typer.Option("--seed", help="Of the search and of the fits.")]


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
    problem_type: ProblemType = None,
    validation_metric: Metric = None,
    sampler: Sampler = "tpe",
    prune: Prune = True,
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
    executor = _executor(ray, room)
    wanted = pairs(space, "--space")
    fixed = settings(set_)

    from mm_tune.searching import tune as search
    from mm_tune.tuned import RECIPE

    found = search(
        data,
        label,
        space=wanted or None,
        trials=trials,
        time=time,
        tuning_data=tuning_data,
        hyperparameters=fixed,
        presets=preset,
        problem_type=problem_type,
        validation_metric=validation_metric,
        folder=out,
        sampler=sampler,
        prune=prune,
        seed=seed,
        plugins=plugin or (),
        tell=None if quiet else _tell,
        executor=executor,
    )
    first = found.trials.head(1)  # its number is another where it was tried again
    usual = first[first.state == "done"]
    lines = [
        f"{found.metric} {found.score:.4f} on the held-out rows, of {len(found.trials)} trials"
    ]
    lines += [f"  {key} = {json.dumps(value)}" for key, value in found.settings.items()]
    lines += [] if found.settings else ["  the settings as they are"]
    if len(usual):
        lines.append(f"with the settings as they are: {usual.score.iloc[0]:.4f}")
    if out is not None:
        labels = " ".join(f"--label {name}" for name in label)
        lines.append(f"mm fit {data} {labels} --recipe {out / RECIPE} --out model")
    said = {
        "settings": found.settings,
        "score": found.score,
        "metric": found.metric,
        "resumed": found.resumed,
        "trials": json.loads(found.trials.to_json(orient="records")),
    }
    return Answer(said, "\n".join(lines))


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
