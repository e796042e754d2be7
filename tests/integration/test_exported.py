"""A fused network as a graph: any number of rows and tokens, inputs that are absent included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import Dim

from mm_core.api import Table
from mm_core.api.nn import Batch, Parts
from mm_core.api.specs import FusionHeadSpec
from mm_core.plugins import Registry
from mm_core.topologies.late_fusion import LateFusion

HEADS = [
    "hybrid",
    *(pytest.param(name, marks=[pytest.mark.slow]) for name in ("concat_mlp", "mean", "logit")),
]


class Answers(nn.Module):
    """What a topology answers, from plain dicts of tensors."""

    def __init__(self, topology):
        super().__init__()
        self.topology = topology

    def forward(self, inputs, present):
        batch = Batch(inputs, present)
        return self.topology.predict(batch), self.topology.embed(batch)


def network(model, fusion):
    """The model's backbones under this head, at prediction."""
    own = model.topology
    head = Registry().get(FusionHeadSpec, f"core:{fusion}")
    dims = {name: backbone.dims for name, backbone in own.backbones.items()}
    torch.manual_seed(0)
    fused = head.load()(head.config_class()(), dims, own.task.output_dim)
    parts = Parts(dict(own.backbones.items()), own.backbone_inputs, own.task, fused)
    return Answers(LateFusion(parts).eval().cpu())


def given(fused, rows, absent=()):
    """The first rows of the table; of an input named in ``absent`` those at its places are out."""
    model = fused.predictor._model
    encoded = model.pipeline.encode(
        Table(fused.test.head(rows).reset_index(drop=True), fused.folder)
    )
    inputs, present = {}, {}
    for name, processor in model.processors.items():
        made = processor.batch(encoded.inputs[name], np.arange(rows))
        inputs[name] = {key: torch.as_tensor(value) for key, value in made.arrays.items()}
        present[name] = torch.as_tensor(made.present)
    for name, places in dict(absent).items():
        present[name][places] = False
        for value in inputs[name].values():
            if value.is_floating_point():
                value[places] = float("nan")
    return inputs, present


def dynamic(fused, inputs, present):
    """Rows are free everywhere, and the tokens of the texts up to the model's maximum."""
    longest = fused.predictor._model.processors["text"].max_length
    rows, length = Dim("rows"), Dim("length", max=longest)
    shapes = {
        name: {key: {0: rows} | ({1: length} if name == "text" else {}) for key in arrays}
        for name, arrays in inputs.items()
    }
    return shapes, {name: {0: rows} for name in present}


@pytest.mark.parametrize("fusion", HEADS)
def test_image_text_and_table_export_with_free_rows_and_tokens(fused, fusion):
    answers = network(fused.predictor._model, fusion)
    traced = given(fused, 6, {"image": [1, 4], "text": [2], "tabular": [4]})
    graph = torch.export.export(
        answers, traced, dynamic_shapes=dynamic(fused, *traced), strict=False
    )
    program = graph.module()
    lengths = set()
    for rows, absent in [
        (6, {}),
        (3, {"image": [0]}),
        (17, {"image": slice(None)}),
        (40, {"image": [0, 3, 9], "text": [3, 5], "tabular": [1, 3]}),
        (4, {name: slice(None) for name in ("image", "text", "tabular")}),
    ]:
        inputs, present = given(fused, rows, absent)
        for cut in (None, 9):
            inputs["text"] = {key: value[:, :cut] for key, value in inputs["text"].items()}
            lengths.add(inputs["text"]["input_ids"].shape[1])
            with torch.inference_mode():
                expected, vectors = answers(inputs, present)
                found, found_vectors = program(inputs, present)
            assert set(found) == set(expected)
            assert ("gates.text" in found) is (fusion == "logit")
            for name, value in [*expected.items(), ("vectors", vectors)]:
                got = found_vectors if name == "vectors" else found[name]
                torch.testing.assert_close(got, value, rtol=0, atol=2e-6)
                assert got.isfinite().all()
    assert len(lengths) > 1
