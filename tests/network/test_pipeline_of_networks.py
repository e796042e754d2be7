"""What the core tells processors, backbones and answers of the rest of the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api.processors import Table
from mm_core.inference import stream, windows

WORDS = Path(__file__).parent / "files" / "words.py"
FRAME = pd.DataFrame(
    {
        "said": [f"  {('play it', 'stop now')[row % 2]} number {row}" for row in range(24)],
        "price": np.arange(24) % 5 + 0.5,
        "y": np.array(["a", "b"])[np.arange(24) % 2],
    }
)


def fit(task: str | None = None, **settings: object) -> MultiModalPredictor:
    frame = FRAME if "fusion" in settings else FRAME.drop(columns="price")
    settings |= {"training.epochs": 1}
    if "backbones.text" not in settings:
        settings["backbones.text.checkpoint"] = "random"
    return MultiModalPredictor(
        "y", problem_type=task, hyperparameters=settings, plugins=[WORDS], verbosity=0
    ).fit(frame)


def encoded(predictor: MultiModalPredictor):
    model = predictor._model
    return model, model.pipeline.encode(Table(FRAME, Path()))


def test_shares_of_a_fusion_head_come_out_with_the_answers():
    model, frame = encoded(fit(fusion="logit"))
    frame.inputs["text"].present[3] = False
    (answers,) = stream(model, frame)
    shares = answers.decoded.contributions
    assert set(shares) == {"text", "tabular"}
    np.testing.assert_allclose(shares["text"] + shares["tabular"], np.ones(24), atol=1e-6)
    assert shares["text"][3] == 0
    assert shares["text"][4] > 0
    model, frame = encoded(fit(fusion="mean"))
    (answers,) = stream(model, frame)
    assert answers.decoded.contributions is None


@pytest.mark.parametrize("loaded", [False, True])
def test_a_task_of_tokens_is_told_where_they_stand(loaded, tmp_path):
    predictor = fit("words:words")
    if loaded:
        predictor.save(tmp_path / "model")
        predictor = MultiModalPredictor.load(tmp_path / "model", plugins=[WORDS], verbosity=0)
    model, frame = encoded(predictor)
    (window,) = windows(model, frame)
    offsets = window.meta["text"]["offsets"]
    for cell, places in zip(FRAME["said"], offsets, strict=True):
        assert (places[[0, -1]] == 0).all()
        assert "".join(cell[start:end] for start, end in places) == cell.replace(" ", "")
    model, frame = encoded(fit())
    (window,) = windows(model, frame)
    assert "offsets" not in window.meta["text"]


def test_new_modules_are_trained_whatever_an_adapter_freezes():
    predictor = fit(**{"backbones.text": {"id": "words:necked", "adapter": "frozen"}})
    backbone = predictor._model.topology.backbones["text"]
    trained = {name for name, one in backbone.named_parameters() if one.requires_grad}
    assert trained == {"neck.weight", "neck.bias"}
    assert (backbone.neck.weight != 0).any()
    assert (backbone.base.weight == 1).all()
