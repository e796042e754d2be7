"""Methods of predictors as commands: ``mm <name> MODEL DATA --option k=v``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mm_core.api.commands import Answer
from mm_core.api.config import suggest
from mm_core.api.errors import ConfigError
from mm_core.cli import options as opt
from mm_core.cli.write import ANSWERS, answered, check_ending
from mm_core.plugins.offered import method_of


def method_command(name: str, summary: str) -> Callable[..., Answer]:
    """A command that asks a model for what its predictor calls ``name``."""

    def ask(
        model: opt.Model,
        data: opt.Data,
        out: Annotated[
            Path | None,
            typer.Option(
                metavar="FILE",
                help="A .csv, .parquet or .jsonl file; if not given, CSV is printed.",
            ),
        ] = None,
        option: opt.Option = None,
        plugin: opt.Plugins = None,
        as_json: opt.AsJson = False,
        verbose: opt.Verbose = False,
    ) -> Answer:
        check_ending(out, ANSWERS)
        options = opt.task_options(option)
        import pandas as pd

        from mm_core.predictor import MultiModalPredictor

        predictor = MultiModalPredictor.load(model, plugins=plugin or ())
        method = method_of(predictor._having, name, predictor._registry)
        task = predictor.recipe.task.id
        if method is None or not method.spec.command:
            raise ConfigError(
                f"mm {name} is for other models: this one is {task}",
                plugin=task,
                value=name,
                remedy="mm inspect shows what the model is",
            )
        bound = method.bound(predictor)
        _check_arguments(bound, name, task, options)
        found: Any = bound(data, **options)
        return answered(pd.DataFrame(found), out, as_json, name)

    ask.__doc__ = f"{summary}\n\nExample: mm {name} model rows.csv"
    return ask


def _check_arguments(
    bound: Callable[..., Any], name: str, task: str, given: Mapping[str, Any]
) -> None:
    """Refuse options that the method does not take, before it begins.

    Raises:
        ConfigError: says which it takes.
    """
    signature = inspect.signature(bound)
    try:
        signature.bind(None, **given)
    except TypeError as error:
        known = list(signature.parameters)[1:]
        strange = next((one for one in given if one not in known), None)
        near = None if strange is None else suggest(strange, known)
        raise ConfigError(
            f"mm {name}: {error}",
            plugin=task,
            value=strange,
            remedy=f"did you mean {near!r}?" if near else f"options: {', '.join(known) or 'none'}",
        ) from error
