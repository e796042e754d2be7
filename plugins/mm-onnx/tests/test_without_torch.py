"""Text, picture and table, answered where torch cannot be imported."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from PIL import Image

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, ConfigError, ExportReport

HEAVY = ("torch", "torchvision", "torchmetrics", "transformers", "timm", "lightning")
TINY = {
    "backbones.text.checkpoint": "random",
    "backbones.image.checkpoint": "random",
    "inputs.image.processor.image_size": 32,
    "training.epochs": 1,
    "training.batch_size": 16,
}
GOOD, BAD = "works very well indeed", "broke within a day"


def table(n: int, folder: Path, seed: int) -> pd.DataFrame:
    """Rows of a picture, a text of some length, two numbers, a category; cells are missing."""
    rng = np.random.default_rng(seed)
    good = rng.random(n) < 0.5
    for row in range(n):
        grey = rng.integers(0, 255, (36, 30, 3)).astype(np.uint8)
        Image.fromarray(grey).save(folder / f"{seed}_{row}.png")
    rows = pd.DataFrame(
        {
            "picture": [f"{seed}_{row}.png" for row in range(n)],
            "review": [f"{GOOD if one else BAD} " * rng.integers(1, 6) for one in good],
            "price": rng.normal(size=n),
            "weight": rng.normal(size=n),  # numbers beside one category alone
            "place": rng.choice(["north", "south"], n),
            "liked": np.where(good, "yes", "no"),
        }
    )
    for number, name in enumerate(["picture", "review", "price"]):
        rows.loc[number::7, name] = None
    return rows


@dataclass(frozen=True)
class Exported:
    """A model, the folder of its graph, and rows in a file that neither has seen."""

    predictor: MultiModalPredictor
    folder: Path
    report: ExportReport
    rows: Path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Untrained or nearly so: only what goes in and comes out is looked at."""
    folder = tmp_path_factory.mktemp("rows")
    table(48, folder, 1).to_csv(folder / "train.csv", index=False)
    table(20, folder, 2).to_csv(folder / "new.csv", index=False)
    predictor = MultiModalPredictor("liked", hyperparameters=TINY, verbosity=0)
    predictor.fit(folder / "train.csv")
    light = folder / "light"
    report = predictor.export(light, format="onnx", sample=folder / "train.csv")
    return Exported(predictor, light, report, folder / "new.csv")


def test_convolutions_are_fused_with_what_follows_them(exported: Exported) -> None:
    """onnxruntime fuses those whose weights and bias are constants: four times faster."""
    graph = onnx.load(str(exported.folder / "engine" / "graph.onnx")).graph
    constants = {one.name for one in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert convolutions
    assert all(set(node.input[1:]) <= constants for node in convolutions)
    assert "BatchNormalization" not in {node.op_type for node in graph.node}


_BLOCKED = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY}:
            raise ImportError(f"{{name}} is not to be imported")

sys.meta_path.insert(0, Refuse())
"""

_ANSWER = """
import json
from mm_core import MultiModalPredictor

folder, rows = sys.argv[1:]
model = MultiModalPredictor.load(folder)
print(json.dumps({
    "answer": model.predict(rows).tolist(),
    "proba": model.predict_proba(rows).to_numpy().tolist(),
    "scores": model.evaluate(rows, ["accuracy", "roc_auc", "log_loss"]),
    "vectors": model.extract_embedding(rows).tolist(),
}))
"""

_MM = """
from mm_core.cli import main

main()
"""


def python(*command: Any, **kwargs: Any) -> str:
    """What a new process prints."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def check_answers(said: str, exported: Exported) -> None:
    """They are the model's own."""
    found, model, rows = json.loads(said), exported.predictor, exported.rows
    assert found["answer"] == model.predict(rows).tolist()
    assert np.abs(np.array(found["proba"]) - model.predict_proba(rows)).to_numpy().max() < 1e-5
    wanted = model.evaluate(rows, ["accuracy", "roc_auc", "log_loss"])
    assert found["scores"] == pytest.approx(wanted, abs=1e-5)
    assert np.abs(np.array(found["vectors"]) - model.extract_embedding(rows)).max() < 1e-4


def test_the_report_compares_what_was_written(exported: Exported) -> None:
    """Outputs and answers."""
    assert exported.report.path == exported.folder
    assert exported.report.max_abs_diff is not None
    assert exported.report.max_abs_diff < 1e-5
    assert exported.report.label_agreement == 1.0


def test_a_process_in_which_importing_torch_raises_gives_the_same_answers(
    exported: Exported,
) -> None:
    """Labels, probabilities, scores and vectors, of rows with missing cells and other lengths."""
    said = python("-c", _BLOCKED + _ANSWER, exported.folder, exported.rows)
    check_answers(said, exported)


def test_the_commands_answer_there_too(exported: Exported, tmp_path: Path) -> None:
    """``mm predict`` and ``mm inspect``."""
    out = tmp_path / "answers.csv"
    python("-c", _BLOCKED + _MM, "predict", exported.folder, exported.rows, "--proba", "--out", out)
    written = pd.read_csv(out)[["no", "yes"]].to_numpy()
    wanted = exported.predictor.predict_proba(exported.rows)[["no", "yes"]].to_numpy()
    assert np.abs(written - wanted).max() < 1e-5
    said = python("-c", _BLOCKED + _MM, "inspect", exported.folder)
    assert "onnx:onnx" in said
    assert "mm-onnx" in said


def pinned(exported: Exported) -> dict[str, str]:
    """Distribution -> version."""
    lines = (exported.folder / "requirements.txt").read_text(encoding="utf-8").split()
    return dict(line.split("==") for line in lines)


def test_the_requirements_are_enough(exported: Exported, tmp_path: Path) -> None:
    """Python answers that sees these distributions and nothing else of what is installed."""
    site = tmp_path / "site"
    site.mkdir()
    for name, version in pinned(exported).items():
        found = metadata.distribution(name)
        assert version == found.version
        link(found, site)
    bare = os.environ | {"PYTHONPATH": str(site)}
    code = "import sys\nimport importlib.util as u\nassert not u.find_spec('torch')\n"
    said = python("-S", "-c", code + _ANSWER, exported.folder, exported.rows, env=bare)
    check_answers(said, exported)
    python("-S", "-c", _MM, "inspect", exported.folder, env=bare)


def link(found: metadata.Distribution, site: Path) -> None:
    """As installed; of one that is installed as a link to its source the package there."""
    tops = {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}
    places = {top: Path(str(found.locate_file(top))) for top in tops}
    package = found.name.replace("-", "_")
    if package.startswith("mm_"):
        places[package] = Path(str(importlib.import_module(package).__file__)).parent
    for top, place in places.items():
        (site / top).symlink_to(place)


def test_they_name_nothing_that_only_training_needs(exported: Exported) -> None:
    """And all plugins of the model, this one among them."""
    names = set(pinned(exported))
    assert {"mm-core", "mm-image", "mm-onnx", "mm-tabular", "mm-text"} <= names
    assert {"numpy", "onnxruntime", "pillow", "tokenizers"} <= names
    assert not names & {*HEAVY, "onnx", "onnxscript", "mm-peft"}


def test_an_altered_graph_is_refused(exported: Exported, tmp_path: Path) -> None:
    """By its hash, before it is read."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in exported.folder.rglob("*"):
        target = copy / path.relative_to(exported.folder)
        target.mkdir() if path.is_dir() else target.write_bytes(path.read_bytes())
    (copy / "engine" / "graph.onnx").write_bytes(b"another")
    with pytest.raises(ArtifactError, match=r"graph\.onnx"):
        MultiModalPredictor.load(copy)


def test_what_it_cannot_do_is_said(exported: Exported, tmp_path: Path) -> None:
    """No rows to follow, no network, another device."""
    light = MultiModalPredictor.load(exported.folder)
    with pytest.raises(ConfigError, match="no rows"):
        exported.predictor.export(tmp_path / "light", format="onnx")
    with pytest.raises(ConfigError, match="already"):
        light.export(tmp_path / "light", format="onnx", sample=exported.rows)
    with pytest.raises(ConfigError, match="cuda"):
        light.predict(exported.rows, device="cuda")
