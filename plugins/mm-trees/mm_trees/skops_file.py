"""scikit-learn's trees as a file without code: skops' zip of JSON and arrays. No torch."""

from __future__ import annotations

import io
import json
import struct
import sys
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import InconsistentVersionWarning

from mm_core.api import ArtifactError, MMWarning

Boosted: TypeAlias = HistGradientBoostingClassifier | HistGradientBoostingRegressor

TRUSTED = (
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
)
"""What a file may hold beside what skops takes from anyone: scikit-learn's estimators, arrays,
numbers and texts."""

SCHEMA, MADE_WITH = "schema.json", "made_with.json"

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What reading a file raises that is none of ours, or is altered, or is of another version."""


@contextmanager
def _left_out(*names: str) -> Iterator[None]:
    """Modules that cannot be imported meanwhile, unless they have been."""
    for name in names:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # so Python says "not there"
    try:
        yield
    finally:
        for name in names:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)


# To list the estimators, skops imports all of scikit-learn, and with it all of torch.
with _left_out(*(f"sklearn.externals.array_api_compat.{one}" for one in ("torch", "cupy", "dask"))):
    import skops.io


def written(trees: Boosted) -> bytes:
    """The file of fitted trees; the same for the same trees.

    skops names arrays and values by their place in memory: here they are counted.
    """
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(skops.io.dumps(trees))) as given,
        zipfile.ZipFile(made, "w") as file,
    ):
        count = _Count()
        schema = count.in_place_of_addresses(json.loads(given.read(SCHEMA)))
        _put(file, MADE_WITH, json.dumps({"scikit-learn": sklearn.__version__}).encode())
        _put(file, SCHEMA, json.dumps(schema, separators=(",", ":")).encode())
        for old, new in count.files.items():
            _put(file, new, given.read(old))
    return made.getvalue()


def read(data: bytes) -> Boosted:
    """Trees of a file that :func:`written` made.

    Raises:
        ArtifactError: it is none, holds other types, or is of another scikit-learn, whose trees
            this one cannot read.
    """
    version = _version(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InconsistentVersionWarning)  # said below, once
            trees = skops.io.loads(data, trusted=TRUSTED)
    except _BROKEN as error:
        raise _unreadable(version, error) from error
    if not isinstance(trees, Boosted):
        raise ArtifactError(f"these are no boosted trees of scikit-learn: {type(trees).__name__}")
    if version != sklearn.__version__:
        warnings.warn(
            f"trees of scikit-learn {version} are read by {sklearn.__version__}, which promises "
            f"nothing of them: pip install scikit-learn=={version}, fit anew, or compare answers "
            "that you know",
            MMWarning,
            stacklevel=2,
        )
    return trees


def _version(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return str(json.loads(file.read(MADE_WITH))["scikit-learn"])
    except _BROKEN as error:
        raise ArtifactError(f"these are no trees of scikit-learn: {error}") from error


def _unreadable(version: str, error: Exception) -> ArtifactError:
    if version == sklearn.__version__:
        return ArtifactError(f"these are no trees of scikit-learn, or altered ones: {error}")
    return ArtifactError(
        f"trees of scikit-learn {version} cannot be read by {sklearn.__version__}: {error}",
        value=version,
        remedy=f"pip install scikit-learn=={version}, or fit anew",
    )


class _Count:
    """Numbers in place of addresses, in the order in which these turn up.

    Attributes:
        files: name of an array's file in skops' zip -> its name here.
    """

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self._numbers: dict[int, int] = {}

    def in_place_of_addresses(self, value: Any) -> Any:
        """A part of the schema with numbers; skops takes 0 for none."""
        if isinstance(value, list):
            return [self.in_place_of_addresses(one) for one in value]
        if not isinstance(value, dict):
            return value
        found = {key: self.in_place_of_addresses(one) for key, one in value.items()}
        if isinstance(found.get("__id__"), int):
            address = found["__id__"]
            found["__id__"] = self._numbers.setdefault(address, len(self._numbers) + 1)
        if isinstance(found.get("file"), str):
            found["file"] = self.files.setdefault(found["file"], f"{len(self.files)}.npy")
        return found


def _put(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    """A member without the time of day."""
    file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
