"""Open the database: SQLite (WAL) by default, PostgreSQL by URL; one engine a process."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session, sessionmaker

Sessions = sessionmaker[Session]
SessionScope = Callable[[], AbstractContextManager[Session]]


def open_engine(url: str, *, pool_size: int = 5) -> Engine:
    """An engine for `url` with the pragmas and pool this application relies on.

    SQLite writes take the lock at BEGIN (`BEGIN IMMEDIATE`), so that two writers queue on the busy
    timeout instead of failing half way with "database is locked".

    Args:
        url: `sqlite:///path` or `postgresql+psycopg://user@host/name`; `postgresql://` is read as the latter.
        pool_size: connections kept; at most twice as many are opened.
    """
    if url.startswith(("postgresql://", "postgres://")):
        url = "postgresql+psycopg://" + url.split("://", 1)[1]
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True)
    engine = create_engine(url, pool_size=pool_size, max_overflow=pool_size, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _pragmas(connection, _record):  # type: ignore[no-untyped-def]
        connection.isolation_level = None  # we BEGIN ourselves, below
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection):  # type: ignore[no-untyped-def]
        read_only = connection.get_execution_options().get("kefu_read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def open_sessions(engine: Engine) -> Sessions:
    """Sessions for reading and writing: `with sessions.begin() as session:` commits, an error rolls back."""
    return sessionmaker(engine, expire_on_commit=False)


def open_readers(engine: Engine) -> Sessions:
    """Sessions that only read; on SQLite they never wait for a writer."""
    return sessionmaker(engine.execution_options(kefu_read_only=True), expire_on_commit=False)
