"""Bring a shop's own data in: `kefu import products|documents|customers|orders FILE` (CSV or JSONL).

The whole file is checked before anything is written, and written in one transaction: all of it or nothing. Rows are
streamed, so a file of millions needs no more memory than one of hundreds. Known ids are replaced.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot.database.base import utc_now
from bot.database.engine import open_engine, open_readers, open_sessions
from bot.database.import_checking import PARTS_MOST, check_row
from bot.database.import_reading import ImportRefused, Problem, read
from bot.database.import_references import Seen, check_references
from bot.database.import_schema import SCHEMAS, Schema, markdown
from bot.database.import_writing import WRITERS, Entry
from bot.database.migrate import MigrationError, migrate, reason
from bot.database.shop import ShopFact

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
    with open_readers(engine)() as session, closing(Seen()) as seen:
        for entries in _chunks(schema, path, form, report, limit):
            _add(report, check_references(session, schema, entries, seen), limit)
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
    except DBAPIError as error:  # a full disk, a lock held for too long
        print(f"the database refused, nothing was imported: {reason(error)}", file=sys.stderr)
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
        print(
            f"{options.file.name}: {report.bad:,} problem{'s' * (report.bad != 1)}, nothing was imported",
            file=sys.stderr,
        )
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
