"""TensorRT 10 and CUDA's runtime, where they are; and in a sentence what is lacking."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from mm_core.api import ArtifactError, ConfigError, MemoryFullError

PLUGIN = "tensorrt:tensorrt"
MAJOR = "10"
"""The version of TensorRT that this is written for."""

TYPE = "pip install 'mm-tensorrt[tensorrt]', on a machine with an NVIDIA GPU and its driver"
_NO_MEMORY = 2
"""CUDA's number for it (cudaErrorMemoryAllocation)."""


@dataclass(frozen=True)
class Libraries:
    """What an engine is built and run with.

    Attributes:
        trt: the module ``tensorrt``.
        cuda: the module ``cuda.bindings.runtime`` of cuda-python.
    """

    trt: Any
    cuda: Any

    def called(self, result: Any) -> Any:
        """What a function of CUDA gives beside its error.

        Raises:
            MemoryFullError: the GPU has none left.
            ArtifactError: any other error.
        """
        error, *found = result
        if int(error) == _NO_MEMORY:
            raise MemoryFullError(
                "the GPU has no memory left", plugin=PLUGIN, remedy="use fewer rows at once"
            )
        if int(error):
            raise ArtifactError(f"CUDA says {error!r}", plugin=PLUGIN, value=int(error))
        return found[0] if found else None


def libraries() -> Libraries:
    """
    Raises:
        ConfigError: a library is not there or cannot be used, or there is no GPU.
    """
    try:
        trt = importlib.import_module("tensorrt")
        cuda = importlib.import_module("cuda.bindings.runtime")
    except (ImportError, OSError) as error:  # a shared library of the driver's may be lacking too
        raise _lacking(f"{type(error).__name__}: {error}") from error
    version = str(getattr(trt, "__version__", "?"))
    if not hasattr(trt, "Builder"):
        raise _lacking("the package tensorrt that is installed is empty")
    if version.partition(".")[0] != MAJOR:
        raise _lacking(f"TensorRT {version} is installed")
    found = Libraries(trt, cuda)
    error, count = cuda.cudaGetDeviceCount()
    if int(error) or not count:
        raise _lacking("CUDA finds no GPU")
    return found


def missing() -> str | None:
    """Why no engine can be built or run here, and what to type; None: one can."""
    try:
        libraries()
    except ConfigError as error:
        return f"{error.message}: {error.remedy}"
    return None


def _lacking(why: str) -> ConfigError:
    return ConfigError(
        f"TensorRT {MAJOR} cannot be used here ({why})", plugin=PLUGIN, value=why, remedy=TYPE
    )
