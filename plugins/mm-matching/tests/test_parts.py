"""A checkpoint in five wheels."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_matching import parts
from mm_matching.samples import ASKED, WORDS

from mm_core import MultiModalPredictor
from mm_core.api import CheckpointError, tools


@pytest.fixture
def wheels(trained: MultiModalPredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small encoder as the five are made: a zip, cut."""
    pytest.importorskip("sentence_transformers", reason="pip install sentence-transformers")
    from huggingface_hub import constants

    trained.export(tmp_path / "model", format="sentence-transformers")
    weights = (tmp_path / "model" / "model.safetensors").read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for one in sorted((tmp_path / "model").rglob("*.*")):
            file.write(one, f"all/{one.relative_to(tmp_path / 'model')}")
        file.writestr("all/../../out.txt", "not to be written")
        file.writestr("all/code.py", "raise SystemExit")
    whole = packed.getvalue()
    size = len(whole) // 5 + 1
    for number, package in enumerate(parts.PACKAGES):
        module = package[:-4] + "_" + package[-3:]
        place = tmp_path / "site" / module / f"{parts.NAME}.zip.{package[-3:]}"
        place.parent.mkdir(parents=True)
        place.write_bytes(whole[number * size : (number + 1) * size])
        about = tmp_path / "site" / f"{package.replace('-', '_')}-0.0.1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.0.1\n")
        (about / "RECORD").write_text(f"{module}/{place.name},,\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(parts, "SHA256", hashlib.sha256(weights).hexdigest())


def answered(name: str) -> Any:
    """By an encoder of that name."""
    return MultiModalPredictor(
        problem_type="text_similarity",
        query="asked",
        response="said",
        hyperparameters={"backbones.query_text.checkpoint": name},
        verbosity=0,
    ).predict(pd.DataFrame({"asked": ASKED, "said": WORDS}))


def test_five_wheels_are_one_checkpoint(wheels: None, tmp_path: Path) -> None:
    """Joined once, when a model is built; nothing in them but data is taken."""
    found = tools.checkpoints(tools.installed()).find("matching:sentence", [parts.NAME])
    assert found.checkpoint is not None
    assert not found.checkpoint.local
    assert not (tmp_path / "home").exists()
    first = answered(parts.NAME)
    assert np.allclose(first, answered(str(tmp_path / "model")), atol=1e-6)
    (home,) = (tmp_path / "home" / "mm-matching").iterdir()
    assert {one.suffix for one in home.rglob("*.*")} <= {".json", ".txt", ".safetensors"}
    assert not list(tmp_path.rglob("out.txt"))
    for part in (tmp_path / "site").rglob("*.zip.*"):
        part.write_bytes(b"")
    assert answered(f"sentence-transformers/{parts.NAME}").equals(first)


def test_parts_that_do_not_join_are_refused(
    wheels: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cut one, and weights that are not those of the hub."""
    monkeypatch.setattr(parts, "SHA256", "0" * 64)
    with pytest.raises(CheckpointError, match="those of the hub"):
        answered(parts.NAME)
    next((tmp_path / "site").rglob("*.zip.003")).write_bytes(b"cut")
    with pytest.raises(CheckpointError, match="do not join"):
        answered(parts.NAME)
    next((tmp_path / "site").rglob("*.zip.003")).unlink()
    found = parts.installed(parts.NAME, Any)  # type: ignore[arg-type]
    assert "part-003 is not installed" in found.reason  # type: ignore[union-attr]
    assert found.remedy == parts.INSTALL  # type: ignore[union-attr]
