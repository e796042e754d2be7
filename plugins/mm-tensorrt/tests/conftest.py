"""A recording fake of TensorRT 10 and cuda-python: it has no GPU, and is not TensorRT.

It has the names that mm-tensorrt calls, notes each call, and answers by onnxruntime on the CPU, in
32 bits whatever it is told. So tests see what is asked of TensorRT, in which order, and that what
comes back is handed on: not that TensorRT does as it is asked.
"""

from __future__ import annotations

import ctypes
import json
import logging
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

HEAD = b"a recording fake's plan\n"


class Fake:
    """Its calls, and what it holds.

    Attributes:
        calls: name of the function and what it was given, in order.
        version: what it says that it is.
        gpus: how many it says that there are.
        memory: addresses of the GPU's memory that was asked for, which is this process's.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.version, self.gpus = "10.9.0", 1
        self.memory: dict[int, Any] = {}

    def note(self, name: str, *given: Any) -> None:
        self.calls.append((name, given[0] if len(given) == 1 else given))

    def called(self, name: str) -> list[Any]:
        """What a function was given, each time."""
        return [given for one, given in self.calls if one == name]


class Settings:
    def __init__(self, fake: Fake) -> None:
        self.fake, self.profile, self.cache = fake, None, b""

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        self.fake.note("set_memory_pool_limit", pool, size)

    def set_flag(self, flag: str) -> None:
        self.fake.note("set_flag", flag)

    def clear_flag(self, flag: str) -> None:
        self.fake.note("clear_flag", flag)

    def add_optimization_profile(self, profile: Any) -> int:
        self.profile = profile
        return 0

    def create_timing_cache(self, content: bytes) -> Any:
        self.fake.note("create_timing_cache", content)
        return SimpleNamespace(content=content, serialize=lambda: b"timed " + content)

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        self.cache = cache
        return not cache.content.startswith(b"of another GPU")

    def get_timing_cache(self) -> Any:
        return self.cache


class Profile:
    def __init__(self, fake: Fake) -> None:
        self.fake, self.shapes = fake, {}

    def set_shape(self, name: str, low: Any, usual: Any, high: Any) -> None:
        self.shapes[name] = [list(low), list(usual), list(high)]
        self.fake.note("set_shape", name, *self.shapes[name])


class Builder:
    def __init__(self, fake: Fake) -> None:
        self.fake = fake

    def create_network(self, flags: int) -> Any:
        self.fake.note("create_network", flags)
        return SimpleNamespace(graph=b"")

    def create_builder_config(self) -> Settings:
        return Settings(self.fake)

    def create_optimization_profile(self) -> Profile:
        return Profile(self.fake)

    def build_serialized_network(self, network: Any, settings: Settings) -> bytes | None:
        self.fake.note("build_serialized_network", sorted(settings.profile.shapes))
        told = json.dumps(settings.profile.shapes).encode()
        return HEAD + told + b"\n" + network.graph


class Parser:
    num_errors = 1

    def __init__(self, network: Any) -> None:
        self.network = network

    def parse(self, content: bytes) -> bool:
        self.network.graph = content
        return not onnx.load_from_string(content).functions

    def get_error(self, place: int) -> str:
        return "no importer for a function"


class Engine:
    """Of a plan."""

    def __init__(self, fake: Fake, content: bytes) -> None:
        told, _, graph = content.removeprefix(HEAD).partition(b"\n")
        self.fake, self.shapes = fake, json.loads(told)
        self.session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
        kinds = {"tensor(float)": "float32", "tensor(bool)": "bool", "tensor(int64)": "int64"}
        given, found = self.session.get_inputs(), self.session.get_outputs()
        self.names = [*(one.name for one in given), *(one.name for one in found)]
        self.inputs = {one.name for one in given}
        self.types = {one.name: np.dtype(kinds[one.type]) for one in [*given, *found]}
        self.num_io_tensors = len(self.names)

    def get_tensor_name(self, place: int) -> str:
        return self.names[place]

    def get_tensor_mode(self, name: str) -> str:
        return "INPUT" if name in self.inputs else "OUTPUT"

    def get_tensor_dtype(self, name: str) -> np.dtype[Any]:
        return self.types[name]

    def create_execution_context(self) -> Context:
        return Context(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.places: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: Any) -> bool:
        low, _, high = self.engine.shapes[name]
        self.shapes[name] = tuple(shape)
        return all(a <= one <= b for a, one, b in zip(low, shape, high, strict=True))

    def set_tensor_address(self, name: str, address: int) -> None:
        assert address in self.engine.fake.memory
        self.places[name] = address

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._answers()[name].shape

    def execute_async_v3(self, stream: int) -> bool:
        self.engine.fake.note("execute_async_v3", dict(self.shapes))
        for name, found in self._answers().items():
            ctypes.memmove(self.places[name], found.ctypes.data, found.nbytes)
        return True

    def _answers(self) -> dict[str, np.ndarray]:
        given = {}
        for name, shape in self.shapes.items():
            array = np.empty(shape, self.engine.types[name])
            ctypes.memmove(array.ctypes.data, self.places[name], array.nbytes)
            given[name] = array
        names = [one for one in self.engine.names if one not in self.engine.inputs]
        return dict(zip(names, self.engine.session.run(names, given), strict=True))


def tensorrt_of(fake: Fake) -> ModuleType:
    made: Any = ModuleType("tensorrt")
    made.__version__ = fake.version
    logger: Any = lambda severity: None  # noqa: E731
    logger.ERROR = 1
    made.Logger = logger
    made.Builder = lambda log: Builder(fake)
    made.OnnxParser = lambda network, log: Parser(network)
    made.MemoryPoolType = SimpleNamespace(WORKSPACE="WORKSPACE")
    made.BuilderFlag = SimpleNamespace(FP16="FP16", BF16="BF16", TF32="TF32")
    made.TensorIOMode = SimpleNamespace(INPUT="INPUT", OUTPUT="OUTPUT")
    made.nptype = lambda kind: kind
    read = lambda content: Engine(fake, content) if content.startswith(HEAD) else None  # noqa: E731
    made.Runtime = lambda log: SimpleNamespace(deserialize_cuda_engine=read)
    return made


def cuda_of(fake: Fake) -> ModuleType:
    made: Any = ModuleType("cuda.bindings.runtime")

    def malloc(size: int) -> tuple[int, int]:
        space = ctypes.create_string_buffer(size)
        fake.memory[ctypes.addressof(space)] = space
        return 0, ctypes.addressof(space)

    def copy(to: int, of: int, size: int, kind: str, stream: int) -> tuple[int]:
        fake.note("cudaMemcpyAsync", kind, size)
        ctypes.memmove(to, of, size)
        return (0,)

    def free(address: int) -> tuple[int]:
        del fake.memory[address]
        return (0,)

    made.cudaGetDeviceCount = lambda: (0, fake.gpus)
    made.cudaStreamCreate = lambda: (0, 7)
    made.cudaStreamSynchronize = lambda stream: (0,)
    made.cudaStreamDestroy = lambda stream: (0,)
    made.cudaMalloc, made.cudaFree, made.cudaMemcpyAsync = malloc, free, copy
    made.cudaMemcpyKind = SimpleNamespace(
        cudaMemcpyHostToDevice="up", cudaMemcpyDeviceToHost="down"
    )
    return made


@pytest.fixture(autouse=True, scope="session")
def _quiet_trace() -> Iterator[None]:
    """Exports are followed by torch at length; pytest would keep and format every line of it."""
    trace = logging.getLogger("torch.__trace")
    before = trace.disabled
    trace.disabled = True
    yield
    trace.disabled = before


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """TensorRT and CUDA are the recording fake's."""
    found = Fake()
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_of(found))
    cuda, bindings = ModuleType("cuda"), ModuleType("cuda.bindings")
    monkeypatch.setitem(sys.modules, "cuda", cuda)
    monkeypatch.setitem(sys.modules, "cuda.bindings", bindings)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", cuda_of(found))
    return found
