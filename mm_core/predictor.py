"""MultiModalPredictor: the face. It keeps the user's choices and delegates."""

from __future__ import annotations

import tempfile
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from mm_core.api.fitting import TERMINATED, ExportReport
from mm_core.plugins.registry import found_with, registry_with
from mm_core.processes import ENDED_BY_SIGTERM
from mm_core.recipe.recipe import Recipe
from mm_core.scoring import Metric
from mm_core.session import answers, arguments, fitting, folders, following
from mm_core.session.answers import Asked
from mm_core.session.arguments import OnError
from mm_core.session.exporting import export
from mm_core.session.looking import Looking
from mm_core.session.session import Session


class MultiModalPredictor(Looking):
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
        verbosity: of :meth:`fit`: 0 silent, 1 summary, 2 plan and progress, 3 all.
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
        self.label = arguments.names(label)
        self.roles = arguments.roles(roles or {}, query=query, response=response)
        self.match_label = match_label
        self._named_type = problem_type
        self.presets = presets
        self.hyperparameters = dict(hyperparameters or {})
        self.path = path
        self.verbosity = verbosity
        self._session = Session(registry_with(plugins))
        self._eval_metric = self._metrics.name(eval_metric)
        self._validation_metric = self._metrics.name(validation_metric)

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
        call = arguments.call(
            presets, hyperparameters, column_types, holdout_frac, sample_weight, seed
        )
        return fitting.plan(self._session, data, self._request, call)

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
        verbosity: int | None = None,
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
            time_limit: seconds until the model is trained. Where not all epochs fit into them, the
                learning rate goes through its schedule in what does.
            sample_weight: column of row weights (>= 0).
            seed: of the split, new weights and batches; None: ``training.seed``, 0 unless set. The
                global generators are afterwards as they were. Fits in several threads take turns;
                while one runs, other threads find torch's generators in use: draw there from a
                ``torch.Generator`` of your own.
            callbacks: a Lightning callback, or several.
            loggers: a Lightning logger, or several.
            recipe: a recipe, or a file of one; replaces planning and all settings above but
                ``tuning_data`` and ``time_limit``.
            on_error: ``"raise"`` on cells that cannot be read, or train with them as ``"missing"``.
            verbosity: 0 silent .. 3 all; None: the predictor's.

        Returns:
            The predictor itself.
        """
        arguments.check_fit(on_error, time_limit, tuning_data, holdout_frac, verbosity)
        wanted = fitting.Wanted(
            own=self._request,
            call=arguments.call(
                presets, hyperparameters, column_types, holdout_frac, sample_weight, seed
            ),
            recipe=recipe,
            path=self.path,
            time_limit=time_limit,
            callbacks=arguments.several(callbacks),
            loggers=arguments.several(loggers),
            on_error=on_error,
            verbosity=self.verbosity if verbosity is None else verbosity,
        )
        result = fitting.fit(self._session, train_data, tuning_data, wanted)
        self.label = self.recipe.data.label
        if result.stopped == TERMINATED:
            raise SystemExit(ENDED_BY_SIGTERM)
        return self

    # ---- using the model -----------------------------------------------------------------------

    def predict(
        self,
        data: Any,
        as_pandas: bool | None = None,
        on_error: OnError = "raise",
        *,
        out: str | Path | None = None,
        keep: Hashable | Sequence[Hashable] | None = None,
        batch_size: int | None = None,
        device: str | None = None,
        precision: str | None = None,
        **task_options: Any,
    ) -> Any:
        """One answer per row, in the caller's order and with the caller's index.

        A predictor without a model, of a task that need not be fitted, plans on ``data``.

        Args:
            data: rows; see :func:`mm_core.data.rows.read_rows`.
            as_pandas: False for a numpy array; None or True: a Series (several labels: a frame).
            on_error: ``"raise"`` on cells that cannot be read, or treat them as ``"missing"``.
            out: a .csv, .parquet or .jsonl file that the answers are written to as they come, be
                ``data`` a Parquet or CSV file that is larger than memory; of a task whose answers
                are files (``TaskSpec.saves``), such as masks, also a new folder, with a table
                answers.csv in it; given back is what was written.
            keep: a column of the data, or several, to stand before the answers, such as an id; what
                is given back is a frame then.
            batch_size: rows at once; None: as in training, on a GPU at least 256, of pictures and
                other large rows fewer.
            device: ``"cpu"``, ``"cuda"``, ...; None: where the model is.
            precision: ``"32"``, ``"bf16-mixed"``, ``"16-mixed"``; None: that of training on a GPU,
                32 on a CPU. Lower ones are faster on a GPU, and answers differ in their third digit
                or so.
            task_options: options of the task (``TaskSpec.options``), by name.
        """
        run = {"batch_size": batch_size, "device": device, "precision": precision}
        asked = self._asked(on_error, task_options | run, keep)
        if out is not None:
            return answers.write_answers(self._session, data, Path(out), asked, proba=False)
        found = _series_if_one(answers.answer(self._session, data, asked))
        return found.to_numpy() if as_pandas is False else found

    def predict_proba(
        self,
        data: Any,
        as_pandas: bool | None = None,
        as_multiclass: bool = True,
        on_error: OnError = "raise",
        *,
        out: str | Path | None = None,
        keep: Hashable | Sequence[Hashable] | None = None,
        **given: Any,
    ) -> Any:
        """Probability of each class (or label), one row per row of ``data``.

        Args:
            as_multiclass: False with two classes: only the positive class, as a Series.
            given: all else is as in :meth:`predict`.
        """
        asked = self._asked(on_error, given, keep)
        if out is not None:
            return answers.write_answers(self._session, data, Path(out), asked, proba=True)
        one = not as_multiclass
        proba = answers.answer_proba(self._session, data, asked, positive_only=one)
        found = _series_if_one(proba) if one else proba
        return found.to_numpy() if as_pandas is False else found

    def evaluate(
        self,
        data: Any,
        metrics: Metric | Sequence[Metric] | None = None,
        return_pred: bool = False,
        on_error: OnError = "raise",
        **given: Any,
    ) -> Any:
        """Scores by name, the further numbers of a metric after it as ``<metric>.<number>``; with
        ``return_pred`` also the predictions.

        Args:
            data: rows with the label.
            metrics: names or callables; None: the eval metric.
            return_pred: also return what :meth:`predict` gives.
            given: all else is as in :meth:`predict`.
        """
        asked = self._asked(on_error, given)
        scores, found = answers.evaluate(
            self._session, data, metrics, asked, return_pred=return_pred
        )
        return scores if found is None else (scores, _series_if_one(found))

    def extract_embedding(
        self,
        data: Any,
        as_pandas: bool = False,
        on_error: OnError = "raise",
        of: str | None = None,
        **given: Any,
    ) -> np.ndarray | pd.DataFrame:
        """float32 [N, D], one vector per row.

        Args:
            of: which: ``"fused"``, the fusion head's vector (of a head that gives answers, such as
                ``core:hybrid``: those of the backbones in a row), a backbone, a side of a match;
                None: the model's first.
            given: ``batch_size``, ``device``, ``precision``, as in :meth:`predict`.

        Raises:
            ConfigError: the model has no such vectors, or an argument is unknown.
        """
        asked = self._asked(on_error, given)
        vectors, rows = answers.embed(self._session, data, of, asked)
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
        self._session.need_held()
        folder = Path(path) if path is not None else self.path or Path(tempfile.mkdtemp("-mm"))
        folders.save(self._session, folder, standalone)
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
        # Read first, so that all that is wrong is told at once, a one-file plugin's fault too.
        held = None if resume else folders.read(found_with(plugins), Path(path))
        recipe = folders.cut_off_recipe(Path(path)) if held is None else held.model.recipe
        predictor = cls(
            recipe.data.label,
            eval_metric=eval_metric,
            validation_metric=validation_metric,
            path=path if resume else None,
            verbosity=verbosity,
            plugins=plugins,
        )
        following.check_metrics(predictor._session, recipe, predictor._request)
        predictor._session.held = held
        if held is None:
            folders.take_up(predictor._session, Path(path))
        return predictor

    def export(
        self, path: str | Path, format: str | None = None, sample: Any = None, **settings: Any
    ) -> ExportReport:
        """Write the model in another form, by an exporter plugin.

        Args:
            path: file or folder to write.
            format: name of an exporter; None: the only one that takes this model.
            sample: rows on which the export is compared with the original.
            settings: of the exporter (``mm plugins show`` lists them).
        """
        return export(self._session, Path(path), format, sample, settings)

    # ---- inside --------------------------------------------------------------------------------

    def _asked(self, on_error: str, given: Mapping[str, Any], keep: Any = None) -> Asked:
        return Asked.of(on_error, given, self._request, arguments.names(keep))


def _series_if_one(answer: pd.DataFrame) -> pd.Series | pd.DataFrame:
    return answer.iloc[:, 0] if answer.shape[1] == 1 else answer
