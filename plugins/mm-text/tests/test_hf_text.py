"""Token ids -> features."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from mm_text.configs import HFTextConfig
from mm_text.hf import HFText
from mm_text.hf_tokenizer import HFTokenizer

from mm_core.api import ArtifactError, Checkpoint, CheckpointError, ConfigError, Table
from mm_core.api.nn import BackboneContext

Make = Callable[..., Table]
Fit = Callable[..., HFTokenizer]

SIZES: dict[str, Any] = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
DEBERTA_V3: dict[str, Any] = {
    "relative_attention": True,
    "position_buckets": 8,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
    "type_vocab_size": 0,
}
FAMILIES: dict[str, Callable[[], Any]] = {
    "bert": lambda: transformers.BertConfig(**SIZES),
    "roberta": lambda: transformers.RobertaConfig(**SIZES),
    "electra": lambda: transformers.ElectraConfig(**SIZES, embedding_size=16),
    "distilbert": lambda: transformers.DistilBertConfig(
        vocab_size=100, dim=32, n_layers=3, n_heads=2, hidden_dim=64, max_position_embeddings=64
    ),
    "deberta-v2": lambda: transformers.DebertaV2Config(
        **SIZES,
        **DEBERTA_V3,
    ),
    "modernbert": lambda: transformers.ModernBertConfig(
        **SIZES, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2
    ),
    "t5": lambda: transformers.T5Config(
        vocab_size=100, d_model=32, d_kv=16, d_ff=64, num_layers=3, num_heads=2
    ),
    "albert": lambda: transformers.AlbertConfig(**SIZES, embedding_size=16),
}
STAGES = {"deberta-v2": 5, "modernbert": 5, "t5": 5, "albert": 2}  # others: embeddings, 3 layers


def context(checkpoint: Checkpoint | None = None, **more: Any) -> BackboneContext:
    info = {"vocab_size": 100, "pad_id": 0, "max_length": 40, "cls": True}
    return BackboneContext({"text": info}, {}, checkpoint, **more)


def save(config: transformers.PreTrainedConfig, folder: Path, **options: Any) -> Checkpoint:
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config, **options)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    return Checkpoint(name="x", source="folder", location=str(folder), format="hf")


def arrays(lengths: tuple[int, ...] = (12, 7)) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 100, (len(lengths), max(lengths)), generator=generator)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return {"input_ids": ids * mask, "attention_mask": mask}


def features(model: HFText, batch: dict[str, torch.Tensor]) -> Any:
    with torch.inference_mode():
        return model.eval()({"text": batch})


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(family: str, tmp_path: Path) -> HFText:
    return HFText(HFTextConfig(), context(save(FAMILIES[family](), tmp_path)))


def test_stages_hold_every_parameter_once(family: str, model: HFText) -> None:
    stages = model.stages()
    held = [id(parameter) for stage in stages for parameter in stage.parameters()]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters())
    assert len(stages) == STAGES.get(family, 4)
    first = {id(parameter) for parameter in stages[0].parameters()}
    assert any(
        id(module.weight) in first
        for module in model.modules()
        if isinstance(module, torch.nn.Embedding) and module.num_embeddings == 100
    )


def test_every_parameter_gets_a_gradient(model: HFText) -> None:
    model.train()
    model({"text": arrays()}).pooled.square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_padding_does_not_change_a_row(model: HFText) -> None:
    together = features(model, arrays())
    alone = features(model, {key: array[1:, :7] for key, array in arrays().items()})
    torch.testing.assert_close(together.pooled[1], alone.pooled[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(together.tokens[1, :7], alone.tokens[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("longest", "given"), [(13, 16), (16, 16), (37, 40), (39, 40)])
def test_on_a_gpu_lengths_are_rounded_up_and_features_are_the_same(
    model: HFText, monkeypatch: pytest.MonkeyPatch, longest: int, given: int
) -> None:
    seen = []
    model.encoder.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    batch = arrays((longest, 7))
    plain = features(model, batch)
    monkeypatch.setattr("mm_text.hf._plans_attention", lambda tensor: True)
    rounded = features(model, batch)
    assert seen == [longest, given]
    assert rounded.tokens.shape[1] == rounded.mask.shape[1] == longest
    for found, wanted in ((rounded.pooled, plain.pooled), (rounded.tokens, plain.tokens)):
        kept = plain.mask[..., None] if found.ndim == 3 else 1
        torch.testing.assert_close(found * kept, wanted * kept, atol=1e-5, rtol=0)


def test_no_row_is_made_longer_than_the_network_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = transformers.BertConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=38,
    )  # fmt: skip
    info = {"vocab_size": 100, "pad_id": 0, "max_length": 38, "cls": True}
    given = BackboneContext({"text": info}, {}, save(config, tmp_path))
    model = HFText(HFTextConfig(), given)
    monkeypatch.setattr("mm_text.hf._plans_attention", lambda tensor: True)
    assert features(model, arrays((37, 7))).tokens.shape == (2, 37, 32)


def test_features_have_the_stated_shapes(model: HFText) -> None:
    found = features(model, arrays())
    assert model.dims == {"pooled": 32, "tokens": 32}
    assert found.pooled.shape == (2, 32)
    assert found.tokens.shape == (2, 12, 32)
    assert found.mask.dtype == torch.bool
    assert found.mask.sum(1).tolist() == [12, 7]


def test_architecture_rebuilds_the_model_without_its_checkpoint(
    model: HFText, tmp_path: Path
) -> None:
    architecture = json.loads(json.dumps(model.architecture))
    assert str(tmp_path) not in json.dumps(architecture)
    for file in tmp_path.iterdir():
        file.unlink()
    again = HFText(HFTextConfig(), context(architecture=architecture))
    again.load_state_dict(model.state_dict())
    assert again.pretrained
    assert torch.equal(features(again, arrays()).pooled, features(model, arrays()).pooled)
    assert again.architecture == model.architecture


def test_dropout_works_in_training_only(tmp_path: Path) -> None:
    config = transformers.BertConfig(**SIZES, hidden_dropout_prob=0.5)
    model = HFText(HFTextConfig(), context(save(config, tmp_path))).train()
    first, second = (model({"text": arrays()}).pooled for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(features(model, arrays()).pooled, features(model, arrays()).pooled)


def test_half_precision_checkpoints_become_float32(tmp_path: Path) -> None:
    checkpoint = save(FAMILIES["bert"](), tmp_path, dtype=torch.float16)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "float16"
    model = HFText(HFTextConfig(), context(checkpoint))
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    again = HFText(HFTextConfig(), context(architecture=model.architecture))
    assert {p.dtype for p in again.parameters()} == {torch.float32}


# ---- pooling


def normalised(vectors: torch.Tensor) -> torch.Tensor:
    """Each row with mean 0 and variance 1."""
    centred = vectors - vectors.mean(dim=1, keepdim=True)
    return centred / centred.std(dim=1, keepdim=True, correction=0)


def test_pooling_is_the_first_token_or_the_mean(tmp_path: Path) -> None:
    checkpoint = save(FAMILIES["bert"](), tmp_path)
    by_first = HFText(HFTextConfig(), context(checkpoint))
    by_mean = HFText(HFTextConfig(pooling="mean"), context(checkpoint))
    found = features(by_first, arrays())
    torch.testing.assert_close(found.pooled, normalised(found.tokens[:, 0]), atol=1e-3, rtol=0)
    mean = torch.stack([found.tokens[0].mean(0), found.tokens[1, :7].mean(0)])
    torch.testing.assert_close(
        features(by_mean, arrays()).pooled, normalised(mean), atol=1e-3, rtol=0
    )
    assert HFText(HFTextConfig(), context(architecture=by_mean.architecture)).pooling == "mean"


def test_rows_without_a_leading_special_token_are_averaged(tmp_path: Path) -> None:
    checkpoint = save(FAMILIES["t5"](), tmp_path)
    info = {"vocab_size": 100, "pad_id": 0, "max_length": 40, "cls": False}
    model = HFText(HFTextConfig(), BackboneContext({"text": info}, {}, checkpoint))
    assert model.pooling == "mean"


@pytest.mark.parametrize("cls", [True, False])
def test_sentence_encoders_keep_their_pooling(tmp_path: Path, cls: bool) -> None:
    checkpoint = save(FAMILIES["bert"](), tmp_path)
    pooling = {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
    (tmp_path / "modules.json").write_text(json.dumps([{"path": "", "type": "T"}, pooling]))
    (tmp_path / "1_Pooling").mkdir()
    setting = {"pooling_mode_cls_token": cls, "pooling_mode_mean_tokens": not cls}
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(setting))
    assert HFText(HFTextConfig(), context(checkpoint)).pooling == ("cls" if cls else "mean")


def test_minilm_gives_the_sentence_embeddings_of_transformers(
    table: Make, fitted: Fit, minilm: Checkpoint
) -> None:
    texts = [
        "The cat sat.",
        "A much longer sentence about dogs, and nothing else at all.",
        "Ünïcode",
    ]
    data = table(a=texts)
    processor = fitted(data, minilm)
    model = HFText(HFTextConfig(), BackboneContext({"text": processor.info}, {}, minilm))
    batch = processor.batch(processor.encode(data), np.arange(3))
    found = features(model, {key: torch.from_numpy(a) for key, a in batch.arrays.items()})

    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm.location)
    reference = transformers.AutoModel.from_pretrained(minilm.location).eval()
    tokens = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = reference(**tokens).last_hidden_state
    mask = tokens["attention_mask"].unsqueeze(-1)
    expected = (hidden * mask).sum(1) / mask.sum(1)
    torch.testing.assert_close(found.pooled, normalised(expected), atol=1e-3, rtol=0)
    assert model.pooling == "mean"
    assert model.pretrained


# ---- random


def test_random_is_a_tiny_untrained_encoder(table: Make, fitted: Fit) -> None:
    data = table(a=["some words", "other words here", None])
    processor = fitted(data, None)
    config = HFTextConfig(checkpoint="random", hidden_size=32, num_hidden_layers=3)
    model = HFText(config, BackboneContext({"text": processor.info}, {}))
    assert not model.pretrained
    assert model.dims["pooled"] == 32
    assert len(model.stages()) == 4
    batch = processor.batch(processor.encode(data), np.arange(3))
    found = features(model, {key: torch.from_numpy(a) for key, a in batch.arrays.items()})
    assert found.pooled.isfinite().all()
    again = HFText(config, BackboneContext({"text": processor.info}, {}, None, model.architecture))
    again.load_state_dict(model.state_dict())
    assert not again.pretrained


def test_sizes_are_for_random_only() -> None:
    with pytest.raises(ConfigError, match="checkpoint=random"):
        HFTextConfig.read({"checkpoint": "x/y", "hidden_size": 32}, where="backbones.text")
    assert HFTextConfig.read({"checkpoint": ["x/y", "z"]}, where="b").checkpoint == ("x/y", "z")


# ---- refusals


def test_weights_that_lack_a_layer_are_refused(tmp_path: Path) -> None:
    checkpoint = save(FAMILIES["bert"](), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 4}))
    with pytest.raises(CheckpointError) as caught:
        HFText(HFTextConfig(), context(checkpoint))
    assert "encoder.layer.3" in caught.value.message
    assert caught.value.value == "x"


def test_a_missing_pooler_or_decoder_is_no_gap(tmp_path: Path) -> None:
    without_pooler = transformers.BertModel(FAMILIES["bert"](), add_pooling_layer=False)
    without_pooler.save_pretrained(tmp_path / "bert")
    encoder_only = transformers.T5EncoderModel(FAMILIES["t5"]())
    encoder_only.save_pretrained(tmp_path / "t5")
    for name in ("bert", "t5"):
        checkpoint = Checkpoint(name=name, source="f", location=str(tmp_path / name), format="hf")
        assert HFText(HFTextConfig(), context(checkpoint)).pretrained


def test_checkpoints_with_their_own_code_are_refused(tmp_path: Path) -> None:
    checkpoint = save(FAMILIES["bert"](), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoModel": "code.M", "AutoConfig": "code.C"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(CheckpointError):
        HFText(HFTextConfig(), context(checkpoint))
    assert not (tmp_path / "ran").exists()


def test_hostile_architectures_are_refused() -> None:
    for model in ({"model_type": "no-such"}, {"model_type": "bert", "hidden_size": "wide"}, {}):
        architecture = {"model": model, "pooling": "cls", "pretrained": True}
        with pytest.raises(ArtifactError) as caught:
            HFText(HFTextConfig(), context(architecture=architecture))
        assert caught.value.plugin == "text:hf"


def test_an_architecture_cannot_name_code(tmp_path: Path) -> None:
    model = HFText(HFTextConfig(), context(save(FAMILIES["bert"](), tmp_path)))
    planted = {"auto_map": {"AutoModel": "evil--code.M"}, "attn_implementation": "hub/kernel"}
    architecture = {**model.architecture, "model": {**model.architecture["model"], **planted}}
    again = HFText(HFTextConfig(), context(architecture=architecture))
    assert again.architecture == model.architecture


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    checkpoint = save(FAMILIES["bert"](), tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="cannot read"):
        HFText(HFTextConfig(), context(checkpoint))
