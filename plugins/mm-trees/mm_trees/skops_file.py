"""scikit-learn's trees as a file without code: skops' zip of JSON and arrays. No torch."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from typing import Any

import sklearn
from packaging.version import InvalidVersion, Version
from sklearn.exceptions import InconsistentVersionWarning

from mm_core.api import ArtifactError, MMWarning
from mm_trees.light_skops import dumps, loads
from mm_trees.skops_names import BUILT, check_names
from mm_trees.skops_numbers import Boosted, check_numbers

_OURS = Version(sklearn.__version__)

SCHEMA, MADE_WITH = "schema.json", "made_with.json"


def written(trees: Boosted) -> bytes:
    """The file of fitted trees; the same for the same trees.

    skops names arrays and values by their place in memory: here they are counted.
    """
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(dumps(trees))) as given,
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
        ArtifactError: it is none, is altered, or is of another scikit-learn, whose trees this one
            cannot read.
    """
    version = _version(data)
    try:
        trees = _built(data)
    except Exception as error:  # whatever a stranger's file makes three libraries raise
        raise _unreadable(version, error) from error
    if version != _OURS:
        warnings.warn(
            f"trees of scikit-learn {version} are read by {_OURS}, which promises "
            f"nothing of them: pip install scikit-learn=={version}, fit anew, or compare answers "
            "that you know",
            MMWarning,
            stacklevel=2,
        )
    return trees


def _built(data: bytes) -> Boosted:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        check_names(json.loads(file.read(SCHEMA)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)  # said by read, once
        trees = loads(data, trusted=sorted(name for _, name in BUILT))
    if not isinstance(trees, Boosted):
        raise ValueError(f"{type(trees).__name__} is not boosted")
    check_numbers(trees)
    return trees


def _version(data: bytes) -> Version:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            text = json.loads(file.read(MADE_WITH))["scikit-learn"]
    except Exception as error:  # likewise
        raise ArtifactError(f"these are no trees of scikit-learn: {_said(error)}") from error
    try:
        return Version(text)  # it stands in a line to type: nothing but a version
    except (InvalidVersion, TypeError) as error:
        raise ArtifactError(
            f"{MADE_WITH} of these trees names no version of scikit-learn", value=str(text)
        ) from error


def _unreadable(version: Version, error: Exception) -> ArtifactError:
    if version == _OURS:
        return ArtifactError(f"these are no trees of scikit-learn, or altered ones: {_said(error)}")
    return ArtifactError(
        f"trees of scikit-learn {version} cannot be read by {_OURS}: {_said(error)}",
        value=str(version),
        remedy=f"pip install scikit-learn=={version}, or fit anew",
    )


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


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
