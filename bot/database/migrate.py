"""Bring the database to the tables of this version: `kefu migrate`.

All of it is one transaction on both databases: a killed migration leaves nothing behind.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from rich.console import Console
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from bot.database import policies
from bot.database.base import Base
from bot.database.engine import open_engine, open_sessions

FOLDER = Path(__file__).parent / "migrations"
LOCK = 0x6B656675  # PostgreSQL advisory lock, "kefu": two machines that start at once migrate one after the other


class MigrationError(Exception):
    """The database cannot be migrated; the message says why and what to do."""


@dataclass(frozen=True)
class Migrated:
    """What `migrate` did: revisions before and after (None: an empty database), policy numbers added."""

    before: str | None
    after: str
    policies_added: int

    def sentence(self) -> str:
        if self.before == self.after:
            done = f"database is at revision {self.after}, nothing to do"
        else:
            done = f"database brought from {self.before or 'nothing'} to revision {self.after}"
        return done + (f"; {self.policies_added} policy numbers added" if self.policies_added else "")


def migrate(engine: Engine) -> Migrated:
    """Run what is missing and add default policy numbers that are absent.

    Raises:
        MigrationError: the database is newer than this version, holds tables that no migration made, or cannot be
            reached.
    """
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            before = _check(connection)
            command.upgrade(_config(connection), "head")
            after = MigrationContext.configure(connection).get_current_revision()
    except DBAPIError as error:
        raise MigrationError(f"database {engine.url.render_as_string()} cannot be migrated: {reason(error)}") from error
    with open_sessions(engine).begin() as session:
        added = policies.add_missing(session)
    return Migrated(before, str(after), added)


def _check(connection: Connection) -> str | None:
    """The revision the database is at; None when it is empty."""
    revision = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(_config(connection)).walk_revisions()}
    if revision is not None and revision not in known:
        raise MigrationError(
            f"the database is at revision {revision}, which this version does not know: a newer Kefu made it; "
            "run that version, or restore a backup"
        )
    ours = sorted(set(inspect(connection).get_table_names()) & set(Base.metadata.tables))
    if revision is None and ours:
        raise MigrationError(
            f"the database holds {len(ours)} of our tables ({ours[0]}, …) but no revision: something other than "
            "this command made them; move the database away or drop them, and run this again"
        )
    return revision


def reason(error: DBAPIError) -> str:
    """The database's own words, in one line."""
    return (str(error.orig).strip().splitlines() or ["no reason given"])[0]


def require_current(engine: Engine) -> None:
    """For processes that need the tables.

    Raises:
        MigrationError: the database is behind (or ahead of) this version, or cannot be reached.
    """
    try:
        with engine.connect() as connection:
            revision = _check(connection)
            head = ScriptDirectory.from_config(_config(connection)).get_current_head()
    except DBAPIError as error:
        raise MigrationError(f"database {engine.url.render_as_string()} cannot be read: {reason(error)}") from error
    if revision != head:
        raise MigrationError("the database is not at this version's tables; run `kefu migrate`")


def differences(engine: Engine) -> list[object]:
    """What the tables in code have that the migrated database has not, and the reverse; [] when equal."""
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


def revise(engine: Engine, message: str) -> Path:
    """Write a new migration: the difference between the migrated database and the tables in code."""
    with engine.begin() as connection:
        script = command.revision(_config(connection), message=message, autogenerate=True)
    if script is None or isinstance(script, list):
        raise MigrationError("alembic wrote no single file; migrations must have one head")
    return Path(script.path)


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def main(argv: Sequence[str] | None = None) -> int:
    from bot import settings

    parser = argparse.ArgumentParser(prog="kefu migrate", description=__doc__)
    parser.add_argument("--force", action="store_true", help="accepted for symmetry; a migration runs once anyway")
    parser.add_argument("--revise", metavar="MESSAGE", help="developers: write a migration for changed tables, no more")
    options = parser.parse_args(argv)
    engine = open_engine(settings.load().database_url)
    console = Console(highlight=False)
    try:
        if options.revise:
            console.print(f"wrote {revise(engine, options.revise)}")
        else:
            with console.status("migrating the database"):
                done = migrate(engine)
            console.print(done.sentence())
    except MigrationError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
