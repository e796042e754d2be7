"""``mmseg``: a segmenter of mmsegmentation by its config. Heavy: torch; mmseg when it is built.

It gives logits and is trained by the recipe's loss. mmseg's pipelines, losses and loops are not
used; auxiliary heads, which only its loss reads, are not built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mm_openmmlab.api import Colours, Library, Model, made
from torch import Tensor, nn

from mm_core.api import RecipeError
from mm_core.api.nn import BackboneContext, Features
from mm_segmentation.configs import MMSegConfig
from mm_segmentation.segmenter import Segmenter, means

LIBRARY = Library("mmseg", "segmentation:mmseg", "pip install 'mm-segmentation[mmseg]'")

_AUXILIARY = "auxiliary_head"


class MMSegSegmenter(Segmenter):
    """What an OpenMMLab config builds, with a head for these classes."""

    config: MMSegConfig

    def __init__(self, config: MMSegConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        self._binary = self.n_outputs == 1

        def adapt(model: Model) -> Model:
            return adapted(model, max(2, self.n_outputs))

        self._made = made(LIBRARY, config, context, adapt, (f"{_AUXILIARY}.",))
        self.model: Any = _checked(self._made.model)
        self.colours = Colours(self._made.config, context.inputs[self.input_name])
        self.pretrained = self._made.pretrained
        self.new = tuple(self.model.get_submodule(name) for name in self._made.new)

    @property
    def architecture(self) -> dict[str, Any]:
        """The config of the model as JSON, and which parts were made anew."""
        return self._made.architecture

    def stages(self) -> Sequence[nn.Module]:
        """The network that reads pixels, what lies between, and the head."""
        parts = [getattr(self.model, name, None) for name in ("backbone", "neck", "decode_head")]
        return [one for one in parts if one is not None]

    def look(self, arrays: Mapping[str, Any]) -> Features:
        """Logits at the size that the head gives."""
        logits = self.model(self.colours(arrays["pixels"]), mode="tensor")
        if not isinstance(logits, Tensor) or logits.ndim != 4:
            raise _unfit(type(self.model.decode_head).__name__)
        masks = logits[:, 1:] - logits[:, :1] if self._binary else logits
        return Features(extra={"masks": masks, "embedding": means(logits)})


def adapted(model: Model, n_classes: int) -> Model:
    """The config for these classes, without what is built for mmseg's own loss alone."""
    found = {key: value for key, value in model.items() if key != _AUXILIARY}
    head = found.get("decode_head")
    if isinstance(head, dict):
        found["decode_head"] = {**head, "num_classes": n_classes, "out_channels": n_classes}
    return found


def _checked(model: Any) -> Any:
    """One that gives each place a logit for each class.

    Raises:
        RecipeError: it is none.
    """
    from mmseg.models.decode_heads.decode_head import BaseDecodeHead
    from mmseg.models.segmentors import EncoderDecoder

    head = getattr(model, "decode_head", None)
    if isinstance(model, EncoderDecoder) and isinstance(head, BaseDecodeHead):
        return model
    raise _unfit(type(model if head is None else head).__name__)


def _unfit(kind: str) -> RecipeError:
    return RecipeError(
        f"{kind} does not give each place a logit for each class, which the loss reads",
        plugin=LIBRARY.plugin,
        value=kind,
        remedy="name a config with one decode head, such as SegFormer, UPerNet, PSPNet, "
        "DeepLabV3+; of Mask2Former's kin take segmentation:hf",
    )
