"""What a model reads, as types of requests: cells are data, never the name of something here."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any

import pandas as pd
from PIL import Image
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from mm_core.api import ConfigError
from mm_serve.limits import Limits

KINDS = {
    "text": "text",
    "numerical": "number",
    "categorical": "category",
    "boolean": "boolean",
    "datetime": "date",
    "path": "image",
    "bytes": "image",
    "base64": "image",
}
"""Kind of a column -> what a request holds in its place."""

MOST_VALUES = 100


@dataclass(frozen=True)
class Column:
    """A column that the model reads.

    Attributes:
        name: its name.
        input: the model's input that it is of.
        type: ``text``, ``number``, ``category``, ``boolean``, ``date`` or ``image``.
        values: known categories, the most frequent first; empty: not known.
    """

    name: str
    input: str
    type: str
    values: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """By name."""
        return asdict(self)


def columns_of(model: Any) -> list[Column]:
    """The columns of a model's inputs.

    Raises:
        ConfigError: one is of a kind that a request cannot hold.
    """
    kinds = {plan.name: plan.kind for plan in model.recipe.columns.columns}
    found: dict[str, Column] = {}
    for name, part in model.recipe.inputs.items():
        values = _known(model.processors[name])
        for column in part.columns:
            if kinds[column] not in KINDS:
                raise ConfigError(
                    f"column {column!r} holds {kinds[column]!r}, which a request cannot",
                    plugin="serve:serve",
                    column=column,
                    value=kinds[column],
                    remedy=f"models can be served that read: {', '.join(KINDS)}",
                )
            found[column] = Column(column, name, KINDS[kinds[column]], values.get(column, ()))
    return list(found.values())


def _known(processor: Any) -> dict[str, tuple[str, ...]]:
    """Categories that a processor's state lists as ``columns.<name>.keys``; else none."""
    columns = processor.state().values.get("columns")
    found = {}
    for name, state in columns.items() if isinstance(columns, Mapping) else ():
        keys = state.get("keys") if isinstance(state, Mapping) else None
        if isinstance(keys, list) and all(isinstance(key, str) for key in keys):
            found[name] = tuple(keys[:MOST_VALUES])
    return found


def row_model(columns: Sequence[Column], limits: Limits) -> type[BaseModel]:
    """A row as a request holds it; cells that are left out are missing, pictures become bytes."""
    number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
    text = Annotated[str, Field(max_length=limits.text_chars)]
    types: dict[str, Any] = {
        "text": text,
        "number": number,
        "category": text | bool | number,
        "boolean": bool | text | number,
        "date": text,
        "image": Annotated[str, AfterValidator(partial(decoded, limits=limits))],
    }
    fields: dict[str, Any] = {
        f"column_{place}": (
            types[column.type] | None,
            Field(default=None, alias=column.name, description=_said(column)),
        )
        for place, column in enumerate(columns)
    }
    forbid = ConfigDict(extra="forbid", populate_by_name=False)
    return create_model("Row", __config__=forbid, **fields)


def _said(column: Column) -> str:
    if column.type == "image":
        return "a picture file in base64"
    return f"{column.type} of the input {column.input}"


def decoded(value: str, limits: Limits) -> bytes:
    """The bytes of a picture, of which only the header is read.

    Raises:
        ValueError: no picture, or too many pixels.
    """
    head, _, tail = value.rpartition(",")
    if head and not head.startswith("data:"):
        raise ValueError("not a picture in base64")
    try:
        content = base64.b64decode(tail, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not a picture in base64") from None
    check_picture(content, limits)
    return content


def check_picture(content: bytes, limits: Limits) -> None:
    """
    Raises:
        ValueError: no picture, or too many pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as picture:
                width, height = picture.size
    except Image.DecompressionBombError:
        raise ValueError(f"a picture of more than {limits.pixels} pixels") from None
    except (OSError, ValueError, SyntaxError):
        raise ValueError("not a picture that can be read") from None
    if width * height > limits.pixels:
        raise ValueError(f"a picture of {width} x {height}, more than {limits.pixels} pixels")


def cells_of(row: BaseModel) -> dict[str, Any]:
    """Cells by column."""
    return row.model_dump(by_alias=True, warnings=False)  # of pictures, which came as texts


def frame_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> pd.DataFrame:
    """Rows of a request as a frame: numbers as such, pictures as bytes, nothing that is a path."""
    made: dict[str, Any] = {}
    for column in columns:
        cells = [row.get(column.name) for row in rows]
        dtype = "float64" if column.type == "number" else object
        made[column.name] = pd.Series(cells, dtype=dtype)
    return pd.DataFrame(made)


def from_form(text: str, column: Column) -> Any:
    """A field of a form as a cell; empty: missing. What cannot be a number stays a text, which is
    refused as one."""
    if text == "":
        return None
    if column.type == "number":
        try:
            return float(text)
        except ValueError:
            return text
    if column.type == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return text
