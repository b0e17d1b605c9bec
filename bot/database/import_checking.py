"""From the text or JSON value of a cell to the value the tables want, or the rule it breaks."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from bot.database.import_reading import Problem, Row, json_value
from bot.database.import_schema import Column, Schema

MOST = 2_000_000_000  # fits the integer column of PostgreSQL
DECIMALS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "KWD": 3, "BHD": 3, "TND": 3}  # all others have 2
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
PARTS_MOST = 1000  # variants of a product, lines of an order


class Wrong(Exception):
    """The value breaks the rule given (default: the column's own)."""


def check_row(schema: Schema, row: Row, problems: list[Problem]) -> dict[str, Any] | None:
    """Typed values of a row, parts included; None when it has problems, which are then in the list."""
    before = len(problems)
    grouped = schema.parts[schema.grouped] if schema.grouped else ()
    values = _check(schema.columns, row.values, row.line, "", problems)
    for part, columns in schema.parts.items():
        given = values.get(part)
        if isinstance(given, list):
            values[part] = _parts(columns, given, row.line, part, problems)
        elif isinstance(given, dict):
            made = _parts(columns, [given], row.line, part, problems)
            values[part] = made[0] if made else None
    if schema.grouped:
        own = {column.name: row.values[column.name] for column in grouped if column.name in row.values}
        if own:
            one = _check(grouped, own, row.line, "", problems)
            values[schema.grouped] = [*(values[schema.grouped] or []), one]
        elif not values[schema.grouped] and len(problems) == before:
            rule = f"no {schema.grouped}: give {grouped[0].name} in the row, or a list"
            problems.append(Problem.of(row.line, schema.grouped, "", rule))
    if len(problems) > before:
        return None
    _exact(schema, values, row.line, problems)
    return None if len(problems) > before else values


def _check(
    columns: tuple[Column, ...], given: Mapping[str, Any], line: int, prefix: str, problems: list[Problem]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column in columns:
        raw = given.get(column.name)
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            values[column.name] = column.default
            if column.required:
                problems.append(Problem.of(line, prefix + column.name, "", "must not be empty"))
            continue
        try:
            values[column.name] = CHECKS[column.type](raw, column)
        except Wrong as error:
            problems.append(Problem.of(line, prefix + column.name, raw, str(error) or f"must be {column.rule}"))
            values[column.name] = column.default
    return values


def _parts(columns: tuple[Column, ...], given: list[Any], line: int, part: str, problems: list[Problem]) -> list[Any]:
    if len(given) > PARTS_MOST:
        problems.append(Problem.of(line, part, len(given), f"at most {PARTS_MOST} entries"))
        return []
    known = {column.name for column in columns}
    made = []
    for number, entry in enumerate(given, 1):
        prefix = f"{part}[{number}]."
        if not isinstance(entry, dict):
            problems.append(Problem.of(line, prefix[:-1], entry, "must be a JSON object"))
        elif unknown := sorted(set(entry) - known):
            problems.append(
                Problem.of(
                    line, prefix + unknown[0], entry[unknown[0]], f"unknown; known are {', '.join(sorted(known))}"
                )
            )
        else:
            made.append(_check(columns, entry, line, prefix, problems))
    return made


def _exact(schema: Schema, values: dict[str, Any], line: int, problems: list[Problem]) -> None:
    """Amounts to minor units, once the currency is known."""
    currency = values.get("currency") or "EUR"
    levels = [("", schema.columns, values)]
    for part, columns in schema.parts.items():
        for number, entry in enumerate(values.get(part) or [] if isinstance(values.get(part), list) else [], 1):
            levels.append((f"{part}[{number}].", columns, entry))
    for prefix, columns, level in levels:
        own = level.get("currency") or currency
        for column in columns:
            if column.type == "money" and level.get(column.name) is not None:
                try:
                    level[column.name] = minor(level[column.name], own)
                except Wrong as error:
                    problems.append(Problem.of(line, prefix + column.name, str(level[column.name]), str(error)))


def minor(amount: Decimal | int, currency: str) -> int:
    """An amount in minor units, exactly.

    Raises:
        Wrong: more decimals than the currency has, or too large.
    """
    decimals = DECIMALS.get(currency, 2)
    scaled = Decimal(amount).scaleb(decimals)
    if scaled != scaled.to_integral_value():
        raise Wrong(f"{currency} has {decimals} decimals")
    if scaled > MOST:
        raise Wrong("too large an amount")
    return int(scaled)


# one function a type: value and column in, value out


def _text(value: Any, most: int) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise Wrong("must be a text")
    text = str(value).strip()
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Wrong("holds half an emoji (a lone surrogate); write the character itself") from None
    if found := CONTROL.search(text):
        raise Wrong(f"holds the control character U+{ord(found[0]):04X}")
    if len(text) > most:
        raise Wrong(f"has {len(text):,} characters, at most {most:,} are allowed")
    return text


def _long(value: Any, column: Column) -> str:
    return _text(value, 100_000)


def _line(value: Any, column: Column) -> str:
    text = _text(value, 255)
    if "\n" in text or "\r" in text:
        raise Wrong("must stand in one line")
    return text


def _pattern(expression: str, flags: int = 0) -> Callable[[Any, Column], str]:
    compiled = re.compile(expression, flags)

    def check(value: Any, column: Column) -> str:
        text = _line(value, column)
        if not compiled.fullmatch(text):
            raise Wrong
        return text

    return check


def _email(value: Any, column: Column) -> str:
    text = _line(value, column).lower()
    if not re.fullmatch(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;.]+", text):
        raise Wrong
    return text


def _choice(value: Any, column: Column) -> str:
    text = _line(value, column)
    if text not in column.choices:
        raise Wrong
    return text


def _whole(value: Any, column: Column) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,12}", str(value).strip()):
        raise Wrong
    if int(value) > MOST:
        raise Wrong
    return int(value)


def _money(value: Any, column: Column) -> Decimal:
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", str(value).strip(), re.ASCII):
        raise Wrong
    try:
        return Decimal(str(value).strip())
    except InvalidOperation:
        raise Wrong from None


def _flag(value: Any, column: Column) -> bool:
    word = str(value).strip().lower()
    if word not in ("true", "yes", "1", "false", "no", "0"):
        raise Wrong
    return word in ("true", "yes", "1")


def _time(value: Any, column: Column) -> datetime:
    text = _line(value, column)
    try:
        made = datetime.fromisoformat(text)
    except ValueError:
        raise Wrong from None
    if made.tzinfo is None:
        if len(text) > 10:
            raise Wrong("lacks its zone; write 2026-05-01T14:30:00Z or +02:00")
        made = made.replace(tzinfo=UTC)
    if not 1970 <= made.year <= 2199:
        raise Wrong("must lie between 1970 and 2199")
    return made


def _json(kind: type) -> Callable[[Any, Column], Any]:
    def check(value: Any, column: Column) -> Any:
        if isinstance(value, str):
            try:
                value = json_value(value)
            except ValueError as error:
                raise Wrong(str(error)) from None
        if not isinstance(value, kind):
            raise Wrong
        return _plain(value) if kind is dict else value  # entries of a list are checked one by one

    return check


def _plain(value: Any) -> Any:
    """JSON as the database takes it: no decimals, every text checked."""
    if isinstance(value, dict):
        return {_text(name, 255): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return float(value)
    return _text(value, 100_000) if isinstance(value, str) else value


CHECKS: Mapping[str, Callable[[Any, Column], Any]] = {
    "id": _pattern(r"[^\s]{1,64}"),
    "slug": _pattern(r"[a-z0-9_-]{1,64}"),
    "line": _line,
    "text": _long,
    "email": _email,
    "url": _pattern(r"(https?://[^\s]{3,2000}|/[^\s]{0,2000})"),
    "whole": _whole,
    "money": _money,
    "flag": _flag,
    "time": _time,
    "language": _pattern(r"en|zh"),
    "currency": _pattern(r"[A-Z]{3}"),
    "object": _json(dict),
    "list": _json(list),
    "choice": _choice,
}
