"""Folders of transformers that hold a detector. Light."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mm_core.api import CheckpointMiss
from mm_core.api.checkpoints import HFFolder

LARGEST = 800
"""Side of the square where a checkpoint was trained on pictures of many forms and sizes."""


class DetectorFolder(HFFolder):
    """A folder as ``save_pretrained`` writes it, of a model that finds boxes.

    Details: ``side`` of the square, ``stretch``, and ``data_config`` (``mean``, ``std``), from its
    ``preprocessor_config.json``; ``phrases``, whether it is told in words what to find.
    """

    def recognise(
        self, path: Path, name: str, told: Mapping[str, Any]
    ) -> dict[str, Any] | CheckpointMiss:
        """Also what its pictures were like."""
        found = super().recognise(path, name, told)
        if isinstance(found, CheckpointMiss):
            return found
        config = self.read_json(path / "config.json")
        if (why := self._unfit(config)) is not None:
            return CheckpointMiss(reason=f"{path} holds {why}")
        return _pictures(self.read_json(path / "preprocessor_config.json"), config)

    def _unfit(self, config: Mapping[str, Any]) -> str | None:
        """What it is instead, in words; None: it is one."""
        kinds = [str(one) for one in config.get("architectures") or []]
        if kinds and not any(one.endswith("ForObjectDetection") for one in kinds):
            return f"{kinds[0]}, which finds no boxes"
        return None


class MaskFolder(DetectorFolder):
    """The same of a model that finds things by their masks: queries, each a class and a mask."""

    TYPES = ("mask2former", "maskformer", "eomt")
    """``model_type`` of those: OneFormer asks for words besides, DETR's masks learn from boxes."""

    def _unfit(self, config: Mapping[str, Any]) -> str | None:
        kind = str(config.get("model_type"))
        if kind in self.TYPES:
            return None
        return f"{kind!r}, which is none of {', '.join(self.TYPES)}"


def _pictures(given: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    size = given.get("size") or {}
    whole = isinstance(size, Mapping) and {"height", "width"} <= set(size)
    side = size["height"] if whole else config.get("image_size") or LARGEST
    side = side[0] if isinstance(side, list) else side
    plain = not given.get("do_normalize", True)
    mean, std = (given.get(key) for key in ("image_mean", "image_std"))
    return {
        "side": min(-(-int(side) // 32) * 32, 4096),
        "stretch": bool(whole and not given.get("do_pad", False)),
        "data_config": {
            "mean": [0.0, 0.0, 0.0] if plain else mean,
            "std": [1.0, 1.0, 1.0] if plain else std,
        },
    }
