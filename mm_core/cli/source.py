"""Where ``mm fit`` takes its plan from: settings, a recipe, a fit that was cut off, or a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mm_core.cli.options import settings
from mm_core.cli.settings import NO_LABEL, Settings

if TYPE_CHECKING:
    from mm_core.predictor import MultiModalPredictor

FURTHER = ("--set", "--holdout-frac", "--sample-weight", "--seed")
"""Settings that training a model further takes; the rest is the model itself."""


@dataclass(frozen=True)
class Source:
    """What was typed; at most one of them is given.

    Attributes:
        recipe: a recipe to follow.
        resume: take up the fit that was cut off.
        further: a saved model to train further.
    """

    recipe: Path | None
    resume: bool
    further: Path | None

    def check(self, asked: Settings, label: Sequence[str] | None, out: Path | None) -> None:
        """Refuse options that do not go together."""
        given = {"--recipe": self.recipe, "--resume": self.resume, "--from": self.further}
        chosen = [name for name, value in given.items() if value]
        if len(chosen) > 1:
            raise typer.BadParameter(f"leave out one of {', '.join(chosen)}", param_hint=chosen[0])
        if not chosen and not label and asked.problem_type is None:
            raise typer.BadParameter(f"{NO_LABEL}, or give a --recipe", param_hint="--label")
        if not chosen:
            return
        allowed = FURTHER if self.further else ()
        typed = [name for name in asked.typed if name not in allowed]
        typed += ["--label"] if label and not self.recipe else []
        if typed:
            raise typer.BadParameter(
                f"{chosen[0]} brings all settings: leave out {', '.join(typed)}",
                param_hint=chosen[0],
            )
        if self.resume and out is None:
            raise typer.BadParameter("say where the fit was to be saved: --out", param_hint="--out")

    def predictor(
        self,
        asked: Settings,
        label: list[str] | None,
        folder: Path,
        plugins: Sequence[Path] | None,
        verbosity: int,
    ) -> MultiModalPredictor:
        """The predictor whose ``fit`` does it, to be saved to ``folder``."""
        if not self.resume and self.further is None:
            return asked.predictor(label, plugins, path=folder, verbosity=verbosity)
        from mm_core.predictor import MultiModalPredictor

        predictor = MultiModalPredictor.load(
            self.further or folder, self.resume, verbosity, plugins=plugins or ()
        )
        predictor.path = folder
        return predictor

    def settings(self, asked: Settings) -> dict[str, Any]:
        """What ``fit`` takes besides."""
        if self.further is None:
            return asked.planning()
        return {**asked.planning(), "hyperparameters": settings(asked.set)}
