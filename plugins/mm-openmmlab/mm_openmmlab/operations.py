"""Operations of ``mmcv._ext`` by torch and torchvision: slower on a GPU, and the same numbers.

Signatures are mmcv's own: what is called ``output`` or ``grad_...`` is written into. Heavy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchvision import ops

from mm_core.api import PluginError

_AVERAGE = 1
"""``pool_mode`` of RoI align; 0 is the largest value."""


def refused(name: str) -> PluginError:
    """Of an operation that is compiled or not there."""
    return PluginError(
        f"mmcv's operation {name!r} is compiled code, and this mmcv was installed without it",
        plugin="openmmlab",
        value=name,
        remedy="choose a model without it, or build mmcv with its operations for this torch",
    )


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Places of the boxes that are kept; ``offset`` 1: a box ends after its last pixel."""
    ends = boxes.new_tensor([0, 0, offset, offset])
    return ops.nms((boxes + ends).float(), scores.float(), float(iou_threshold))


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    *,
    pool_mode: int = _AVERAGE,
    **settings: Any,
) -> None:
    """``output`` [n, C, h, w]."""
    if pool_mode != _AVERAGE:
        raise refused("roi_align of the largest value")
    output.copy_(_aligned(input, rois, **settings))


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    *,
    pool_mode: int = _AVERAGE,
    **settings: Any,
) -> None:
    """It is linear in its input: what that held does not matter."""
    with torch.enable_grad():
        given = torch.zeros_like(grad_input).requires_grad_()
        said = _aligned(given, rois, **settings)
    grad_input.copy_(torch.autograd.grad(said, given, grad_output)[0])


def _aligned(
    input: Tensor,
    rois: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    size = (aligned_height, aligned_width)
    return ops.roi_align(input, rois, size, spatial_scale, sampling_ratio, aligned)


def ms_deform_attn_forward(
    value: Tensor,
    shapes: Tensor,
    starts: Tensor,
    places: Tensor,
    weights: Tensor,
    im2col_step: int = 64,
) -> Tensor:
    """[B, queries, width], as mmcv's own code for CPUs computes it."""
    found: Tensor = _attention()(value, shapes.tolist(), places, weights)
    return found


def ms_deform_attn_backward(
    value: Tensor,
    shapes: Tensor,
    starts: Tensor,
    places: Tensor,
    weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_places: Tensor,
    grad_weights: Tensor,
    im2col_step: int = 64,
) -> None:
    """The same code run again, for its gradients."""
    given = [one.detach().requires_grad_() for one in (value, places, weights)]
    with torch.enable_grad():
        said = _attention()(given[0], shapes.tolist(), given[1], given[2])
    grads = torch.autograd.grad(said, given, grad_output)
    for into, grad in zip((grad_value, grad_places, grad_weights), grads, strict=True):
        into.copy_(grad)


def _attention() -> Any:
    from mmcv.ops import multi_scale_deform_attn

    return multi_scale_deform_attn.multi_scale_deformable_attn_pytorch


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, *, gamma: float, alpha: float
) -> None:
    """``output`` [n, classes]; a target of the number of classes is none of them."""
    output.copy_(_focal(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, *, gamma: float, alpha: float
) -> None:
    """Of each element by itself."""
    given = input.detach().requires_grad_()
    with torch.enable_grad():
        said = _focal(given, target, weight, gamma, alpha).sum()
    grad_input.copy_(torch.autograd.grad(said, given)[0])


def _focal(input: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float) -> Tensor:
    if weight.numel():
        raise refused("sigmoid_focal_loss with weights of classes")
    classes = input.shape[1]
    wanted = functional.one_hot(target, classes + 1)[:, :classes].to(input)
    found: Tensor = ops.sigmoid_focal_loss(input, wanted, alpha, gamma, reduction="none")
    return found


OPERATIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        nms,
        roi_align_forward,
        roi_align_backward,
        ms_deform_attn_forward,
        ms_deform_attn_backward,
        sigmoid_focal_loss_forward,
        sigmoid_focal_loss_backward,
    )
}
"""What detectors need on a CPU or a GPU; all else is refused when it is called."""
