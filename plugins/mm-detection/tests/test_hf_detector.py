"""Detectors of transformers: trained, saved, reloaded, started from a folder, adapted."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import warnings
from itertools import chain

import pytest
import torch
from mm_detection.tiny import tiny_config
from transformers import AutoModelForObjectDetection

from mm_core import MultiModalPredictor
from mm_core.api import CheckpointError, tools

READER = "backbones.picture_image"


@pytest.fixture(scope="module")
def settings(small):
    """Of a tiny one."""
    given = {key: value for key, value in small.items() if not key.startswith(READER)}
    return given | {
        f"{READER}.id": "detection:hf",
        f"{READER}.checkpoint": "random",
        "inputs.picture_image.processor.flip": False,
        "training.epochs": 1,
    }


def fit(frame, settings, weight=None, **more):
    predictor = MultiModalPredictor("boxes", hyperparameters={**settings, **more}, verbosity=0)
    return predictor.fit(frame, tuning_data=frame, sample_weight=weight)


def network(predictor):
    return tools.model_of(predictor).topology.detector


@pytest.mark.parametrize(
    "kind",
    [
        "yolos",
        "detr",
        "deformable_detr",
        pytest.param("rf_detr", marks=pytest.mark.slow),
        "rt_detr_v2",
        "d_fine",
    ],
)
def test_a_model_comes_back_as_it_was(frame, settings, kind, tmp_path):
    """With its ids, from a folder, without the hub; rows are weighed where they have weights."""
    rows = frame.head(6).assign(weight=[1.0, 2.0, 0.5] * 2)
    more = {f"{READER}.random_model": kind}
    predictor = fit(rows, settings, "weight" if kind == "yolos" else None, **more)
    expected = predictor.predict(rows, score_threshold=0.0, most=5)
    again = MultiModalPredictor.load(predictor.save(tmp_path / "model"), verbosity=0)
    found = again.predict(rows, score_threshold=0.0, most=5)
    assert found.map(len).min() == 5
    for one, other in zip(found.explode(), expected.explode(), strict=True):
        assert one[4] == other[4]
        assert one[:4] + one[5:] == pytest.approx(other[:4] + other[5:], abs=1e-4)
    known = {one["id"] for one in again.predict_coco(rows)["categories"]}
    assert known == {3, 7, 90}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint as transformers saves it, of two classes that are not ours."""
    torch.manual_seed(3)  # not that of a fit, whose new weights would be the same
    path = tmp_path_factory.mktemp("checkpoint")
    AutoModelForObjectDetection.from_config(
        tiny_config("rt_detr_v2", ["cat", "dog"], 64)
    ).save_pretrained(path)
    about = {"size": {"height": 64, "width": 64}, "do_normalize": False, "do_pad": False}
    (path / "preprocessor_config.json").write_text(json.dumps(about))
    return path


def test_a_folder_is_started_from(frame, settings, folder):
    """Its pictures' size and colours count, and only the heads for other classes are new."""
    given = {key: value for key, value in settings.items() if "image_size" not in key}
    predictor = fit(frame.head(6), given, **{f"{READER}.checkpoint": str(folder)})
    detector = network(predictor)
    assert detector.side == 64
    assert detector.pretrained
    names = {name for name, module in detector.named_modules() if module in detector.new}
    assert names
    assert all("class" in name or "score" in name for name in names)
    (processor,) = tools.model_of(predictor).pipeline.processors.values()
    assert (processor.stretch, processor.mean, processor.std) == (True, (0, 0, 0), (1, 1, 1))


def test_heads_for_as_many_other_classes_are_new_too(frame, settings, folder):
    """What told a cat from a dog says nothing of red and blue."""
    two = [[one for one in cell if one["class"] != "green"] for cell in frame.boxes]
    rows = frame.assign(boxes=two).head(6)
    given = {f"{READER}.checkpoint": str(folder), "training.learning_rate": 1e-9}
    detector = network(fit(rows, settings, **given, **{"training.head_learning_rate": 1e-9}))
    assert detector.n_classes == 2
    stored = AutoModelForObjectDetection.from_pretrained(folder).state_dict()
    now = detector.model.state_dict()
    weight = "model.enc_score_head.weight"
    assert not torch.allclose(now[weight], stored[weight], atol=1e-3)
    assert detector.model.model.enc_score_head in detector.new
    other = "model.decoder.layers.0.mlp.fc1.weight"
    assert torch.allclose(now[other], stored[other], atol=1e-3)


def test_only_heads_of_classes_may_be_of_another_shape(frame, settings, folder, tmp_path):
    """Other weights that do not fit are named, where they were made anew without a word."""
    wrong = shutil.copytree(folder, tmp_path / "wrong")
    about = json.loads((wrong / "config.json").read_text())
    (wrong / "config.json").write_text(json.dumps({**about, "decoder_ffn_dim": 48}))
    with pytest.raises(CheckpointError, match="do not depend on the classes") as told:
        fit(frame.head(6), settings, **{f"{READER}.checkpoint": str(wrong)})
    assert "model.decoder.layers.0.mlp.fc1.weight [64, 32], not [48, 32]" in str(told.value)
    assert "class_embed" not in str(told.value)


@pytest.mark.parametrize("adapter", ["peft:frozen", "peft:lora"])
def test_adapters_leave_the_checkpoint_alone(frame, settings, folder, adapter):
    """What came with it does not move; heads that are new, and the adapter, do."""
    given = {f"{READER}.checkpoint": str(folder), f"{READER}.adapter": adapter}
    with warnings.catch_warnings():  # heads of it are tied: no adapter of them is idle
        warnings.filterwarnings("error", ".*had no gradient")
        detector = network(fit(frame.head(6), settings, **given))
    stored = AutoModelForObjectDetection.from_pretrained(folder).state_dict()
    trained = {name: one for name, one in detector.named_parameters() if one.requires_grad}
    assert trained
    fresh = {id(one) for module in detector.new for one in module.parameters()}
    assert fresh <= {id(one) for one in trained.values()}
    others = [name for name, one in trained.items() if id(one) not in fresh]
    assert all("lora" in name for name in others)
    assert bool(others) == (adapter == "peft:lora")
    compared = 0
    for name, one in detector.named_parameters():
        plain = name.removeprefix("model.").replace(".base_layer", "")
        if id(one) in fresh or "lora" in name or plain not in stored:
            continue
        compared += 1
        assert torch.equal(one.detach(), stored[plain]), name
    assert compared > 50


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "steps"), [("d_fine", 300), ("rt_detr_v2", 500)])
def test_eight_pictures_are_learned_by_heart_and_kept(
    pictures, settings, kind, steps, afresh, same_coco
):
    """From random weights; a new process without a network gives the same."""
    rows = pictures(12).iloc[[1, 2, 3, 5, 6, 7, 9, 10]].reset_index(drop=True)
    long = {
        f"{READER}.random_model": kind, "training.epochs": steps, "training.batch_size": 8,
        "training.patience": 1000, "training.schedule": "constant",
        "training.head_learning_rate": 2e-3,
    }  # fmt: skip
    predictor = fit(rows, settings, **long)
    assert predictor.evaluate(rows)["map.50"] > 0.9
    found = afresh(predictor, rows, as_coco=True)
    same_coco(found, predictor.predict(rows, as_coco=True))
    assert len({one["category_id"] for one in chain(*found)}) > 1


@pytest.mark.slow
def test_a_killed_fit_is_resumed_to_the_same_boxes(frame, settings, tmp_path):
    """kill -9 of `mm fit` in the midst of a D-FINE: moving average, both learning rates with their
    steps, the order of pictures and the ids of classes are taken up.
    """
    torch.manual_seed(3)
    checkpoint = tmp_path / "checkpoint"
    config = tiny_config("d_fine", ["cat", "dog"], 64)
    AutoModelForObjectDetection.from_config(config).save_pretrained(checkpoint)
    rows = tmp_path / "rows.jsonl"
    frame.head(8).to_json(rows, orient="records", lines=True)
    given = {
        **settings, f"{READER}.checkpoint": str(checkpoint), "training.epochs": 20,
        "training.average": "ema", "training.ema_decay": 0.9, "training.learning_rate": 5e-4,
        "training.head_learning_rate": 2e-3, "training.schedule": "multistep",
        "training.milestones": [0.5, 0.8], "training.patience": 100, "training.save_every": 0,
        "inputs.picture_image.processor.augment": "light",
    }  # fmt: skip
    said = [f"{key}={value if isinstance(value, str) else json.dumps(value)}"
            for key, value in given.items()]  # fmt: skip
    new = ["--tuning", str(rows), "--label", "boxes", *chain(*(("--set", one) for one in said))]
    mm = [sys.executable, "-m", "mm_core"]

    def fit_into(name, *more):
        return [*mm, "fit", str(rows), "--out", str(tmp_path / name), "--quiet", *more]

    subprocess.run(fit_into("whole", *new), check=True, capture_output=True)
    state = tmp_path / "model" / "unfinished" / "state.ckpt"
    with subprocess.Popen(fit_into("model", *new), stderr=subprocess.DEVNULL) as process:
        written = set()
        while len(written) < 8 and process.poll() is None:
            with contextlib.suppress(FileNotFoundError):
                written.add(state.stat().st_mtime_ns)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert state.is_file()
    assert not (tmp_path / "model" / "mm_model.json").exists()
    again = fit_into("model", "--resume", "--tuning", str(rows))
    subprocess.run(again, check=True, capture_output=True)
    assert not state.exists()

    whole, model = (MultiModalPredictor.load(tmp_path / one) for one in ("whole", "model"))
    asked = {"score_threshold": 0.0, "most": 5, "as_coco": True}
    found, expected = (one.predict(rows, **asked).tolist() for one in (model, whole))
    assert {box["category_id"] for boxes in found for box in boxes} <= {3, 7, 90}
    assert found == expected
    columns = ["epoch", "loss", "map"]
    assert model.history[columns].equals(whole.history[columns])
    known = {one["id"] for one in model.predict_coco(rows)["categories"]}
    assert known == {3, 7, 90}
