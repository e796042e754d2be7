"""Folders of transformers that hold a detector. Light."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mm_core.api import CheckpointMiss
from mm_core.api.checkpoints import HFFolder

LARGEST = 800
"""Side of the square where a checkpoint was trained on pictures of many forms and sizes."""

_SQUARED = ("lw_detr", "rf_detr")
"""Model types whose pictures fill the square: that they are padded is said, and pads nothing."""


def unit_of(config: Mapping[str, Any]) -> int:
    """What the side of the square is a multiple of: networks of windows of patches have their own.

    Args:
        config: of a model of transformers, without what is as ever.
    """
    inner = config.get("backbone_config") or {}
    if inner.get("model_type") == "rf_detr_dinov2":
        return int(inner.get("patch_size", 14)) * int(inner.get("num_windows", 4))
    if inner.get("model_type") == "lw_detr_vit":
        return int(inner.get("patch_size", 16)) * math.isqrt(int(inner.get("num_windows", 16)))
    return 32


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
            learns = "learns masks" if kinds[0].endswith("Segmentation") else "finds no boxes"
            return f"{kinds[0]}, which {learns}"
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


class InstanceFolder(DetectorFolder):
    """The same of a model that finds boxes and draws their masks."""

    TYPES = ("rf_detr",)
    """``model_type`` of those, of which there are models without masks too."""

    def _unfit(self, config: Mapping[str, Any]) -> str | None:
        kind = str(config.get("model_type"))
        if kind not in self.TYPES:
            return f"{kind!r}, which is none of {', '.join(self.TYPES)}"
        kinds = [str(one) for one in config.get("architectures") or []]
        if kinds and not kinds[0].endswith("ForInstanceSegmentation"):
            return f"{kinds[0]}, which draws no masks"
        return None


def _pictures(given: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    size = given.get("size") or {}
    whole = isinstance(size, Mapping) and {"height", "width"} <= set(size)
    side = size["height"] if whole else config.get("image_size") or LARGEST
    side = side[0] if isinstance(side, list) else side
    plain = not given.get("do_normalize", True)
    mean, std = (given.get(key) for key in ("image_mean", "image_std"))
    unit = unit_of(config)
    padded = given.get("do_pad", False) and config.get("model_type") not in _SQUARED
    return {
        "side": min(-(-int(side) // unit), 4096 // unit) * unit,
        "stretch": bool(whole and not padded),
        "data_config": {
            "mean": [0.0, 0.0, 0.0] if plain else mean,
            "std": [1.0, 1.0, 1.0] if plain else std,
        },
    }
