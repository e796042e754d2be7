"""Models without the weights that their checkpoints give again: found again, missing, different."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, CheckpointError

FRAME = pd.DataFrame(
    {
        "said": [f"{('play it', 'stop now')[row % 2]} number {row} please" for row in range(24)],
        "y": np.arange(24) % 2,
    }
)


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny BERT in a folder, in the format of Hugging Face."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no cache"))
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "stop", "it", "now", "please", "number"]
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    folder = tmp_path / "tiny-bert"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(vocab_size=len(words), intermediate_size=64, **sizes)
        BertModel(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "[PAD]"}))
    return folder


@pytest.fixture
def fit(checkpoint):
    def run(**settings):
        given = {"backbones.text.checkpoint": str(checkpoint), "training.epochs": 1, **settings}
        return MultiModalPredictor("y", hyperparameters=given, verbosity=0).fit(FRAME)

    return run


def _same(predictor, again):
    wanted, found = (one.predict_proba(FRAME).to_numpy() for one in (predictor, again))
    np.testing.assert_array_equal(found, wanted)


def test_an_adapted_model_names_its_base(fit, checkpoint, tmp_path):
    predictor = fit(**{"backbones.text.adapter": "lora"})
    predictor.save(tmp_path / "model", standalone=False)
    manifest = json.loads((tmp_path / "model" / "mm_model.json").read_text())
    assert manifest["engine"]["values"]["bases"]["text"]["checkpoint"] == str(checkpoint)
    assert len(manifest["engine"]["values"]["bases"]["text"]["sha256"]) == 64
    kept = safetensors.torch.load_file(tmp_path / "model" / "engine/weights.safetensors")
    assert {name.split(".")[0] for name in kept} == {"backbones", "head"}
    assert all(".lora_" in name or name.startswith("head") for name in kept)
    _same(predictor, MultiModalPredictor.load(tmp_path / "model"))


def test_a_backbone_is_told_what_it_was_when_its_base_is_read_again(fit, tmp_path, monkeypatch):
    """Settings may name a config that is another by now; of what was saved alone it is built."""
    from mm_text.hf import HFText

    told, build = [], HFText.__init__

    def spied(self, config, context):
        told.append((context.architecture, context.saved))
        build(self, config, context)

    predictor = fit(**{"backbones.text.adapter": "lora"})
    kept = predictor._model.topology.backbones["text"].architecture
    monkeypatch.setattr(HFText, "__init__", spied)
    predictor.save(tmp_path / "model", standalone=False)
    MultiModalPredictor.load(tmp_path / "model")
    assert told == [(None, kept), (None, kept)]
    manifest = json.loads((tmp_path / "model" / "mm_model.json").read_text())
    manifest["engine"]["values"]["architectures"]["text"] = None
    (tmp_path / "model" / "mm_model.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"how backbones\.text is built"):
        MultiModalPredictor.load(tmp_path / "model")
    assert len(told) == 2


def test_without_an_adapter_what_was_trained_is_in_it(fit, checkpoint, tmp_path):
    predictor = fit(**{"backbones.text.learning_rate": 1e-3})
    predictor.save(tmp_path / "model", standalone=False)
    kept = safetensors.torch.load_file(tmp_path / "model" / "engine/weights.safetensors")
    trained = {name for name, _ in predictor._model.topology.named_parameters()}
    assert len(set(kept) & trained) > 0.9 * len(trained)
    _same(predictor, MultiModalPredictor.load(tmp_path / "model"))


def test_random_weights_have_no_base(fit, tmp_path):
    predictor = fit(**{"backbones.text.checkpoint": "random", "backbones.text.adapter": "frozen"})
    predictor.save(tmp_path / "model", standalone=False)
    assert (
        json.loads((tmp_path / "model" / "mm_model.json").read_text())["engine"]["values"]["bases"]
        == {}
    )
    _same(predictor, MultiModalPredictor.load(tmp_path / "model"))


def test_a_whole_model_needs_no_checkpoint(fit, checkpoint, tmp_path):
    predictor = fit(**{"backbones.text.adapter": "lora"})
    predictor.save(tmp_path / "model")
    shutil.rmtree(checkpoint)
    _same(predictor, MultiModalPredictor.load(tmp_path / "model"))


def test_a_missing_checkpoint_is_named(fit, checkpoint, tmp_path):
    predictor = fit(**{"backbones.text.adapter": "bitfit"})
    predictor.save(tmp_path / "model", standalone=False)
    shutil.rmtree(checkpoint)
    with pytest.raises(ArtifactError, match="cannot be had") as caught:
        MultiModalPredictor.load(tmp_path / "model")
    assert "backbones.text" in str(caught.value)
    assert caught.value.value == [str(checkpoint)]
    assert "predictor.save(path)" in caught.value.remedy
    with pytest.raises(CheckpointError):
        predictor.save(tmp_path / "again", standalone=False)
    assert not (tmp_path / "again").exists()


def test_other_weights_of_the_same_name_are_refused(fit, checkpoint, tmp_path):
    predictor = fit(**{"backbones.text.adapter": "bitfit"})
    predictor.save(tmp_path / "model", standalone=False)
    file = checkpoint / "model.safetensors"
    weights = safetensors.torch.load_file(file)
    weights["encoder.layer.0.output.dense.weight"][3, 4] += 1e-3
    safetensors.torch.save_file(weights, file, {"format": "pt"})
    with pytest.raises(ArtifactError, match="other pretrained weights") as caught:
        MultiModalPredictor.load(tmp_path / "model")
    assert "backbones.text has the sha256" in str(caught.value)


def test_weights_that_the_model_does_not_take_from_there_may_be_any(fit, checkpoint, tmp_path):
    predictor = fit(**{"backbones.text.adapter": "bitfit"})
    predictor.save(tmp_path / "model", standalone=False)
    file = checkpoint / "model.safetensors"
    weights = safetensors.torch.load_file(file)
    weights["encoder.layer.0.output.dense.bias"] += 1.0
    safetensors.torch.save_file(weights, file, {"format": "pt"})
    _same(predictor, MultiModalPredictor.load(tmp_path / "model"))


def _as_format_1(folder: Path) -> None:
    """Rewrite a model as it was saved before engines were named: all of the network beside it."""
    file = folder / "mm_model.json"
    manifest = json.loads(file.read_text())
    engine = manifest.pop("engine")
    manifest |= {"format": 1} | {key: engine["values"][key] for key in ("architectures", "bases")}
    place = Path(engine["folder"], "weights.safetensors").as_posix()
    (folder / place).rename(folder / "weights.safetensors")
    manifest["files"]["weights.safetensors"] = manifest["files"].pop(place)
    file.write_text(json.dumps(manifest))


def test_a_base_of_a_model_of_format_1_is_found(fit, checkpoint, tmp_path):
    predictor = fit(**{"backbones.text.adapter": "bitfit"})
    predictor.save(tmp_path / "model", standalone=False)
    _as_format_1(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "mm_model.json").read_text())["bases"]["text"]
    _same(predictor, MultiModalPredictor.load(tmp_path / "model"))
    shutil.rmtree(checkpoint)
    with pytest.raises(ArtifactError, match="cannot be had"):
        MultiModalPredictor.load(tmp_path / "model")


def test_a_base_under_two_names_is_named_and_left_out_once(checkpoint, tmp_path):
    pairs = Path(__file__).parents[1] / "network" / "files" / "pairs.py"
    frame = FRAME.assign(heard=FRAME["said"].to_numpy()[::-1])
    given = {
        "backbones.query_text.checkpoint": str(checkpoint),
        "backbones.query_text.adapter": "lora",
        "training.epochs": 1,
    }
    predictor = MultiModalPredictor(
        "y",
        problem_type="pairs:pair",
        roles={"query": "said", "response": "heard"},
        hyperparameters=given,
        plugins=[pairs],
        verbosity=0,
    ).fit(frame)
    predictor.save(tmp_path / "model", standalone=False)
    manifest = json.loads((tmp_path / "model" / "mm_model.json").read_text())
    assert list(manifest["engine"]["values"]["bases"]) == ["query_text"]
    kept = safetensors.torch.load_file(tmp_path / "model" / "engine/weights.safetensors")
    assert not any(name.startswith("backbones.response_text") for name in kept)
    assert all(".lora_" in name for name in kept if name.startswith("backbones"))
    again = MultiModalPredictor.load(tmp_path / "model", plugins=[pairs])
    wanted, found = (one.predict_proba(frame).to_numpy() for one in (predictor, again))
    np.testing.assert_array_equal(found, wanted)
