"""Augmentation: reproducible, varied, in evaluation's form, and without touching torch's state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from mm_image.augment import Augmentation, as_at_prediction
from mm_image.preprocessing import Preprocessing
from mm_image.timm_transform import TimmTransform
from PIL import Image, ImageDraw

from mm_core.api import Table

Fitted = Callable[..., tuple[TimmTransform, Table]]
PATHS = [f"pictures/{n}.png" for n in range(6)]


def augmented(processor: TimmTransform, table: Table, seed: int) -> np.ndarray:
    rows = np.arange(len(table))
    batch = processor.batch(processor.encode(table), rows, augment=np.random.default_rng(seed))
    return batch.arrays["pixels"]


def test_same_generator_same_pixels_other_generator_other_pixels(fitted: Fitted) -> None:
    processor, table = fitted({"image": PATHS})
    first = augmented(processor, table, 1)
    assert first.shape == (6, 1, 3, 32, 32)
    assert first.dtype == np.float32
    assert np.array_equal(first, augmented(processor, table, 1))
    assert not np.array_equal(first, augmented(processor, table, 2))
    plain = processor.batch(processor.encode(table), np.arange(6)).arrays["pixels"]
    assert not np.array_equal(first, plain)


def test_the_generator_moves_on(fitted: Fitted) -> None:
    processor, table = fitted({"image": PATHS})
    generator = np.random.default_rng(0)
    encoded = processor.encode(table)
    one, two = (processor.batch(encoded, np.arange(6), augment=generator) for _ in range(2))
    assert not np.array_equal(one.arrays["pixels"], two.arrays["pixels"])


def test_no_global_random_state_is_touched(fitted: Fitted) -> None:
    processor, table = fitted({"image": PATHS})
    torch_before = torch.get_rng_state()
    kind, keys, *rest = np.random.get_state()
    augmented(processor, table, 5)
    assert torch.equal(torch.get_rng_state(), torch_before)
    after = np.random.get_state()
    assert (after[0], *after[2:]) == (kind, *rest)
    assert np.array_equal(after[1], keys)


def test_the_result_does_not_depend_on_torchs_state(fitted: Fitted) -> None:
    processor, table = fitted({"image": PATHS})
    first = augmented(processor, table, 1)
    with torch.random.fork_rng(devices=[]):
        torch.rand(7)
        assert np.array_equal(augmented(processor, table, 1), first)


def test_none_is_the_evaluation_transform(fitted: Fitted) -> None:
    processor, table = fitted({"image": PATHS}, augment="none")
    plain = processor.batch(processor.encode(table), np.arange(6)).arrays["pixels"]
    assert np.array_equal(augmented(processor, table, 0), plain)


def corner(augment: str, fitted: Fitted, folder: Path) -> np.ndarray:
    """Of one picture with a bright frame, 60 variants: how bright their darkest corner is, 0..1."""
    image = Image.new("RGB", (36, 36), "black")  # a window of 32 of 36 pixels is seen
    ImageDraw.Draw(image).rectangle((0, 0, 35, 35), outline="white", width=4)
    image.save(folder / "frame.png")
    processor, table = fitted({"image": ["frame.png"] * 60}, augment=augment, flip="none")
    pixels = augmented(processor, table, 0)[:, 0]
    low, high = pixels.min(), pixels.max()
    corners = pixels[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    return (corners.mean(axis=1).min(axis=1) - low) / (high - low)


def test_light_sees_the_whole_window_and_strong_parts_of_it(fitted: Fitted, folder: Path) -> None:
    light, strong = (corner(augment, fitted, folder) for augment in ("light", "strong"))
    assert np.mean(light > 0.5) > 0.5  # some are turned, shifted or darkened
    assert np.mean(strong > 0.5) < np.mean(light > 0.5) / 2


def mirrored_share(flip: bool) -> float:
    """How often the dark side of a picture that is dark on the left ends on the right."""
    halves = np.full((64, 64, 3), 255, np.uint8)
    halves[:, :32] = 0
    window = as_at_prediction(Preprocessing(height=32, width=32))
    augment = Augmentation(window, flip, fill=(128, 128, 128))
    sides = []
    for seed in range(200):
        out = augment(Image.fromarray(halves), seed).astype(int)
        sides.append(np.sign(out[:, 16:].mean() - out[:, :16].mean()))
    return float(np.mean(np.array(sides) < 0))


def test_flip_mirrors_half_of_the_images() -> None:
    without, with_flip = mirrored_share(flip=False), mirrored_share(flip=True)
    assert without < 0.12  # TrivialAugment's solarize and the like invert a few
    assert 0.35 < with_flip < 0.65


def scan(number: int) -> Image.Image:
    image = Image.new("RGB", (120, 60), "white")
    ImageDraw.Draw(image).text((5, 20), f"total {number}.50", fill="black")
    return image


def test_flip_auto_spares_scans_of_text(fitted: Fitted, folder: Path) -> None:
    for number in range(6):
        scan(number).save(folder / f"scan{number}.png")
    scans = [f"scan{number}.png" for number in range(6)]
    assert fitted({"image": scans})[0].flip is False
    assert fitted({"image": PATHS})[0].flip is True
    assert fitted({"image": scans}, flip="horizontal")[0].flip is True
    assert fitted({"image": PATHS}, flip="none")[0].flip is False


def test_unreadable_probes_do_not_stop_fit(fitted: Fitted, folder: Path) -> None:
    blob = (folder / PATHS[0]).read_bytes()
    (folder / "cut.png").write_bytes(blob[: len(blob) // 2])
    processor, _ = fitted({"image": ["cut.png", PATHS[1]]})
    assert processor.flip is True
    assert isinstance(processor.encode(Table(pd.DataFrame({"image": PATHS}), folder)).bad, list)
