"""``hazards``: time until an event, by piecewise constant hazards. numpy outside of the loss.

Time is cut into K intervals at quantiles of the event times. In interval k the hazard of a row is
``rate_k exp(logit_k)``, where ``rate_k`` is that of all training rows (events by time at risk), so
that a network whose output is 0 answers with the survival curve of the population.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from mm_core.api import Decoded, LabelError, MetricError, State, Task

from mm_survival.configs import HazardsConfig
from mm_survival.curves import Intervals, cumulative, lost, median
from mm_survival.labels import read_event, read_time

if TYPE_CHECKING:
    import torch

Array = npt.NDArray[Any]

MOST = 10.0
"""Bound of a logit, either way: hazards from 1/22000 to 22000 times that of the population."""


class Hazards(Task):
    """Targets, rows first.

    ``exposure`` float32 [N, K], time at risk in each interval in units of the horizon; ``failed``
    float32 [N, K], 1 in the interval of the event; ``time`` and ``event`` float32 [N].
    """

    config: HazardsConfig

    def __init__(self, config: Any, label: Sequence[str]) -> None:
        super().__init__(config, label)
        if len(label) != 2:
            raise LabelError(
                f"survival has two label columns, not {len(label)}",
                remedy="name the time, then the event: label=['time', 'event']",
            )
        self.intervals = Intervals(np.array([0.0, 1.0]))
        self.rates: Array = np.ones(1)
        self.dtypes: list[str] = ["float64", "int64"]

    def learn(self, targets: pd.DataFrame) -> None:
        """Cut time into intervals, each with the hazard of all rows together."""
        time, event = self._read(targets)
        if not (event & (time > 0)).any():
            raise LabelError(
                f"no row has an event after time 0: {self.label[1]!r} says when the time is one",
                column=self.label[1],
                remedy="give rows with 1 in it, where the event happened at that time",
            )
        self.intervals = Intervals.of_events(time[event], self.config.intervals)
        events = self._failed(time, event).sum(axis=0)
        self.rates = events / self.intervals.exposure(time).sum(axis=0)
        self.dtypes = [str(targets[name].infer_objects().dtype) for name in self.label]

    def encode(self, targets: pd.DataFrame) -> dict[str, Any]:
        """Targets as the class says; an event after the horizon is censored there."""
        time, event = self._read(targets)
        arrays = {
            "exposure": self.intervals.exposure(time),
            "failed": self._failed(time, event),
            "time": time,
            "event": event,
        }
        return {name: array.astype(np.float32) for name, array in arrays.items()}

    @property
    def output_dim(self) -> int:
        """One output for each interval."""
        return len(self.intervals)

    @property
    def info(self) -> Mapping[str, Any]:
        """Width of the output and the edges of its intervals."""
        return {"output_dim": self.output_dim, "edges": self.intervals.edges.tolist()}

    def loss(
        self, logits: torch.Tensor, targets: Mapping[str, Any], weight: torch.Tensor | None
    ) -> torch.Tensor:
        """Minus the log-likelihood: the hazard over the time at risk, less its log at the event."""
        rates = logits.new_tensor(np.log(self.rates)).float()
        log_hazard = rates + logits.float().clamp(-MOST, MOST)
        losses = log_hazard.exp() * targets["exposure"] - log_hazard * targets["failed"]
        rows: torch.Tensor = losses.sum(dim=1)
        return rows.mean() if weight is None else (rows * weight).mean()

    def decode(
        self, outputs: Mapping[str, Any], meta: Mapping[str, Any], options: Any = None
    ) -> Decoded:
        """The median, in label space: (median, 1), or (horizon, 0) where it is later than that.

        Views: ``risk`` float [N], share of the horizon that is expected to be lost; ``survival``
        frame [N, K + 1], the curve, with times as columns. ``proba`` [N, K + 1] is the chance of
        the event in each interval, named by its end, and after the horizon, named ``inf``.
        """
        logits = np.asarray(outputs["logits"], dtype=np.float64)
        hazard = cumulative(self.rates * np.exp(np.clip(logits, -MOST, MOST)), self.intervals)
        survival, edges = np.exp(-hazard), self.intervals.edges
        time, reached = median(hazard, edges)
        curve = np.append(survival, np.zeros((len(survival), 1)), axis=1)
        return Decoded(
            answer=self._answer(time, reached),
            views={
                "risk": lost(survival, edges),
                "survival": pd.DataFrame(survival, columns=edges),
            },
            proba=pd.DataFrame(-np.diff(curve, axis=1), columns=[*edges[1:], np.inf]),
        )

    def truth(self, targets: Mapping[str, Any], needs: str) -> Any:
        """float [N, 2]: time and event, which both metrics read."""
        if needs not in ("risk", "survival"):
            raise MetricError(
                f"the metric reads {needs!r}, which censored times do not have",
                value=needs,
                remedy="take concordance or integrated_brier",
            )
        return np.stack([targets["time"], targets["event"]], axis=1)

    def strata(self, targets: Mapping[str, Any]) -> Array:
        """Held-out rows have as many events."""
        return np.asarray(targets["event"], dtype=np.int64)

    def state(self) -> State:
        """Intervals, rates and dtypes."""
        arrays = {"edges": self.intervals.edges, "rates": self.rates}
        return State(values={"dtypes": self.dtypes}, arrays=arrays)

    @classmethod
    def from_state(cls, config: Any, label: Sequence[str], state: State) -> Self:
        """The task as it was after ``learn``."""
        task = cls(config, label)
        task.intervals = Intervals(np.asarray(state.arrays["edges"]))
        task.rates = np.asarray(state.arrays["rates"])
        task.dtypes = list(state.values["dtypes"])
        return task

    def _read(self, targets: pd.DataFrame) -> tuple[Array, Array]:
        """Times float64 [N] and events bool [N]."""
        time, event = (targets[name] for name in self.label)
        return read_time(time), read_event(event)

    def _failed(self, time: Array, event: Array) -> Array:
        return self.intervals.holds(time) & event[:, None]

    def _answer(self, time: Array, reached: Array) -> pd.DataFrame:
        """In the dtypes of the labels."""
        of_time, of_event = (pd.api.types.pandas_dtype(name) for name in self.dtypes)
        if pd.api.types.is_integer_dtype(of_time):
            time = np.rint(time).astype(np.int64)
        columns = (pd.Series(time).astype(of_time), pd.Series(reached.astype(int)).astype(of_event))
        return pd.DataFrame(dict(zip(self.label, columns, strict=True)))
