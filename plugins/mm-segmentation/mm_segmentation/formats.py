"""Checkpoints: segmenters and SAM of transformers, and Meta's own files. Light."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mm_core.api import CheckpointMiss
from mm_core.api.checkpoints import HFFolder

TYPES = ("sam", "sam_hq", "sam2", "sam2_video")
"""``model_type`` of what is read; the video models of SAM 2 hold the one for pictures."""

LARGEST = 1024

_META = re.compile(r"vit_([bhlt])", re.IGNORECASE)


class SamFolder(HFFolder):
    """A folder as ``save_pretrained`` writes it, or Meta's ``sam_vit_b_01ec64.pth``.

    Details: ``kind`` (``"sam"``, ``"sam_hq"``, ``"sam2"``, ``"meta"``), ``size`` of Meta's
    (``"b"``, ``"l"``, ``"h"``), ``side`` of the square, and ``data_config`` (``mean``, ``std``).
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
        side = (config.get("vision_config") or {}).get("image_size") or LARGEST
        return {
            "kind": kind.removesuffix("_video"),
            "side": int(side[0] if isinstance(side, list) else side),
            **_colours(self.read_json(path / "preprocessor_config.json")),
        }


class SegmenterFolder(HFFolder):
    """A folder as ``save_pretrained`` writes it, of a model that gives each pixel a class.

    Details: ``data_config`` (``mean``, ``std``) from its ``preprocessor_config.json``.
    """

    def recognise(
        self, path: Path, name: str, told: Mapping[str, Any]
    ) -> dict[str, Any] | CheckpointMiss:
        """Also what its pictures were like."""
        found = super().recognise(path, name, told)
        if isinstance(found, CheckpointMiss):
            return found
        kinds = [
            str(one) for one in self.read_json(path / "config.json").get("architectures") or []
        ]
        ends = ("Segmentation", "SegmentationModel")
        if kinds and not any(one.endswith(ends) for one in kinds):
            return CheckpointMiss(reason=f"{path} holds {kinds[0]}, which draws no masks")
        return _colours(self.read_json(path / "preprocessor_config.json"))


def _colours(given: Mapping[str, Any]) -> dict[str, Any]:
    colours = {"mean": given.get("image_mean"), "std": given.get("image_std")}
    return {"data_config": {key: value for key, value in colours.items() if value}}
