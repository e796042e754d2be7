"""Mixup and CutMix, by what they do to pixels and losses."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from mm_core import MultiModalPredictor
from mm_core.api import RecipeError
from mm_core.api.nn import Batch
from mm_core.recipe.recipe import Recipe
from mm_core.recipe.training import TrainingConfig
from mm_core.training.loop.mixing import Mixer
from mm_core.training.loop.module import NetworkModule
from mm_core.training.loop.pace import Course
from mm_core.training.loop.run import FitRun

B = 6
MIXABLE = {"image": ("pixels",)}


def _batch(**present: list[bool]) -> Batch:
    """Row i is 1 in channel i and 0 elsewhere, of class i and weight i + 1."""
    pixels = torch.eye(B)[:, :, None, None].expand(B, B, 20, 10).clone()
    names = present or {"image": [True] * B}
    return Batch(
        inputs={name: {"pixels": pixels.clone(), "size": torch.arange(B)} for name in names},
        present={name: torch.tensor(there) for name, there in names.items()},
        targets={"class": torch.arange(B), "names": [f"row {i}" for i in range(B)]},
        weight=torch.arange(B) + 1.0,
    )


class _Linear(nn.Module):
    """Logits from the mean colour; the task's loss is a weighted cross entropy."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(B, B)

    def forward(self, batch: Batch) -> Any:
        return self.head(batch.inputs["image"]["pixels"].mean(dim=(2, 3)))

    def loss(self, outputs: Any, batch: Batch) -> Any:
        losses = functional.cross_entropy(outputs, batch.targets["class"], reduction="none")
        return (losses * batch.weight).mean()


def _run(tmp_path, **settings):
    return FitRun(
        training=TrainingConfig(**settings),
        learning_rates={},
        score=None,
        metric="accuracy",
        higher_is_better=True,
        folder=tmp_path,
        mixable=MIXABLE,
    )


@pytest.mark.parametrize("settings", [{"mixup": 0.8}, {"cutmix": 1.0}])
def test_the_loss_is_that_of_both_rows_by_their_shares(tmp_path, settings):
    network, batch = _Linear(), _batch()
    module = NetworkModule(network, _run(tmp_path, **settings), Course(1), sizes=[B], accumulate=1)
    torch.manual_seed(5)
    loss = module._loss(batch)  # before the share of the batch in its step
    torch.manual_seed(5)
    mixed = Mixer(MIXABLE, settings.get("mixup", 0.0), settings.get("cutmix", 0.0))(batch)
    # By hand: of a blended row, the mean of channel j is the share of row j in it.
    shares = mixed.own.inputs["image"]["pixels"].mean(dim=(2, 3))
    partner = mixed.partner.targets["class"]
    own = mixed.share
    assert 0.01 < own < 0.99
    expected = torch.zeros(())
    for row, other in enumerate(partner.tolist()):
        blended = own * torch.eye(B)[row] + (1 - own) * torch.eye(B)[other]
        torch.testing.assert_close(shares[row], blended)
        log_p = network.head(blended).log_softmax(dim=0)
        expected = expected - own * (row + 1) * log_p[row] - (1 - own) * (other + 1) * log_p[other]
    torch.testing.assert_close(loss, expected / B)
    assert partner.tolist() != list(range(B))


def test_mixup_blends_every_pixel_alike_and_leaves_the_rows_as_they_are():
    torch.manual_seed(1)
    batch = _batch()
    before = batch.inputs["image"]["pixels"].clone()
    mixed = Mixer(MIXABLE, mixup=1.0, cutmix=0.0)(batch)
    pixels = mixed.own.inputs["image"]["pixels"]
    partner = mixed.partner.targets["class"]
    by_hand = mixed.share * before + (1 - mixed.share) * before[partner]
    torch.testing.assert_close(pixels, by_hand)
    assert mixed.partner.targets["names"] == [f"row {i}" for i in partner]
    torch.testing.assert_close(mixed.partner.weight, partner + 1.0)
    torch.testing.assert_close(mixed.own.weight, torch.arange(B) + 1.0)
    assert torch.equal(mixed.own.inputs["image"]["size"], torch.arange(B))
    assert torch.equal(batch.inputs["image"]["pixels"], before)


def test_cutmix_pastes_one_rectangle_of_the_share():
    mixer, areas = Mixer(MIXABLE, mixup=0.0, cutmix=1.0), []
    for seed in range(30):
        torch.manual_seed(seed)
        batch = _batch()
        before = batch.inputs["image"]["pixels"]
        mixed = mixer(batch)
        pixels, partner = mixed.own.inputs["image"]["pixels"], mixed.partner.targets["class"]
        changed = partner != torch.arange(B)
        pasted = (pixels != before).any(dim=1)[changed]  # [rows, H, W]
        assert (pasted == pasted[:1]).all()
        where = pasted[0].nonzero()
        if len(where):
            height, width = (where.amax(dim=0) - where.amin(dim=0) + 1).tolist()
            assert height * width == len(where)  # one whole rectangle
        assert mixed.share == pytest.approx(1 - len(where) / 200)
        inside = pixels.movedim(1, -1)[changed][pasted]
        other = before[partner].movedim(1, -1)[changed][pasted]
        assert torch.equal(inside, other)
        areas.append(mixed.share)
    assert np.ptp(areas) > 0.5


def test_rows_are_blended_only_with_rows_that_have_the_same_inputs():
    front = [True, True, False, True, False, True]
    back = [True, False, True, True, True, True]
    mixer = Mixer({"front": ("pixels",), "back": ("pixels",)}, mixup=1.0, cutmix=0.0)
    seen = set()
    for seed in range(30):
        torch.manual_seed(seed)
        partner = mixer(_batch(front=front, back=back)).partner.targets["class"].tolist()
        for row, other in enumerate(partner):
            assert (front[row], back[row]) == (front[other], back[other])
            seen.add((row, other))
    assert {(0, 3), (3, 5), (2, 4), (1, 1)} <= seen


def test_rows_are_blended_only_with_rows_that_have_as_many_pictures():
    batch = _batch()
    pictures = torch.tensor([[True, True], [True, False]] * (B // 2))
    batch.inputs["image"]["image_mask"] = pictures
    mixer, seen = Mixer(MIXABLE, mixup=1.0, cutmix=0.0), set()
    for seed in range(30):
        torch.manual_seed(seed)
        mixed = mixer(batch)
        partner = mixed.partner.targets["class"]
        assert torch.equal(pictures, pictures[partner])
        assert torch.equal(mixed.own.inputs["image"]["image_mask"], pictures)
        seen.update(enumerate(partner.tolist()))
    assert {(0, 2), (1, 3), (4, 0), (5, 1)} <= seen


def test_a_mask_that_is_blended_itself_tells_nothing_of_partners():
    batch, mixable = _batch(), {"image": ("pixels", "shape")}
    batch.inputs["image"]["shape"] = torch.eye(B, dtype=torch.bool)[:, None]  # no two rows alike
    torch.manual_seed(0)
    mixed = Mixer(mixable, mixup=0.0, cutmix=1.0)(batch)
    assert mixed.partner.targets["class"].tolist() != list(range(B))


def test_with_both_each_batch_takes_one_of_them():
    mixer, ways = Mixer(MIXABLE, mixup=1.0, cutmix=1.0), set()
    for seed in range(20):
        torch.manual_seed(seed)
        pixels = mixer(_batch()).own.inputs["image"]["pixels"]
        ways.add(bool(((pixels > 0) & (pixels < 1)).any()))
    assert ways == {True, False}


@pytest.fixture
def pictures(tmp_path):
    """Pictures of one colour each: white or black; label: which."""
    rows = []
    for number in range(24):
        white = number % 2
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (40, 40), (255, 255, 255) if white else (0, 0, 0)).save(path)
        rows.append({"picture": str(path), "kind": "white" if white else "black"})
    return pd.DataFrame(rows)


class _Spy(pl.Callback):
    """What the backbone sees, in training and otherwise: lists of pixels [B, ...]."""

    def __init__(self):
        self.seen = {True: [], False: []}

    def on_fit_start(self, trainer, module):
        backbone = module.topology.backbones["image"]
        backbone.register_forward_pre_hook(self._look)

    def _look(self, backbone, arguments):
        pixels = arguments[0]["image"]["pixels"]
        self.seen[backbone.training].append(pixels.detach().clone())

    def values(self, training):
        return torch.cat([pixels.flatten() for pixels in self.seen[training]]).unique()


@pytest.mark.parametrize("way", ["mixup", "cutmix"])
def test_pixels_are_blended_in_training_only(pictures, way):
    spy = _Spy()
    settings = {
        "backbones.image.checkpoint": "random",
        "inputs.image.processor.image_size": 32,
        "training.epochs": 2,
        "training.batch_size": 10,
        "training.augment": False,
        f"training.{way}": 1.0,
    }
    predictor = MultiModalPredictor("kind", hyperparameters=settings, verbosity=0)
    predictor.fit(pictures, callbacks=[spy])
    plain = spy.values(training=False)
    assert len(plain) <= 6  # two colours in three channels
    found = spy.values(training=True)
    if way == "mixup":
        assert len(found) > len(plain)
    else:  # each pixel is of one of the rows, and pictures are of two colours now
        assert torch.isin(found, plain).all()
        assert any((p.amax(dim=(-1, -2)) > p.amin(dim=(-1, -2))).any() for p in spy.seen[True])
    spy.seen[False].clear()
    predictor.predict(pictures)
    assert torch.equal(spy.values(training=False), plain)


@pytest.mark.parametrize("setting", ["training.mixup", "training.cutmix"])
def test_rows_that_cannot_be_blended_are_refused(small_table, setting, tmp_path):
    predictor = MultiModalPredictor("kind", verbosity=0)
    with pytest.raises(RecipeError, match=f"{setting} .*tabular") as caught:
        predictor.plan(small_table, hyperparameters={setting: 0.2})
    assert setting in caught.value.remedy
    recipe = predictor.plan(small_table).model_dump(by_alias=True)
    recipe["training"][setting.rpartition(".")[2]] = 0.2
    file = tmp_path / "recipe.json"
    file.write_text(Recipe.model_validate(recipe).to_json())
    with pytest.raises(RecipeError, match=f"{setting} .*tabular"):
        predictor.fit(small_table, recipe=file)
    frame = small_table.assign(review="a long text " + small_table["height"].astype(str))
    with pytest.raises(RecipeError, match=setting):
        predictor.plan(frame, hyperparameters={setting: 0.2}, column_types={"review": "text"})
