"""Features of all kinds: where a row has nothing, as latents and back, tensors of batches."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from mm_core.api import PluginError
from mm_core.api.features import map_features, run_present
from mm_core.api.nn import (
    Backbone,
    BackboneContext,
    Batch,
    Features,
    features_of,
    latents_of,
    tensors,
)

N = 5


class Pyramid(Backbone):
    """Two feature maps, one lone, one in extra; batch normalisation and dropout."""

    def __init__(self, listed=True):
        super().__init__(None, BackboneContext({}, {}))
        self.listed = listed
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.rows = []

    @property
    def dims(self):
        return {"pooled": 4, "spatial": [4, 4] if self.listed else 4, "anchors": 4}

    def forward(self, inputs):
        (arrays,) = inputs.values()
        self.rows.append(len(arrays["pixels"]))
        fine = self.drop(self.norm(self.conv(arrays["pixels"])))
        coarse = nn.functional.avg_pool2d(fine, 2)
        return Features(
            pooled=fine.mean((2, 3)),
            spatial=[fine, coarse] if self.listed else fine,
            extra={"anchors": coarse.flatten(1), "points": [fine[:, 0], {"deep": coarse[:, 1]}]},
        )


def run(backbone, present, size=8):
    pixels = torch.randn(N, 3, size, size, generator=torch.Generator().manual_seed(0))
    there = torch.tensor(present)
    pixels[~there] = float("nan")
    return run_present(backbone, {"image": {"pixels": pixels}}, {"image": there})


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("present", [[True, False, True, True, False], [True] * N])
def test_every_tensor_becomes_a_latent_and_comes_back(listed, present):
    torch.manual_seed(0)
    found = run(Pyramid(listed).eval(), present)
    latents = latents_of({"image": found, "text": Features(pooled=torch.ones(N, 2))})
    maps = {"image.spatial.0", "image.spatial.1"} if listed else {"image.spatial"}
    extra = {"anchors", "points.0", "points.1.deep"}
    assert set(latents) == {"image.pooled", "text.pooled", *maps} | {
        f"image.extra.{name}" for name in extra
    }
    for value in latents.values():
        assert value.shape[0] == N
        assert value.isfinite().all()
    absent = ~torch.tensor(present)
    assert all((v[absent] == 0).all() for k, v in latents.items() if k.startswith("image"))
    back = features_of(latents, "image")
    assert type(back.spatial) is (list if listed else torch.Tensor)
    again = latents_of({"image": back})
    assert all(torch.equal(again[name], latents[name]) for name in again)
    assert set(again) == {name for name in latents if name.startswith("image.")}


def test_ten_maps_come_back_in_their_order():
    maps = [torch.full((1, 1, 1, 1), float(place)) for place in range(12)]
    back = features_of(latents_of({"b": Features(spatial=maps)}), "b")
    assert [float(one) for one in back.spatial] == list(range(12))


@pytest.mark.parametrize("name", ["a.b", "3"])
def test_a_name_that_would_not_be_found_again_is_refused(name):
    with pytest.raises(PluginError, match="names of features"):
        latents_of({"b": Features(extra={name: torch.ones(1)})})


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [8, 12])
def test_where_all_rows_are_absent_maps_are_zeros_of_the_right_size(training, size):
    backbone = Pyramid().train(training)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    generator = torch.get_rng_state()
    found = run(backbone, [False] * N, size)
    assert torch.equal(torch.get_rng_state(), generator)
    shapes = [tuple(one.shape) for one in found.spatial]
    assert shapes == [(N, 4, size, size), (N, 4, size // 2, size // 2)]
    assert found.pooled.shape == (N, 4)
    assert found.extra["points"][1]["deep"].shape == (N, size // 2, size // 2)
    for value in latents_of({"b": found}).values():
        assert not value.requires_grad
        assert (value == 0).all()
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())
    assert all(module.training == training for module in backbone.modules())


def test_parts_that_were_still_are_still_after_it():
    backbone = Pyramid()
    backbone.still = (backbone.norm,)
    backbone.train()
    run(backbone, [False] * N)
    assert backbone.training
    assert backbone.drop.training
    assert not backbone.norm.training


def test_map_features_leaves_what_is_no_tensor():
    found = map_features(Features(extra={"n": 3, "none": None}), lambda value: value + 1)
    assert found.extra == {"n": 3, "none": None}


def test_tensors_stand_for_arrays_wherever_they_are():
    boxes = [np.zeros((2, 4), np.float32), np.ones((0, 4), np.float32)]
    frozen = np.arange(3)
    frozen.flags.writeable = False
    batch = Batch(
        inputs={"image": {"pixels": np.ones((2, 3), np.float32), "names": np.array(["a", "b"])}},
        present={"image": np.array([True, False])},
        targets={"boxes": boxes, "each": {"kind": [frozen, frozen]}, "text": ["a", "b"]},
        weight=np.array([1.0, 2.0]),
        row_ids=np.array([7, 3]),
        meta={"image": {"size": np.ones((2, 2))}},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = tensors(batch)
    assert isinstance(batch.present["image"], np.ndarray)  # the batch itself is as it was
    assert found.present["image"].dtype == torch.bool
    assert found.weight.dtype == torch.float64
    assert found.row_ids.tolist() == [7, 3]
    assert [tuple(one.shape) for one in found.targets["boxes"]] == [(2, 4), (0, 4)]
    assert all(isinstance(one, torch.Tensor) for one in found.targets["each"]["kind"])
    assert found.targets["text"] == ["a", "b"]
    assert isinstance(found.inputs["image"]["names"], np.ndarray)
    assert isinstance(found.meta["image"]["size"], np.ndarray)  # decode imports no torch
    assert found.inputs["image"]["pixels"].data_ptr() == batch.inputs["image"]["pixels"].ctypes.data
    assert tensors(found).targets["boxes"][0] is found.targets["boxes"][0]
    moved = found.to("meta")
    assert {one.device.type for one in moved.targets["boxes"]} == {"meta"}
    assert moved.targets["each"]["kind"][1].device.type == "meta"
    assert moved.inputs["image"]["pixels"].device.type == moved.weight.device.type == "meta"
