"""A loaded artifact executes nothing, and an altered one is refused."""

from __future__ import annotations

import json
import shutil

import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError


class _Trap:
    """Unpickling this writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def model(fused, tmp_path):
    folder = tmp_path / "model"
    fused.predictor.save(folder)
    return folder


def _manifest(folder):
    return json.loads((folder / "mm_model.json").read_text())


def _refused(folder, match):
    with pytest.raises(ArtifactError, match=match) as caught:
        MultiModalPredictor.load(folder)
    assert caught.value.remedy
    return caught.value


def test_nothing_saved_is_a_pickle(model):
    kinds = {path.suffix for path in model.rglob("*") if path.is_file()}
    assert kinds <= {".csv", ".json", ".safetensors", ".txt"}
    for path in model.rglob("*"):
        if path.is_file():
            assert path.read_bytes()[:2] not in (b"\x80\x04", b"\x80\x05", b"PK")


def test_planted_pickles_are_not_touched(model, tmp_path):
    import pickle

    sprung = tmp_path / "sprung"
    trap = pickle.dumps(_Trap(sprung))
    for name in ("model.pkl", "data.joblib", "pytorch_model.bin", "inputs/text/assets/x.pkl"):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(trap)
    MultiModalPredictor.load(model)
    assert not sprung.exists()
    (model / "engine/weights.safetensors").write_bytes(trap)
    _refused(model, "sha256")
    data = _manifest(model)
    from mm_core.artifact.save import sha256

    data["files"]["engine/weights.safetensors"] = sha256(model / "engine/weights.safetensors")
    (model / "mm_model.json").write_text(json.dumps(data))
    _refused(model, "does not fit together")
    assert not sprung.exists()


def test_changed_file_is_refused(model):
    with (model / "engine/weights.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x00")
    error = _refused(model, "changed after the model was saved")
    assert error.value == "engine/weights.safetensors"


def test_missing_file_is_refused(model):
    (model / "engine/weights.safetensors").unlink()
    _refused(model, "missing")


@pytest.mark.parametrize("name", ["../outside.json", "/etc/passwd", "a/../../b", "c:\\x", "..\\x"])
def test_path_traversal_is_refused(model, name):
    data = _manifest(model)
    data["files"][name] = "0" * 64
    (model / "mm_model.json").write_text(json.dumps(data))
    _refused(model, "outside its folder")


def test_link_out_of_the_folder_is_refused(model, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes((model / "engine/weights.safetensors").read_bytes())
    (model / "engine/weights.safetensors").unlink()
    (model / "engine/weights.safetensors").symlink_to(secret)
    _refused(model, "link")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("recipe", "backbones", "text", "id"), "evil:backbone"),
        (("recipe", "task", "id"), "os:system"),
        (("recipe", "inputs", "image", "processor", "id"), "image:nothing"),
    ],
)
def test_unknown_component_is_refused(model, where, value):
    data = _manifest(model)
    place = data
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    (model / "mm_model.json").write_text(json.dumps(data))
    error = _refused(model, "needs what is not here")
    assert error.value == [value]


def test_everything_missing_is_named_at_once(model):
    data = _manifest(model)
    data["recipe"]["task"]["id"] = "survival:cox"
    data["recipe"]["backbones"]["text"]["id"] = "audio:wav"
    (model / "mm_model.json").write_text(json.dumps(data))
    error = _refused(model, "survival:cox")
    assert set(error.value) == {"survival:cox", "audio:wav"}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": 99}', '{"format": 1}', "\x00" * 100]
)
def test_damaged_manifest_is_refused(model, text):
    (model / "mm_model.json").write_text(text)
    _refused(model, "damaged")


def test_unknown_keys_in_the_recipe_are_refused(model):
    data = _manifest(model)
    data["recipe"]["backbones"]["text"]["exec"] = "import os"
    (model / "mm_model.json").write_text(json.dumps(data))
    _refused(model, "exec")


def test_no_model_at_all(tmp_path):
    _refused(tmp_path, "no saved model")
    _refused(tmp_path / "nowhere", "no saved model")


def test_save_never_overwrites_what_is_no_model(fused, tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="not empty"):
        fused.predictor.save(tmp_path)
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_failed_save_leaves_the_old_model_whole(fused, model, monkeypatch):
    before = MultiModalPredictor.load(model).predict_proba(fused.test)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_model", full)
    with pytest.raises(ArtifactError, match="No space left"):
        fused.predictor.save(model)
    monkeypatch.undo()
    after = MultiModalPredictor.load(model).predict_proba(fused.test)
    assert before.equals(after)
    assert [path.name for path in model.parent.iterdir()] == [model.name]


def test_a_copied_folder_loads(fused, model, tmp_path):
    shutil.copytree(model, tmp_path / "copy")
    shutil.rmtree(model)
    assert (
        MultiModalPredictor.load(tmp_path / "copy")
        .predict(fused.test)
        .equals(fused.predictor.predict(fused.test))
    )
