"""``segmentation:mmseg``: what can be said without mmseg, and, with it, what the real one does."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from mm_openmmlab import library
from mm_segmentation.samples import SIDE, TINY_SEGFORMER, drawn

from mm_core import MultiModalPredictor
from mm_core.api import CheckpointError, PluginError, RecipeError, tools

PART = "backbones.picture_image"
SETTINGS = {
    f"{PART}.id": "segmentation:mmseg",
    f"{PART}.architecture": TINY_SEGFORMER,
    f"{PART}.checkpoint": "random",
    "inputs.picture_image.processor.image_size": SIDE,
    "inputs.picture_image.processor.augment": "none",
    "training.epochs": 1,
    "training.batch_size": 4,
    "training.head_learning_rate": 5e-3,
}
UPERNET = {
    "type": "EncoderDecoder",
    "data_preprocessor": TINY_SEGFORMER["data_preprocessor"],
    "pretrained": "open-mmlab://resnet50_v1c",
    "backbone": {
        "type": "ResNetV1c", "depth": 18, "base_channels": 16, "stem_channels": 16,
        "out_indices": [0, 1, 2, 3], "norm_cfg": {"type": "SyncBN"},
    },
    "decode_head": {
        "type": "UPerHead", "in_channels": [16, 32, 64, 128], "in_index": [0, 1, 2, 3],
        "pool_scales": [1, 2], "channels": 16, "dropout_ratio": 0.0, "num_classes": 150,
        "norm_cfg": {"type": "SyncBN"},
        "loss_decode": {"type": "CrossEntropyLoss", "class_weight": [1.0] * 150},
    },
    "auxiliary_head": {"type": "FCNHead", "in_channels": 64, "in_index": 2, "channels": 16,
                       "num_convs": 1, "num_classes": 150},
    "test_cfg": {"mode": "whole"},
}  # fmt: skip


@pytest.fixture
def mmseg():
    """The real one."""
    return pytest.importorskip("mmseg", reason="mmseg is not installed: mm-segmentation[mmseg]")


def discs(n: int, codes: int = 1) -> pd.DataFrame:
    pairs = [drawn(number, 0) for number in range(1, n + 1)]
    masks = [(mask * (1 + i % codes)).astype(np.uint8) for i, (_, mask) in enumerate(pairs)]
    return pd.DataFrame({"photo": [one for one, _ in pairs], "mask": masks})


def fitted(frame: pd.DataFrame, **more) -> MultiModalPredictor:
    predictor = MultiModalPredictor("mask", hyperparameters={**SETTINGS, **more}, verbosity=0)
    return predictor.fit(frame, tuning_data=frame)


def test_a_plan_names_the_checkpoint_that_it_lacks():
    given = {f"{PART}.id": "segmentation:mmseg"}
    with pytest.raises(CheckpointError, match="upernet_r50") as caught:
        MultiModalPredictor("mask", hyperparameters=given, verbosity=0).plan(discs(4))
    assert "checkpoint=./model.pth" in caught.value.remedy


def test_a_fit_without_mmseg_says_what_to_type(monkeypatch):
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match="segmentation:mmseg needs mmseg") as caught:
        fitted(discs(4))
    assert caught.value.remedy == "pip install 'mm-segmentation[mmseg]'"


@pytest.mark.slow
@pytest.mark.parametrize("config", [TINY_SEGFORMER, UPERNET], ids=["segformer", "upernet"])
@pytest.mark.filterwarnings("ignore:.*all weights are random")
def test_eight_pictures_are_learned_by_heart_and_kept(mmseg, config, tmp_path):
    """Reloaded in a new process without a network and without a config, it gives the same masks."""
    frame = discs(8)
    more = {f"{PART}.architecture": config, "training.epochs": 60, "training.patience": 60}
    predictor = fitted(frame, **more)
    assert predictor.evaluate(frame)["iou"] > 0.9
    model = predictor.save(tmp_path / "model")
    np.savez(tmp_path / "pictures.npz", *frame["photo"])
    code = (
        "import sys, numpy, pandas; from mm_core import MultiModalPredictor\n"
        "from mmengine.config import Config; Config.fromfile = None\n"
        "stored = numpy.load(sys.argv[2])\n"
        "rows = pandas.DataFrame({'photo': [stored[one] for one in stored.files]})\n"
        "masks = MultiModalPredictor.load(sys.argv[1]).predict(rows)\n"
        "numpy.savez(sys.argv[3], *masks)"
    )
    paths = [str(model), str(tmp_path / "pictures.npz"), str(tmp_path / "masks.npz")]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    stored = np.load(tmp_path / "masks.npz")
    for one, name in zip(predictor.predict(frame), stored.files, strict=True):
        assert (one == stored[name]).all()
    saved = json.loads((model / "mm_model.json").read_text())["engine"]["values"]["architectures"]
    assert "auxiliary_head" not in saved["picture_image"]["model"]
    assert "SyncBN" not in json.dumps(saved)


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["peft:frozen", "peft:lora"])
def test_a_checkpoint_gets_a_head_for_other_classes_and_adapters(mmseg, tmp_path, adapter):
    """What came with it does not move, and is not in what is saved without it."""
    from mm_openmmlab.building import _built
    from mm_segmentation.mmseg_segmenter import LIBRARY, adapted

    from mm_core.api import ConfigError

    torch.manual_seed(0)
    model = _built(LIBRARY, adapted(TINY_SEGFORMER, 7), ConfigError, fresh=True)
    state = {**model.state_dict(), "auxiliary_head.conv.weight": torch.zeros(2)}
    torch.save({"meta": {}, "state_dict": state}, tmp_path / "segformer.pth")
    config = tmp_path / "mine.py"
    config.write_text(f"model = {TINY_SEGFORMER!r}")
    given = {f"{PART}.checkpoint": str(tmp_path / "segformer.pth"), f"{PART}.adapter": adapter,
             f"{PART}.architecture": str(config)}  # fmt: skip
    frame = discs(8, codes=2)
    predictor = fitted(frame, **given)
    segmenter = tools.model_of(predictor).engine.topology.segmenter
    assert segmenter.architecture["new"] == ["decode_head.conv_seg"]
    trained = [name for name, one in segmenter.named_parameters() if one.requires_grad]
    own = [name for name in trained if "lora" not in name]
    assert len(own) == 2
    assert all("conv_seg" in name for name in own)
    assert (len(trained) > 2) == (adapter == "peft:lora")
    folder = predictor.save(tmp_path / "model", standalone=False)
    config.write_text("raise SystemExit('a config is run when a model is loaded')")
    again = MultiModalPredictor.load(folder)
    for one, other in zip(again.predict(frame), predictor.predict(frame), strict=True):
        assert (one == other).all()


@pytest.mark.slow
def test_heads_without_logits_are_refused(mmseg):
    one = TINY_SEGFORMER["decode_head"]
    config = {**TINY_SEGFORMER, "type": "CascadeEncoderDecoder", "num_stages": 2}
    with pytest.raises(RecipeError, match="does not give each place a logit") as caught:
        fitted(discs(4), **{f"{PART}.architecture": {**config, "decode_head": [one, one]}})
    assert "segmentation:hf" in caught.value.remedy
