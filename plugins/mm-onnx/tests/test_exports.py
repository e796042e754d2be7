"""Which models become graphs, how near they are, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from mm_onnx.engine import GraphEngine
from mm_onnx.network import first_cause, write_graph
from mm_onnx.static import calibrated
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import Tensor

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, Batch, ConfigError, RunSettings
from mm_core.api.nn import Topology

HEADS = ("hybrid", "concat_mlp", "mean", "logit")
INPUTS: dict[str, dict[str, Any]] = {
    "text": {"backbones.text.checkpoint": "random"},
    "image": {
        "backbones.image.checkpoint": "random",
        "inputs.image.processor.image_size": 32,
    },
    "tabular": {},
}
LABELS = {
    "binary": "liked",
    "multiclass": "kind",
    "regression": "value",
    "multilabel": ["tag_a", "tag_b"],
}
MATRIX = [
    (inputs, head, task)
    for inputs, heads in (
        (("text",), (None,)),
        (("image",), (None,)),
        (("tabular",), (None,)),
        (("text", "image", "tabular"), HEADS),
    )
    for head in heads
    for task in LABELS
]


def table(folder: Path, inputs: tuple[str, ...], task: str) -> pd.DataFrame:
    """Three dozen rows; of several inputs, cells are missing."""
    rng, n = np.random.default_rng(0), 36
    good = np.arange(n) % 2 == 0
    columns: dict[str, Any] = {}
    if "text" in inputs:
        words = np.where(good, "works very well ", "broke within a day ")
        columns["review"] = [f"{one * (1 + row % 4)}number {row}" for row, one in enumerate(words)]
    if "image" in inputs:
        columns["picture"] = [str(folder / f"{row}.png") for row in range(n)]
        for name in columns["picture"]:
            Image.fromarray(rng.integers(0, 255, (36, 30, 3)).astype(np.uint8)).save(name)
    if "tabular" in inputs:
        columns |= {"price": rng.normal(size=n), "place": rng.choice(["north", "south"], n)}
    rows = pd.DataFrame(columns)
    if len(inputs) > 1:
        for number, name in enumerate(columns):
            rows.loc[number::7, name] = None
    labels = {
        "liked": np.where(good, "yes", "no"),
        "kind": np.array(list("abc"))[np.arange(n) % 3],
        "value": rng.normal(size=n) + good,
        "tag_a": good,
        "tag_b": np.arange(n) % 3 == 0,
    }
    wanted = LABELS[task]
    for name in wanted if isinstance(wanted, list) else [wanted]:
        rows[name] = labels[name]
    return rows


def fitted(rows: pd.DataFrame, inputs: tuple[str, ...], task: str, **more: Any) -> Any:
    """Nearly untrained: only what goes in and comes out is looked at."""
    settings = {"fit": "core:finetune", "training.epochs": 1, "training.batch_size": 16}
    for name in inputs:
        settings |= INPUTS[name]
    return MultiModalPredictor(
        LABELS[task], task, hyperparameters=settings | more, verbosity=0
    ).fit(rows)


@pytest.mark.slow
@pytest.mark.parametrize(("inputs", "head", "task"), MATRIX)
def test_every_input_head_and_task_is_exported(
    inputs: tuple[str, ...], head: str | None, task: str, tmp_path: Path
) -> None:
    """Within 1e-4 of the model, with equal answers."""
    rows = table(tmp_path, inputs, task)
    more = {} if head is None else {"fusion": f"core:{head}"}
    predictor = fitted(rows, inputs, task, **more)
    report = predictor.export(tmp_path / "light", sample=rows)
    assert report.max_abs_diff < 1e-4
    assert report.label_agreement == 1.0
    light = MultiModalPredictor.load(tmp_path / "light", verbosity=0)
    some = rows.drop(columns=LABELS[task]).iloc[:5]
    pd.testing.assert_frame_equal(
        pd.DataFrame(light.predict(some)),
        pd.DataFrame(predictor.predict(some)),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize(
    "left_out",
    [
        ["place"],
        pytest.param(["price"], marks=pytest.mark.slow),
        pytest.param(["place", "weight"], marks=pytest.mark.slow),
    ],
    ids=["numbers", "one category", "one number"],
)
def test_a_table_of_one_kind_of_columns_is_exported(left_out: list[str], tmp_path: Path) -> None:
    """Arrays without a column, and of one, are followed as such."""
    rows = table(tmp_path, ("tabular",), "binary").assign(weight=np.linspace(0, 1, 36))
    rows = rows.drop(columns=["weight", *left_out] if "price" in left_out else left_out)
    predictor = fitted(rows, ("tabular",), "binary")
    assert predictor.export(tmp_path / "light", sample=rows).max_abs_diff < 1e-4


FURTHER_HEADS = (
    *("gmu", "gated_residual", "film", "moe", "tfn", "lmf", "block", "deepset", "shaspec", "tmc"),
    *("cls_transformer", "cross_attention", "mbt", "perceiver"),
    *("modality_dropout", "missing_embedding", "align", "fusemix", "ogm_ge"),
)


@pytest.mark.slow
@pytest.mark.parametrize("head", [*(f"fusion:{one}" for one in FURTHER_HEADS), "lego:merge"])
def test_every_head_of_the_lab_is_exported(head: str, tmp_path: Path) -> None:
    """Of any number of rows and tokens, rows lacking inputs among them."""
    pytest.importorskip("mm_fusion" if head.startswith("fusion:") else "mm_lego")
    inputs = ("text", "tabular")
    rows = table(tmp_path, inputs, "multiclass")
    more = {"fusion": head, "backbones.tabular.id": "tabular:ft_transformer"}
    predictor = fitted(rows, inputs, "multiclass", **more)
    report = predictor.export(tmp_path / "light", sample=rows)
    assert report.max_abs_diff < 1e-4
    light = MultiModalPredictor.load(tmp_path / "light", verbosity=0)
    some = rows.drop(columns="kind").iloc[:5]
    assert light.predict(some).tolist() == predictor.predict(some).tolist()


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "most"), [("int8", 0.5), ("16", 0.01)])
def test_a_merged_adapter_in_fewer_bits(precision: str, most: float, tmp_path: Path) -> None:
    """LoRA is in the graph, which is smaller than its weights, near, and told with its speed."""
    rows = table(tmp_path, ("text",), "multiclass")
    predictor = fitted(rows, ("text",), "multiclass", **{"backbones.text.adapter": "peft:lora"})
    folder = tmp_path / precision
    report = predictor.export(folder, sample=rows, precision=precision, agreement=0.8)
    assert 0 < report.max_abs_diff < most
    said = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    assert said["precision"] == precision
    assert said["one_row_ms"].keys() == {"model", "graph"}
    assert said["max_abs_diff"] == report.max_abs_diff
    weights = sum(one.numel() for one in network_of(predictor).parameters()) * 4
    assert (folder / "engine" / "graph.onnx").stat().st_size < weights
    assert predictor.recipe.backbones["text"].adapter is not None  # the model itself stays


def network_of(predictor: Any) -> Any:
    """Its network."""
    from mm_core.api import tools

    return tools.model_of(predictor).topology


def test_a_graph_that_drifts_is_refused_and_replaces_nothing(tmp_path: Path) -> None:
    """Less than rounding allowed: the model that stood there is still there."""
    rows = table(tmp_path, ("tabular",), "binary")
    predictor = fitted(rows, ("tabular",), "binary")
    place = predictor.save(tmp_path / "place")
    before = (place / "mm_model.json").read_bytes()
    with pytest.raises(ArtifactError, match="differ"):
        predictor.export(place, sample=rows, tolerance=1e-12)
    assert (place / "mm_model.json").read_bytes() == before
    assert not (place / "export.json").exists()


def test_trees_are_no_network(tmp_path: Path) -> None:
    """And why that is no loss."""
    pytest.importorskip("catboost")
    rows = table(tmp_path, ("tabular",), "binary")
    trees = MultiModalPredictor(
        "liked", hyperparameters={"fit": "trees:catboost", "fit.rounds": 5}, verbosity=0
    ).fit(rows)
    with pytest.raises(ConfigError, match="needs no torch"):
        trees.export(tmp_path / "light", sample=rows)


class Scaled(Topology):
    """Predicts in its own way: by an option, and perhaps with lists."""

    ragged = False

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.backbones = torch.nn.ModuleDict()

    embeddings = ()

    def forward_latents(self, latents: Any, present: Any) -> Any:
        raise NotImplementedError

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        raise NotImplementedError

    def embed(self, batch: Batch, of: str = "fused") -> Tensor:
        raise NotImplementedError

    def predict(self, batch: Batch, options: Any = None) -> dict[str, Any]:
        points = batch.inputs["points"]["cells"] * options.scale
        return {"found": list(points) if self.ragged else points}


class Options:
    """Of a task: one that the network reads, and one that it does not."""

    def __init__(self, scale: float = 2.0, threshold: float = 0.5) -> None:
        self.scale, self.threshold = scale, threshold


def points() -> Batch:
    """Three rows."""
    cells = np.arange(6, dtype=np.float32).reshape(3, 2)
    return Batch({"points": {"cells": cells}}, {"points": np.ones(3, dtype=bool)})


def test_an_option_that_is_in_the_graph_cannot_be_another(tmp_path: Path) -> None:
    """One that is read afterwards can."""
    file = tmp_path / "graph.onnx"
    fixed = write_graph(Scaled(), points(), Options(), file)
    assert fixed == {"scale": 2.0}
    engine, settings = GraphEngine(file.read_bytes(), "32", fixed), RunSettings()
    found = engine.run(points(), Options(threshold=0.9), settings)["found"]
    assert found.tolist() == [[0, 2], [4, 6], [8, 10]]
    with pytest.raises(ConfigError, match=r"scale=3\.0"):
        engine.run(points(), Options(scale=3.0), settings)


def test_lists_are_no_arrays(tmp_path: Path) -> None:
    """A network that answers with them is refused by what it gives."""
    topology = Scaled()
    topology.ragged = True
    with pytest.raises(ConfigError, match="'found' is no array"):
        write_graph(topology, points(), Options(), tmp_path / "graph.onnx")


def test_the_first_cause_is_said() -> None:
    """torch's own error says which of its steps failed, in colours, and not why."""
    cause, error = ValueError("data-dependent expression"), RuntimeError("\x1b[96mstep 1/3\x1b[0m")
    error.__cause__ = cause
    assert first_cause(error) is first_cause(cause) is cause


@pytest.mark.slow  # more exports
@pytest.mark.parametrize("method", ["minmax", "entropy"])
def test_a_network_of_pictures_in_8_bits(method: str, tmp_path: Path) -> None:
    """Ranges are measured on half of the sample, and the graph is compared on the other."""
    rows = table(tmp_path, ("image",), "binary")
    predictor = fitted(rows, ("image",), "binary")
    folder = tmp_path / "light"
    report = predictor.export(
        folder, sample=rows, precision="int8_static", calibration=method, agreement=0.0
    )
    assert 0 < report.max_abs_diff < 1.0
    said = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    assert said["calibration"] == method
    assert said["rows"] + said["calibration_rows"] == len(rows)
    nodes = onnx.load(str(folder / "engine" / "graph.onnx")).graph.node
    made = {name: node for node in nodes for name in node.output}
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    assert convolutions
    for node in convolutions:
        assert all(made[name].op_type == "DequantizeLinear" for name in node.input[:2])
    light = MultiModalPredictor.load(folder, verbosity=0)
    assert len(light.predict(rows.drop(columns="liked"))) == len(rows)


def drawn(kind: str, groups: int = 1) -> bytes:
    """A graph of ``image/pixels`` [rows, 3, 8, 8]: a convolution and a mean, or a matrix."""
    rng = np.random.default_rng(0)
    shape = (4 if groups == 1 else groups, 3 // groups, 3, 3) if kind == "Conv" else (8, 4)
    weight = rng.normal(size=shape).astype(np.float32)
    more = {"group": groups} if kind == "Conv" else {}
    nodes = [
        helper.make_node(kind, ["image/pixels", "weight"], ["x"], **more),
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("ReduceMean", ["y"], ["logits"], axes=[2, 3], keepdims=0),
    ]
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "drawn",
        [helper.make_tensor_value_info("image/pixels", floats, ["rows", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", floats, ["rows", None])],
        [numpy_helper.from_array(weight, "weight")],
    )
    opset = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    return content


@pytest.mark.parametrize("method", ["minmax", "entropy"])
def test_convolutions_in_8_bits(method: str, tmp_path: Path) -> None:
    """What runs between layers keeps the range that was seen."""
    file, rng = tmp_path / "graph.onnx", np.random.default_rng(1)
    seen = rng.normal(size=(16, 3, 8, 8)).astype(np.float32)
    file.write_bytes(drawn("Conv"))
    calibrated(file, ({"image/pixels": seen[start : start + 4]} for start in (0, 4, 8)), method)
    nodes = onnx.load(str(file)).graph.node
    made = {name: node for node in nodes for name in node.output}
    (node,) = (one for one in nodes if one.op_type == "Conv")
    assert all(made[name].op_type == "DequantizeLinear" for name in node.input[:2])
    batch = Batch({"image": {"pixels": seen}}, {"image": np.ones(16, dtype=bool)})
    found, wanted = (
        GraphEngine(content).run(batch, None, RunSettings())["logits"]
        for content in (file.read_bytes(), drawn("Conv"))
    )
    assert 0 < np.abs(found - wanted).max() < 0.1 * np.abs(wanted).max()


@pytest.mark.parametrize(("groups", "bits", "most"), [(1, 7, 64), (1, 8, 127), (3, 7, 127)])
def test_bits_of_weights(groups: int, bits: int, most: int, tmp_path: Path) -> None:
    """Products of 8 overflow on some processors, but not those of depthwise convolutions."""
    file = tmp_path / "graph.onnx"
    file.write_bytes(drawn("Conv", groups))
    seen = np.random.default_rng(1).normal(size=(4, 3, 8, 8)).astype(np.float32)
    calibrated(file, [{"image/pixels": seen, "image/present": None}], "minmax", bits)
    weights = [
        numpy_helper.to_array(one)
        for one in onnx.load(str(file)).graph.initializer
        if one.data_type == TensorProto.INT8 and len(one.dims) == 4
    ]
    assert [np.abs(one.astype(int)).max() for one in weights] == [most]


def test_a_network_without_convolutions_has_none_to_keep_in_8_bits(tmp_path: Path) -> None:
    file = tmp_path / "graph.onnx"
    file.write_bytes(drawn("MatMul"))
    with pytest.raises(ConfigError, match="no convolutions"):
        calibrated(file, [], "minmax")
