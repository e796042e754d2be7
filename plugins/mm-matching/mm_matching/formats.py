"""Folders of CLIP and its like: both towers, a tokenizer, and how pictures are prepared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mm_core.api import CheckpointMiss, HFFolder

KINDS = ("clip", "siglip", "metaclip_2")
_RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}


class DualFolder(HFFolder):
    """A folder of a model of pictures and texts, as transformers saves it.

    ``details["data_config"]`` says how pictures are prepared, as timm would.
    """

    def recognise(
        self, path: Path, name: str, told: Mapping[str, Any]
    ) -> dict[str, Any] | CheckpointMiss:
        """The details, where it is such a model with all its parts."""
        found = super().recognise(path, name, told)
        if isinstance(found, CheckpointMiss):
            return found
        config = self.read_json(path / "config.json")
        if config.get("model_type") not in KINDS:
            return CheckpointMiss(
                reason=f"the folder {path} holds a {config.get('model_type')!r}, which has no side "
                "of pictures and side of texts"
            )
        prepared = self.read_json(path / "preprocessor_config.json")
        if not prepared:
            prepared = self.read_json(path / "processor_config.json").get("image_processor", {})
        return {"data_config": _data_config(prepared, config.get("vision_config", {}))}


def _data_config(prepared: Mapping[str, Any], vision: Mapping[str, Any]) -> dict[str, Any]:
    """transformers' image processor in timm's words."""
    crops = bool(prepared.get("do_center_crop", False))
    side = prepared.get("crop_size") if crops else prepared.get("size")
    size = _side(side) or int(vision.get("image_size", 224))
    resized = _side(prepared.get("size")) or size
    return {
        "input_size": [3, size, size],
        "crop_pct": min(1.0, size / resized),
        "crop_mode": "center" if crops else "squash",
        "interpolation": _RESAMPLE.get(int(prepared.get("resample", 3)), "bicubic"),
        "mean": list(prepared.get("image_mean", (0.5, 0.5, 0.5))),
        "std": list(prepared.get("image_std", (0.5, 0.5, 0.5))),
    }


def _side(size: Any) -> int | None:
    if isinstance(size, Mapping):
        return next((int(size[key]) for key in ("shortest_edge", "height") if size.get(key)), None)
    return int(size) if isinstance(size, int) else None
