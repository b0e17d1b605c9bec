"""Fixtures for every test: a clean environment, and a real database on SQLite and on PostgreSQL."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from bot.database import conversation, shop  # noqa: F401  (the tables register themselves)
from bot.database.base import Base
from bot.database.engine import Sessions, open_engine, open_sessions

pytest_plugins = ["tests.house"]

POSTGRES = "KEFU_TEST_POSTGRES_URL"
_POSTGRES_URL = os.environ.get(POSTGRES, "")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads the settings of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("KEFU_")]:
        monkeypatch.delenv(name)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database of this test's own that has all tables and no row, on each kind of server."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    url = f"sqlite:///{tmp_path / 'kefu.db'}"
    made = open_engine(url)
    Base.metadata.create_all(made)
    made.dispose()
    return url


@pytest.fixture
def postgres_url(_postgres_database: str) -> str:
    """URL of a PostgreSQL database that has all tables and no row."""
    made = open_engine(_postgres_database)
    tables = ", ".join(f'"{table.name}"' for table in Base.metadata.sorted_tables)
    with made.begin() as connection:
        connection.execute(text(f"TRUNCATE {tables}"))
    made.dispose()
    return _postgres_database


@pytest.fixture(scope="session")
def _postgres_database() -> Iterator[str]:
    """Made once: on PostgreSQL a database takes a second to make, and a moment to empty."""
    for url in fresh_postgres():
        made = open_engine(url)
        Base.metadata.create_all(made)
        made.dispose()
        yield url


def fresh_postgres() -> Iterator[str]:
    """URL of an empty PostgreSQL database, dropped afterwards."""
    if not _POSTGRES_URL:
        pytest.skip(f"{POSTGRES} is not set: no PostgreSQL to test on")
    server = open_engine(_POSTGRES_URL).execution_options(isolation_level="AUTOCOMMIT")
    name = f"kefu_test_{uuid.uuid4().hex[:12]}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(_POSTGRES_URL).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a database that has all tables and no row."""
    made = open_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    return open_sessions(engine)


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    """For what only SQLite does: an engine on a file that has all tables and no row."""
    made = open_engine(f"sqlite:///{tmp_path / 'only.db'}")
    Base.metadata.create_all(made)
    yield made
    made.dispose()
