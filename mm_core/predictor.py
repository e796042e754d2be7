"""MultiModalPredictor: the face. It keeps the user's choices and delegates."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd

from mm_core.api.config import suggest
from mm_core.api.errors import (
    ConfigError,
    LabelError,
    MMWarning,
    NotFittedError,
    report_bad,
)
from mm_core.api.fitting import TERMINATED, ExportReport, FitResult
from mm_core.api.processors import Table
from mm_core.api.specs import (
    ArtifactSavedSpec,
    ExporterSpec,
    FitEndSpec,
    RecipeReadySpec,
    TaskSpec,
)
from mm_core.artifact.folder import check_folder
from mm_core.artifact.manifest import UNFINISHED
from mm_core.artifact.unfinished import START, Unfinished
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.data.align import align, align_labelled, check_complete
from mm_core.data.rows import Rows, read_rows
from mm_core.lifecycle import tell
from mm_core.plugins.offered import bound_method, methods_of, read_options
from mm_core.plugins.registry import found_with, registry_with
from mm_core.processes import ENDED_BY_SIGTERM, is_first, others_wait
from mm_core.recipe.continued import continued
from mm_core.recipe.recipe import Recipe
from mm_core.recipe.request import Request
from mm_core.recipe.resolve import resolve
from mm_core.scoring import Metric, Metrics
from mm_core.summary import print_fit_summary, print_plan

if TYPE_CHECKING:
    from mm_core.inference import Joined
    from mm_core.model import Model

OnError = Literal["raise", "missing"]


@dataclass(frozen=True)
class _Fitted:
    """A model; one that has not ``learned`` is built anew by each fit."""

    model: Model
    result: FitResult
    learned: bool = True


@dataclass(frozen=True)
class _CutOff:
    fit: Unfinished
    folder: Path


class MultiModalPredictor:
    """Learns from a table whose cells are text, image paths, numbers, categories, ...

    Args:
        label: label column, or several.
        problem_type: name of a task (``"binary"``, ``"multiclass"``, ``"regression"``, or one of a
            plugin); None: inferred from the label.
        presets: name of a preset, or several; None: ``"high_quality"``.
        eval_metric: metric of :meth:`evaluate`: a name, or a callable (true, predicted) -> float,
            see :class:`mm_core.scoring.Metrics`.
        validation_metric: metric that chooses the best epoch; None: ``eval_metric``, or unless
            that is named the one that goes with the loss or the task, if any.
        hyperparameters: settings of the recipe, nested or dotted.
        path: folder that :meth:`fit` saves to, and keeps its state in meanwhile, so that a fit
            that is cut off can be resumed; None: nothing is saved until :meth:`save`.
        verbosity: 0 silent, 1 summary, 2 plan and progress, 3 all.
        plugins: one-file plugins to load besides the installed ones.
        roles: role of the task -> column, or columns, that are it: ``{"query": "a"}``; one that
            says what it may hold finds its column itself.
        query: ``roles={"query": ...}``.
        response: ``roles={"response": ...}``.
        match_label: the label of pairs that match, ``task.match_label``.
    """

    def __init__(
        self,
        label: Hashable | Sequence[Hashable] | None = None,
        problem_type: str | None = None,
        presets: str | Sequence[str] | None = None,
        eval_metric: Metric | None = None,
        validation_metric: Metric | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        path: str | Path | None = None,
        verbosity: int = 2,
        plugins: Sequence[str | Path] = (),
        *,
        roles: Mapping[str, Hashable | Sequence[Hashable]] | None = None,
        query: Hashable | Sequence[Hashable] | None = None,
        response: Hashable | Sequence[Hashable] | None = None,
        match_label: Any = None,
    ) -> None:
        self.label = _names(label)
        self.roles = _roles(roles or {}, query=query, response=response)
        self.match_label = match_label
        self.problem_type = problem_type
        self.presets = presets
        self.hyperparameters = dict(hyperparameters or {})
        self.path = path
        self.verbosity = verbosity
        self._registry = registry_with(plugins)
        self._metrics = Metrics(self._registry)
        self._eval_metric = self._metrics.name(eval_metric)
        self._validation_metric = self._metrics.name(validation_metric)
        self._fitted: _Fitted | None = None
        self._cut_off: _CutOff | None = None

    @property
    def path(self) -> Path | None:
        """Folder that :meth:`fit` saves to, and nothing else; None: it saves nothing.

        :meth:`load` leaves it None, so that training a model further replaces no saved model, and
        :meth:`save` leaves it as it is. It may be set before any fit.
        """
        return self._path

    @path.setter
    def path(self, folder: str | Path | None) -> None:
        self._path = None if folder is None else Path(folder)

    # ---- planning and fitting ------------------------------------------------------------------

    def plan(
        self,
        data: Any,
        presets: str | Sequence[str] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        column_types: Mapping[str, str | None] | None = None,
        holdout_frac: float | None = None,
        sample_weight: Hashable | None = None,
        seed: int | None = None,
    ) -> Recipe:
        """The recipe that :meth:`fit` would follow, without training.

        What :meth:`fit` would refuse of settings, columns and labels is refused here too. Cells are
        not read, rows not held out and networks not built: what comes of that :meth:`fit` tells.
        """
        from mm_core.training.labels import check_labels

        request = _call(presets, hyperparameters, column_types, holdout_frac, sample_weight, seed)
        table = read_rows(data, self._registry).table
        finder = CheckpointFinder(self._registry)
        recipe = self._recipe_to_follow(None, table, request, finder)
        learned = None if self._further is None else self._further.model.task
        check_labels(recipe, self._labelled(table, recipe), learned, self._registry)
        return recipe

    def fit(
        self,
        train_data: Any,
        tuning_data: Any = None,
        presets: str | Sequence[str] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        column_types: Mapping[str, str | None] | None = None,
        holdout_frac: float | None = None,
        time_limit: float | None = None,
        sample_weight: Hashable | None = None,
        seed: int | None = None,
        callbacks: Any = None,
        loggers: Any = None,
        recipe: Recipe | str | Path | None = None,
        on_error: OnError = "raise",
    ) -> Self:
        """Plan, then train; a predictor that has a model trains it further.

        With a ``path`` the model is saved there; what else is in that folder, such as the files of
        a logger, stays. Without one the fit changes no file, and cannot be resumed.

        Args:
            train_data: rows with the label; see :func:`mm_core.data.rows.read_rows`.
            tuning_data: validation rows; None: a share of the training rows is held out.
            presets: overrides the constructor's.
            hyperparameters: added to the constructor's.
            column_types: column -> modality, kind or ``"ignore"``, where the detectors are wrong.
            holdout_frac: share of rows to hold out; None: 20% of small data, 10% of large data.
            time_limit: seconds of training after which the best weights so far are taken.
            sample_weight: column of row weights (>= 0).
            seed: of the split, new weights and batches; None: ``training.seed``, 0 unless set. The
                global generators are left alone.
            callbacks: a Lightning callback, or several.
            loggers: a Lightning logger, or several.
            recipe: a recipe, or a file of one; replaces planning and all settings above but
                ``tuning_data`` and ``time_limit``.
            on_error: ``"raise"`` on cells that cannot be read, or train with them as ``"missing"``.

        Returns:
            The predictor itself.
        """
        from mm_core.training.context import FitContext
        from mm_core.training.fit import fit_model
        from mm_core.training.start import unfitted_model

        started = time.monotonic()
        _check_choice("on_error", on_error)
        if time_limit is not None and not _is_above_0(time_limit):
            raise ConfigError(
                f"time_limit={time_limit!r}", value=time_limit, remedy="give seconds above 0"
            )
        if tuning_data is not None and holdout_frac is not None:
            raise ConfigError(
                "tuning_data is the validation set: holdout_frac beside it would not be used",
                value=holdout_frac,
                remedy="leave one of them out",
            )
        self._check_path()
        rows = read_rows(train_data, self._registry)
        tuning = None if tuning_data is None else read_rows(tuning_data, self._registry).table
        finder = CheckpointFinder(self._registry)
        request = _call(presets, hyperparameters, column_types, holdout_frac, sample_weight, seed)
        recipe = self._recipe_to_follow(recipe, rows.table, request, finder)
        print_plan(recipe, self.verbosity)
        used = [column for part in recipe.inputs.values() for column in part.columns]
        check_complete(rows.table, used)
        train = self._labelled(rows.table, recipe)
        tuning = None if tuning is None else self._labelled(tuning, recipe)
        context = FitContext(
            registry=self._registry,
            finder=finder,
            metrics=self._metrics,
            model=None if self._further is None else self._further.model,
            on_error=on_error,
            callbacks=_several(callbacks),
            loggers=_several(loggers),
            verbosity=self.verbosity,
            deadline=None if time_limit is None else started + time_limit,
            unfinished=self._state_folder(recipe, train, tuning)
            if recipe.training.epochs
            else None,
            resume=self._cut_off is not None,
        )
        tell(self._registry, RecipeReadySpec, recipe)
        if recipe.training.epochs:
            model, result = fit_model(recipe, train, tuning, context)
        else:
            model, result = unfitted_model(recipe, train, context)
        self._fitted, self._cut_off = _Fitted(model, result), None
        self.label = recipe.data.label
        tell(self._registry, FitEndSpec, model, result)
        if self.path is not None:
            with others_wait():
                self._write(self.path)
            tell(self._registry, ArtifactSavedSpec, model, self.path)
        print_fit_summary(recipe, result, time.monotonic() - started, self.path, self.verbosity)
        if result.stopped == TERMINATED:
            raise SystemExit(ENDED_BY_SIGTERM)
        return self

    # ---- using the model -----------------------------------------------------------------------

    def predict(
        self,
        data: Any,
        as_pandas: bool | None = None,
        on_error: OnError = "raise",
        **task_options: Any,
    ) -> pd.Series | pd.DataFrame | np.ndarray:
        """One answer per row, in the caller's order and with the caller's index.

        A predictor without a model, of a task that need not be fitted, plans on ``data``.

        Args:
            data: rows; see :func:`mm_core.data.rows.read_rows`.
            as_pandas: False for a numpy array; None or True: a Series (several labels: a frame).
            on_error: ``"raise"`` on cells that cannot be read, or treat them as ``"missing"``.
            task_options: options of the task (``TaskSpec.options``), by name.
        """
        rows, decoded = self._decode(data, on_error, task_options)
        found = _series_if_one(decoded.answer.set_axis(rows.index, axis=0))
        return found.to_numpy() if as_pandas is False else found

    def predict_proba(
        self,
        data: Any,
        as_pandas: bool | None = None,
        as_multiclass: bool = True,
        on_error: OnError = "raise",
        **task_options: Any,
    ) -> pd.DataFrame | pd.Series | np.ndarray:
        """Probability of each class (or label), one row per row of ``data``.

        Args:
            as_multiclass: False with two classes: only the positive class, as a Series.
            task_options: options of the task, by name.
        """
        rows, decoded = self._decode(data, on_error, task_options)
        if decoded.proba is None:
            raise ConfigError(
                f"{self.recipe.task.id} gives no probabilities",
                plugin=self.recipe.task.id,
                remedy="use predict()",
            )
        proba = decoded.proba.set_axis(rows.index, axis=0)
        one_of_two = decoded.exclusive and proba.shape[1] == 2
        found = proba.iloc[:, 1] if one_of_two and not as_multiclass else proba
        return found.to_numpy() if as_pandas is False else found

    def evaluate(
        self,
        data: Any,
        metrics: Metric | Sequence[Metric] | None = None,
        return_pred: bool = False,
        on_error: OnError = "raise",
        **task_options: Any,
    ) -> Any:
        """Scores by name; with ``return_pred`` also the predictions.

        Args:
            data: rows with the label.
            metrics: names or callables; None: the eval metric.
            return_pred: also return what :meth:`predict` gives.
            on_error: ``"raise"`` on cells that cannot be read, or treat them as ``"missing"``.
            task_options: options of the task, by name.
        """
        from mm_core.inference import joined, stream, unreadable

        rows = read_rows(data, self._registry)
        model = self._answering(rows.table, on_error)
        known = self._metrics.copy()
        task = self._registry.get(TaskSpec, model.recipe.task.id)
        options = read_options(task, task_options)
        asked = known.asked(metrics, task, default=model.recipe.data.eval_metric)
        frame = model.pipeline.encode_with_targets(self._labelled(rows.table, model.recipe))
        scorer = known.scorer(asked.values(), model.task, model.recipe.loss_settings)
        _check_choice("on_error", on_error)
        parts, bad = [], []
        for part in stream(model, frame, options=options):
            scorer.update(frame, part.rows, part.decoded)
            bad += part.bad
            if return_pred:
                parts.append(part)
        report_bad(unreadable(frame, bad), on_error)
        found = scorer.compute()
        scores = {name: found[metric] for name, metric in asked.items()}
        if not return_pred:
            return scores
        return scores, _series_if_one(joined(parts, frame).answer.set_axis(rows.index, axis=0))

    def extract_embedding(
        self, data: Any, as_pandas: bool = False, on_error: OnError = "raise"
    ) -> np.ndarray | pd.DataFrame:
        """float32 [N, D]: the fused vector that the model's head reads, one per row."""
        from mm_core.inference import embed

        model = self._model
        rows = read_rows(data, self._registry)
        vectors, bad = embed(model, model.pipeline.encode(self._aligned(rows.table)))
        report_bad(bad, _check_choice("on_error", on_error))
        return pd.DataFrame(vectors, index=rows.index) if as_pandas else vectors

    # ---- saving and exporting ------------------------------------------------------------------

    def save(self, path: str | Path | None = None, standalone: bool = True) -> Path:
        """Write the model to a folder and return it; ``path`` of the predictor stays as it is.

        A model that is saved there is replaced; what else is in its folder stays.

        Args:
            path: the folder; None: the predictor's ``path``, or where it has none a new temporary
                folder, which nobody deletes.
            standalone: True: all weights are in it, and loading it needs no network. False: only
                those that training changed; the others are named by checkpoint and hash, and
                loading finds them again where checkpoints come from.

        Raises:
            ArtifactError: the folder cannot be written, or is not empty and holds no saved model.
            CheckpointError: not standalone, and a checkpoint can no longer be had.
        """
        self._need_fitted()
        folder = Path(path) if path is not None else self.path or Path(tempfile.mkdtemp("-mm"))
        with others_wait():
            if is_first():
                check_folder(folder)
                self._write(folder, standalone)
        tell(self._registry, ArtifactSavedSpec, self._model, folder)
        return folder

    def merge_adapters(self) -> Self:
        """Fold the adapters into their backbones: same answers, and an ordinary model to export.

        The adapters are gone then; a model saved afterwards needs none of their plugins.
        """
        from mm_core.network.change import merge_adapters

        merge_adapters(self._model)
        return self

    @classmethod
    def load(
        cls,
        path: str | Path,
        resume: bool = False,
        verbosity: int = 2,
        plugins: Sequence[str | Path] = (),
        eval_metric: Metric | None = None,
        validation_metric: Metric | None = None,
    ) -> Self:
        """Read a saved model. Executes nothing that the folder brings.

        The predictor's ``path`` is None: training the model further (:meth:`fit`) leaves the saved
        one as it is. Set ``predictor.path`` to a folder, and the fit saves to it and can be
        resumed; or call :meth:`save` afterwards.

        Args:
            path: the folder.
            resume: take up a fit that was cut off before it could save its model there: the
                predictor's :meth:`fit`, given the same rows, goes on where the state was last
                written (``training.save_every``). It saves to that folder: ``path`` is set.
            verbosity: 0 silent .. 3 chatty.
            plugins: one-file plugins to load besides the installed ones.
            eval_metric: the model's own, to be given where it is a function, which is not saved,
                and the fit is resumed or the model trained further; None: that of the recipe.
            validation_metric: likewise.

        Raises:
            ArtifactError: damaged, altered, or in need of plugins that are missing, broken or too
                old (all of them are named); or there is no fit to resume.
            ConfigError: a metric is not the model's own.
            PluginError: a one-file plugin that the model does not need cannot be used.
        """
        from mm_core.artifact.load import load

        given: dict[str, Any] = {
            "eval_metric": eval_metric,
            "validation_metric": validation_metric,
            "verbosity": verbosity,
            "plugins": plugins,
        }
        if resume:
            unfinished = Unfinished.read(Path(path))
            predictor = cls(unfinished.recipe.data.label, path=path, **given)
            predictor._check_metrics(unfinished.recipe)
            predictor._cut_off = _CutOff(unfinished, Path(path))
            if unfinished.further:
                started = load(Path(path) / UNFINISHED / START, predictor._registry)
                unfinished.check_start(started.model.recipe)
                predictor._fitted = _Fitted(started.model, started.result)
            return predictor
        registry = found_with(plugins)  # so that load tells all that is wrong, a file's fault too
        loaded = load(Path(path), registry)
        recipe = loaded.model.recipe
        predictor = cls(recipe.data.label, **given)
        predictor._check_metrics(recipe)
        predictor.problem_type = recipe.task.id
        predictor._fitted = _Fitted(loaded.model, loaded.result)
        return predictor

    def export(
        self, path: str | Path, format: str = "onnx", sample: Any = None, **settings: Any
    ) -> ExportReport:
        """Write the model in another form, by an exporter plugin.

        Args:
            path: file or folder to write.
            format: name of an exporter.
            sample: rows on which the export is compared with the original.
            settings: of the exporter (``mm plugins show`` lists them).
        """
        component = self._registry.get(ExporterSpec, format)
        exporter = component.load()(component.read(settings, where=component.id))
        reasons = exporter.check(self._model)
        if reasons:
            raise ConfigError(
                f"{component.id} cannot export this model: {'; '.join(reasons)}",
                plugin=component.id,
                value=reasons,
            )
        table = None if sample is None else self._aligned(read_rows(sample, self._registry).table)
        report: ExportReport = exporter.export(self._model, Path(path), table)
        return report

    # ---- looking -------------------------------------------------------------------------------

    @property
    def recipe(self) -> Recipe:
        """The recipe the model was trained by."""
        return self._model.recipe

    @property
    def column_types(self) -> dict[str, str | None]:
        """Column -> ``"modality:kind"``, or None where it is not used."""
        return {
            plan.name: None
            if plan.modality is None
            else f"{plan.modality.split(':')[1]}:{plan.kind}"
            for plan in self.recipe.columns.columns
        }

    @property
    def history(self) -> pd.DataFrame:
        """One row per validation: epoch, step, seconds, training loss, validation score."""
        return pd.DataFrame(self._need_fitted().result.history)

    # ---- what the task's models do besides -----------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        """A method of the task (``TaskSpec.methods``)."""
        if name.startswith("_"):  # asked of copies that are still empty, too
            raise AttributeError(name)
        task = self._task_id
        if task is not None and name in methods_of(task, self._registry):
            return bound_method(task, name, self._registry, self)
        near = suggest(name, [one for one in dir(self) if not one.startswith("_")])
        raise AttributeError(
            f"MultiModalPredictor has no {name!r}"
            + (f", and {task} brings none" if task else "")
            + (f"; did you mean {near!r}?" if near else "")
        )

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *methods_of(self._task_id, self._registry)]

    @property
    def _task_id(self) -> str | None:
        """Of the model, or the one that was named."""
        return self.problem_type if self._fitted is None else self.recipe.task.id

    # ---- inside --------------------------------------------------------------------------------

    @property
    def _request(self) -> Request:
        """What the predictor was made with."""
        return Request(
            label=self.label,
            roles=self.roles,
            problem_type=self.problem_type,
            match_label=self.match_label,
            presets=self.presets,
            hyperparameters=(self.hyperparameters,),
            eval_metric=self._eval_metric,
            validation_metric=self._validation_metric,
        )

    def _planned(self, table: Table, request: Request, finder: CheckpointFinder) -> Recipe:
        for problem in self._registry.problems:  # what it would read is planned otherwise
            warnings.warn(f"not used: {problem.error.message}", MMWarning, stacklevel=3)
        asked = request.over(self._request)
        return resolve(table, asked, self._registry, finder, self._metrics)

    def _recipe_to_follow(
        self,
        given: Recipe | str | Path | None,
        table: Table,
        request: Request,
        finder: CheckpointFinder,
    ) -> Recipe:
        """That of the fit to be taken up, the one given, the model's own, or a new plan."""
        if self._cut_off is not None:
            if given is not None:
                raise ConfigError(
                    "a fit that was cut off has its recipe: another one would not be used",
                    remedy="leave recipe= out, or fit a new predictor",
                )
            return self._followed(self._cut_off.fit.recipe, request)
        if given is not None and self._further is not None:
            raise ConfigError(
                "this predictor has a model, which fit trains further: another recipe would not "
                "fit it",
                remedy="leave recipe= out, or fit a new MultiModalPredictor",
            )
        if given is not None:
            return self._followed(given, request)
        if self._further is not None:
            return continued(self.recipe, request, self._registry, self._metrics)
        return self._planned(table, request, finder)

    def _state_folder(self, recipe: Recipe, train: Table, tuning: Table | None) -> Path | None:
        """Where the fit keeps its state; None: nowhere, there is no path."""
        if self.path is None:
            return None
        if self._cut_off is not None:
            self._cut_off.fit.check_rows(train, tuning)
        elif is_first():
            save_start = None if self._further is None else self._write
            Unfinished.begin(self.path, recipe, train, tuning, save_start)
        return self.path / UNFINISHED

    def _check_path(self) -> None:
        """Refuse a folder that a fit cannot save to, before it begins.

        Raises:
            ArtifactError: it cannot be written, or holds something else.
            ConfigError: a fit that was cut off would not be saved where it was to be.
        """
        if self._cut_off is not None and self.path != self._cut_off.folder:
            raise ConfigError(
                f"the fit that was cut off is taken up in {str(self._cut_off.folder)!r}, not in "
                f"{str(self.path)!r}",
                value=self.path,
                remedy="leave path as load set it; save(folder) writes the model elsewhere as well",
            )
        if self.path is not None:
            check_folder(self.path)

    def _write(self, folder: Path, standalone: bool = True) -> None:
        """Save the model, whatever else is in the folder; only the first process writes."""
        from mm_core.artifact.save import save

        fitted = self._need_fitted()
        if is_first():
            save(fitted.model, fitted.result, self._registry, folder, standalone=standalone)

    def _followed(self, recipe: Recipe | str | Path, request: Request) -> Recipe:
        if set(request.over(self._request).given) - {"label", "eval_metric", "validation_metric"}:
            raise ConfigError(
                "a recipe is complete: other settings beside it would not be used",
                remedy="leave them out, or change the recipe and leave recipe= out",
            )
        recipe = recipe if isinstance(recipe, Recipe) else Recipe.read(recipe)
        self._check_metrics(recipe)
        if self.label not in ((), recipe.data.label):
            raise ConfigError(
                f"the recipe is for the label {', '.join(recipe.data.label)}",
                value=self.label,
                remedy="leave the label out, or plan again",
            )
        return recipe

    def _check_metrics(self, recipe: Recipe) -> None:
        """Refuse metrics that were given and are not those of the recipe.

        Raises:
            ConfigError, UnknownComponentError: one is not.
        """
        given = {"eval_metric": self._eval_metric, "validation_metric": self._validation_metric}
        for argument, metric in given.items():
            own = getattr(recipe.data, argument)
            if metric is None:
                continue
            task = self._registry.get(TaskSpec, recipe.task.id)
            if self._metrics.resolve(metric, task) != own:
                raise ConfigError(
                    f"the {argument} of the recipe is {own}, not {metric}",
                    value=metric,
                    remedy=f"leave {argument} out, or plan and fit anew with it; "
                    "evaluate(data, metrics=...) takes any metric",
                )

    def _labelled(self, table: Table, recipe: Recipe) -> Table:
        """Aligned inputs with the label and weight columns beside them."""
        weight = recipe.data.sample_weight
        return align_labelled(table, recipe.columns, recipe.data.label, weight, self._registry)

    def _aligned(self, table: Table) -> Table:
        data = self.recipe.data
        known = [*data.label, *filter(None, [data.sample_weight])]
        return align(table, self.recipe.columns, known, self._registry)

    def _decode(
        self, data: Any, on_error: OnError, given: Mapping[str, Any]
    ) -> tuple[Rows, Joined]:
        from mm_core.inference import predict

        _check_choice("on_error", on_error)
        rows = read_rows(data, self._registry)
        model = self._answering(rows.table, on_error)
        options = read_options(self._registry.get(TaskSpec, model.recipe.task.id), given)
        frame = model.pipeline.encode(self._aligned(rows.table))
        found = predict(model, frame, options=options)
        report_bad(found.bad, on_error)
        return rows, found

    def _answering(self, table: Table, on_error: OnError) -> Model:
        """The model; of a task that need not be fitted it is built for these rows, once."""
        if self._fitted is None and self._cut_off is None and self._needs_no_fit():
            from mm_core.training.context import FitContext
            from mm_core.training.start import unfitted_model

            finder = CheckpointFinder(self._registry)
            recipe = self._planned(table, Request(learns=False), finder)
            recipe = recipe.with_training({"epochs": 0}, "nothing was to be learned")
            context = FitContext(self._registry, finder, self._metrics, on_error=on_error)
            model, result = unfitted_model(recipe, table, context)
            self._fitted = _Fitted(model, result, learned=False)
        return self._model

    def _needs_no_fit(self) -> bool:
        named = self.problem_type
        return named is not None and not self._registry.get(TaskSpec, named).spec.requires_fit

    @property
    def _further(self) -> _Fitted | None:
        """The model that :meth:`fit` trains further, if any."""
        return self._fitted if self._fitted is not None and self._fitted.learned else None

    @property
    def _model(self) -> Model:
        return self._need_fitted().model

    def _need_fitted(self) -> _Fitted:
        if self._fitted is None:
            raise NotFittedError(
                "this predictor has no model yet",
                remedy="call fit(train_data), or MultiModalPredictor.load(path)",
            )
        return self._fitted


def _names(columns: Any) -> tuple[str, ...]:
    """A column or several by name; None: none."""
    if columns is None:
        return ()
    several = isinstance(columns, (list, tuple, pd.Index, np.ndarray))
    names = tuple(str(name) for name in columns) if several else (str(columns),)
    if len(set(names)) < len(names):
        raise LabelError(
            f"a column is named twice: {', '.join(names)}",
            column=names[0],
            remedy="name each once",
        )
    return names


def _roles(given: Mapping[str, Any], **sides: Any) -> dict[str, tuple[str, ...]]:
    """Role -> names of its columns; ``sides`` are roles with an argument of their own."""
    twice = [name for name, columns in sides.items() if columns is not None and name in given]
    if twice:
        raise ConfigError(
            f"{twice[0]} is given as an argument and among the roles",
            value=given[twice[0]],
            remedy="leave one of them out",
        )
    found = {**given, **{name: one for name, one in sides.items() if one is not None}}
    return {str(role): _names(columns) for role, columns in found.items()}


def _call(
    presets: str | Sequence[str] | None,
    hyperparameters: Mapping[str, Any] | None,
    column_types: Mapping[str, str | None] | None,
    holdout_frac: float | None,
    sample_weight: Hashable | None,
    seed: int | None,
) -> Request:
    """What a call of ``plan`` or ``fit`` asks for."""
    return Request(
        presets=presets,
        hyperparameters=(hyperparameters or {},),
        column_types=column_types,
        holdout_frac=holdout_frac,
        sample_weight=sample_weight,
        seed=seed,
    )


def _check_choice(name: str, value: str) -> str:
    if value not in ("raise", "missing"):
        raise ConfigError(f"{name}={value!r}", value=value, remedy="use 'raise' or 'missing'")
    return value


def _is_above_0(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _several(given: Any) -> tuple[Any, ...]:
    """One thing or several as a tuple."""
    if given is None:
        return ()
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)


def _series_if_one(answer: pd.DataFrame) -> pd.Series | pd.DataFrame:
    return answer.iloc[:, 0] if answer.shape[1] == 1 else answer
