"""``detection:dino``: what can be said without mmdet, and, with it, what the real one does."""

from __future__ import annotations

import json
import logging
import warnings

import pytest
import torch
from mm_detection.detector import Wanted
from mm_detection.samples import TINY_DINO
from mm_openmmlab import library

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, CheckpointError, ConfigError, PluginError, RecipeError, tools

READER = "backbones.picture_image"


@pytest.fixture(scope="module")
def settings(small):
    """Of a tiny one."""
    given = {key: value for key, value in small.items() if not key.startswith(READER)}
    return given | {
        f"{READER}.id": "detection:dino",
        f"{READER}.architecture": TINY_DINO,
        f"{READER}.checkpoint": "random",
        "inputs.picture_image.processor.flip": False,
        "training.epochs": 1,
        "training.head_learning_rate": 1e-3,
    }


@pytest.fixture
def mmdet():
    """The real one."""
    return pytest.importorskip("mmdet", reason="mmdet is not installed: mm-detection[mmdet]")


def fit(frame, settings, weight=None, **more):
    predictor = MultiModalPredictor("boxes", hyperparameters={**settings, **more}, verbosity=0)
    return predictor.fit(frame, tuning_data=frame, sample_weight=weight)


def network(predictor):
    return tools.model_of(predictor).topology.detector


# ---- without mmdet


def test_a_plan_names_the_checkpoint_that_it_lacks(frame):
    given = {f"{READER}.id": "detection:dino"}
    predictor = MultiModalPredictor("boxes", hyperparameters=given, verbosity=0)
    with pytest.raises(CheckpointError, match="dino-4scale_r50_8xb2-12e_coco") as caught:
        predictor.plan(frame)
    assert "checkpoint=./model.pth" in caught.value.remedy


def test_a_plan_needs_no_mmdet_and_runs_no_config(frame, settings, tmp_path):
    config = tmp_path / "mine.py"
    config.write_text("raise SystemExit")
    given = {**settings, f"{READER}.architecture": str(config)}
    recipe = MultiModalPredictor("boxes", hyperparameters=given, verbosity=0).plan(frame)
    assert recipe.backbones["picture_image"].id == "detection:dino"
    assert recipe.backbones["picture_image"].config["architecture"] == str(config)


def test_a_fit_without_mmdet_says_what_to_type(frame, settings, monkeypatch):
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match="detection:dino needs mmdet") as caught:
        fit(frame.head(8), settings)
    assert caught.value.remedy == "pip install 'mm-detection[mmdet]'"


# ---- with mmdet


@pytest.mark.slow
def test_eight_pictures_are_learned_by_heart_and_kept(mmdet, pictures, settings, afresh, same_coco):
    """Reloaded in a new process without a network, it gives the same boxes and ids."""
    rows = pictures(12).iloc[[1, 2, 3, 5, 6, 7, 9, 10]].reset_index(drop=True)
    long = {
        "training.epochs": 250, "training.batch_size": 8, "training.patience": 1000,
        "training.schedule": "constant", "training.head_learning_rate": 1e-3,
    }  # fmt: skip
    predictor = fit(rows, settings, **long)
    assert predictor.evaluate(rows)["map.50"] > 0.9
    unread = "from mmengine.config import Config; Config.fromfile = None"
    found = afresh(predictor, rows, unread, as_coco=True)
    same_coco(found, predictor.predict(rows, as_coco=True))


@pytest.mark.slow
def test_nothing_of_mmengine_is_left_otherwise(mmdet, frame, settings, tmp_path, capsys):
    """Neither in a fit, with weights of rows, nor when it is loaded; and it is silent."""
    from mmengine.logging import MMLogger
    from mmengine.registry import DefaultScope

    def state():
        return (
            list(DefaultScope._instance_dict),
            list(MMLogger._instance_dict),
            [(one, one.level) for one in logging.root.handlers],
            logging.root.level,
            torch.get_default_dtype(),
        )

    before = state()
    rows = frame.head(6).assign(weight=[1.0, 2.0, 0.5] * 2)
    predictor = fit(rows, settings, "weight")
    again = MultiModalPredictor.load(predictor.save(tmp_path / "model"), verbosity=0)
    expected = predictor.predict(rows, score_threshold=0.0, most=5)
    found = again.predict(rows, score_threshold=0.0, most=5)
    assert found.tolist() == expected.tolist()
    assert state() == before
    said = capsys.readouterr()
    assert "mmengine" not in said.out + said.err


@pytest.mark.slow
def test_a_saved_model_builds_nothing_but_parts_of_mmdet(mmdet, frame, settings, tmp_path):
    folder = fit(frame.head(6), settings).save(tmp_path / "model")
    manifest = json.loads((folder / "mm_model.json").read_text())
    text = json.dumps(manifest)
    for kind in ("os.system", "mmdet.models.DINO", "__import__"):
        evil = text.replace('"type": "ChannelMapper"', json.dumps({"type": kind})[1:-1])
        assert evil != text
        (folder / "mm_model.json").write_text(evil)
        with pytest.raises(ArtifactError, match=kind) as caught:
            MultiModalPredictor.load(folder)
        assert caught.value.remedy


@pytest.mark.slow
def test_its_own_loss_reaches_every_parameter(mmdet, frame, settings):
    detector = network(fit(frame.head(6), settings)).train()
    boxes = torch.tensor([[4.0, 4, 24, 28], [30, 30, 60, 50]])
    wanted = Wanted([boxes, boxes[:0]], [torch.tensor([0, 2]), torch.zeros(0, dtype=torch.long)])
    pixels, extent = torch.randn(2, 3, detector.side, detector.side), torch.tensor([[64, 48]] * 2)
    detector.look(pixels, extent, wanted)[1].backward()
    without = [name for name, one in detector.named_parameters() if one.grad is None]
    assert without == []


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A checkpoint as mmdet writes it, of five classes that are not ours."""
    pytest.importorskip("mmdet", reason="mmdet is not installed: mm-detection[mmdet]")
    from mm_detection.mmdet_detector import LIBRARY, adapted
    from mm_openmmlab.building import _built

    torch.manual_seed(0)
    model = _built(LIBRARY, adapted(TINY_DINO, 5), ConfigError, fresh=True)
    path = tmp_path_factory.mktemp("weights") / "dino.pth"
    torch.save({"meta": {"epoch": 12}, "state_dict": model.state_dict()}, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["peft:frozen", "peft:lora"])
def test_adapters_leave_the_checkpoint_alone(frame, settings, weights, adapter):
    """What came with it does not move; heads that are new, and the adapter, do."""
    given = {f"{READER}.checkpoint": str(weights), f"{READER}.adapter": adapter}
    detector = network(fit(frame.head(6), settings, **given))
    assert detector.pretrained
    fresh = {id(one) for module in detector.new for one in module.parameters()}
    names = detector.architecture["new"]
    assert names
    assert all("cls_branches" in one or "label_embedding" in one for one in names)
    stored = torch.load(weights, weights_only=True)["state_dict"]
    trained = {name: one for name, one in detector.named_parameters() if one.requires_grad}
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
    detector.train()
    standing = [one.training for one in detector.modules()]
    detector.look(torch.randn(1, 3, detector.side, detector.side), torch.tensor([[64, 48]]), None)
    assert [one.training for one in detector.modules()] == standing


_RPN = {
    "type": "RPNHead",
    "in_channels": 16,
    "feat_channels": 16,
    "anchor_generator": {
        "type": "AnchorGenerator", "scales": [4], "ratios": [1.0], "strides": [4, 8, 16, 32],
    },
    "bbox_coder": {"type": "DeltaXYWHBBoxCoder"},
    "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": True},
    "loss_bbox": {"type": "L1Loss"},
}  # fmt: skip
_ASSIGNED = {
    "assigner": {
        "type": "MaxIoUAssigner", "pos_iou_thr": 0.5, "neg_iou_thr": 0.5, "min_pos_iou": 0.5,
    },
    "sampler": {"type": "RandomSampler", "num": 32, "pos_fraction": 0.5, "neg_pos_ub": -1},
    "allowed_border": -1,
    "pos_weight": -1,
    "debug": False,
}  # fmt: skip
_CUT = {"nms_pre": 100, "max_per_img": 50, "min_bbox_size": 0}
FASTER = {
    "type": "FasterRCNN",
    "data_preprocessor": TINY_DINO["data_preprocessor"],
    "backbone": {**TINY_DINO["backbone"], "out_indices": [0, 1, 2, 3]},
    "neck": {"type": "FPN", "in_channels": [16, 32, 64, 128], "out_channels": 16, "num_outs": 4},
    "rpn_head": _RPN,
    "roi_head": {
        "type": "StandardRoIHead",
        "bbox_roi_extractor": {
            "type": "SingleRoIExtractor",
            "roi_layer": {"type": "RoIAlign", "output_size": 7, "sampling_ratio": 0},
            "out_channels": 16,
            "featmap_strides": [4, 8, 16, 32],
        },
        "bbox_head": {
            "type": "Shared2FCBBoxHead",
            "in_channels": 16,
            "fc_out_channels": 32,
            "num_classes": 80,
            "bbox_coder": {"type": "DeltaXYWHBBoxCoder", "target_stds": [0.1, 0.1, 0.2, 0.2]},
            "loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": False},
            "loss_bbox": {"type": "L1Loss"},
        },
    },
    "train_cfg": {
        "rpn": {**_ASSIGNED, "sampler": {**_ASSIGNED["sampler"], "add_gt_as_proposals": False}},
        "rpn_proposal": {**_CUT, "nms": {"type": "nms", "iou_threshold": 0.7}},
        "rcnn": _ASSIGNED,
    },
    "test_cfg": {
        "rpn": {**_CUT, "nms": {"type": "nms", "iou_threshold": 0.7}},
        "rcnn": {
            "score_thr": 0.05, "nms": {"type": "nms", "iou_threshold": 0.5}, "max_per_img": 20,
        },
    },
}  # fmt: skip
YOLOX = {
    "type": "YOLOX",
    "data_preprocessor": {"type": "DetDataPreprocessor", "pad_size_divisor": 32},
    "backbone": {"type": "CSPDarknet", "deepen_factor": 0.33, "widen_factor": 0.125},
    "neck": {
        "type": "YOLOXPAFPN", "in_channels": [32, 64, 128], "out_channels": 32,
        "num_csp_blocks": 1,
    },
    "bbox_head": {
        "type": "YOLOXHead", "num_classes": 80, "in_channels": 32, "feat_channels": 32,
        "stacked_convs": 1,
    },
    "train_cfg": {"assigner": {"type": "SimOTAAssigner", "center_radius": 2.5}},
    "test_cfg": {"score_thr": 0.01, "nms": {"type": "nms", "iou_threshold": 0.65}},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "share"), [(FASTER, 0.7), (YOLOX, 0.85)], ids=["faster", "yolox"]
)
def test_other_detectors_of_mmdet_learn_too(mmdet, frame, settings, config, share, tmp_path):
    """Suppression and RoI align are the stand-in's, where mmcv has none of its own."""
    rows = frame.head(8)
    more = {"training.epochs": 80, "training.head_learning_rate": 5e-3}
    predictor = fit(rows, settings, **{f"{READER}.architecture": config, **more})
    losses = predictor.history["loss"]
    assert losses.iloc[-1] < share * losses.iloc[0]
    again = MultiModalPredictor.load(predictor.save(tmp_path / "model"), verbosity=0)
    for one, other in zip(again.predict(rows), predictor.predict(rows), strict=True):
        assert one == other


@pytest.mark.slow
def test_configs_by_name_and_file(mmdet, frame, settings, tmp_path):
    from mm_detection.mmdet_detector import LIBRARY
    from mm_openmmlab.resolving import resolved

    named = resolved(LIBRARY, "dino-4scale_r50_8xb2-12e_coco", imports=False)
    assert (named["type"], named["num_queries"]) == ("DINO", 900)
    with pytest.raises(ConfigError, match="no config of mmdet") as caught:
        resolved(LIBRARY, "dino-4scale_r50_8xb2-12e_cocoa", imports=False)
    assert "dino-4scale_r50_8xb2-12e_coco'" in caught.value.remedy
    file = tmp_path / "mine.py"
    file.write_text(f"model = {TINY_DINO!r}\ncustom_imports = dict(imports=['evil'])\n")
    with pytest.raises(ConfigError, match="imports modules of its own"):
        fit(frame.head(6), settings, **{f"{READER}.architecture": str(file)})
    file.write_text(f"model = {TINY_DINO!r}\nmodel['backbone']['init_cfg'] = dict("
                    "type='Pretrained', checkpoint='torchvision://resnet18')\n")  # fmt: skip
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        predictor = fit(frame.head(6), settings, **{f"{READER}.architecture": str(file)})
    assert any("torchvision://resnet18" in str(one.message) for one in said)
    assert "torchvision" not in json.dumps(network(predictor).architecture)


@pytest.mark.slow
def test_detectors_that_learn_masks_are_refused(mmdet, frame, settings):
    head = {**FASTER["roi_head"], "mask_roi_extractor": FASTER["roi_head"]["bbox_roi_extractor"],
            "mask_head": {"type": "FCNMaskHead", "num_convs": 1, "in_channels": 16,
                          "conv_out_channels": 16, "num_classes": 80}}  # fmt: skip
    train = {**FASTER["train_cfg"], "rcnn": {**_ASSIGNED, "mask_size": 14}}
    config = {**FASTER, "type": "MaskRCNN", "roi_head": head, "train_cfg": train}
    with pytest.raises(RecipeError, match="MaskRCNN does not learn from boxes alone"):
        fit(frame.head(6), settings, **{f"{READER}.architecture": config})
