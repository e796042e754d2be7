"""``sam``: SAM, SAM-HQ, SAM 2, SAM 3 with a head that asks nobody. Heavy: torch, transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor, nn

from mm_core.api import ConfigError
from mm_core.api.nn import BackboneContext, Features
from mm_segmentation import conv_lora, sam_models
from mm_segmentation.configs import SamConfig
from mm_segmentation.hf_configs import as_json
from mm_segmentation.prompts import PROMPTS, pieces
from mm_segmentation.segmenter import WANTED, Segmenter, means


class SamSegmenter(Segmenter):
    """An encoder that was trained on a thousand million masks, and its decoder, trained on yours.

    Where nobody points at anything, a learned token for each class stands for the prompt: one mask
    for each, ``masks`` [B, D, S / 4, S / 4]. With prompts (points, boxes) one mask for each row.

    The decoder and the tokens are ``new``: an adapter freezes or adapts the encoder alone. What
    this never uses (the choice among three masks, their scores) is not trained.

    For a task whose ``info`` says ``whole`` it stays as it is: nothing is taken out of the decoder,
    there are no tokens, and what it gives is what its encoder says, ``maps``.
    """

    config: SamConfig
    takes_prompts = True

    def __init__(self, config: SamConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        height, width = self.canvas
        if height != width:
            raise ConfigError(
                f"SAM takes squares, not {height} x {width} pixels",
                plugin=sam_models.PLUGIN,
                value=list(self.canvas),
                remedy=f"image_size={max(self.canvas)}",
            )
        if context.architecture is not None:
            self.model = sam_models.rebuilt(context.architecture["model"])
            self.pretrained = bool(context.architecture["pretrained"])
        elif context.checkpoint is not None:
            self.model = sam_models.loaded(context.checkpoint, height)
            self.pretrained = True
        else:
            tiny = sam_models.tiny(config.random_model, height)
            self.model = sam_models.fresh(sam_models.sized(tiny, height))
        self._kept: dict[bytes, list[Tensor]] = {}
        self._kept_bytes = 0
        self.whole = bool(context.task.get("whole"))
        self.tokens: nn.Embedding | None = None
        if not self.whole:
            self._without_prompts(config)

    def _without_prompts(self, config: SamConfig) -> None:
        """Tokens in the place of prompts; what of the decoder they need is trained."""
        width = self.model.config.prompt_encoder_config.hidden_size
        self.tokens = nn.Embedding(self.n_outputs, width)
        nn.init.normal_(self.tokens.weight, std=0.02)
        trained = sam_models.pruned(self.model)
        updates = (
            conv_lora.applied(self.model.vision_encoder, config.conv_lora)
            if config.conv_lora
            else []
        )
        self.model.prompt_encoder.requires_grad_(False)
        self.model.mask_decoder.requires_grad_(False)
        for module in trained:
            module.requires_grad_(True)
        if hasattr(self.model, "no_memory_embedding"):  # of videos
            self.model.no_memory_embedding.requires_grad_(False)
        self.new = (*trained, *updates, self.tokens) if self.pretrained else ()
        if config.checkpointing:
            self.model.vision_encoder.gradient_checkpointing_enable()

    @property
    def own_loss(self) -> bool:  # type: ignore[override]
        """It wants the truth where it draws prompts from it; the loss is the recipe's."""
        return self.config.prompt_share > 0

    @property
    def architecture(self) -> dict[str, Any]:
        """The model's own config, and whether its weights were trained elsewhere."""
        return {"model": as_json(self.model.config), "pretrained": self.pretrained}

    def stages(self) -> Sequence[nn.Module]:
        """The encoder, and what stands behind it."""
        rest = nn.Module()
        inside = {id(one) for one in self.model.vision_encoder.parameters()}
        rest.rest = nn.ParameterList(p for p in self.model.parameters() if id(p) not in inside)
        found = [self.model.vision_encoder, rest]
        return found if self.tokens is None else [*found, self.tokens]

    def look(self, arrays: Mapping[str, Any]) -> Features:
        """``masks``, and in training with prompts ``codes``, what is wanted then; or ``maps``."""
        maps = self.embedded(arrays["pixels"])
        if self.tokens is None:
            return Features(extra={"maps": maps, "embedding": means(maps[-1])})
        sparse = self.tokens.weight[None, :, None].expand(len(maps[-1]), -1, -1, -1)
        masks = self.painted(maps, sparse)
        found = {"embedding": means(maps[-1])}
        if PROMPTS in arrays:
            masks = self._where_asked(masks, maps, arrays[PROMPTS])
        elif self.training and WANTED in arrays and self.n_outputs == 1:
            asked, codes = pieces(arrays[WANTED], self.config.prompt_share)
            masks = self._where_asked(masks, maps, asked)
            found["codes"] = codes
        return Features(extra={"masks": masks, **found})

    def embedded(self, pixels: Tensor) -> list[Tensor]:
        """Maps of the encoder, coarse last; kept where nothing of it is trained."""
        frozen = not any(one.requires_grad for one in self.model.vision_encoder.parameters())
        kept = self.config.cache_mb and not torch.compiler.is_exporting()
        if not frozen or not kept:
            return self._encoded(pixels)
        keys = [blake2b(one.cpu().numpy().tobytes(), digest_size=16).digest() for one in pixels]
        lacking = [row for row, key in enumerate(keys) if key not in self._kept]
        fresh: dict[bytes, list[Tensor]] = {}
        if lacking:
            with torch.no_grad():
                maps = self._encoded(pixels[lacking])
            for place, row in enumerate(lacking):
                fresh[keys[row]] = [one[place].clone() for one in maps]
                self._keep(keys[row], fresh[keys[row]])
        rows = [fresh.get(key) or self._kept[key] for key in keys]
        return [torch.stack(one).to(pixels.device) for one in zip(*rows, strict=True)]

    def given(self, maps: Sequence[Tensor]) -> dict[str, Any]:
        """Maps of the encoder as the whole model of transformers takes them."""
        decoder = self.model.mask_decoder
        if not hasattr(decoder, "conv_s0"):
            inside = [one.permute(0, 2, 3, 1) for one in maps[:-1]]  # of SAM-HQ
            more = {"intermediate_embeddings": inside} if inside else {}
            return {"image_embeddings": maps[-1], **more}
        return {"image_embeddings": [decoder.conv_s0(maps[0]), decoder.conv_s1(maps[1]), maps[2]]}

    def painted(self, maps: Sequence[Tensor], sparse: Tensor) -> Tensor:
        """Masks [B, K, h, w].

        Args:
            maps: of the encoder.
            sparse: [B, K, n, D], what is asked for: K masks by n tokens each.
        """
        model, decoder = self.model, self.model.mask_decoder
        image = maps[-1]
        batch, count = sparse.shape[:2]
        dense = model.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
        image = (image + dense).repeat_interleave(count, 0)
        where = model.get_image_wide_positional_embeddings().to(image.dtype)
        where = where.expand(len(image), -1, -1, -1)
        first = [decoder.iou_token.weight, decoder.mask_tokens.weight]
        if hasattr(decoder, "obj_score_token"):
            first = [decoder.obj_score_token.weight, *first]
        mask_token = len(first) - 1
        sharp = hasattr(decoder, "hq_token")
        if sharp:
            first.append(decoder.hq_token.weight)
        tokens = torch.cat(first).expand(batch, count, -1, -1)
        said, seen = decoder.transformer(
            point_embeddings=torch.cat([tokens, sparse.to(tokens.dtype)], dim=2),
            image_embeddings=image,
            image_positional_embeddings=where,
            attention_similarity=None,
        )
        height, width = image.shape[-2:]
        seen = seen.transpose(2, 3).reshape(batch * count, -1, height, width)
        up = decoder.upscale_conv1(seen)
        if hasattr(decoder, "conv_s1"):
            up = up + decoder.conv_s1(maps[1]).repeat_interleave(count, 0)
        up = decoder.upscale_conv2(decoder.activation(decoder.upscale_layer_norm(up)))
        if hasattr(decoder, "conv_s0"):
            up = up + decoder.conv_s0(maps[0]).repeat_interleave(count, 0)
        up = decoder.activation(up)
        masks = _drawn(decoder.output_hypernetworks_mlps[0](said[:, :, mask_token]), up)
        if not sharp:
            return masks
        # As SAM-HQ's authors have it; transformers (5.24) reads the map from before its attention.
        fine = decoder.mask_conv1(up)
        fine = decoder.mask_conv2(decoder.activation(decoder.mask_norm(fine)))
        fine = fine + _features_of_hq(decoder, maps).repeat_interleave(count, 0)
        token = mask_token + decoder.mask_tokens.num_embeddings
        return masks + _drawn(decoder.hq_mask_mlp(said[:, :, token]), fine)

    def prompted(self, maps: Sequence[Tensor], asked: Tensor) -> Tensor:
        """Mask [1, 1, h, w] of one picture: where any of the things asked for is.

        Args:
            maps: of the one picture.
            asked: [n, 5], as :mod:`mm_segmentation.prompts` has them.
        """
        encoder = self.model.prompt_encoder
        points, boxes = asked[asked[:, 4] < 2], asked[asked[:, 4] == 2]
        given: list[tuple[Any, Any, Any]] = []
        if len(points):
            first = boxes[None, :1, :4] if len(boxes) else None
            given.append((points[None, None, :, :2], points[None, None, :, 4].int(), first))
            boxes = boxes[1:]
        given += [(None, None, box[None, None, :4]) for box in boxes]
        masks = []
        for where, labels, box in given:
            sparse, _ = encoder(where, labels, box, None)
            masks.append(self.painted(maps, sparse))
        return torch.cat(masks, dim=1).amax(dim=1, keepdim=True)

    def _where_asked(
        self, masks: Tensor, maps: Sequence[Tensor], asked: Sequence[Tensor]
    ) -> Tensor:
        rows = []
        for row, one in enumerate(asked):
            if len(one) == 0:
                rows.append(masks[row : row + 1])
                continue
            rows.append(self.prompted([each[row : row + 1] for each in maps], one.to(masks.device)))
        return torch.cat(rows)

    def _encoded(self, pixels: Tensor) -> list[Tensor]:
        said = self.model.vision_encoder(pixels, return_dict=True)
        if hasattr(said, "fpn_hidden_states"):
            maps = list(said.fpn_hidden_states)
            memory = self.model.no_memory_embedding.reshape(1, -1, 1, 1)
            return [*maps[:-1], maps[-1] + memory]
        inside = getattr(said, "intermediate_embeddings", None) or []  # of SAM-HQ
        return [*(one.permute(0, 3, 1, 2) for one in inside[:1]), said.last_hidden_state]

    def _keep(self, key: bytes, maps: list[Tensor]) -> None:
        size = sum(one.nbytes for one in maps)
        if self._kept_bytes + size <= self.config.cache_mb * 2**20:
            self._kept[key] = maps
            self._kept_bytes += size


def _drawn(weights: Tensor, maps: Tensor) -> Tensor:
    """Masks [B, K, h, w] of [B, K, D] and [B * K, D, h, w]."""
    batch, count, width = weights.shape
    pixels = maps.reshape(batch, count, width, -1)
    masks = (weights[:, :, None] @ pixels)[:, :, 0]
    return masks.reshape(batch, count, *maps.shape[-2:])


def _features_of_hq(decoder: Any, maps: Sequence[Tensor]) -> Tensor:
    """What SAM-HQ adds to the masks: of the encoder's end, and of its first global layer."""
    early, late = maps
    late = decoder.activation(decoder.encoder_norm(decoder.encoder_conv1(late)))
    early = decoder.activation(decoder.compress_vit_norm(decoder.compress_vit_conv1(early)))
    found: Tensor = decoder.encoder_conv2(late) + decoder.compress_vit_conv2(early)
    return found
