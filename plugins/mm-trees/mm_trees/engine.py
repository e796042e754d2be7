"""What trees of any library answer with. numpy only."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from mm_core.api import ArtifactError, Batch, Engine, EngineContext, RunSettings
from mm_trees.features import Array, Features, features


def logits(raw: Sequence[Array], outputs: int) -> Array:
    """float32 [N, outputs] of the raw scores of each model, [N] or [N, outputs].

    One model of two classes has the score of the second; the other's is 0.
    """
    parts = [np.asarray(one, dtype=np.float32, order="C").reshape(len(one), -1) for one in raw]
    found = np.concatenate(parts, axis=1)
    if found.shape[1] == 1 and outputs == 2:
        found = np.concatenate([np.zeros_like(found), found], axis=1)
    return found


class TreesEngine(Engine):
    """Logits of boosted trees.

    Args:
        files: model files of the library; one, or one for each label of several.
        outputs: width of the logits.
        names: of the features, numbers first.

    Raises:
        ArtifactError: a file is no model, or one of other features or outputs.
    """

    ending: ClassVar[str]

    def __init__(self, files: Sequence[bytes], outputs: int, names: Sequence[str]) -> None:
        self._files, self._outputs, self._names = tuple(files), outputs, tuple(names)
        self._models = [self._model(file) for file in files]
        for number, model in enumerate(self._models):
            if self._width(model) != len(names):
                raise ArtifactError(
                    f"{self._file(number)} reads {self._width(model)} features, not {len(names)}",
                    value=self._file(number),
                )
        scores = sum(self._scores(model) for model in self._models)
        if scores != outputs and (scores, outputs) != (1, 2):
            raise ArtifactError(f"the trees have {scores} scores of a row, for {outputs} outputs")

    @staticmethod
    @abstractmethod
    def _model(file: bytes) -> Any:
        """The library's model.

        Raises:
            ArtifactError: the file is none.
        """

    @staticmethod
    @abstractmethod
    def _width(model: Any) -> int:
        """Features that a model reads."""

    @staticmethod
    @abstractmethod
    def _scores(model: Any) -> int:
        """Raw scores that a model has of a row."""

    @staticmethod
    @abstractmethod
    def _raw(model: Any, rows: Features) -> Array:
        """Raw scores, [N] or [N, outputs]."""

    @staticmethod
    @abstractmethod
    def _importances(model: Any) -> Array:
        """[F] of each feature, >= 0.

        Raises:
            ConfigError: the library does not say.
        """

    @property
    def importances(self) -> dict[str, float]:
        """How much each feature counts, by name, the most first; they sum to 1.

        By how much the answers change with it (CatBoost), or by how much splits on it lower the
        loss (LightGBM); of several labels the mean.

        Raises:
            ConfigError: the library does not say (scikit-learn).
        """
        shares = []
        for model in self._models:
            found = np.asarray(self._importances(model), dtype=np.float64)
            shares.append(found / (found.sum() or 1.0))
        mean = np.mean(shares, axis=0)
        order = np.argsort(-mean, kind="stable")
        return {self._names[index]: float(mean[index]) for index in order}

    def batch_size(self, trained: int, settings: RunSettings) -> int:
        """Many: a call costs more than a row."""
        return settings.batch_size or 4096

    def run(self, batch: Batch, options: Any, settings: RunSettings) -> dict[str, Any]:
        """``logits`` float32 [B, D].

        Raises:
            ArtifactError: the processors give other features.
        """
        rows = features(batch)
        width = rows.numbers.shape[1] + rows.codes.shape[1]
        if width != len(self._names):  # scikit-learn would not look at each of them
            raise ArtifactError(f"the trees read {len(self._names)} features, not {width}")
        return {"logits": logits([self._raw(one, rows) for one in self._models], self._outputs)}

    def write(self, folder: Path, context: EngineContext, standalone: bool) -> dict[str, Any]:
        """Model files that the library reads anywhere."""
        for number, file in enumerate(self._files):
            (folder / self._file(number)).write_bytes(file)
        return {
            "models": len(self._files),
            "outputs": self._outputs,
            "features": list(self._names),
        }

    @classmethod
    def read(cls, folder: Path, values: Mapping[str, Any], context: EngineContext) -> Self:
        """From the model files.

        Raises:
            ArtifactError: one is none, or is of other features than were saved.
        """
        paths = [folder / cls._file(number) for number in range(int(values["models"]))]
        files = [path.read_bytes() for path in paths]
        return cls(files, int(values["outputs"]), list(values["features"]))

    @classmethod
    def _file(cls, number: int) -> str:
        return f"trees_{number}.{cls.ending}"
