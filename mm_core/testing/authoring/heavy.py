"""Which modules are too heavy for a light module, and who imports them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType

HEAVY = frozenset(
    {
        "PIL",
        "accelerate",
        "cv2",
        "datasets",
        "jax",
        "lightning",
        "matplotlib",
        "numpy",
        "onnx",
        "onnxruntime",
        "pandas",
        "peft",
        "pyarrow",
        "scipy",
        "sentence_transformers",
        "sklearn",
        "tensorflow",
        "timm",
        "tokenizers",
        "torch",
        "torchvision",
        "transformers",
    }
)
"""Top-level modules that a light module must not import: each costs 50 ms to seconds."""


@dataclass(frozen=True)
class HeavyImport:
    """The first import of a heavy module.

    Attributes:
        name: its top-level name.
        importer: name of the module that asked for it.
        place: file and line of that import statement.
    """

    name: str
    importer: str
    place: str

    @property
    def direct(self) -> bool:
        """Whether it was not another heavy module that asked."""
        return self.importer.partition(".")[0] not in HEAVY


class ImportWatch(MetaPathFinder):
    """Finds nothing; notes who asks for heavy modules."""

    def __init__(self) -> None:
        self.seen: dict[str, HeavyImport] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in HEAVY and fullname not in self.seen:
            frame = _importer(sys._getframe(1))
            if frame is not None:
                place = f"{frame.f_code.co_filename}, line {frame.f_lineno}"
                importer = str(frame.f_globals.get("__name__", ""))
                self.seen[fullname] = HeavyImport(fullname, importer, place)
        return None


@contextmanager
def heavy_imports() -> Iterator[dict[str, HeavyImport]]:
    """Heavy modules that are asked for meanwhile, by name; the dict fills as they are."""
    watch = ImportWatch()
    sys.meta_path.insert(0, watch)
    try:
        yield watch.seen
    finally:
        sys.meta_path.remove(watch)


def _importer(frame: FrameType | None) -> FrameType | None:
    """The nearest frame that is not of the import machinery."""
    while frame is not None and _of_import_machinery(frame):
        frame = frame.f_back
    return frame


def _of_import_machinery(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    return frame.f_code.co_filename.startswith("<frozen importlib") or name == "importlib"
