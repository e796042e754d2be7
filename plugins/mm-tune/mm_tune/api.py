"""What other distributions may import. No torch, no Optuna, no Ray before a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_core.api import Search
from mm_tune.on_ray import Ray

if TYPE_CHECKING:
    from mm_tune.executors import Executor
    from mm_tune.tuned import Tuned

__all__ = ["Ray", "Search", "tune"]


def tune(
    data: Any,
    label: Any,
    *,
    space: Mapping[str, Search | str] | None = None,
    trials: int = 20,
    time: float | None = None,
    tuning_data: Any = None,
    hyperparameters: Mapping[str, Any] | None = None,
    presets: str | Sequence[str] | None = None,
    problem_type: str | None = None,
    eval_metric: str | None = None,
    validation_metric: str | None = None,
    column_types: Mapping[str, str | None] | None = None,
    roles: Mapping[str, Any] | None = None,
    holdout_frac: float | None = None,
    sample_weight: Any = None,
    folder: str | Path | None = None,
    sampler: str = "tpe",
    prune: bool = True,
    seed: int = 0,
    plugins: Sequence[str | Path] = (),
    tell: Callable[[str], None] | None = None,
    executor: Executor | None = None,
) -> Tuned:
    """Search for settings by whole fits, scored on the same held-out rows.

    Args:
        data: training rows, as ``fit`` takes them.
        label: column, or several.
        space: setting -> what it may be, a :class:`Search` or text such as ``"log(1e-5, 1e-3)"``;
            None: Searches among ``hyperparameters``, or else the usual ranges of the plan's
            components.
        trials: in all, those of before the search was resumed counted.
        time: seconds of this call; a fit that is under way is stopped by it as by ``time_limit``.
        tuning_data: validation rows; None: some are held out, the same ones for all trials.
        hyperparameters: of all trials; a value may be a :class:`Search`. One that ``space`` has a
            range of is where the search begins.
        presets: as in the predictor, like those that follow.
        problem_type: task.
        eval_metric: name.
        validation_metric: name; it is what is searched by.
        column_types: column -> modality, kind or ``"ignore"``.
        roles: role of the task -> column, or columns.
        holdout_frac: share of rows to hold out.
        sample_weight: column of row weights.
        folder: where each trial is written down when it ends, and table, picture and recipe; a
            search that was cut off is taken up there. None: nothing is written.
        sampler: ``"tpe"`` or ``"random"``.
        prune: give networks up whose validations are worse than the median of others.
        seed: of the search; and of the fits, unless ``training.seed`` is set.
        plugins: one-file plugins.
        tell: called with a line for each trial; None: silent.
        executor: what runs trials, such as :class:`Ray`; None: this process, one after another.

    Returns:
        The best ``settings``, their ``score``, the ``recipe`` that ``fit(recipe=...)`` follows, and
        a frame of all ``trials``.

    Raises:
        ConfigError: an argument is none, a setting is unknown or no range; the folder cannot be
            written or holds another search.
        TrainingError: no trial came to a score.
    """
    from mm_tune.objective import Arguments
    from mm_tune.searching import Wanted, search
    from mm_tune.spaces import ranges, taken_apart

    wanted = Wanted(
        trials=trials,
        time=time,
        folder=None if folder is None else Path(folder),
        sampler=sampler,
        prune=prune,
        tell=tell,
        executor=executor,
    )
    fixed, among = taken_apart(hyperparameters or {})
    arguments = Arguments(
        label=label,
        fixed=fixed,
        presets=presets,
        problem_type=problem_type,
        eval_metric=eval_metric,
        validation_metric=validation_metric,
        column_types=column_types,
        roles=roles,
        holdout_frac=holdout_frac,
        sample_weight=sample_weight,
        plugins=tuple(plugins),
        seed=seed,
    )
    return search(data, tuning_data, arguments, ranges(space, among), wanted)
