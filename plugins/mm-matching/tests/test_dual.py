"""Pictures and texts by a CLIP of transformers: a small one, with weights of its own."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from mm_matching.formats import DualFolder
from mm_matching.plugin import mm_checkpoint_formats
from mm_matching.samples import PICTURES, WORDS
from PIL import Image

from mm_core import MultiModalPredictor
from mm_core.api import CheckpointMiss, ConfigError, RecipeError

SHOWN = pd.DataFrame({"shown": PICTURES.cells})
CLASSES = ["a red disc", "a green box", "a blue line"]


def _tokenizer(folder: Path) -> Any:
    """CLIP's kind: lower case, between a token of the start and one of the end."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel(unk_token="<unk>"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["<pad>", "<start>", "<unk>", "<end>"]  # an end of 2 means another to transformers
    words.train_from_iterator(WORDS, trainers.WordLevelTrainer(special_tokens=special))
    words.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>",
        pair="<start> $A <end> $B <end>",
        special_tokens=[("<start>", 1), ("<end>", 3)],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<end>", model_max_length=16
    )
    fast.save_pretrained(folder)
    return fast


@pytest.fixture(scope="module", params=["clip", "siglip"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``save_pretrained`` of model, tokenizer and image processor writes it."""
    from transformers import AutoModel, CLIPConfig, SiglipConfig

    folder = tmp_path_factory.mktemp(request.param)
    size = len(_tokenizer(folder))
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    tower |= {"num_attention_heads": 2, "projection_dim": 16}
    text = {**tower, "vocab_size": size, "max_position_embeddings": 16}
    text |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 3}
    vision = {**tower, "image_size": 32, "patch_size": 8}
    kind = CLIPConfig if request.param == "clip" else SiglipConfig
    more = {"projection_dim": 16} if request.param == "clip" else {}
    torch.manual_seed(0)
    AutoModel.from_config(kind(text_config=text, vision_config=vision, **more)).save_pretrained(
        folder
    )
    prepared = '{"do_center_crop": true, "crop_size": {"height": 32, "width": 32}, "size": '
    prepared += '{"shortest_edge": 32}, "resample": 3, "image_mean": [0.4, 0.5, 0.6], '
    prepared += '"image_std": [0.2, 0.3, 0.4]}'
    (folder / "preprocessor_config.json").write_text(prepared)
    return folder


def _direct(folder: Path, texts: list[str]) -> tuple[np.ndarray, np.ndarray, float]:
    """Directions of pictures and texts, by transformers alone; the scale."""
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(folder).eval()
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(one))) for one in PICTURES.cells]) / 255
    pixels = (pixels - [0.4, 0.5, 0.6]) / [0.2, 0.3, 0.4]
    tokens = AutoTokenizer.from_pretrained(folder)
    padded = {"padding": "max_length", "max_length": 16} if "siglip" in folder.name else {}
    arrays = tokens(texts, return_tensors="pt", **({"padding": True} | padded))
    given = {"input_ids": arrays["input_ids"]}
    if "siglip" not in folder.name:
        given["attention_mask"] = arrays["attention_mask"]
    with torch.no_grad():
        images = model.get_image_features(
            pixel_values=torch.tensor(pixels, dtype=torch.float32).permute(0, 3, 1, 2)
        ).pooler_output
        words = model.get_text_features(**given).pooler_output
    found = [one / one.norm(dim=1, keepdim=True) for one in (images, words)]
    return found[0].numpy(), found[1].numpy(), float(model.logit_scale.exp())


def test_zero_shot_is_what_transformers_computes(checkpoint: Path, tmp_path: Path) -> None:
    """Names of classes alone; saved, it needs neither checkpoint nor tokenizer."""
    predictor = MultiModalPredictor(
        problem_type="zero_shot_classification",
        hyperparameters={
            "task.classes": CLASSES,
            "task.templates": ["{}"],
            "backbones.image.checkpoint": str(checkpoint),
        },
        verbosity=0,
    )
    proba = predictor.predict_proba(SHOWN)
    images, words, scale = _direct(checkpoint, CLASSES)
    logits = scale * images @ words.T
    wanted = np.exp(logits - logits.max(axis=1, keepdims=True))
    wanted /= wanted.sum(axis=1, keepdims=True)
    assert np.allclose(proba.to_numpy(), wanted, atol=1e-5)
    assert proba.columns.tolist() == CLASSES
    predictor.save(tmp_path / "model")
    again = MultiModalPredictor.load(tmp_path / "model", verbosity=0)
    assert again.predict_proba(SHOWN).equals(proba)
    names = [path.name for path in (tmp_path / "model").rglob("*")]
    assert "tokenizer.json" not in names


def test_pictures_and_texts_are_compared_as_transformers_does(checkpoint: Path) -> None:
    """Each row's cosine; the same picture searched for by its words."""
    rows = SHOWN.assign(words=WORDS)
    predictor = MultiModalPredictor(
        problem_type="image_text_similarity",
        query="words",
        response="shown",
        hyperparameters={"backbones.dual.checkpoint": str(checkpoint)},
        verbosity=0,
    )
    answer = predictor.predict(rows)
    images, words, _ = _direct(checkpoint, WORDS)
    assert np.allclose(answer, (images * words).sum(axis=1), atol=1e-5)
    for of, wanted in (("response", images), ("query", words)):
        assert np.allclose(predictor.extract_embedding(rows, of=of), wanted, atol=1e-5)
    gaps = rows.assign(words=[None, *WORDS[1:]])
    assert predictor.predict(gaps).isna().tolist() == [True] + 15 * [False]


def test_it_learns_pairs_by_heart() -> None:
    """A new one: 16 captions, each finds its picture."""
    rows = SHOWN.assign(words=WORDS)
    settings = {
        "backbones.dual.checkpoint": "random",
        "backbones.dual.patch": 8,
        "backbones.dual.width": 32,
        "inputs.response_image.processor.image_size": 32,
        "inputs.response_image.processor.augment": "none",
        "training.epochs": 40,
        "training.batch_size": 16,
        "training.learning_rate": 2e-3,
        "training.head_learning_rate": 2e-3,
        "training.patience": 100,
    }
    predictor = MultiModalPredictor(
        problem_type="image_text_similarity",
        query="words",
        response="shown",
        hyperparameters=settings,
        verbosity=0,
    ).fit(rows, tuning_data=rows)
    assert predictor.evaluate(rows, "recall@1")["recall@1"] > 0.9


def test_what_cannot_be_classified_by_names_is_said() -> None:
    """No names, one twice, or a network that reads no words."""
    texts = pd.DataFrame({"words": WORDS})
    random = {"backbones.text.checkpoint": "random"}
    for classes in ([], ["one"], ["one", "one"]):
        with pytest.raises(ConfigError, match="classes to choose from"):
            MultiModalPredictor(
                problem_type="zero_shot_classification",
                hyperparameters={"task.classes": classes, **random},
                verbosity=0,
            ).predict(texts)
    timm = {"backbones.image.id": "image:timm", "backbones.image.checkpoint": "random"}
    with pytest.raises(RecipeError, match="reads no words"):
        MultiModalPredictor(
            problem_type="zero_shot_classification",
            hyperparameters={"task.classes": CLASSES, **timm},
            verbosity=0,
        ).predict(SHOWN)


@pytest.mark.parametrize("kind", ["altclip", "chinese_clip"])
def test_models_whose_texts_are_pooled_otherwise_are_refused(kind, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    found = DualFolder(mm_checkpoint_formats()[0]).recognise(tmp_path, kind, {})
    assert isinstance(found, CheckpointMiss)
    assert kind in found.reason
