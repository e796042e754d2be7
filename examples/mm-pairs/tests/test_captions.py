"""One network that reads a text and a picture, each through its own processor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_core import MultiModalPredictor
from mm_core.api import RecipeError

from mm_pairs.samples import PICTURES, WORDS

SETTINGS = {
    "inputs.response_image.processor.image_size": 32,
    "inputs.response_image.processor.augment": "none",
    "backbones.clip.patch": 8,
    "backbones.clip.width": 32,
    "training.epochs": 60,
    "training.batch_size": 16,
    "training.head_learning_rate": 2e-3,
    "training.patience": 100,
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: Any) -> Path:
    """Sixteen captions with pictures in files beside the table."""
    folder: Path = tmp_path_factory.mktemp("shown")
    for number, content in enumerate(PICTURES.cells):
        (folder / f"{number}.png").write_bytes(content)
    pictures = [f"{number}.png" for number in range(len(WORDS))]
    pd.DataFrame({"words": WORDS, "shown": pictures}).to_csv(folder / "pairs.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def trained(shown: Path) -> MultiModalPredictor:
    """A CLIP that has learned them by heart; both roles found their columns themselves."""
    rows = shown / "pairs.csv"
    return MultiModalPredictor(
        problem_type="pairs:captions", hyperparameters=SETTINGS, verbosity=0
    ).fit(rows, tuning_data=rows)


def test_one_backbone_reads_both(trained: MultiModalPredictor) -> None:
    """Each input has the processor that the backbone wants for its modality."""
    recipe = trained.recipe
    assert {name: part.inputs for name, part in recipe.backbones.items()} == {
        "clip": ("query_text", "response_image")
    }
    assert {name: part.processor.id for name, part in recipe.inputs.items()} == {
        "query_text": "text:hf_tokenizer",
        "response_image": "image:timm_transform",
    }


def test_it_learns_pairs_by_heart(trained: MultiModalPredictor, shown: Path) -> None:
    """16 captions, each finds its picture."""
    assert trained.evaluate(shown / "pairs.csv", "recall@1")["recall@1"] > 0.9


def test_a_picture_that_is_not_there(trained: MultiModalPredictor, shown: Path) -> None:
    """No similarity; the other rows have theirs as before."""
    rows = pd.read_csv(shown / "pairs.csv").assign(shown=lambda it: str(shown) + "/" + it.shown)
    gaps = rows.copy()
    gaps.loc[1, "shown"] = None
    gaps.loc[2, "words"] = None
    answer = trained.predict(gaps)
    assert answer.isna().tolist() == [False, True, True] + 13 * [False]
    whole = trained.predict(rows)
    assert np.allclose(answer[3:], whole[3:], atol=1e-5)


def test_search_reads_pictures_beside_their_table(
    trained: MultiModalPredictor, shown: Path
) -> None:
    """Paths in cells start where the file of the items is."""
    found = trained.search({"words": [WORDS[5]]}, shown / "pairs.csv", top_k=1)
    assert found["item"].tolist() == [5]


def test_it_is_not_taken_for_a_text_alone(shown: Path) -> None:
    """It says what it reads."""
    rows = pd.DataFrame({"asked": WORDS, "said": WORDS})
    apart = MultiModalPredictor(
        problem_type="pairs:similarity",
        query="asked",
        response="said",
        hyperparameters={"backbones.query_text.id": "pairs:clip", "training.epochs": 1},
        verbosity=0,
    )
    with pytest.raises(RecipeError, match="one text and one picture"):
        apart.fit(rows)


def test_search_is_a_command_too(trained: MultiModalPredictor, shown: Path, tmp_path: Path) -> None:
    """In a new process: ``mm search MODEL DATA --option items=FILE --option top_k=2``."""
    trained.save(tmp_path / "model")
    rows, texts, out = shown / "pairs.csv", tmp_path / "texts.csv", tmp_path / "found.csv"
    pd.DataFrame({"words": WORDS[4:7]}).to_csv(texts, index=False)
    typed = ["search", tmp_path / "model", texts, "--out", out]
    typed += ["--option", f"items={rows}", "--option", "top_k=2"]
    main = "from mm_core.cli import main; main()"
    command = [sys.executable, "-c", main, *map(str, typed)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found, wanted = pd.read_csv(out), trained.search(texts, rows, top_k=2)
    assert found["item"].tolist() == wanted["item"].tolist()
    assert np.allclose(found["similarity"], wanted["similarity"], atol=1e-5)
