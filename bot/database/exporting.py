"""Take data out: `kefu export` (everything, one JSONL file a table, in a folder or a zip) or one person's data.

Streams, from one consistent view of the database, and appears under its name only when it is whole. Passwords,
sessions and one-time codes are left out.
"""

import argparse
import json
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import Engine, Table, func, select
from sqlalchemy.orm import Session

from bot.database.base import Base, utc_now
from bot.database.engine import open_engine, open_readers
from bot.database.migrate import MigrationError, require_current
from bot.database.personal import NoSuchCustomer, export_person, find_customer

LEFT_OUT = frozenset({"agent_sessions", "one_time_codes"})
LEFT_OUT_COLUMNS = {"agents": ("password_hash",)}
BATCH = 1000
Opener = Callable[[str], AbstractContextManager[IO[bytes]]]  # name of a file inside the export -> where to write it
Progressed = Callable[[str, int, int], None]  # table, rows done, rows in all


class ExportRefused(Exception):
    """The export cannot be written; the message says why."""


def export_all(
    engine: Engine, target: Path, *, progressed: Progressed = lambda _table, _done, _total: None
) -> dict[str, int]:
    """Write every table; returns rows by table.

    Args:
        target: a folder that does not exist yet, or a file ending in .zip.

    Raises:
        ExportRefused: the target exists.
    """
    with _snapshot(engine) as session, _container(target) as open_file:
        names = [table for table in Base.metadata.sorted_tables if table.name not in LEFT_OUT]
        total = sum(session.scalar(select(func.count()).select_from(table)) or 0 for table in names)
        counts: dict[str, int] = {}
        for table in names:
            with open_file(f"{table.name}.jsonl") as out:
                counts[table.name] = 0
                for row in _rows(session, table):
                    out.write(_line(row))
                    counts[table.name] += 1
                    if counts[table.name] % BATCH == 0:
                        progressed(table.name, sum(counts.values()), total)
            progressed(table.name, sum(counts.values()), total)
        manifest = {"exported_at": utc_now(), "tables": counts, "left_out": sorted(LEFT_OUT)}
        with open_file("manifest.json") as out:
            out.write(_line(manifest))
    return counts


def export_customer(engine: Engine, words: str, target: Path) -> dict[str, int]:
    """Write one person's data; returns rows by table.

    Args:
        words: the customer's id or e-mail address.
        target: as in `export_all`.

    Raises:
        NoSuchCustomer: nobody has that id or address.
        ExportRefused: the target exists.
    """
    with _snapshot(engine) as session:
        tables = export_person(session, find_customer(session, words))
    with _container(target) as open_file:
        for name, rows in tables.items():
            with open_file(f"{name}.jsonl") as out:
                out.writelines(_line(row) for row in rows)
    return {name: len(rows) for name, rows in tables.items()}


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Session]:
    """A session that sees one moment, however long the reading takes."""
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with open_readers(engine)() as session:
        yield session


def _rows(session: Session, table: Table) -> Iterator[Mapping[str, Any]]:
    shown = [column for column in table.c if column.name not in LEFT_OUT_COLUMNS.get(table.name, ())]
    found = session.execute(select(*shown).order_by(*table.primary_key), execution_options={"yield_per": BATCH})
    for row in found:
        yield dict(row._mapping)


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, default=_plain).encode() + b"\n"


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} has no place in an export")


@contextmanager
def _container(target: Path) -> Iterator[Opener]:
    """A folder or zip being written beside its name, and moved there when it is whole."""
    if target.exists():
        raise ExportRefused(f"{target} exists; name a new folder or .zip file")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    _discard(part)
    try:
        if target.suffix == ".zip":
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
                yield lambda name: archive.open(name, "w", force_zip64=True)
        else:
            part.mkdir()
            yield lambda name: (part / name).open("wb")
        part.rename(target)
    finally:
        _discard(part)


def _discard(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> int:
    from bot import settings

    parser = argparse.ArgumentParser(prog="kefu export", description=__doc__)
    parser.add_argument(
        "target", type=Path, nargs="?", help="a new folder or .zip file (default: kefu-export-DATE.zip)"
    )
    parser.add_argument("--customer", metavar="ID", help="one person's data only, by id or e-mail address")
    options = parser.parse_args(argv)
    target = options.target or Path(f"kefu-export-{utc_now():%Y-%m-%d-%H%M%S}.zip")
    engine = open_engine(settings.load().database_url)
    try:
        require_current(engine)
        counts = export_customer(engine, options.customer, target) if options.customer else _on_screen(engine, target)
    except (ExportRefused, NoSuchCustomer, MigrationError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, a folder that may not be written
        print(f"{target} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    finally:
        engine.dispose()
    print(f"wrote {sum(counts.values()):,} rows of {len(counts)} tables to {target}")
    return 0


def _on_screen(engine: Engine, target: Path) -> dict[str, int]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(), transient=True) as progress:
        task = progress.add_task("export", total=None)
        return export_all(
            engine,
            target,
            progressed=lambda table, done, total: progress.update(task, description=table, completed=done, total=total),
        )


export_main = main

if __name__ == "__main__":
    sys.exit(main())
