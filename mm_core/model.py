"""Model: a pipeline and the engine that answers in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from mm_core.api.engine import Engine
from mm_core.api.errors import ConfigError
from mm_core.api.processors import Processor
from mm_core.api.tasks import Task
from mm_core.pipeline import Pipeline
from mm_core.recipe.recipe import Recipe

if TYPE_CHECKING:
    from mm_core.api.nn import Topology

NETWORK = "core:network"
"""The runtime of models that are a network."""


@dataclass
class Model:
    """Everything that turns rows into answers.

    Attributes:
        pipeline: from rows to arrays, from outputs to answers.
        engine: from arrays to outputs.
        runtime: id of the engine's kind.
    """

    pipeline: Pipeline
    engine: Engine
    runtime: str = NETWORK

    @property
    def recipe(self) -> Recipe:
        """The plan that it was fitted by."""
        return self.pipeline.recipe

    @property
    def processors(self) -> dict[str, Processor]:
        """Of its inputs."""
        return self.pipeline.processors

    @property
    def task(self) -> Task:
        """What it answers."""
        return self.pipeline.task

    @property
    def topology(self) -> Topology:
        """Its network.

        Raises:
            ConfigError: it has none.
        """
        network: Any = getattr(self.engine, "topology", None)
        if network is None:
            raise ConfigError(
                f"this model has no network: it runs on {self.runtime}",
                plugin=self.runtime,
                value=self.runtime,
                remedy="this needs a model of backbones and heads",
            )
        return cast("Topology", network)

    def ready(self) -> Self:
        """The model, set up to answer."""
        self.engine.ready()
        return self
