"""Checkpoints: segmenters and SAM of transformers, and Meta's own files. Light."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mm_core.api import CheckpointMiss
from mm_core.api.checkpoints import HFFolder

_OF_VIDEOS = {
    "sam2_video": "sam2",
    "sam3_tracker_video": "sam3_tracker",
    "sam3_video": "sam3_tracker",
}
"""``model_type`` of models of videos -> that of the one of pictures, which they hold."""

TYPES = ("sam", "sam_hq", "sam2", "sam3_tracker", *_OF_VIDEOS)
"""``model_type`` of what is read; of SAM 3 what answers points and boxes."""

LARGEST = 1024
_SIDE_OF_SAM3, _PATCH_OF_SAM3 = 1008, 14
_COLOURS_OF_SAM3 = {"mean": [0.5] * 3, "std": [0.5] * 3}

_META = re.compile(r"vit_([bhlt])", re.IGNORECASE)


class SamFolder(HFFolder):
    """A folder as ``save_pretrained`` writes it, or Meta's ``sam_vit_b_01ec64.pth``.

    Details: ``kind`` (``"sam"``, ``"sam_hq"``, ``"sam2"``, ``"sam3_tracker"``, ``"meta"``),
    ``size`` of Meta's (``"b"``, ``"l"``, ``"h"``), ``side`` of the square, ``step`` where sides are
    multiples of something else than 32, and ``data_config`` (``mean``, ``std``).
    """

    def recognise(
        self, path: Path, name: str, told: Mapping[str, Any]
    ) -> dict[str, Any] | CheckpointMiss:
        """The details, without reading the weights."""
        if path.is_file():
            found = _META.search(path.name) if path.suffix == ".pth" else None
            if found is None or found[1].lower() == "t":
                return CheckpointMiss(
                    reason=f"{path} is no file of SAM",
                    remedy="keep Meta's name, which says the size: sam_vit_b_01ec64.pth",
                )
            return {"kind": "meta", "size": found[1].lower(), "side": LARGEST}
        whole = super().recognise(path, name, told)
        if isinstance(whole, CheckpointMiss):
            return whole
        config = self.read_json(path / "config.json")
        kind = str(config.get("model_type"))
        if kind not in TYPES:
            return CheckpointMiss(
                reason=f"{path} holds {kind!r}, which is no SAM that is read here"
            )
        kind = _OF_VIDEOS.get(kind, kind)
        colours = _colours(self.read_json(path / "preprocessor_config.json"))
        vision = (config.get("tracker_config") or config).get("vision_config") or {}
        if kind == "sam3_tracker":
            inside = vision.get("backbone_config") or {}
            side = inside.get("image_size") or _SIDE_OF_SAM3
            step = {"step": int(inside.get("patch_size") or _PATCH_OF_SAM3)}
            colours = colours if colours["data_config"] else {"data_config": _COLOURS_OF_SAM3}
        else:
            side, step = vision.get("image_size") or LARGEST, {}
        side = int(side[0] if isinstance(side, list) else side)
        return {"kind": kind, "side": side, **step, **colours}


class SegmenterFolder(HFFolder):
    """A folder as ``save_pretrained`` writes it, of a model that gives each pixel a class.

    Details: ``data_config`` (``mean``, ``std``) from its ``preprocessor_config.json``; where its
    config names a square that it was made for, ``side``, and ``step`` as of :class:`SamFolder`.
    """

    def recognise(
        self, path: Path, name: str, told: Mapping[str, Any]
    ) -> dict[str, Any] | CheckpointMiss:
        """Also what its pictures were like."""
        found = super().recognise(path, name, told)
        if isinstance(found, CheckpointMiss):
            return found
        config = self.read_json(path / "config.json")
        kinds = [str(one) for one in config.get("architectures") or []]
        ends = ("Segmentation", "SegmentationModel")
        if kinds and not any(one.endswith(ends) for one in kinds):
            return CheckpointMiss(reason=f"{path} holds {kinds[0]}, which draws no masks")
        return {**_square(config), **_colours(self.read_json(path / "preprocessor_config.json"))}


def _square(config: Mapping[str, Any]) -> dict[str, int]:
    """Of models with a place for each patch, such as EoMT and DPT."""
    side, patch = config.get("image_size"), config.get("patch_size")
    if not isinstance(side, int) or not isinstance(patch, int):
        return {}
    return {"side": side} if side % 32 == 0 else {"side": side, "step": patch}


def _colours(given: Mapping[str, Any]) -> dict[str, Any]:
    colours = {"mean": given.get("image_mean"), "std": given.get("image_std")}
    return {"data_config": {key: value for key, value in colours.items() if value}}
