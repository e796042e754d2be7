"""A plan in TensorRT: memory of the GPU, and one batch after the other."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mm_core.api import ArtifactError, MemoryFullError
from mm_tensorrt.library import PLUGIN, Libraries


class Plan:
    """An engine of TensorRT that is ready to answer; let go, it gives the GPU's memory back.

    Args:
        found: the libraries.
        content: the plan.

    Raises:
        ArtifactError: it was built for another kind of GPU or version of TensorRT.
        MemoryFullError: the GPU has no memory for it.
    """

    way = "tensorrt"

    def __init__(self, found: Libraries, content: bytes) -> None:
        self._found, trt = found, found.trt
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))  # lives as long as its engine
        self._engine = self._runtime.deserialize_cuda_engine(content)
        if self._engine is None:
            raise ArtifactError(
                f"TensorRT {trt.__version__} cannot read the engine on this GPU: it is for the "
                "kind of GPU and the version that it was built with",
                plugin=PLUGIN,
                remedy="export the model anew on this machine",
            )
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise MemoryFullError("the GPU has no memory for the engine", plugin=PLUGIN)
        names = [self._engine.get_tensor_name(one) for one in range(self._engine.num_io_tensors)]
        mode = trt.TensorIOMode.INPUT
        self.inputs = [one for one in names if self._engine.get_tensor_mode(one) == mode]
        self.outputs = [one for one in names if one not in self.inputs]
        self._types = {
            one: np.dtype(trt.nptype(self._engine.get_tensor_dtype(one))) for one in names
        }
        self._stream = found.called(found.cuda.cudaStreamCreate())
        self._spaces: dict[str, tuple[int, int]] = {}  # address and size
        freed = weakref.finalize(self, _let_go, found.cuda, self._spaces, self._stream)
        freed.atexit = False  # the driver gives all back then, and may be gone already
        self._lock = threading.Lock()  # a context runs one batch at a time

    def answers(self, names: Sequence[str], given: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Outputs of these names.

        Args:
            names: of outputs; the others are computed too, but not fetched.
            given: arrays by the name of an input.

        Raises:
            ArtifactError: shapes that the engine was not built for, or it fails.
            MemoryFullError: the GPU has none left.
        """
        with self._lock:
            # Kept until all is done: the GPU reads them while Python goes on.
            arrays = {
                one: np.ascontiguousarray(given[one], dtype=self._types[one]) for one in self.inputs
            }
            for name, array in arrays.items():
                if not self._context.set_input_shape(name, array.shape):
                    raise ArtifactError(
                        f"the engine was not built for {list(array.shape)} in {name}", plugin=PLUGIN
                    )
                self._up(name, array)
            found = {name: self._room(name) for name in self.outputs}
            if not self._context.execute_async_v3(self._stream):
                raise ArtifactError("the engine fails; TensorRT's log says why", plugin=PLUGIN)
            for name in names:
                self._copy(found[name].ctypes.data, self._spaces[name][0], found[name], "down")
            self._found.called(self._found.cuda.cudaStreamSynchronize(self._stream))
        return {name: found[name] for name in names}

    def _up(self, name: str, array: np.ndarray) -> None:
        address = self._space(name, array.nbytes)
        self._context.set_tensor_address(name, address)
        self._copy(address, array.ctypes.data, array, "up")

    def _room(self, name: str) -> np.ndarray:
        """For an output, whose shape follows from those of the inputs."""
        shape = tuple(self._context.get_tensor_shape(name))
        if min(shape, default=0) < 0:
            raise ArtifactError(
                f"the shape of the output {name} depends on more than shapes", plugin=PLUGIN
            )
        array = np.empty(shape, self._types[name])
        self._context.set_tensor_address(name, self._space(name, array.nbytes))
        return array

    def _space(self, name: str, size: int) -> int:
        """Memory of the GPU that is large enough; it is kept for the next batch."""
        address, there = self._spaces.get(name, (0, -1))
        if there >= size:
            return address
        if there >= 0:
            self._found.called(self._found.cuda.cudaFree(address))
            del self._spaces[name]
        made = int(self._found.called(self._found.cuda.cudaMalloc(max(size, 1))))
        self._spaces[name] = made, size
        return made

    def _copy(self, to: int, of: int, array: np.ndarray, way: str) -> None:
        kinds = self._found.cuda.cudaMemcpyKind
        kind = kinds.cudaMemcpyHostToDevice if way == "up" else kinds.cudaMemcpyDeviceToHost
        copy = self._found.cuda.cudaMemcpyAsync
        self._found.called(copy(to, of, array.nbytes, kind, self._stream))


def _let_go(cuda: Any, spaces: Mapping[str, tuple[int, int]], stream: Any) -> None:
    for address, _ in spaces.values():
        cuda.cudaFree(address)
    cuda.cudaStreamDestroy(stream)
