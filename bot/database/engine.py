"""Open the database: SQLite (WAL) by default, PostgreSQL by URL; one engine a process."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.orm import Session, sessionmaker

Sessions = sessionmaker[Session]
BUSY_SECONDS = 30.0  # that a writer waits for the others before it fails
LOOK_SECONDS = 0.001  # how often it looks; SQLite's own waiting grows to 25 ms a look, most of them slept in vain
SessionScope = Callable[[], AbstractContextManager[Session]]


def open_engine(url: str, *, pool_size: int = 5, checkpoints: bool = True) -> Engine:
    """An engine for `url` with the pragmas and pool this application relies on.

    SQLite writes take the lock at BEGIN (`BEGIN IMMEDIATE`), so that two writers queue on the busy
    timeout instead of failing half way with "database is locked".

    Args:
        url: `sqlite:///path` or `postgresql+psycopg://user@host/name`; `postgresql://` is read as the latter.
        pool_size: connections kept; at most twice as many are opened.
        checkpoints: whether this process's commits write SQLite's log back into the database when it has grown (and
            wait for the disk); one that must answer at once leaves it to the others.
    """
    if url.startswith(("postgresql://", "postgres://")):
        url = "postgresql+psycopg://" + url.split("://", 1)[1]
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True)
    engine = create_engine(url, pool_size=pool_size, max_overflow=pool_size, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _pragmas(connection, _record):  # type: ignore[no-untyped-def]
        connection.isolation_level = None  # we BEGIN ourselves, below
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_SECONDS * 1000:.0f}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        if not checkpoints:
            cursor.execute("PRAGMA wal_autocheckpoint=0")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection):  # type: ignore[no-untyped-def]
        if connection.get_execution_options().get("kefu_read_only", False):
            _driver(connection).execute("BEGIN")  # past SQLAlchemy, which needs ten times as long for this word
        elif not _begun(connection):
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # fails, and says why

    return engine


def _begun(connection: Connection) -> bool:
    """Take SQLite's write lock as soon as it is free; False when it is not within BUSY_SECONDS."""
    driver = _driver(connection)
    until = time.monotonic() + BUSY_SECONDS
    driver.execute("PRAGMA busy_timeout=0")
    try:
        while time.monotonic() < until:
            try:
                driver.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    return False
                time.sleep(LOOK_SECONDS)
            else:
                return True
        return False
    finally:
        driver.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}")


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101  (the engine's URL says so)
    return driver


def open_sessions(engine: Engine) -> Sessions:
    """Sessions for reading and writing: `with sessions.begin() as session:` commits, an error rolls back."""
    return sessionmaker(engine, expire_on_commit=False)


def open_readers(engine: Engine) -> Sessions:
    """Sessions that only read; on SQLite they never wait for a writer."""
    return sessionmaker(engine.execution_options(kefu_read_only=True), expire_on_commit=False)
