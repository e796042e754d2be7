"""Sentence encoders: those of sentence-transformers, and any encoder of transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mm_text.api import HFText
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mm_core.api import Checkpoint, CheckpointError, RecipeError
from mm_core.api.nn import BackboneContext, Features
from mm_matching.configs import SentenceConfig
from mm_matching.words import read_words

MODES = {
    "cls_token": "cls",
    "mean_tokens": "mean",
    "max_tokens": "max",
    "lasttoken": "lasttoken",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean_tokens": "weightedmean",
}
"""Keys ``pooling_mode_*`` of sentence-transformers' Pooling, and what the mode is called."""

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "Tanh": nn.Tanh,
    "Identity": nn.Identity,
    "GELU": nn.GELU,
    "ReLU": nn.ReLU,
}


class SentenceEncoder(HFText):
    """One vector per text, as sentence-transformers would give it before it is brought to length 1.

    ``pooled`` [B, D] is the pooled tokens, through the dense layers that the checkpoint has. It is
    not normalised: whoever takes cosines does that. ``tokens`` and ``mask`` are as of
    ``text:hf``.
    """

    config: SentenceConfig
    templates = ("{}",)

    def __init__(self, config: SentenceConfig, context: BackboneContext) -> None:
        super().__init__(config, context)
        layers: list[dict[str, Any]] = []
        folder = None
        if context.checkpoint is not None:
            folder = Path(context.checkpoint.location)
            pooling, layers = _modules(folder, context.checkpoint)
            if config.pooling == "auto":
                self.pooling = pooling or "mean"
        elif context.architecture is not None:
            layers = context.architecture["dense"]
            self.pooling = context.architecture["pooling"]
        elif config.pooling == "auto":
            self.pooling = "mean"
        self._layers = layers
        self.dense = nn.ModuleList(_dense(one, folder) for one in layers)
        self._folder = folder

    @property
    def architecture(self) -> dict[str, Any]:
        """As of a text encoder; ``dense``: the layers behind the pooling."""
        kept = ("in_features", "out_features", "bias", "activation")
        layers = [{key: one[key] for key in kept} for one in self._layers]
        return {**super().architecture, "dense": layers}

    @property
    def dims(self) -> Mapping[str, int]:
        """Width of ``pooled`` and of each of ``tokens``."""
        width = super().dims["tokens"]
        return {
            "pooled": self._layers[-1]["out_features"] if self._layers else width,
            "tokens": width,
        }

    def forward(self, inputs: Mapping[str, Mapping[str, Tensor]]) -> Features:
        """Features of a batch of one input."""
        (arrays,) = inputs.values()
        tokens = self.encoder(**arrays).last_hidden_state
        mask = arrays["attention_mask"].bool()
        pooled = pool(tokens, mask, self.pooling)
        for layer in self.dense:
            pooled = layer(pooled)
        return Features(pooled=pooled, tokens=tokens, mask=mask)

    def stages(self) -> Sequence[nn.Module]:
        """Embeddings, each layer, the rest."""
        return [*super().stages(), *([self.dense] if len(self.dense) else [])]

    @property
    def reads_words(self) -> bool:
        """Whether it was built from a checkpoint, whose tokenizer it has."""
        return self._folder is not None

    def forget_words(self) -> None:
        """Its words have been read; nothing is to be let go of."""

    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        """float32 [N, D] of texts that are no cells, such as names of classes; while it is built.

        Raises:
            RecipeError: it was not built from a checkpoint, whose tokenizer it takes.
        """
        if self._folder is None:
            raise RecipeError(
                "an encoder with new weights knows no words: names of classes mean nothing to it",
                plugin="matching:sentence",
                remedy="name a checkpoint: backbones.text.checkpoint=...",
            )
        known = read_words(self._folder, texts)
        was = self.training
        self.eval()
        with torch.no_grad():
            found = self.forward({"text": known}).pooled
        self.train(was)
        assert found is not None
        return found.float()


def pool(tokens: Tensor, mask: Tensor, mode: str) -> Tensor:
    """[B, D] of ``tokens`` [B, T, D]; ``mask`` bool [B, T], padding on the right."""
    if mode == "cls":
        return tokens[:, 0]
    weights = mask.unsqueeze(-1).to(tokens.dtype)
    if mode == "max":
        return tokens.masked_fill(weights == 0, -1e9).max(dim=1).values
    if mode == "lasttoken":
        last = mask.sum(dim=1).clamp(min=1) - 1
        return tokens[torch.arange(len(tokens), device=tokens.device), last]
    if mode == "weightedmean":
        places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device, dtype=tokens.dtype)
        weights = weights * places[None, :, None]
    total = weights.sum(dim=1).clamp(min=1e-9)
    if mode == "mean_sqrt_len_tokens":
        total = total.sqrt()
    return (tokens * weights).sum(dim=1) / total


# ---- reading a folder of sentence-transformers


def _modules(folder: Path, checkpoint: Checkpoint) -> tuple[str | None, list[dict[str, Any]]]:
    """Pooling mode and dense layers that ``modules.json`` names; (None, []): there is none.

    Raises:
        CheckpointError: it has modules that are not known here, and would be left out.
    """
    file = folder / "modules.json"
    if not file.is_file():
        return None, []
    pooling, layers = None, []
    for module in json.loads(file.read_text(encoding="utf-8")):
        kind = str(module["type"]).rpartition(".")[2]
        if kind == "Pooling":
            pooling = _pooling(_config(folder / module["path"]), checkpoint)
        elif kind == "Dense":
            layers.append(_layer(_config(folder / module["path"]), module["path"], checkpoint))
        elif kind not in ("Transformer", "Normalize", "Dropout"):
            raise CheckpointError(
                f"{checkpoint.name!r} has a module {module['type']}, which is not known here",
                plugin="matching:sentence",
                value=module["type"],
                remedy="name another checkpoint",
            )
    return pooling, layers


def _pooling(config: Mapping[str, Any], checkpoint: Checkpoint) -> str:
    named = config.get("pooling_mode")
    modes = [mode for key, mode in MODES.items() if config.get(f"pooling_mode_{key}")]
    if isinstance(named, str):
        modes = [named]
    if len(modes) != 1 or modes[0] not in MODES.values():
        raise CheckpointError(
            f"{checkpoint.name!r} pools tokens by {' and '.join(map(str, modes)) or 'nothing'}: "
            "one way is read here",
            plugin="matching:sentence",
            value=modes,
            remedy="name another checkpoint, or set backbones.<name>.pooling",
        )
    return modes[0]


def _layer(config: Mapping[str, Any], path: str, checkpoint: Checkpoint) -> dict[str, Any]:
    activation = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    if activation not in _ACTIVATIONS:
        raise CheckpointError(
            f"{checkpoint.name!r} has a dense layer with {activation}, which is not known here",
            plugin="matching:sentence",
            value=activation,
            remedy=f"known: {', '.join(_ACTIVATIONS)}",
        )
    return {
        "in_features": int(config["in_features"]),
        "out_features": int(config["out_features"]),
        "bias": bool(config.get("bias", True)),
        "activation": activation,
        "path": path,
    }


def _dense(layer: Mapping[str, Any], folder: Path | None) -> nn.Module:
    linear = nn.Linear(layer["in_features"], layer["out_features"], bias=layer["bias"])
    if folder is not None:
        file = folder / layer["path"] / "model.safetensors"
        try:
            weights = load_file(str(file))
            linear.load_state_dict({k.removeprefix("linear."): v for k, v in weights.items()})
        except (OSError, SafetensorError, RuntimeError) as error:
            raise CheckpointError(
                f"the weights of a dense layer cannot be read from {file}: {error}",
                plugin="matching:sentence",
                value=str(file),
                remedy="save the model again with sentence-transformers, as safetensors",
            ) from error
    return nn.Sequential(linear, _ACTIVATIONS[layer["activation"]]())


def _config(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return found
