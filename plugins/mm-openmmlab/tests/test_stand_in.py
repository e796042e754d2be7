"""mmcv without compiled operations: what stands in for them, and when nothing does."""

from __future__ import annotations

import importlib.util
import sys

import pytest
import torch
from mm_openmmlab import library
from mm_openmmlab.api import Library
from mm_openmmlab.operations import OPERATIONS
from mm_openmmlab.stand_in import NAME, provide
from torchvision import ops

from mm_core.api import PluginError

MMDET = Library("mmdet", "detection:dino", "pip install 'mm-detection[mmdet]'")


@pytest.fixture
def mmcv(tmp_path, monkeypatch):
    """``mmcv(source)`` installs an mmcv, with the compiled module that the source stands for."""

    def install(compiled: str | None = None) -> None:
        folder = tmp_path / "mmcv"
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        if compiled is not None:
            (folder / "_ext.py").write_text(compiled)
        for name in [one for one in sys.modules if one.partition(".")[0] == "mmcv"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, NAME, None)  # what is put there is taken away again
        monkeypatch.delitem(sys.modules, NAME)
        monkeypatch.setitem(sys.modules, "mmcv", None)
        monkeypatch.delitem(sys.modules, "mmcv")
        monkeypatch.syspath_prepend(tmp_path)

    return install


def test_without_compiled_operations_mmcv_can_be_imported(mmcv):
    mmcv()
    module = provide()
    assert sys.modules[NAME] is module
    assert importlib.util.find_spec(NAME) is module.__spec__
    assert provide() is module
    assert hasattr(module, "softnms")  # so that mmcv's loader finds all it asks for
    with pytest.raises(PluginError, match="'softnms' is compiled code") as caught:
        module.softnms(1, 2, three=3)
    assert "build mmcv" in caught.value.remedy
    kept = module.nms(torch.tensor([[0.0, 0, 9, 9], [0, 0, 8, 9], [20, 20, 29, 29]]),
                      torch.tensor([0.5, 0.9, 0.1]), iou_threshold=0.5, offset=0)  # fmt: skip
    assert kept.tolist() == [1, 2]


def test_compiled_ones_are_taken_where_they_are(mmcv):
    mmcv("def nms(): return 'compiled'")
    module = provide()
    assert module.nms() == "compiled"
    assert sys.modules[NAME].__file__.endswith("_ext.py")


def test_compiled_ones_that_cannot_be_imported_are_not_hidden(mmcv):
    mmcv("raise ImportError('undefined symbol: _ZN3c10')")
    with pytest.raises(PluginError, match="undefined symbol") as caught:
        provide()
    assert "build mmcv anew" in caught.value.remedy
    assert NAME not in sys.modules


def test_what_is_not_installed_is_said_with_what_to_type(monkeypatch):
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match="onedl-mmengine, onedl-mmcv, onedl-mmdetection") as error:
        MMDET.models()
    assert error.value.remedy == "pip install 'mm-detection[mmdet]'"
    assert error.value.plugin == "detection:dino"


def test_a_box_ends_after_its_last_pixel_where_the_offset_says_so():
    boxes = torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 2]])
    scores = torch.tensor([0.9, 0.8])
    assert OPERATIONS["nms"](boxes, scores, 0.6, offset=0).tolist() == [0, 1]  # 1 of 2
    assert OPERATIONS["nms"](boxes, scores, 0.6, offset=1).tolist() == [0]  # 4 of 6


def test_roi_align_and_its_gradient_are_those_of_torchvision():
    maps = torch.randn(2, 3, 12, 16, requires_grad=True)
    rois = torch.tensor([[0.0, 1, 2, 9, 9], [1, 0, 0, 15, 11]])
    settings = {"spatial_scale": 0.5, "sampling_ratio": 2, "aligned": True}
    expected = ops.roi_align(maps, rois, (3, 4), **settings)
    (wanted,) = torch.autograd.grad(expected, maps, torch.arange(72.0).reshape(2, 3, 3, 4))
    settings |= {"aligned_height": 3, "aligned_width": 4, "pool_mode": 1}
    output, grad, empty = torch.zeros(2, 3, 3, 4), torch.zeros(2, 3, 12, 16), torch.zeros(0)
    OPERATIONS["roi_align_forward"](maps.detach(), rois, output, empty, empty, **settings)
    torch.testing.assert_close(output, expected.detach())
    above = torch.arange(72.0).reshape(2, 3, 3, 4)
    OPERATIONS["roi_align_backward"](above, rois, empty, empty, grad, **settings)
    torch.testing.assert_close(grad, wanted)
    with pytest.raises(PluginError, match="largest value"):
        OPERATIONS["roi_align_forward"](
            maps.detach(), rois, output, empty, empty, **{**settings, "pool_mode": 0}
        )


def test_focal_loss_and_its_gradient_are_the_formula():
    logits = torch.randn(5, 3, requires_grad=True)
    target = torch.tensor([0, 2, 3, 1, 3])  # 3 is none of them
    p = logits.sigmoid()
    wanted = torch.nn.functional.one_hot(target, 4)[:, :3].bool()
    right, wrong = 0.25 * (1 - p) ** 2 * -p.log(), 0.75 * p**2 * -(1 - p).log()
    expected = torch.where(wanted, right, wrong)
    (gradient,) = torch.autograd.grad(expected.sum(), logits)
    output, grad, empty = torch.zeros(5, 3), torch.zeros(5, 3), torch.zeros(0)
    given = (logits.detach(), target, empty)
    OPERATIONS["sigmoid_focal_loss_forward"](*given, output, gamma=2.0, alpha=0.25)
    OPERATIONS["sigmoid_focal_loss_backward"](*given, grad, gamma=2.0, alpha=0.25)
    torch.testing.assert_close(output, expected.detach())
    torch.testing.assert_close(grad, gradient)


@pytest.mark.slow
def test_deformable_attention_and_its_gradient_are_those_of_mmcv():
    """As mmcv calls its compiled code on a GPU, against what it runs on a CPU."""
    pytest.importorskip("mmdet", reason="mmdet is not installed: mm-detection[mmdet]")
    MMDET.models()
    from mmcv.ops.multi_scale_deform_attn import (
        MultiScaleDeformableAttnFunction,
        multi_scale_deformable_attn_pytorch,
    )

    torch.manual_seed(0)
    shapes = torch.tensor([[6, 4], [3, 2]])
    value = torch.randn(2, 30, 2, 8, requires_grad=True)
    places = torch.rand(2, 5, 2, 2, 3, 2, requires_grad=True)
    weights = torch.rand(2, 5, 2, 2, 3, requires_grad=True)
    starts = torch.tensor([0, 24])
    above = torch.randn(2, 5, 16)
    expected = multi_scale_deformable_attn_pytorch(value, shapes, places, weights)
    wanted = torch.autograd.grad(expected, (value, places, weights), above)
    found = MultiScaleDeformableAttnFunction.apply(value, shapes, starts, places, weights, 64)
    torch.testing.assert_close(found, expected)
    grads = torch.autograd.grad(found, (value, places, weights), above)
    for grad, one in zip(grads, wanted, strict=True):
        torch.testing.assert_close(grad, one)
