"""A text tower as a folder that sentence-transformers loads, with equal embeddings."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from mm_core.api import ConfigError, Exporter, ExportJob, ExportReport
from mm_core.api.tools import Model
from mm_matching.bi_encoder import BiEncoder
from mm_matching.configs import ExportConfig
from mm_matching.sentence import MODES, SentenceEncoder
from mm_matching.tokenizer import SentenceTokenizer

_KINDS = "sentence_transformers.models"


class SentenceTransformersExporter(Exporter):
    """Transformer, pooling, dense layers (the projection among them), length 1; prompts by name."""

    config: ExportConfig

    def check(self, model: Any) -> list[str]:
        """It needs a bi-encoder whose side is one column of text."""
        if model.runtime != "core:network" or not isinstance(model.topology, BiEncoder):
            return ["it is no model of pairs (text_similarity, matching)"]
        names = model.topology.roles[self.config.side]
        found = [name for name in names if not self._is_text(model, name)]
        if found or len(names) != 1:
            return [f"its {self.config.side} is not one text encoder: {', '.join(names)}"]
        columns = model.recipe.inputs[names[0]].columns
        if len(columns) != 1:
            return [f"its {self.config.side} is of several columns: {', '.join(columns)}"]
        adapted = self._backbone(model)
        if getattr(adapted, "adapter", None) is not None:
            return ["its encoder has an adapter: predictor.merge_adapters() first"]
        if any(not isinstance(one[0], nn.Linear) for one in self._projection(model)):
            return ["what stands above its encoder is more than one linear layer"]
        return []

    def export(self, job: ExportJob) -> ExportReport:
        """Write the folder, and compare what is read back from it on the sample.

        Raises:
            ConfigError: the folder is there already.
        """
        started = time.monotonic()
        if job.path.exists():
            raise ConfigError(
                f"{job.path} is there already", value=str(job.path), remedy="choose another path"
            )
        job.path.mkdir(parents=True)
        self._write(job.model, job.path)
        off = None if job.sample is None else self._compared(job)
        return ExportReport(job.path, off, None, time.monotonic() - started)

    # ---- inside

    def _is_text(self, model: Model, name: str) -> bool:
        processor = model.processors[name]
        whole = getattr(processor, "whole", processor)
        reads = [key for key, own in model.topology.backbone_inputs.items() if own == (name,)]
        backbones = [model.topology.backbones[key] for key in reads]
        return isinstance(whole, SentenceTokenizer) and any(
            isinstance(one, SentenceEncoder) for one in backbones
        )

    def _reader(self, model: Model) -> str:
        """Name of the backbone that reads the side."""
        (name,) = model.topology.roles[self.config.side]
        (key,) = (k for k, own in model.topology.backbone_inputs.items() if own == (name,))
        return key

    def _backbone(self, model: Model) -> SentenceEncoder:
        backbone = model.topology.backbones[self._reader(model)]
        assert isinstance(backbone, SentenceEncoder)
        return backbone

    def _write(self, model: Model, folder: Path) -> None:
        (name,) = model.topology.roles[self.config.side]
        backbone = self._backbone(model)
        processor: Any = getattr(model.processors[name], "whole", model.processors[name])
        _write_encoder(backbone, folder)
        _write_tokenizer(processor, folder)
        modules = ["Transformer", "Pooling"]
        width = backbone.dims["tokens"]
        _json(folder / "1_Pooling" / "config.json", _pooling(backbone.pooling, width))
        for layer in [*backbone.dense, *self._projection(model)]:
            modules.append("Dense")
            _write_dense(layer, folder / f"{len(modules) - 1}_Dense")
        modules.append("Normalize")
        (folder / f"{len(modules) - 1}_Normalize").mkdir()
        _json(
            folder / "modules.json",
            [
                {
                    "idx": place,
                    "name": str(place),
                    "path": "" if place == 0 else f"{place}_{kind}",
                    "type": f"{_KINDS}.{kind}",
                }
                for place, kind in enumerate(modules)
            ],
        )
        _json(
            folder / "sentence_bert_config.json",
            {"max_seq_length": processor.info["max_length"], "do_lower_case": False},
        )
        words = {side: processor.words.get(side, "") for side in ("query", "response")}
        prompts = {"query": words["query"], "document": words["response"]}
        own = "query" if self.config.side == "query" else "document"
        _json(
            folder / "config_sentence_transformers.json",
            {
                "prompts": prompts,
                "default_prompt_name": own if prompts[own] else None,
                "similarity_fn_name": "cosine",
            },
        )

    def _projection(self, model: Model) -> list[nn.Module]:
        key = self._reader(model)
        owner = model.topology.shared.get(key, key)
        into = model.topology.into
        return [nn.Sequential(into[owner], nn.Identity())] if owner in into else []

    def _compared(self, job: ExportJob) -> float | None:
        """The largest difference of vectors; None where their library is not installed."""
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            return None
        model = job.model
        (name,) = model.topology.roles[self.config.side]
        (column,) = model.recipe.inputs[name].columns
        assert job.sample is not None
        cells = job.sample.frame[column]
        texts = [str(cell) for cell in cells if isinstance(cell, str) and cell.strip()]
        if not texts:
            return None
        there = np.array([isinstance(cell, str) and bool(cell.strip()) for cell in cells])
        theirs = SentenceTransformer(str(job.path), device="cpu").encode(
            texts, show_progress_bar=False
        )
        found = []
        for batch, _ in model.pipeline.arrays(model.pipeline.encode(job.sample), 32):
            vectors = model.topology.embed(
                batch.map(torch.as_tensor).to(next(model.topology.parameters()).device),
                of=self.config.side,
            )
            found.append((batch.row_ids, vectors.detach().float().cpu().numpy()))
        order = np.argsort(np.concatenate([np.asarray(rows) for rows, _ in found]))
        ours = np.concatenate([vectors for _, vectors in found])[order]
        return float(np.abs(ours[there] - theirs).max())


def _write_encoder(backbone: SentenceEncoder, folder: Path) -> None:
    config = dict(backbone.architecture["model"])
    state = {
        key: value.detach().cpu().contiguous()
        for key, value in backbone.encoder.state_dict().items()
    }
    save_file(state, str(folder / "model.safetensors"), metadata={"format": "pt"})
    _json(folder / "config.json", config)


def _write_tokenizer(processor: Any, folder: Path) -> None:
    assets = processor.state().assets
    (file,) = assets
    (folder / "tokenizer.json").write_bytes(assets[file])
    vocabulary = processor.vocabulary
    pad = vocabulary.tokenizer.id_to_token(vocabulary.pad_id)
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if vocabulary.segments else [])]
    _json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "pad_token": pad,
            "model_max_length": processor.info["max_length"],
            "model_input_names": names,
        },
    )


def _pooling(mode: str, width: int) -> dict[str, Any]:
    modes = {f"pooling_mode_{key}": name == mode for key, name in MODES.items()}
    return {"word_embedding_dimension": width, **modes, "include_prompt": True}


def _write_dense(layer: Any, folder: Path) -> None:
    folder.mkdir()
    linear, activation = layer[0], layer[1]
    state = {f"linear.{key}": value.detach().cpu() for key, value in linear.state_dict().items()}
    save_file(state, str(folder / "model.safetensors"))
    kind = type(activation)
    facts: Mapping[str, Any] = {
        "in_features": linear.in_features,
        "out_features": linear.out_features,
        "bias": linear.bias is not None,
        "activation_function": f"torch.nn.modules.{_home(kind)}.{kind.__name__}",
    }
    _json(folder / "config.json", facts)


def _home(kind: type) -> str:
    return "linear" if kind is nn.Identity else "activation"


def _json(file: Path, value: Any) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(value, indent=2, ensure_ascii=False), encoding="utf-8")
