"""What SAM's real size costs: a step of LoRA on ViT-B, one picture, one thread, random weights.

    python -m benchmarks.sam

Each size of the canvas is a process of its own, and goes the way of a user: a fit from a checkpoint
in a folder, LoRA on the encoder's ``qkv``, the decoder trained; then an answer, and both forms of
the saved model. Seconds are of the processor; peak memory is that of the whole process. Weights are
drawn, not trained: time and memory are those of Meta's, scores are not looked at. A run needs 10 GB
of memory and five minutes.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results" / "sam.json"
LIBRARIES = ("mm-core", "mm-segmentation", "mm-peft", "numpy", "peft", "torch", "transformers")
RANK, STEPS = 8, 2


def checkpoint(folder: Path) -> None:
    """ViT-B as transformers saves it, its weights drawn."""
    import torch
    from mm_segmentation import sam_models
    from mm_segmentation.sam_weights import meta_config
    from transformers import SamConfig

    torch.manual_seed(0)
    config = SamConfig(**meta_config("b"))
    # Drawn anew: transformers begins SAM's encoder at 1e-10, and such numbers are slow to multiply.
    sam_models.fresh(sam_models.sized(config, 1024)).save_pretrained(folder)


def step(folder: Path, side: int) -> dict[str, Any]:
    """Seconds and memory of a fit of some steps at a size, and megabytes of what it saves."""
    from lightning.pytorch import Callback

    from mm_core import MultiModalPredictor
    from mm_core.api import tools

    class Clock(Callback):
        """Seconds of the processor of each step: forward, backward, optimiser."""

        def __init__(self) -> None:
            self.seconds: list[float] = []

        def on_train_batch_start(self, *_: Any) -> None:
            self.start = time.process_time()

        def on_train_batch_end(self, *_: Any) -> None:
            self.seconds.append(round(time.process_time() - self.start, 2))

    rng = np.random.default_rng(0)
    mask = np.zeros((side, side), np.uint8)
    mask[side // 4 : side // 2, side // 4 : side // 2] = 1
    picture = rng.integers(0, 255, (side, side, 3), dtype=np.uint8)
    frame = pd.DataFrame({"image": [picture], "mask": [mask]})  # more rows: batches of two at least
    chosen = {
        "backbones.picture_image": "segmentation:sam",
        "backbones.picture_image.checkpoint": str(folder),
        "backbones.picture_image.adapter": {
            "id": "peft:lora",
            "r": RANK,
            "targets": r".*vision_encoder.*\.qkv",
        },
        "inputs.picture_image.processor.image_size": side,
        "training.epochs": STEPS,
        "training.batch_size": 1,
    }
    before, clock = _peak(), Clock()
    task = "semantic_segmentation"
    predictor = MultiModalPredictor("mask", task, hyperparameters=chosen, verbosity=0)
    predictor.fit(frame, tuning_data=frame, callbacks=[clock])
    peak = _peak()
    start = time.process_time()
    predictor.predict(frame)
    answer = time.process_time() - start
    network = tools.model_of(predictor).engine.topology
    counts = [(one.numel(), one.requires_grad) for one in network.parameters()]
    trained = sum(count for count, learns in counts if learns)
    whole = _megabytes(predictor.save(folder / f"whole_{side}"))
    slim = _megabytes(predictor.save(folder / f"slim_{side}", standalone=False))
    return {
        "side": side,
        "step_s": clock.seconds,
        "answer_s": round(answer, 2),
        "peak_mb": round(peak),
        "imports_mb": round(before),
        "weights": sum(count for count, _ in counts),
        "trained": trained,
        "model_mb": whole,
        "adapter_mb": slim,
        "adapter_share": round(slim / whole, 4),
    }


def _peak() -> float:
    """Of this process alone, in MB: ``ru_maxrss`` knows that of the one that started it too."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) / 1024


def _megabytes(folder: Path) -> float:
    return round(sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) / 2**20, 2)


def main() -> None:
    """All sizes, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.folder:  # the process of one size
        print(json.dumps(step(asked.folder, asked.sides[0])))
        return
    runs = []
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "benchmarks.sam", "--in", name, "--sides"]
        checkpoint(Path(name))
        for side in asked.sides:
            done = subprocess.run(
                [*command, str(side)],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            )
            runs.append(json.loads(done.stdout.splitlines()[-1]))
            print(json.dumps(runs[-1], indent=1), flush=True)
    found = {
        "asked": {"architecture": "SAM ViT-B", "rank": RANK, "batch_size": 1, "threads": 1},
        "runs": runs,
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
    asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
