"""Any Hugging Face text encoder as a backbone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, PreTrainedConfig, PreTrainedModel

from mm_core.api import Checkpoint, CheckpointError
from mm_core.api.nn import Backbone, BackboneContext, Features
from mm_text.configs import HFTextConfig
from mm_text.pretrained import new_model, read_model, rebuild_model, saved_config
from mm_text.stages import split_stages

PLUGIN = "text:hf"

CUDA_TOKENS = 8
"""On a CUDA GPU rows are padded to a multiple of so many tokens: attention is planned anew there,
for tens of milliseconds, for each length that comes."""


class HFText(Backbone):
    """A pretrained (or tiny random) encoder, and one vector per row, of mean 0 and variance 1.

    Encoders differ in scale by orders of magnitude, and a new head learns little in a few epochs
    from the small vectors of some (MiniLM's), hence the normalisation.

    Of an encoder-decoder (T5, BART) the encoder is taken. Weights are kept in float32 whatever the
    checkpoint holds. A pooler, which sentence vectors here do not pass, is dropped.

    Forward: ``input_ids``, ``attention_mask`` and perhaps ``token_type_ids``, int64 [B, T] ->
    ``pooled`` [B, D], ``tokens`` [B, T, D], ``mask`` [B, T].

    Raises:
        CheckpointError: the checkpoint cannot be read, or lacks weights of the encoder.
        ArtifactError: an architecture that transformers does not know.
    """

    config: HFTextConfig

    def __init__(self, config: HFTextConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        (info,) = context.inputs.values()
        pooling = _first_pooling(info)
        if context.checkpoint is not None:
            folder = Path(context.checkpoint.location)
            model, missing = read_model(folder, context.checkpoint, PLUGIN)
            _refuse_gaps(model, missing, context.checkpoint)
            pooling = _sentence_pooling(folder) or pooling
            self.pretrained = True
        elif context.architecture is not None:
            model = rebuild_model(context.architecture["model"], PLUGIN)
            pooling = context.architecture["pooling"]
            self.pretrained = context.architecture["pretrained"]
        else:
            model = _tiny(config, info)
        self.pooling = pooling if config.pooling == "auto" else config.pooling
        self._max_length, self._pad_id = int(info["max_length"]), int(info["pad_id"])
        self._model_config: PreTrainedConfig = model.config
        self.encoder = _encoder(model)

    @property
    def architecture(self) -> dict[str, Any]:
        """The model's own config, the pooling, and whether the weights were pretrained."""
        return {
            "model": saved_config(self._model_config),
            "pooling": self.pooling,
            "pretrained": self.pretrained,
        }

    @property
    def dims(self) -> Mapping[str, int]:
        """Width of ``pooled`` and of each of ``tokens``."""
        width = int(self._model_config.hidden_size)
        return {"pooled": width, "tokens": width}

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        """Features of a batch of one input."""
        (arrays,) = inputs.values()
        mask = arrays["attention_mask"].bool()
        more = self._padding(mask.shape[1]) if _plans_attention(mask) else 0
        tokens = self.encoder(**self._padded(arrays, more)).last_hidden_state
        tokens = tokens[:, : mask.shape[1]]
        pooled = functional.layer_norm(self._pool(tokens, mask), tokens.shape[-1:])
        return Features(pooled=pooled, tokens=tokens, mask=mask)

    def _padding(self, length: int) -> int:
        """Tokens that are added to each row, which has no more than the network reads."""
        return max(0, min(-length % CUDA_TOKENS, self._max_length - length))

    def _padded(self, arrays: Mapping[str, Tensor], more: int) -> dict[str, Tensor]:
        """So many tokens more in each row, which nothing looks at."""
        if not more:
            return dict(arrays)
        return {
            name: functional.pad(array, (0, more), value=self._pad_id if name == "input_ids" else 0)
            for name, array in arrays.items()
        }

    def _pool(self, tokens: Tensor, mask: Tensor) -> Tensor:
        if self.pooling == "cls":
            return tokens[:, 0]
        weights = mask.unsqueeze(-1).to(tokens.dtype)
        return (tokens * weights).sum(1) / weights.sum(1).clamp(min=1)

    def stages(self) -> Sequence[nn.Module]:
        """Embeddings, each layer, the rest."""
        return split_stages(self.encoder)


def _plans_attention(tensor: Tensor) -> bool:
    return tensor.is_cuda


# ---- building


def _refuse_gaps(model: PreTrainedModel, missing: Sequence[str], checkpoint: Checkpoint) -> None:
    """Refuse weights that would leave a part of the encoder random."""
    used = {id(parameter) for parameter in _encoder(model).parameters()}
    names = {name for name, p in model.named_parameters(remove_duplicate=False) if id(p) in used}
    gaps = sorted(names.intersection(missing))
    if gaps:
        raise CheckpointError(
            f"{checkpoint.name!r} ({checkpoint.source}) lacks {len(gaps)} of the encoder's "
            f"weights, such as {gaps[0]!r}",
            plugin=PLUGIN,
            value=checkpoint.name,
            remedy="name another checkpoint",
        )


def _tiny(config: HFTextConfig, info: Mapping[str, Any]) -> PreTrainedModel:
    """A BERT (arXiv 1810.04805) with random weights, heads of width 16."""
    width = config.hidden_size or 64
    return new_model(
        BertConfig(
            vocab_size=info["vocab_size"],
            hidden_size=width,
            num_hidden_layers=config.num_hidden_layers or 2,
            num_attention_heads=width // 16,
            intermediate_size=4 * width,
            max_position_embeddings=info["max_length"],
            pad_token_id=info["pad_id"],
        )
    )


def _encoder(model: PreTrainedModel) -> nn.Module:
    """The part that reads text, without a pooler: its output is not used."""
    # Told by structure: encoders saved alone (T5EncoderModel) do not say that they are halves.
    halves = isinstance(getattr(model, "decoder", None), nn.Module)
    encoder: nn.Module = model.get_encoder() if halves else model
    if isinstance(getattr(encoder, "pooler", None), nn.Module):
        encoder.pooler = None  # type: ignore[assignment]
    return encoder


def _first_pooling(info: Mapping[str, Any]) -> str:
    """A first token that is a special one stands for the row; any other does not."""
    return "cls" if info["cls"] else "mean"


def _sentence_pooling(folder: Path) -> str | None:
    """The pooling a sentence-transformers checkpoint was trained with; None: it is not one."""
    modules = folder / "modules.json"
    if not modules.is_file():
        return None
    for module in json.loads(modules.read_text(encoding="utf-8")):
        file = folder / module["path"] / "config.json"
        if module["type"].endswith("Pooling") and file.is_file():
            pooling = json.loads(file.read_text(encoding="utf-8"))
            return "cls" if pooling.get("pooling_mode_cls_token") else "mean"
    return "mean"
