"""What is asked of TensorRT, seen by a recording fake (conftest.py); no GPU, no TensorRT."""

from __future__ import annotations

import gc
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_onnx.api import flat
from mm_onnx.engine import GraphEngine
from mm_tensorrt import library, provider
from mm_tensorrt.configs import TensorRTConfig
from mm_tensorrt.library import MAJOR, libraries
from mm_tensorrt.provider import provider_options
from mm_tensorrt.ranges import outside, ranges
from onnx import TensorProto, helper, numpy_helper

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, ConfigError, MMWarning, RunSettings, tools


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    made = pd.DataFrame({"price": rng.normal(size=24), "place": rng.choice(["north", "south"], 24)})
    return made.assign(liked=np.where(made.price > 0, "yes", "no"))


@pytest.fixture(scope="module")
def predictor(rows: pd.DataFrame) -> Any:
    settings = {"fit": "core:finetune", "training.epochs": 1, "training.batch_size": 8}
    return MultiModalPredictor("liked", hyperparameters=settings, verbosity=0).fit(rows)


def linear(inputs: dict[str, np.ndarray]) -> bytes:
    """A graph of a table's arrays: logits and a vector, a matrix times the numbers."""
    rng, ones = np.random.default_rng(0), []
    for name, array in inputs.items():
        shape = ["rows", *array.shape[1:]]
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        ones.append(helper.make_tensor_value_info(name, kind, shape))
    (numbers,) = (one for one, array in inputs.items() if array.dtype == np.float32)
    width = inputs[numbers].shape[1]
    nodes = [
        helper.make_node("MatMul", [numbers, "matrix"], ["logits"]),
        helper.make_node("Identity", ["logits"], ["embed.fused"]),
    ]
    floats = TensorProto.FLOAT
    outputs = [
        helper.make_tensor_value_info(name, floats, ["rows", 2])
        for name in ("logits", "embed.fused")
    ]
    matrix = numpy_helper.from_array(rng.normal(size=(width, 2)).astype(np.float32), "matrix")
    made = helper.make_graph(nodes, "linear", ones, outputs, [matrix])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


@pytest.fixture(scope="module")
def graph(predictor: Any, rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model with an ONNX graph, from which engines are built without torch."""
    model = tools.model_of(predictor)
    ((batch, _),) = model.pipeline.arrays(model.pipeline.encode(_table(predictor, rows)), 24)
    engine = GraphEngine(linear(flat(batch)))
    light = replace(model, engine=engine, runtime="onnx:onnx")
    folder = tmp_path_factory.mktemp("graph") / "light"
    result, registry = tools.result_of(predictor), tools.registry_of(predictor)
    return tools.save_model(light, result, registry, folder)


def exported(graph: Path, sample: pd.DataFrame, folder: Path, **settings: Any) -> Any:
    light = MultiModalPredictor.load(graph, verbosity=0)
    return light.export(folder, format="tensorrt", sample=sample, **settings)


def test_without_tensorrt_one_sentence_says_what_to_type(
    predictor: Any, rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)  # importing it raises
    with pytest.raises(ConfigError, match=r"pip install 'mm-tensorrt\[tensorrt\]'") as told:
        predictor.export(tmp_path / "fast", format="tensorrt", sample=rows)
    assert "onnxruntime-gpu" in str(told.value)
    assert not (tmp_path / "fast").exists()


@pytest.mark.parametrize(
    ("what", "word"),
    [("old", "TensorRT 8.6.1 is installed"), ("empty", "is empty"), ("no gpu", "no GPU")],
)
def test_what_cannot_be_used(what: str, word: str, fake: Any) -> None:
    if what == "empty":  # as the package registry's placeholders are
        sys.modules["tensorrt"] = ModuleType("tensorrt")
    elif what == "old":
        sys.modules["tensorrt"].__version__ = "8.6.1"  # type: ignore[attr-defined]
    else:
        fake.gpus = 0
    with pytest.raises(ConfigError, match=word):
        libraries()
    assert MAJOR in str(library.missing())


def test_a_driver_that_is_lacking_is_an_os_error(
    fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str) -> Any:
        raise OSError("libnvinfer.so.10: cannot open shared object file")

    monkeypatch.setattr(library.importlib, "import_module", broken)
    assert "libnvinfer" in str(library.missing())


def test_an_engine_is_built_saved_and_answers(
    graph: Path, rows: pd.DataFrame, tmp_path: Path, fake: Any
) -> None:
    """Read back it gives the graph's answers, as many rows at once as it was built for."""
    report = exported(graph, rows, tmp_path / "fast", rows=10, usual_rows=4)
    assert report.label_agreement == 1.0
    assert report.details["answers by"] == "tensorrt"
    shapes = {name: one for name, *one in fake.called("set_shape")}
    assert shapes["tabular/present"] == [[1], [4], [10]]
    assert fake.called("clear_flag") == ["TF32"]
    assert fake.called("set_memory_pool_limit") == [("WORKSPACE", 2048 << 20)]
    fake.calls.clear()
    fast = MultiModalPredictor.load(tmp_path / "fast", verbosity=0)
    light = MultiModalPredictor.load(graph, verbosity=0)
    assert len(set(light.predict(rows))) == 2
    assert fast.predict(rows).tolist() == light.predict(rows).tolist()
    asked = [one["tabular/present"][0] for one in fake.called("execute_async_v3")]
    assert sum(asked) == len(rows)
    assert max(asked) <= 10
    vectors = fast.extract_embedding(rows)
    assert np.abs(vectors - light.extract_embedding(rows)).max() < 1e-4
    said = json.loads((tmp_path / "fast" / "export.json").read_text(encoding="utf-8"))
    assert said["rows"] == len(rows)


@pytest.mark.slow  # a network of texts is followed
def test_from_a_network_of_texts_itself(rows: pd.DataFrame, tmp_path: Path, fake: Any) -> None:
    """As many tokens as the processor lets through."""
    texts = [
        f"it {'works' if one == 'yes' else 'broke'} on day {row}"
        for row, one in enumerate(rows.liked)
    ]
    given = rows.assign(review=texts)
    settings = {
        "backbones.text.checkpoint": "random",
        "training.epochs": 1,
        "inputs.text.processor.max_length": 40,
    }
    predictor = MultiModalPredictor("liked", hyperparameters=settings, verbosity=0)
    predictor.fit(given, column_types={"review": "text"})
    predictor.export(tmp_path / "fast", format="tensorrt", sample=given)
    shapes = {name: one for name, *one in fake.called("set_shape")}
    assert shapes["text/input_ids"][0] == [1, 1]
    assert shapes["text/input_ids"][2] == [256, 40]
    fast = MultiModalPredictor.load(tmp_path / "fast", verbosity=0)
    assert fast.predict(given).tolist() == predictor.predict(given).tolist()


@pytest.mark.parametrize(("precision", "flag"), [(16, "FP16"), ("bf16", "BF16")])
def test_fewer_bits_are_asked_for_and_what_was_timed_is_kept(
    precision: Any, flag: str, graph: Path, rows: pd.DataFrame, tmp_path: Path, fake: Any
) -> None:
    """The cache of another GPU begins anew."""
    cache = tmp_path / "caches" / "timing.cache"
    settings = {"precision": precision, "timing_cache": str(cache)}
    exported(graph, rows, tmp_path / "fast", **settings)
    assert fake.called("set_flag") == [flag]
    assert cache.read_bytes() == b"timed "
    exported(graph, rows, tmp_path / "fast", **settings)
    assert fake.called("create_timing_cache")[-1] == b"timed "
    cache.write_bytes(b"of another GPU")
    exported(graph, rows, tmp_path / "fast", **settings)
    assert cache.read_bytes() == b"timed "


def test_what_the_engine_was_not_built_for(
    graph: Path, rows: pd.DataFrame, tmp_path: Path, fake: Any
) -> None:
    """Other devices and precisions are refused; more rows come in parts."""
    exported(graph, rows, tmp_path / "fast", rows=3, usual_rows=3)
    fast = MultiModalPredictor.load(tmp_path / "fast", verbosity=0)
    model = tools.model_of(fast)
    ((batch, _),) = model.pipeline.arrays(model.pipeline.encode(_table(fast, rows)), 24)
    for device in ("cpu", "cuda:1"):  # it lies on the first GPU
        with pytest.raises(ConfigError, match=f"not on {device}"):
            model.engine.run(batch, None, RunSettings(device=device))
    with pytest.raises(ConfigError, match="not on cpu"):
        fast.predict(rows, device="cpu")
    with pytest.raises(ConfigError, match="in 16-mixed"):
        fast.predict(rows, precision="16-mixed")
    assert len(model.engine.run(batch, None, RunSettings())["logits"]) == 24
    assert fake.memory
    del fast, model
    gc.collect()
    assert not fake.memory


def test_free_axes(fake: Any) -> None:
    """Of tokens: what was seen, or as many as are told; longer rows are refused."""
    made = helper.make_graph(
        [helper.make_node("ReduceSum", ["text/ids"], ["logits"], keepdims=0)],
        "sample",
        [helper.make_tensor_value_info("text/ids", TensorProto.FLOAT, ["rows", "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [])],
    )
    content = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", 18)]
    ).SerializeToString()
    seen = [{"text/ids": np.zeros((4, length), np.float32)} for length in (5, 9, 6)]
    config = TensorRTConfig(usual_rows=8, rows=16)
    assert ranges(content, seen, {}, config) == {"text/ids": ([1, 1], [8, 6], [16, 9])}
    known = ranges(content, seen, {"text": 30}, config)
    assert known == {"text/ids": ([1, 1], [8, 6], [16, 30])}
    assert outside({"text/ids": (16, 30)}, known) is None
    assert "was built for" in str(outside({"text/ids": (2, 31)}, known))


def _table(predictor: Any, rows: pd.DataFrame) -> Any:
    registry = tools.registry_of(predictor)
    read = tools.read_rows(rows, registry).table
    return tools.aligned(tools.model_of(predictor), read, registry)


def test_another_gpus_engine_is_refused_unless_onnxruntime_can(
    graph: Path, rows: pd.DataFrame, tmp_path: Path, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its provider answers instead, and says so; what silently took the CPU is refused."""
    exported(graph, rows, tmp_path / "fast")
    wanted = MultiModalPredictor.load(graph, verbosity=0).predict(rows).tolist()
    sys.modules["tensorrt"].Runtime = lambda log: _Nothing()  # type: ignore[attr-defined]
    with pytest.raises(ArtifactError, match=r"kind of GPU.*has no TensorrtExecutionProvider"):
        MultiModalPredictor.load(tmp_path / "fast", verbosity=0)
    names = [provider.NAME, "CPUExecutionProvider"]
    monkeypatch.setattr(provider.ort, "get_available_providers", lambda: names)
    session = provider.ort.InferenceSession

    def taken(content: bytes, options: Any, providers: Any) -> Any:
        ((name, given),) = providers
        assert name == provider.NAME
        assert given["trt_profile_max_shapes"].count(":") == len(session(content).get_inputs())
        return session(content, options, ["CPUExecutionProvider"])

    monkeypatch.setattr(provider.ort, "InferenceSession", taken)
    with pytest.raises(ArtifactError, match="answers by CPUExecutionProvider, not by"):
        MultiModalPredictor.load(tmp_path / "fast", verbosity=0)
    monkeypatch.setattr(session, "get_providers", lambda one: names)
    with pytest.warns(MMWarning, match="onnxruntime's TensorRT provider answers instead"):
        fast = MultiModalPredictor.load(tmp_path / "fast", verbosity=0)
    assert fast.predict(rows).tolist() == wanted


class _Nothing:
    def deserialize_cuda_engine(self, content: bytes) -> None:
        return None


def test_options_of_onnxruntimes_provider() -> None:
    known = {"a/x": ([1, 1], [8, 16], [32, 64]), "a/present": ([1], [8], [32])}
    assert provider_options("16", known) == {
        "trt_fp16_enable": "True",
        "trt_profile_min_shapes": "a/x:1x1,a/present:1",
        "trt_profile_opt_shapes": "a/x:8x16,a/present:8",
        "trt_profile_max_shapes": "a/x:32x64,a/present:32",
    }
