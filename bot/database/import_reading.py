"""Rows out of CSV and JSONL files, one at a time, with the line each began on.

ImportRefused       the file as a whole cannot be read; nothing was
Problem             one thing wrong in one place; reading goes on where it can
"""

import csv
import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from bot.database.import_schema import Schema

LINE_BYTES = 4_000_000  # a longer line is no row but a file without line breaks
SHOWN = 60  # characters of a bad value that a report shows


class ImportRefused(Exception):
    """The file cannot be imported; the message says why and what to do."""


@dataclass(frozen=True)
class Problem:
    """What is wrong, where, and which rule says so."""

    line: int
    column: str
    value: str
    rule: str

    @classmethod
    def of(cls, line: int, column: str, value: Any, rule: str) -> "Problem":
        shown = value if isinstance(value, str) else repr(value)
        shown = shown.encode("utf-8", "backslashreplace").decode()  # a report must be printable
        return cls(line, column, shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…", rule)


@dataclass(frozen=True)
class Row:
    line: int
    values: Mapping[str, Any]  # column: text (CSV) or JSON value; absent when empty


class Stop(Exception):
    """Nothing after this point can be trusted; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.rule)
        self.problem = problem


def read(path: Path, schema: Schema, form: str) -> Iterator[Row | Problem]:
    """The rows of a file in order; a problem in place of a row that cannot be read.

    Args:
        form: csv or jsonl.

    Raises:
        ImportRefused: no such file, not UTF-8, an empty file, a header that does not fit.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise ImportRefused(f"{path} cannot be read: {error.strerror}") from None
    with file:
        lines = _lines(file, path)
        try:
            yield from _csv(lines, schema, path) if form == "csv" else _jsonl(lines, schema)
        except Stop as stop:
            yield stop.problem


def _lines(file: BinaryIO, path: Path) -> Iterator[str]:
    number = 0
    while raw := file.readline(LINE_BYTES + 1):
        number += 1
        if len(raw) > LINE_BYTES:
            raise Stop(Problem(number, "", "", "a line of over 4 MB; the rest of the file was not read"))
        if number == 1:
            _check_encoding(raw, path)
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        try:
            yield raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ImportRefused(
                f"{path.name} is not UTF-8: line {number} holds the byte 0x{raw[error.start]:02x}; "
                "save it as UTF-8 (in a spreadsheet: CSV UTF-8) and try again"
            ) from None


def _check_encoding(raw: bytes, path: Path) -> None:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or raw[1:2] == b"\0":
        raise ImportRefused(f"{path.name} is UTF-16; save it as UTF-8 and try again")
    if raw.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        raise ImportRefused(f"{path.name} is packed (a spreadsheet or an archive); save it as CSV UTF-8 and try again")


# CSV


def _csv(lines: Iterator[str], schema: Schema, path: Path) -> Iterator[Row | Problem]:
    first = next(lines, None)
    if first is None or not first.strip():
        raise ImportRefused(f"{path.name} is empty; its first line must name the columns")
    delimiter = max(",;\t", key=first.count)
    header = next(csv.reader([first], delimiter=delimiter))
    names = _header([name.strip() for name in header], schema, path)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        start = rows.line_num + 2  # the header is line 1, and line_num counts what was read after it
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            rule = f"broken CSV ({error}); the rest of the file was not read"
            raise Stop(Problem(start, "", "", rule)) from None
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            rule = f"the row has {len(cells)} cells, the header {len(names)}"
            yield Problem.of(start, "", delimiter.join(cells), rule)
            continue
        yield Row(start, {name: cell for name, cell in zip(names, cells, strict=True) if cell.strip()})


def _header(names: list[str], schema: Schema, path: Path) -> list[str]:
    known = [column.name for column in schema.row_columns]
    for name in names:
        if name not in known:
            raise ImportRefused(f"{path.name} has a column {name!r} that {schema.kind} do not have{_near(name, known)}")
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ImportRefused(f"{path.name} has the column {sorted(doubled)[0]!r} twice")
    if missing := [column.name for column in schema.columns if column.required and column.name not in names]:
        raise ImportRefused(f"{path.name} lacks the column {missing[0]!r}, which {schema.kind} must have")
    return names


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"


# JSONL


def _jsonl(lines: Iterator[str], schema: Schema) -> Iterator[Row | Problem]:
    known = [column.name for column in schema.row_columns]
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            values = json_value(line)
        except ValueError as error:
            yield Problem.of(number, "", line.strip(), str(error))
            continue
        if not isinstance(values, dict):
            yield Problem.of(number, "", line.strip(), "each line must be a JSON object")
            continue
        unknown = [name for name in values if name not in known]
        if unknown:
            yield Problem.of(
                number, unknown[0], values[unknown[0]], f"{schema.kind} have no such column{_near(unknown[0], known)}"
            )
            continue
        yield Row(number, {name: value for name, value in values.items() if value is not None and value != ""})


def json_value(text: str) -> Any:
    """A JSON value, strictly: decimals stay exact, a key twice, NaN and endless nesting are refused.

    Raises:
        ValueError: with the sentence for the report.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"broken JSON at character {error.pos + 1}: {error.msg}") from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return made
