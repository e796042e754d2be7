"""mm: plugin-based multimodal AutoML. ``from mm_core import MultiModalPredictor``."""

from typing import TYPE_CHECKING, Any

from mm_core.version import __version__

__all__ = ["CSVFile", "MultiModalPredictor", "__version__"]

if TYPE_CHECKING:
    from mm_core.data.separated import CSVFile
    from mm_core.predictor import MultiModalPredictor


def __getattr__(name: str) -> Any:
    # These pull in pandas; a plugin that imports mm_core.api must not pay for that.
    if name == "MultiModalPredictor":
        from mm_core.predictor import MultiModalPredictor

        return MultiModalPredictor
    if name == "CSVFile":
        from mm_core.data.separated import CSVFile

        return CSVFile
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
