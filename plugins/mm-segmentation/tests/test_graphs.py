"""Segmenters as ONNX graphs: masks are brought to each picture's size without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from mm_image.api import runs_to_mask
from mm_segmentation.painting import resized
from mm_segmentation.samples import SIDE
from PIL import Image
from torch.nn.functional import interpolate

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError

FORMS = ("mask", "probability", "probabilities", "rle", "record")


@pytest.mark.parametrize(
    ("small", "large"),
    [((7, 9), (64, 50)), ((40, 30), (11, 17)), ((1, 1), (5, 3)), ((8, 8), (0, 0))],
)
def test_maps_are_resized_as_torch_does(small: tuple[int, int], large: tuple[int, int]) -> None:
    """Up and down, and to nothing."""
    values = np.random.default_rng(0).normal(size=small).astype(np.float32)
    said = resized(values, large)
    assert said.shape == large
    if said.size:
        wanted = interpolate(torch.from_numpy(values)[None, None], large, mode="bilinear")[0, 0]
        np.testing.assert_allclose(said, wanted, atol=1e-5)


def coloured(folder: Path) -> pd.DataFrame:
    """Pictures of three classes, each second wider."""
    rng, rows = np.random.default_rng(0), []
    for number in range(12):
        height, width = SIDE, SIDE + 32 * (number % 2)
        mask = np.zeros((height, width), np.uint8)
        mask[: height // 2, : width // 2] = 1
        mask[height // 2 :, width // 2 :] = 2
        picture = rng.integers(0, 60, (height, width, 3)) + 90 * (mask[..., None] == [0, 1, 2])
        for name, values in (("p", picture.astype(np.uint8)), ("m", mask)):
            Image.fromarray(values).save(folder / f"{name}{number}.png")
        rows.append(
            {"photo": str(folder / f"p{number}.png"), "mask": str(folder / f"m{number}.png")}
        )
    return pd.DataFrame(rows)


def expect_near(a: Any, b: Any) -> None:
    """Masks, maps, or records of masks as runs."""
    if isinstance(a, np.ndarray):
        assert a.shape == b.shape
        assert np.mean(np.abs(a.astype(float) - b) > 5e-3) < 2e-3
    elif isinstance(a, dict) and "counts" in a:
        expect_near(runs_to_mask(a), runs_to_mask(b))
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            expect_near(a[key], b[key])
    else:
        assert a == pytest.approx(b, abs=2e-3)


def expect_same(model: MultiModalPredictor, rows: pd.DataFrame, folder: Path) -> None:
    """In each form that an answer can have, and where there is no picture."""
    pytest.importorskip("mm_onnx")
    report = model.export(folder, format="onnx", sample=rows[:4])
    assert report.label_agreement == 1.0
    light = MultiModalPredictor.load(folder, verbosity=0)
    gaps = rows.copy()
    gaps.loc[1, "photo"] = None
    for form in FORMS:
        wanted, said = (one.predict(gaps, form=form) for one in (model, light))
        assert said[1] is None
        assert wanted[1] is None
        for a, b in zip(wanted.drop(1), said.drop(1), strict=True):
            expect_near(a, b)
    assert light.evaluate(rows) == pytest.approx(model.evaluate(rows), abs=2e-3)
    with pytest.raises(ConfigError, match="tta"):
        light.predict(rows, tta=True)


@pytest.mark.slow
def test_one_thing_to_find(fitted: MultiModalPredictor, table: Path, tmp_path: Path) -> None:
    """Discs, by a decoder on a timm network."""
    rows = pd.read_csv(table).map(lambda one: str(table.parent / one))
    expect_same(fitted, rows, tmp_path / "light")


@pytest.mark.slow
@pytest.mark.parametrize("segmenter", ["timm", "hf", "sam"])
def test_classes(segmenter: str, small: dict[str, Any], tmp_path: Path) -> None:
    """Three, by all kinds of segmenters."""
    rows = coloured(tmp_path)
    reader = "backbones.picture_image"
    settings = {
        key: value for key, value in small.items() if segmenter == "timm" or "decoder" not in key
    }
    settings |= {f"{reader}.id": f"segmentation:{segmenter}", "training.epochs": 3}
    model = MultiModalPredictor("mask", hyperparameters=settings, verbosity=0)
    expect_same(model.fit(rows, tuning_data=rows), rows, tmp_path / "light")
