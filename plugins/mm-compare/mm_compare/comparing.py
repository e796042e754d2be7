"""Several values of settings, fitted and scored on the same splits."""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mm_compare.jobs import side_by_side
from mm_compare.tests_of_differences import corrected_t_test, holm
from mm_core.api import ConfigError
from mm_core.api.tools import MultiModalPredictor, installed, metrics, read_rows

RUNS = "runs.jsonl"
"""The file of a folder that each run is written to as it ends."""


@dataclass(frozen=True)
class Compared:
    """What came of a comparison.

    Attributes:
        table: one row per variant, in the order given: ``variant``, ``mean``, ``std`` (over
            splits), ``difference`` to the first variant (paired), ``p`` (corrected t-test, Holm
            over the variants; NaN for the first), ``seconds`` of a fit.
        runs: one row per fit: ``variant``, ``seed``, ``score``, ``seconds``.
        metric: name of the score.
        higher_is_better: its direction.
        test_share: rows scored on, as a share of all rows.
    """

    table: pd.DataFrame
    runs: pd.DataFrame
    metric: str
    higher_is_better: bool
    test_share: float


def compare(
    data: Any,
    label: str | Sequence[str],
    vary: Mapping[str, Sequence[Any]],
    seeds: int = 10,
    *,
    test_share: float = 0.2,
    hyperparameters: Mapping[str, Any] | None = None,
    presets: str | Sequence[str] | None = None,
    problem_type: str | None = None,
    eval_metric: str | None = None,
    folder: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    jobs: int = 1,
    tell: Callable[[str], None] | None = None,
) -> Compared:
    """Fit every combination of ``vary`` on the same random splits, and test the differences.

    Split ``s`` is the same rows for all variants, and its fits have seed ``s``. Each fit holds its
    validation rows out of its training rows: nothing is chosen on the rows that are scored.

    Args:
        data: rows with the label; see ``MultiModalPredictor.fit``.
        label: label column, or several.
        vary: key of the recipe, or ``"presets"`` -> its values; the first combination is what the
            others are compared with.
        seeds: number of splits.
        test_share: share of the rows that is scored on, 0..1.
        hyperparameters: of all fits.
        presets: of all fits.
        problem_type: as of the predictor.
        eval_metric: the score; None: the task's.
        folder: is made; each run is written there as it ends, and a run that is there already is
            not run again. None: nothing is written.
        plugins: one-file plugins.
        jobs: fits at the same time, each in a process with its share of the cores; a script that
            asks for several is guarded by ``if __name__ == "__main__"``.
        tell: is called with a line for each run.

    Raises:
        ConfigError: nothing varies, or there are too few rows or splits.
    """
    variants = _variants(vary)
    if jobs < 1:
        raise ConfigError(f"{jobs} jobs", value=jobs, remedy="jobs >= 1")
    if seeds < 1 or not 0 < test_share < 1:
        raise ConfigError(
            f"{seeds} splits with {test_share} of the rows to score on",
            value=(seeds, test_share),
            remedy="seeds >= 1, test_share between 0 and 1",
        )
    registry = installed(plugins)
    rows = read_rows(data, registry).table
    names = [label] if isinstance(label, str) else list(label)
    given = {
        "label": names,
        "problem_type": problem_type,
        "presets": presets,
        "eval_metric": eval_metric,
        "plugins": [str(one) for one in plugins],
    }
    fixed = dict(hyperparameters or {})
    store = _Runs(folder, _fingerprint(rows.frame, given, fixed, test_share))
    order = [(variant, seed) for seed in range(seeds) for variant in variants]
    known = {one: run for one in order if (run := store.get(*one)) is not None}
    _split(rows, 0, test_share)  # too few rows are told before any process is begun
    runner = _Runner(rows, variants, fixed, given, test_share)
    for done, one in enumerate(known, start=1):
        _tell(tell, done, len(order), one, known[one])
    lacking = [one for one in order if one not in known]
    for one, run in side_by_side(runner, lacking, jobs):
        store.put(*one, run)
        known[one] = run
        _tell(tell, len(known), len(order), one, run)
    found = [{"variant": one[0], "seed": one[1]} | known[one] for one in order]
    metric = found[0]["metric"]
    direction = metrics(registry).higher_is_better(found[0]["metric_id"])
    runs = pd.DataFrame(found)[["variant", "seed", "score", "seconds"]]
    return Compared(_table(runs, test_share), runs, metric, direction, test_share)


@dataclass(frozen=True)
class _Runner:
    """Fits and scores a variant on a split."""

    rows: Any
    variants: Mapping[str, Mapping[str, Any]]
    fixed: Mapping[str, Any]
    given: Mapping[str, Any]
    test_share: float

    def __call__(self, one: tuple[str, int]) -> dict[str, Any]:
        variant, seed = one
        train, test = _split(self.rows, seed, self.test_share)
        settings = {**self.fixed, **self.variants[variant]}
        return _one_run(train, test, settings, seed, self.given)


def _tell(
    tell: Callable[[str], None] | None, done: int, of: int, one: tuple[str, int], run: Any
) -> None:
    if tell is not None:
        variant, seed = one
        tell(f"{done} of {of}  {variant}  seed {seed}  {run['metric']} {run['score']:.4f}")


def _variants(vary: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, Any]]:
    """What it is called -> its settings, in the order given."""
    found = {}
    for values in itertools.product(*vary.values()):
        settings = dict(zip(vary, values, strict=True))
        said = [f"{key}={_said(value)}" for key, value in settings.items()]
        found[" ".join(said)] = settings
    if len(found) < 2:
        raise ConfigError(
            "there is nothing to compare",
            value=dict(vary),
            remedy="vary a setting: --vary fusion=concat_mlp,mean",
        )
    return found


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _split(rows: Any, seed: int, test_share: float) -> tuple[Any, Any]:
    order = np.random.default_rng((seed, 17)).permutation(len(rows))
    n_test = round(test_share * len(rows))
    if n_test < 1 or n_test >= len(rows):
        raise ConfigError(
            f"{test_share} of {len(rows)} rows are {n_test} to score on",
            value=test_share,
            remedy="give more rows, or another test_share",
        )
    return rows.take(np.sort(order[n_test:])), rows.take(np.sort(order[:n_test]))


def _one_run(
    train: Any, test: Any, settings: dict[str, Any], seed: int, given: Mapping[str, Any]
) -> dict[str, Any]:
    presets = settings.pop("presets", given["presets"])
    predictor = MultiModalPredictor(
        verbosity=0, hyperparameters=settings, **{**given, "presets": presets}
    )
    start = time.perf_counter()
    predictor.fit(train, seed=seed)
    seconds = time.perf_counter() - start
    metric_id = predictor.recipe.data.eval_metric
    scores = predictor.evaluate(test)
    name = next(iter(scores))
    return {
        "metric": name,
        "metric_id": metric_id,
        "score": float(scores[name]),
        "seconds": seconds,
    }


def _table(runs: pd.DataFrame, test_share: float) -> pd.DataFrame:
    names = list(dict.fromkeys(runs.variant))
    scores = runs.pivot(index="seed", columns="variant", values="score")[names]
    differences = scores.sub(scores[names[0]], axis=0)
    values = [corrected_t_test(differences[name].to_numpy(), test_share) for name in names[1:]]
    return pd.DataFrame(
        {
            "variant": names,
            "mean": scores.mean().to_numpy(),
            "std": scores.std().to_numpy(),
            "difference": differences.mean().to_numpy(),
            "p": [float("nan"), *holm(values)],
            "seconds": runs.groupby("variant").seconds.mean()[names].to_numpy(),
        }
    )


def _fingerprint(
    frame: pd.DataFrame, given: Mapping[str, Any], fixed: Mapping[str, Any], test_share: float
) -> str:
    """Of what all runs of a comparison share: another table or setting is another comparison."""
    digest = hashlib.sha256(pd.util.hash_pandas_object(frame.astype(str)).to_numpy().tobytes())
    said = [list(frame.columns), dict(given), dict(fixed), test_share]
    digest.update(json.dumps(said, sort_keys=True, default=str).encode())
    return digest.hexdigest()[:16]


class _Runs:
    """Runs that have ended, by variant and seed; in a file where there is a folder."""

    def __init__(self, folder: str | Path | None, comparison: str) -> None:
        self._comparison = comparison
        self._file = None if folder is None else Path(folder) / RUNS
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        self._known = {(one["variant"], one["seed"]): one["run"] for one in self._read()}

    def _read(self) -> Iterator[dict[str, Any]]:
        """Of this comparison; a line that a killed process left unfinished is none."""
        if self._file is None or not self._file.exists():
            return
        for line in self._file.read_text(encoding="utf-8").splitlines():
            try:
                one = json.loads(line)
            except json.JSONDecodeError:
                continue
            if one["comparison"] == self._comparison:
                yield one

    def get(self, variant: str, seed: int) -> dict[str, Any] | None:
        return self._known.get((variant, seed))

    def put(self, variant: str, seed: int, run: dict[str, Any]) -> None:
        if self._file is None:
            return
        one = {"comparison": self._comparison, "variant": variant, "seed": seed, "run": run}
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(one) + "\n")
