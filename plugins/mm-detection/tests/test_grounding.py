"""What words name is found as transformers itself finds it; pictures become labels."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from mm_detection.grounding import Grounding
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModelForZeroShotObjectDetection,
    AutoProcessor,
    BertConfig,
    GroundingDinoConfig,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    Owlv2Config,
    Owlv2ImageProcessor,
    Owlv2Processor,
    PreTrainedTokenizerFast,
    SwinConfig,
)
from typer.testing import CliRunner

from mm_core.api import CheckpointError, ConfigError
from mm_core.cli.app import app

WORDS = ["[PAD]", "[UNK]", "[CLS]", ".", "a", "red", "car", "cat", "[MASK]", "[SEP]"]


def tokenizer(**special):
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 9), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]", model_max_length=16, **special,
    )  # fmt: skip


def grounding_dino(folder):
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 2], window_size=4, image_size=64,
            out_indices=[2, 3, 4],
        ),
        text_config=BertConfig(
            vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=32,
        ).to_dict() | {"model_type": "bert"},
        d_model=32, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_queries=9,
        fusion_dropout=0.0, fusion_droppath=0.0, dropout=0.0, max_text_len=32,
    )  # fmt: skip
    size = {"shortest_edge": 64, "longest_edge": 96}
    GroundingDinoProcessor(GroundingDinoImageProcessor(size=size), tokenizer()).save_pretrained(
        folder
    )
    return config


def owlv2(folder):
    config = Owlv2Config(
        text_config={
            "vocab_size": len(WORDS), "hidden_size": 32, "intermediate_size": 32,
            "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 16,
            "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 9,
        },
        vision_config={
            "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "image_size": 64, "patch_size": 16,
        },
        projection_dim=32,
    )  # fmt: skip
    Owlv2Processor(
        Owlv2ImageProcessor(size={"height": 64, "width": 64}), tokenizer()
    ).save_pretrained(folder)
    return config


MODELS = {"grounding dino": grounding_dino, "owlv2": owlv2}


@pytest.fixture(scope="module", params=list(MODELS))
def folder(request, tmp_path_factory):
    """A checkpoint with random weights and ten words."""
    path = tmp_path_factory.mktemp("grounding")
    torch.manual_seed(0)
    config = MODELS[request.param](path)
    AutoModelForZeroShotObjectDetection.from_config(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def picture():
    noise = np.random.default_rng(0).integers(0, 255, (60, 90, 3)).astype(np.uint8)
    return Image.fromarray(noise)


def test_boxes_are_those_of_transformers(folder, picture):
    """Of every query, by the model's own processor."""
    classes = ["A red car", "cat"]
    corners, scores, codes = Grounding(str(folder), classes).said(picture)
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForZeroShotObjectDetection.from_pretrained(folder).eval()
    words = model.config.model_type == "grounding-dino"
    text = "a red car. cat." if words else [["a red car", "cat"]]
    inputs = processor(images=picture, text=text, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    (wanted,) = processor.post_process_grounded_object_detection(
        outputs, threshold=0.0, target_sizes=[(60, 90)]
    )
    assert corners.shape == wanted["boxes"].shape
    assert torch.allclose(corners, wanted["boxes"], atol=1e-4)
    if words:  # places of the words: [CLS] a red car . cat . [SEP]
        said = outputs.logits[0]
        each = torch.stack([said[:, [1, 2, 3]].amax(1), said[:, 5]], dim=1)
        assert torch.allclose(scores, each.amax(1).sigmoid())
        assert codes.tolist() == each.argmax(1).tolist()
    else:
        assert torch.allclose(scores, wanted["scores"])
        assert codes.tolist() == wanted["labels"].tolist()


def test_pictures_become_labels_that_can_be_trained_on(folder, picture, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        picture.save(tmp_path / "pictures" / f"{name}.png")
    arguments = [
        "detection", "label", tmp_path / "pictures", tmp_path / "labels.json", "--classes",
        "a red car, cat", "--checkpoint", folder, "--threshold", "0.01", "--json",
    ]  # fmt: skip
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    document = json.loads((tmp_path / "labels.json").read_text())
    assert [one["file_name"] for one in document["images"]] == ["pictures/a.png", "pictures/b.png"]
    assert {one["name"] for one in document["categories"]} == {"a red car", "cat"}
    assert json.loads(done.stdout)["boxes"] == len(document["annotations"]) > 0


def test_what_cannot_be_done_says_so(folder, tmp_path):
    with pytest.raises(ConfigError, match="no class is named"):
        Grounding(str(folder), ["cat", " "])
    with pytest.raises(CheckpointError, match="no model of transformers"):
        Grounding(str(tmp_path), ["cat"])
