"""What may stand in a config and in a checkpoint, without OpenMMLab: plain JSON, plain weights."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from mm_openmmlab.api import Colours, Library
from mm_openmmlab.formats import PthFile
from mm_openmmlab.plugin import mm_checkpoint_formats
from mm_openmmlab.resolving import check, resolved, without_weights
from mm_openmmlab.weights import filled, stored
from torch import nn

from mm_core.api import ArtifactError, Checkpoint, CheckpointError, CheckpointMiss, ConfigError


class Known(Library):
    """A library of which it is known what it has, without importing it."""

    def names(self):
        return {"": {"DINO", "ResNet", "BN", "BN2d"}, "mmdet": {"DINO", "ResNet"}}


MMDET = Known("mmdet", "detection:dino", "pip install 'mm-detection[mmdet]'")
(SPEC,) = mm_checkpoint_formats()


# ---- configs


def test_a_config_is_given_as_json_without_the_library():
    model = {"type": "DINO", "norm": {"type": "SyncBN"}, "sizes": (1, 2), "parts": [{"a": (3,)}]}
    wanted = {"type": "DINO", "norm": {"type": "BN"}, "sizes": [1, 2], "parts": [{"a": [3]}]}
    assert resolved(MMDET, model, imports=False) == wanted
    assert resolved(MMDET, {"model": model, "train_cfg": {}}, imports=False) == wanted


@pytest.mark.parametrize(
    ("config", "said", "typed"),
    [
        ({"train_cfg": {}}, "no model", "architecture"),
        ({"type": "DINO", "norm": nn.BatchNorm2d}, "more than JSON", "texts"),
        (
            {"model": {"type": "DINO"}, "custom_imports": {"imports": ["evil_module"]}},
            "imports modules of its own: ['evil_module']",
            "custom_imports=true",
        ),
        ("no/such/config.py", "there is no config", "path"),
    ],
)
def test_what_is_no_config_is_refused(config, said, typed):
    with pytest.raises(ConfigError) as caught:
        resolved(MMDET, config, imports=False)
    assert said in caught.value.message
    assert typed in caught.value.remedy
    assert "evil_module" not in sys.modules


def test_custom_imports_are_run_where_that_is_allowed(tmp_path, monkeypatch):
    pytest.importorskip("mmdet", reason="mmengine imports them")
    (tmp_path / "module_of_mine.py").write_text("RAN = True")
    monkeypatch.syspath_prepend(tmp_path)
    config = {"model": {"type": "DINO"}, "custom_imports": {"imports": ["module_of_mine"]}}
    resolved(MMDET, config, imports=True)
    assert sys.modules.pop("module_of_mine").RAN


def test_weights_of_parts_are_taken_out_and_named():
    model = {
        "type": "X",
        "pretrained": "open-mmlab://resnet50_v1c",
        "backbone": {"init_cfg": {"type": "Pretrained", "checkpoint": "torchvision://resnet50"}},
        "neck": {"init_cfg": [{"type": "Pretrained", "checkpoint": "a.pth"}, {"type": "Normal"}]},
        "head": {"init_cfg": {"type": "Xavier"}, "pretrained": True},
        "pvt": {"init_cfg": {"checkpoint": "https://b.pth"}},
        "swin": {"init_cfg": {"type": "Normal", "checkpoint": "c.pth"}},
    }
    found, named = without_weights(model)
    assert named == [
        "open-mmlab://resnet50_v1c", "torchvision://resnet50", "a.pth", "True", "https://b.pth",
        "c.pth",
    ]  # fmt: skip
    assert found == {
        "type": "X",
        "pretrained": None,
        "backbone": {"init_cfg": None},
        "neck": {"init_cfg": [{"type": "Normal"}]},
        "head": {"init_cfg": {"type": "Xavier"}, "pretrained": False},
        "pvt": {"init_cfg": None},
        "swin": {"init_cfg": None},
    }


@pytest.mark.parametrize("kind", ["DINO", "mmdet.DINO", "nms", "RoIAlign"])
def test_parts_of_the_library_may_be_built(kind):
    check({"type": "DINO", "parts": [{"type": kind}]}, MMDET, ArtifactError)


@pytest.mark.parametrize(
    "kind",
    ["os.system", "os", "builtins.eval", "__import__('os').system('true')", "mmdet.BN",
     "subprocess.Popen", "mmdet.models.DINO", "Dino", 7, None, ["DINO"]],
)  # fmt: skip
def test_nothing_else_is_built_of_a_saved_model(kind):
    with pytest.raises(ArtifactError) as caught:
        check({"type": "DINO", "test_cfg": {"nms": {"type": kind}}}, MMDET, ArtifactError)
    assert caught.value.remedy
    assert caught.value.plugin == "detection:dino"


@pytest.mark.parametrize(
    "setting",
    [{"class_weight": "weights.pkl"}, {"pretrained": "a.pth"}, {"pretrained": True},
     {"checkpoint_path": "a.pth"}, {"init_cfg": {"checkpoint": "a.pth"}}],
)  # fmt: skip
def test_no_model_reads_files(setting):
    with pytest.raises(ConfigError, match="would read weights of its own"):
        check({"type": "DINO", "part": setting}, MMDET, ConfigError)


@pytest.mark.parametrize("scope", ["evil_package", "", ["mmdet"]])
def test_no_package_is_imported_for_a_scope(scope):
    """mmengine would import its module ``registry``."""
    with pytest.raises(ArtifactError, match="names the package"):
        check({"type": "DINO", "part": {"type": "BN", "_scope_": scope}}, MMDET, ArtifactError)
    check({"type": "DINO", "part": {"type": "ResNet", "_scope_": "mmdet"}}, MMDET, ArtifactError)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "model: {type: DINO, x: !!python/object/apply:os.mkdir [PLACE]}", "constructor"),
        ("a.yml", "_base_: base.py", "_base_"),
        ("a.json", '{"_base_": "base.py", "model": {"type": "DINO"}}', "_base_"),
        ("a.json", "[1]", "holds a list"),
    ],
)
def test_a_config_of_data_runs_nothing(tmp_path, monkeypatch, name, text, said):
    monkeypatch.setattr(MMDET.__class__, "models", lambda self: None)
    place = tmp_path / "made"
    (tmp_path / "base.py").write_text(f"import os; os.mkdir({str(place)!r})")
    (tmp_path / name).write_text(text.replace("PLACE", str(place)))
    with pytest.raises(ConfigError, match=said) as caught:
        resolved(MMDET, str(tmp_path / name), imports=False)
    assert caught.value.remedy
    assert not place.exists()


def test_a_config_of_data_is_read_as_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(MMDET.__class__, "models", lambda self: None)
    (tmp_path / "a.json").write_text('{"model": {"type": "DINO", "name": "{{$HOME:}}"}}')
    (tmp_path / "a.yaml").write_text("model: {type: DINO, name: '{{$HOME:}}'}")
    for name in ("a.json", "a.yaml"):
        found = resolved(MMDET, str(tmp_path / name), imports=False)
        assert found == {"type": "DINO", "name": "{{$HOME:}}"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "kind"),
    [("mmdet", "CameraMotionCompensation"), ("mmdet", "BertModel"), ("mmseg", "TIMMBackbone")],
)
def test_parts_that_ask_others_when_they_are_built_are_none(package, kind):
    pytest.importorskip(package)
    with pytest.raises(ArtifactError, match=kind):
        check({"type": kind}, Library(package, "x", "y"), ArtifactError)


def test_class_weights_that_are_numbers_are_fine():
    check({"type": "DINO", "loss": {"class_weight": [1.0, 2.0]}}, MMDET, ConfigError)


# ---- checkpoints


def checkpoint(path):
    found = PthFile(SPEC).checkpoint(path, path.name, "folder")
    assert isinstance(found, Checkpoint), found
    return found


def network(classes, width=4):
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, classes))


@pytest.mark.parametrize("folder", [False, True])
def test_weights_come_without_what_stands_beside_them(tmp_path, folder, monkeypatch):
    """Numbers of numpy are read, and the history of a training is not."""
    history = ModuleType("mmengine.logging.history_buffer")

    class HistoryBuffer:
        def __init__(self):
            self.values, self.how = np.arange(3.0), {"mean": HistoryBuffer.mean}

        def mean(self):
            return 0

    HistoryBuffer.__module__, HistoryBuffer.__qualname__ = history.__name__, "HistoryBuffer"
    HistoryBuffer.mean.__qualname__ = "HistoryBuffer.mean"
    HistoryBuffer.mean.__module__ = history.__name__
    history.HistoryBuffer = HistoryBuffer
    for name in ("mmengine", "mmengine.logging"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, history.__name__, history)
    torch.manual_seed(0)
    trained, fresh = network(5), network(2)
    state = trained.state_dict()
    state = {f"module.{key}": value for key, value in state.items()}
    beside = {"epoch": 12, "seed": np.float64(1.5), "classes": ("a", "b"), "curve": np.arange(4)}
    saved = {"meta": beside, "state_dict": state, "message_hub": {"loss": HistoryBuffer()}}
    path = tmp_path / "model.pth"
    torch.save(saved, path)
    weights = stored(checkpoint(tmp_path if folder else path), "detection:dino")
    before = {key: one.clone() for key, one in fresh.state_dict().items()}
    assert filled(fresh, weights, "model.pth", "detection:dino") == {"2"}
    for key, one in fresh.state_dict().items():
        assert torch.equal(one, before[key] if key.startswith("2.") else trained.state_dict()[key])


class Trap:
    """Unpickling it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    torch.save(
        {"state_dict": network(2).state_dict(), "meta": Trap(tmp_path / "ran")}, tmp_path / "a.pth"
    )
    with pytest.raises(CheckpointError, match="without running code") as caught:
        stored(checkpoint(tmp_path / "a.pth"), "detection:dino")
    assert not (tmp_path / "ran").exists()
    assert caught.value.plugin == "detection:dino"


def test_weights_of_another_architecture_are_told(tmp_path):
    weights = network(2, width=4).state_dict()
    more = {**weights, "auxiliary_head.weight": torch.zeros(2)}
    with pytest.raises(CheckpointError, match="has 1 that it has no place for, such as 'aux"):
        filled(network(2), more, "m.pth", "x")
    assert filled(network(2), more, "m.pth", "x", left=("auxiliary_head.",)) == set()
    del weights["0.weight"]
    with pytest.raises(
        CheckpointError, match=r"lacks 1 of its weights, such as '0\.weight'"
    ) as error:
        filled(network(2), weights, "m.pth", "x")
    assert "architecture=" in error.value.remedy
    with pytest.raises(CheckpointError, match=r"has 1 of other widths, such as '2\.weight'"):
        filled(network(5, width=8), network(2, width=4).state_dict(), "m.pth", "x")
    torch.save([1, 2], tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="no weights by name"):
        stored(checkpoint(tmp_path / "a.pth"), "x")


def test_what_is_no_file_of_weights_is_a_miss(tmp_path):
    format = PthFile(SPEC)
    (tmp_path / "notes.pth").write_text("nothing")
    for path, reason in (
        (tmp_path / "notes.pth", "no archive"),
        (tmp_path / "notes.txt", "no .pth"),
    ):
        found = format.recognise(path, path.name, {})
        assert isinstance(found, CheckpointMiss)
        assert reason in found.reason
    elsewhere = format.repository("dino-4scale_r50_8xb2-12e_coco")
    assert isinstance(elsewhere, CheckpointMiss)
    assert "checkpoint=./model.pth" in elsewhere.remedy


# ---- colours


IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def test_pixels_are_scaled_as_the_config_says():
    bytes_ = torch.randint(0, 256, (2, 3, 4, 5)).float()
    given = (bytes_ / 255 - torch.tensor(IMAGENET["mean"]).reshape(3, 1, 1)) / torch.tensor(
        IMAGENET["std"]
    ).reshape(3, 1, 1)
    same = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "bgr_to_rgb": True}
    assert Colours({"data_preprocessor": same}, IMAGENET)(given) is given
    plain = Colours({"data_preprocessor": {"type": "DetDataPreprocessor"}}, IMAGENET)  # YOLOX
    torch.testing.assert_close(plain(given), bytes_.flip(1), atol=1e-3, rtol=0)
    caffe = {"mean": [103.53, 116.28, 123.675], "std": [1.0, 1.0, 1.0], "bgr_to_rgb": False}
    found = Colours({"data_preprocessor": caffe}, IMAGENET)
    wanted = bytes_.flip(1) - torch.tensor(caffe["mean"]).reshape(3, 1, 1)
    torch.testing.assert_close(found(given), wanted, atol=1e-3, rtol=0)
    assert not found.state_dict()
