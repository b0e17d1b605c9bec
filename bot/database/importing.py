"""Bring a shop's own data in: `kefu import products|documents|customers|orders FILE` (CSV or JSONL).

The whole file is checked before anything is written, and written in one transaction: all of it or nothing. Rows are
streamed, so a file of millions needs no more memory than one of hundreds. Known ids are replaced.
"""

import argparse
import itertools
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from bot.database.base import utc_now
from bot.database.engine import open_engine, open_readers, open_sessions
from bot.database.import_checking import PARTS_MOST, check_row
from bot.database.import_reading import ImportRefused, Problem, read
from bot.database.import_schema import SCHEMAS, Schema, markdown
from bot.database.import_writing import WRITERS, Entry
from bot.database.migrate import MigrationError, migrate
from bot.database.shop import Customer, PaymentMethod, ShopFact, Variant

CHUNK = 500  # entries looked up and written together; SQLite allows 32,766 values in one statement
CACHE_KIB = 128 * 1024
FORMS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
Progressed = Callable[[str, int], None]  # stage, entries


@dataclass
class Report:
    """What an import found and did."""

    entries: int = 0
    problems: list[Problem] = field(default_factory=list)
    problems_more: int = 0  # found beyond the limit, counted only
    written: bool = False

    @property
    def bad(self) -> int:
        return len(self.problems) + self.problems_more


def import_file(
    engine: Engine,
    kind: str,
    path: Path,
    *,
    form: str | None = None,
    check_only: bool = False,
    into_demo: bool = False,
    limit: int = 100,
    now: datetime | None = None,
    progressed: Progressed = lambda _stage, _entries: None,
) -> Report:
    """Check the file, and when it is right, write it.

    Args:
        form: csv or jsonl; None: by the file's ending.
        limit: problems reported one by one; the rest is counted.

    Raises:
        ImportRefused: the file as a whole cannot be read, or the shop still holds the demo data.
    """
    schema, form = SCHEMAS[kind], form or _form(path)
    _refuse_demo(engine, into_demo)
    report = Report()
    with open_readers(engine)() as session, closing(_Seen()) as seen:
        for entries in _chunks(schema, path, form, report, limit):
            _check_references(session, schema, entries, seen, report, limit)
            report.entries += len(entries)
            progressed("checking", report.entries)
    if report.bad or check_only:
        return report
    moment, written = now or utc_now(), 0
    with open_sessions(engine).begin() as session:
        _widen_cache(session)
        again = Report()
        for entries in _chunks(schema, path, form, again, limit):
            WRITERS[kind](session, [entry for _, entry in entries], moment)
            session.expunge_all()
            progressed("writing", written := written + len(entries))
        if again.bad or written != report.entries:
            raise ImportRefused(f"{path.name} changed while it was read; nothing was imported")
        if session.get(ShopFact, "own_data") is None:
            session.add(ShopFact(key="own_data", value={"since": moment.isoformat(), "first": kind}))
    report.written = True
    return report


def _widen_cache(session: Session) -> None:
    """SQLite's own cache of 2 MB would write the same index pages again and again in a transaction this large."""
    if session.get_bind().dialect.name == "sqlite":
        session.execute(text(f"PRAGMA cache_size = -{CACHE_KIB}"))


def _form(path: Path) -> str:
    try:
        return FORMS[path.suffix.lower()]
    except KeyError:
        raise ImportRefused(f"{path.name} ends neither in .csv nor in .jsonl; name its form with --format") from None


def _refuse_demo(engine: Engine, into_demo: bool) -> None:
    with open_readers(engine)() as session:
        if session.get(ShopFact, "demo") is not None and not into_demo:
            raise ImportRefused(
                "this shop holds the demo data; take it out with `kefu seed --remove`, or keep both with --into-demo"
            )


# reading: rows to entries


def _chunks(schema: Schema, path: Path, form: str, report: Report, limit: int) -> Iterator[list[tuple[int, Entry]]]:
    """Checked entries with their first line, in chunks; problems go into the report."""
    entries = _entries(schema, _good_rows(schema, path, form, report, limit), report, limit)
    while chunk := list(itertools.islice(entries, CHUNK)):
        yield chunk


def _good_rows(schema: Schema, path: Path, form: str, report: Report, limit: int) -> Iterator[tuple[int, Entry]]:
    for row in read(path, schema, form):
        if isinstance(row, Problem):
            _add(report, [row], limit)
            continue
        problems: list[Problem] = []
        values = check_row(schema, row, problems)
        if values is None:
            _add(report, problems, limit)
        else:
            yield row.line, values


def _entries(
    schema: Schema, rows: Iterable[tuple[int, Entry]], report: Report, limit: int
) -> Iterator[tuple[int, Entry]]:
    """Rows with the same key that follow each other become one entry, where the schema groups."""
    if schema.grouped is None:
        yield from rows
        return
    part = schema.grouped
    defaults = {column.name: column.default for column in schema.columns}
    for _, same in itertools.groupby(rows, key=lambda row: [row[1][name] for name in schema.key]):
        group = iter(same)
        line, entry = next(group)
        for number, more in group:
            for name in entry:
                if name != part and more[name] not in (entry[name], defaults[name]):
                    rule = f"differs from line {line}, which is about the same {schema.kind.rstrip('s')}"
                    _add(report, [Problem.of(number, name, more[name], rule)], limit)
            entry[part] = entry[part] + more[part]
            if len(entry[part]) > PARTS_MOST:
                _add(report, [Problem.of(number, part, len(entry[part]), f"at most {PARTS_MOST} entries")], limit)
                entry[part] = entry[part][:PARTS_MOST]
        yield line, entry


def _add(report: Report, problems: Sequence[Problem], limit: int) -> None:
    room = max(limit - len(report.problems), 0)
    report.problems.extend(problems[:room])
    report.problems_more += len(problems[room:])


# what one row alone cannot tell


class _Seen:
    """Keys met so far and their line, on disk once they are many."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("")  # a temporary file of SQLite's own, gone when closed
        self._file.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")

    def first(self, key: str, line: int) -> int | None:
        """The line the key was met on before, or None and it is noted."""
        made = self._file.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, line))
        if made.rowcount:
            return None
        return int(self._file.execute("SELECT line FROM seen WHERE key = ?", (key,)).fetchone()[0])

    def close(self) -> None:
        self._file.close()


def _check_references(
    session: Session, schema: Schema, entries: Sequence[tuple[int, Entry]], seen: _Seen, report: Report, limit: int
) -> None:
    problems: list[Problem] = []
    for line, entry in entries:
        key = " ".join(entry[name] for name in schema.key)
        if (first := seen.first(f"key\x1f{key}", line)) is not None:
            hint = "; rows of one must follow each other" if schema.grouped else ""
            problems.append(Problem.of(line, schema.key[0], key, f"stands already in line {first}{hint}"))
    if check := REFERENCES.get(schema.kind):
        check(session, entries, seen, problems)
    session.expunge_all()
    _add(report, problems, limit)


def _product_references(
    session: Session, entries: Sequence[tuple[int, Entry]], seen: _Seen, problems: list[Problem]
) -> None:
    skus = {variant["sku"] for _, entry in entries for variant in entry["variants"]}
    owners = _found(session, Variant.sku, Variant.product_id, skus)
    for line, entry in entries:
        for variant in entry["variants"]:
            sku = variant["sku"]
            if (first := seen.first(f"sku\x1f{sku}", line)) is not None:
                problems.append(Problem.of(line, "sku", sku, f"stands already in line {first}"))
            elif owners.get(sku, entry["id"]) != entry["id"]:
                problems.append(Problem.of(line, "sku", sku, f"belongs to product {owners[sku]} already"))


def _customer_references(
    session: Session, entries: Sequence[tuple[int, Entry]], seen: _Seen, problems: list[Problem]
) -> None:
    emails = _found(session, Customer.email, Customer.id, {entry["email"] for _, entry in entries})
    erased = _found(session, Customer.id, Customer.deleted_at, {entry["id"] for _, entry in entries})
    methods = {method["id"] for _, entry in entries for method in entry["payment_methods"] or []}
    owners = _found(session, PaymentMethod.id, PaymentMethod.customer_id, methods)
    for line, entry in entries:
        email = entry["email"]
        if erased.get(entry["id"]) is not None:
            problems.append(Problem.of(line, "id", entry["id"], "was erased on request; take the row out of the file"))
        if (first := seen.first(f"email\x1f{email}", line)) is not None:
            problems.append(Problem.of(line, "email", email, f"stands already in line {first}"))
        elif emails.get(email, entry["id"]) != entry["id"]:
            problems.append(Problem.of(line, "email", email, f"is the address of customer {emails[email]} already"))
        for method in entry["payment_methods"] or []:
            if (first := seen.first(f"method\x1f{method['id']}", line)) is not None:
                problems.append(Problem.of(line, "payment_methods", method["id"], f"stands already in line {first}"))
            elif owners.get(method["id"], entry["id"]) != entry["id"]:
                rule = f"belongs to customer {owners[method['id']]} already"
                problems.append(Problem.of(line, "payment_methods", method["id"], rule))


def _order_references(
    session: Session, entries: Sequence[tuple[int, Entry]], seen: _Seen, problems: list[Problem]
) -> None:
    ids = _found(session, Customer.id, Customer.addresses, {entry["customer_id"] for _, entry in entries})
    emails = _found(session, Customer.email, Customer.addresses, {entry["customer_email"] for _, entry in entries})
    skus = _found(session, Variant.sku, Variant.sku, {line["sku"] for _, entry in entries for line in entry["lines"]})
    methods = {payment["payment_method_id"] for _, entry in entries for payment in entry["payments"] or []}
    known_methods = _found(session, PaymentMethod.id, PaymentMethod.id, methods)
    for line, entry in entries:
        column = "customer_id" if entry["customer_id"] else "customer_email"
        known = ids if entry["customer_id"] else emails
        if entry[column] not in known:
            rule = "no such customer; import customers first" if entry[column] else "give customer_id or customer_email"
            problems.append(Problem.of(line, column, entry[column] or "", rule))
        elif entry["ship_to"] is None and not known[entry[column]]:
            problems.append(Problem.of(line, "ship_to", "", "must not be empty: the customer has no address on file"))
        for sold in entry["lines"]:
            if sold["sku"] not in skus:
                problems.append(Problem.of(line, "sku", sold["sku"], "no product has this SKU; import products first"))
        for payment in entry["payments"] or []:
            method = payment["payment_method_id"]
            if method is not None and method not in known_methods:
                problems.append(Problem.of(line, "payments", method, "no customer has this payment method"))


def _found(session: Session, key: Any, value: Any, wanted: Iterable[str | None]) -> dict[str, Any]:
    """Value by key, of those wanted that are in the database."""
    keys = [word for word in wanted if word is not None]
    made: dict[str, Any] = {}
    for start in range(0, len(keys), 5000):
        made.update(session.execute(select(key, value).where(key.in_(keys[start : start + 5000]))).all())
    return made


REFERENCES = {"products": _product_references, "customers": _customer_references, "orders": _order_references}


# the command


def main(argv: Sequence[str] | None = None) -> int:
    """0: imported (or checked and right); 1: refused, nothing was written; 2: used wrongly."""
    from bot import settings

    parser = argparse.ArgumentParser(prog="kefu import", description=__doc__)
    parser.add_argument("kind", choices=list(SCHEMAS))
    parser.add_argument("file", type=Path, nargs="?", help="a .csv or .jsonl file")
    parser.add_argument("--columns", action="store_true", help="show the columns of this kind, and stop")
    parser.add_argument("--check", action="store_true", help="check the file, write nothing")
    parser.add_argument("--format", choices=("csv", "jsonl"), help="when the file's ending does not tell")
    parser.add_argument("--into-demo", action="store_true", help="import although the demo shop is there; both stay")
    parser.add_argument("--errors", type=int, default=100, metavar="N", help="problems shown one by one (100)")
    options = parser.parse_args(argv)
    console = Console(highlight=False)
    if options.columns:
        print(markdown(options.kind))
        return 0
    if options.file is None:
        parser.error("name the file to import")
    engine = open_engine(settings.load().database_url)
    try:
        migrate(engine)
        return _on_screen(engine, options, console)
    except (ImportRefused, MigrationError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        engine.dispose()


def _on_screen(engine: Engine, options: argparse.Namespace, console: Console) -> int:
    started = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[count]:,}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("checking", total=None, count=0)
        checked = 0

        def progressed(stage: str, entries: int) -> None:
            nonlocal checked
            checked = max(checked, entries)
            known = stage == "writing"
            progress.update(task, description=stage, completed=entries, total=checked if known else None, count=entries)

        report = import_file(
            engine,
            options.kind,
            options.file,
            form=options.format,
            check_only=options.check,
            into_demo=options.into_demo,
            limit=options.errors,
            progressed=progressed,
        )
    if report.bad:
        console.print(problem_table(report))
        print(f"{options.file.name}: {report.bad:,} problems, nothing was imported", file=sys.stderr)
        return 1
    done = "imported" if report.written else "checked, nothing written"
    console.print(f"{report.entries:,} {options.kind} {done} in {time.monotonic() - started:.1f} s")
    return 0


def problem_table(report: Report) -> Table:
    table = Table(
        "line",
        "column",
        "value",
        "rule",
        caption=f"and {report.problems_more:,} more" if report.problems_more else None,
    )
    for problem in report.problems:
        table.add_row(str(problem.line), problem.column, problem.value, problem.rule)
    return table


import_main = main

if __name__ == "__main__":
    sys.exit(main())
