"""Addresses given where a file is meant: none is fetched, and each is told as it was typed."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from shlex import quote
from urllib.parse import unquote, urlsplit

from mm_core.api.errors import DataError
from mm_core.data.separated import ending_of

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(?=[^/])", re.IGNORECASE)  # "C:/x" is a drive


def check_on_disk(given: str | Path) -> None:
    """
    Raises:
        DataError: an address such as ``https://...`` or ``s3://...``, and no file of that name.
    """
    found = _ADDRESS.match(str(given))
    if found is None or Path(given).exists():
        return
    scheme = found[1].lower()
    # A Path has one slash where two were typed.
    typed = given if isinstance(given, str) else f"{found[1]}://{str(given)[found.end() :]}"
    raise DataError(
        f"{typed!r} is an address, and data is read from files on disk",
        value=typed,
        remedy=_REMEDIES.get(scheme, _DOWNLOAD).format(quoted=quote(typed), name=_name(typed)),
    )


_DOWNLOAD = "download it, and give the path of the file: {name!r}"
_FETCH = "download it first, and give the path: curl -L -o {name} {quoted}"
_REMEDIES = {
    "http": _FETCH,
    "https": _FETCH,
    "ftp": _FETCH,
    "s3": "download it first, and give the path: aws s3 cp {quoted} {name}",
    "file": "give the path alone, without 'file://'",
}


def _name(address: str) -> str:
    """What the file may be called: the end of the address, where that has an ending."""
    try:
        path = urlsplit(address).path
    except ValueError:  # brackets that are not closed
        path = ""
    name = PurePosixPath(unquote(path)).name
    plain = re.sub(r"[^\w.-]", "_", name)
    return plain if ending_of(Path(plain)) else "data.csv"
