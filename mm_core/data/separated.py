"""CSV and its relatives: separators, encodings, decimal signs; a column is judged as a whole."""

from __future__ import annotations

import csv
import gzip
import io
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TextIO

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from mm_core.api.config import suggest
from mm_core.api.errors import ConfigError, DataError, MMWarning
from mm_core.data.cells import Held, cells_of
from mm_core.data.names import string_names

SEPARATORS = {".csv": ",", ".tsv": "\t"}
"""Ending -> what is tried first."""

_OTHERS = (";", "\t", "|")
_BLOCK, _ROWS = 2**22, 200_000
"""Bytes, or rows, that are read at once."""

_LINES = 20
"""Lines that must agree before another separator is taken."""


@dataclass(frozen=True)
class CSVFile:
    """A file of separated values that says how it is to be read; it is given as data.

    Attributes:
        path: of the file; ``.gz`` is unpacked.
        separator: between fields; None: ``,`` (of ``.tsv``: tab), or what the first lines show
            beyond doubt.
        encoding: name of a codec; None: UTF-8, or UTF-16 where the file begins so.
        decimal: the sign before fractions; None: ``.``, or ``,`` where another separator than
            ``,`` and the numbers of the file leave no doubt.

    Example: ``predictor.fit(CSVFile("umsatz.csv", decimal=",", encoding="cp1252"))``
    """

    path: str | Path
    separator: str | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None

    def __post_init__(self) -> None:
        if self.separator is not None and len(self.separator) != 1:
            raise ConfigError(
                f"separator {self.separator!r} is not one sign",
                value=self.separator,
                remedy="such as ';', or a tab",
            )
        if self.decimal not in (None, ".", ","):
            raise ConfigError(
                f"decimal {self.decimal!r}", value=self.decimal, remedy="use '.' or ','"
            )


OPTIONS = ("separator", "encoding", "decimal")


def csv_file(path: str, given: dict[str, str]) -> CSVFile:
    """Of options as they are typed.

    Raises:
        ConfigError: an unknown one.
    """
    for name in given:
        if name not in OPTIONS:
            near = suggest(name, list(OPTIONS))
            raise ConfigError(
                f"a CSV file has no option {name!r}",
                value=name,
                remedy=f"did you mean {near!r}?" if near else f"options: {', '.join(OPTIONS)}",
            )
    options: dict[str, Any] = {**given}
    if options.get("separator") in ("tab", "\\t"):
        options["separator"] = "\t"
    return CSVFile(path, **options)


def ending_of(path: Path) -> str:
    """``.csv`` of ``x.csv`` and of ``x.csv.gz``."""
    name = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return name.suffix.lower()


def read_separated(file: CSVFile) -> pd.DataFrame:
    """All rows at once."""
    settled = _settled(file)
    schema = pa.schema([(name, pa.string()) for name in settled.names])
    try:
        table = pa.Table.from_batches(list(_arrow(settled)), schema)
    except (pa.ArrowInvalid, _OtherHeaderError):
        table = pa.Table.from_batches(list(_pandas(settled, None)), schema)
    held = {name: Held.of(table[name], settled.may_be_commas) for name in table.column_names}
    settled = _with_decimal(settled, held)
    _tell(file, settled, held)
    return _frame(table, held, settled)


def separated_parts(file: CSVFile, rows: int) -> Iterator[pd.DataFrame]:
    """``rows`` at a time; the file is read twice: for what its columns hold, then for its rows."""
    settled = _settled(file)
    try:
        held = _held(_arrow(settled), settled)
        again = _arrow(settled)
    except (pa.ArrowInvalid, _OtherHeaderError):
        held = _held(_pandas(settled, rows), settled)
        again = _pandas(settled, rows)
    settled = _with_decimal(settled, held)
    _tell(file, settled, held)
    for part in _of_length(again, rows):
        yield _frame(part, held, settled)


def _held(parts: Iterable[pa.RecordBatch], file: _Settled) -> dict[str, Held]:
    whole: dict[str, Held] = {}
    for part in parts:
        for name in part.schema.names:
            found = Held.of(part[name], file.may_be_commas)
            before = whole.get(name)
            whole[name] = found if before is None else before.and_of(found)
    return whole


def _of_length(parts: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """The same rows, so many at a time."""
    kept: list[pa.RecordBatch] = []
    for part in parts:
        kept.append(part)
        while sum(map(len, kept)) >= rows:
            table = pa.Table.from_batches(kept)
            yield table[:rows]
            kept = table[rows:].to_batches()
    if kept:
        yield pa.Table.from_batches(kept)


@dataclass(frozen=True)
class _Settled:
    """How a file is read.

    Attributes:
        path: of it.
        separator: between fields.
        encoding: of the text.
        decimal: the sign before fractions, once it is known.
        header: the first row as it stands.
        names: of the columns.
    """

    path: Path
    separator: str
    encoding: str
    decimal: str | None
    header: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def may_be_commas(self) -> bool:
        """Whether decimal commas are looked for."""
        return self.separator != "," or self.decimal == ","


class _OtherHeaderError(Exception):
    """Arrow sees other columns than pandas, whose word holds."""


def _settled(file: CSVFile) -> _Settled:
    path = Path(file.path)
    encoding = file.encoding or _encoding(path)
    separator = file.separator or _separator(path, encoding)
    given: dict[str, Any] = {"sep": separator, "encoding": encoding, "dtype": str}
    try:
        header = pd.read_csv(path, header=None, nrows=1, keep_default_na=False, **given).iloc[0]
        string_names(name for name in header if name)  # pandas renames the second "x" to "x.1"
        names = pd.read_csv(path, nrows=0, index_col=False, **given).columns
    except UnicodeDecodeError as error:
        raise _undecodable(path, encoding, error) from error
    except LookupError as error:
        raise ConfigError(
            f"there is no encoding {encoding!r}",
            value=encoding,
            remedy="such as utf-8, cp1252, latin-1, utf-16, shift_jis",
        ) from error
    return _Settled(path, separator, encoding, file.decimal, tuple(header), tuple(names))


def _open(path: Path, encoding: str, errors: str = "strict") -> TextIO:
    opened = gzip.open if path.suffix.lower() == ".gz" else io.open
    return opened(path, "rt", encoding=encoding, errors=errors, newline="")


def _encoding(path: Path) -> str:
    opened = gzip.open if path.suffix.lower() == ".gz" else io.open
    with opened(path, "rb") as file:
        start = file.read(2)
    return "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8"


def _separator(path: Path, encoding: str) -> str:
    """That of the ending, unless the header lacks it and one other parts all first lines alike."""
    usual = SEPARATORS.get(ending_of(path), ",")
    try:
        with _open(path, encoding, "replace") as file:
            lines = [line for _, line in zip(range(_LINES), file, strict=False)]
    except (UnicodeError, LookupError):  # told when the rows are read
        return usual
    if not lines or usual in lines[0]:
        return usual
    for other in _OTHERS:
        widths = {len(row) for row in csv.reader(lines[:-1] or lines, delimiter=other) if row}
        if other in lines[0] and len(widths) == 1:
            return other
    return usual


def _arrow(file: _Settled) -> Iterator[pa.RecordBatch]:
    """All cells as texts, the empty ones null: fast, and strict about the length of rows."""
    with pa.csv.open_csv(
        file.path,
        read_options=pa.csv.ReadOptions(encoding=file.encoding, block_size=_BLOCK),
        parse_options=pa.csv.ParseOptions(delimiter=file.separator, newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(file.header, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
        ),
    ) as reader:
        if tuple(reader.schema.names) != file.header or len(file.header) != len(file.names):
            raise _OtherHeaderError
        for batch in reader:
            yield batch.rename_columns(list(file.names))


def _pandas(file: _Settled, rows: int | None) -> Iterator[pa.RecordBatch]:
    """The same, where rows may be shorter than the header; longer ones are an error."""
    given: dict[str, Any] = {
        "sep": file.separator,
        "encoding": file.encoding,
        "dtype": str,
        "index_col": False,
        "keep_default_na": False,
        "na_values": [""],
    }
    try:
        with warnings.catch_warnings():
            # Rows longer than the header would lose fields, or shift by becoming the index.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            parts = pd.read_csv(file.path, chunksize=rows or _ROWS, **given)
        with parts:
            for part in _strict(parts):
                # A column without any cell is of no type.
                schema = pa.schema([(name, pa.string()) for name in part])
                yield from pa.Table.from_pandas(part, schema, preserve_index=False).to_batches()
    except UnicodeDecodeError as error:
        raise _undecodable(file.path, file.encoding, error) from error


def _strict(parts: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The parts; rows that are longer than the header are an error."""
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            part = next(parts, None)
        if part is None:
            return
        yield part


def _undecodable(path: Path, encoding: str, error: UnicodeDecodeError) -> DataError:
    return DataError(
        f"{str(path)!r} is not in {encoding} (byte 0x{error.object[error.start]:02x})",
        value=str(path),
        remedy="name its encoding, such as cp1252 (Windows, Western Europe): --csv encoding=cp1252,"
        f" or mm_core.CSVFile({str(path)!r}, encoding='cp1252')",
    )


def _with_decimal(file: _Settled, held: dict[str, Held]) -> _Settled:
    """The sign before fractions: a comma where the separator is none, and the file tells."""
    if file.decimal is not None:
        return file
    tells = file.separator != "," and any(column.commas for column in held.values())
    against = any(column.points for column in held.values())
    return replace(file, decimal="," if tells and not against else ".")


def _frame(table: pa.Table, held: dict[str, Held], file: _Settled) -> pd.DataFrame:
    decimal = file.decimal or "."
    cells = {name: cells_of(table[name], held[name], decimal) for name in table.column_names}
    return pd.DataFrame(cells)


_SHOWN = {"\t": "tab"}


def _tell(asked: CSVFile, file: _Settled, held: dict[str, Held]) -> None:
    """What was found out about the file, and the words that may be meant as missing."""
    usual = SEPARATORS.get(ending_of(file.path), ",")
    found = {
        "separator": file.separator if file.separator not in (usual, asked.separator) else None,
        "encoding": file.encoding if file.encoding not in ("utf-8", asked.encoding) else None,
        "decimal": "," if file.decimal == "," and asked.decimal is None else None,
    }
    said = [f"{name} {_SHOWN.get(sign, sign)}" for name, sign in found.items() if sign]
    if said:
        warnings.warn(
            f"{str(file.path)!r} is read with {', '.join(said)}; other settings: --csv, or "
            "mm_core.CSVFile(path, separator=..., encoding=..., decimal=...)",
            MMWarning,
            stacklevel=5,
        )
    if file.decimal == "," and (like := [n for n, c in held.items() if c.commas and c.thousands]):
        warnings.warn(
            f"1,234 is read as 1.234, and every comma of {', '.join(map(repr, like))} has three "
            "digits behind it, as between thousands. Where they are thousands: --csv decimal=., or "
            "mm_core.CSVFile(path, decimal='.')",
            MMWarning,
            stacklevel=5,
        )
    words = {name: column.words for name, column in held.items() if _are_words(column)}
    if words:
        listed = "; ".join(
            f"{name!r} ({', '.join(f'{n} of {w!r}' for w, n in sorted(count.items()))})"
            for name, count in words.items()
        )
        warnings.warn(
            f"words for missing cells that stand among other words are read as words: {listed}. "
            "Where they mean missing cells, leave the cells empty",
            MMWarning,
            stacklevel=5,
        )


def _are_words(column: Held) -> bool:
    """Whether missing words of the column stay words."""
    if not column.words:
        return False
    return not (column.numbers or column.truths or column.commas)
