"""The database goes away in the middle of a turn, and comes back: nothing is lost, nothing is answered twice."""

import asyncio
import sqlite3
import threading
import time
from pathlib import Path

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from bot.database.engine import Sessions, open_engine, open_sessions
from bot.messaging.answering import Played
from tests.servers.turns_in_test import Asks, said, settled, working, write


def slow(turn, message_id):
    time.sleep(0.3)
    return Played(({"text": f"you said {turn.text}"},), None)


def close_doors(url: str) -> Engine:
    """Nobody gets into the database any more, and who is in is thrown out. `open_doors` ends it."""
    name = url.rpartition("/")[2]
    server = create_engine(
        open_engine(url).url.set(database="postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    with server.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
        )
    return server


def open_doors(server: Engine, url: str) -> None:
    with server.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{url.rpartition("/")[2]}" ALLOW_CONNECTIONS true'))


def test_postgres_away_in_mid_turn_is_waited_out(postgres_url: str, tmp_path: Path, caplog):
    engine = open_engine(postgres_url)
    sessions = open_sessions(engine)

    async def scenario() -> str:
        async with working(sessions, tmp_path, Asks(slow)):
            conversation_id = write(sessions, tmp_path, "before")
            await asyncio.sleep(0.2)
            server = await asyncio.to_thread(close_doors, postgres_url)
            await asyncio.sleep(1.5)
            await asyncio.to_thread(open_doors, server, postgres_url)
            await settled(sessions, seconds=30)
            write(sessions, tmp_path, "after")  # heard again, over a connection made anew
            await settled(sessions, seconds=30)
        return conversation_id

    conversation_id = asyncio.run(scenario())
    assert said(sessions, conversation_id) == [
        ("customer", "before"),
        ("bot", "you said before"),
        ("customer", "after"),
        ("bot", "you said after"),
    ]
    complaints = [record for record in caplog.records if "the database refuses" in record.message]
    assert len(complaints) == 1, "an outage is one line in the log, not one a second"
    engine.dispose()


def test_a_locked_sqlite_file_is_waited_out(sqlite_engine: Engine, tmp_path: Path):
    sessions: Sessions = open_sessions(sqlite_engine)
    file = sqlite_engine.url.database

    def hold() -> None:
        connection = sqlite3.connect(file, isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(2)
        connection.execute("ROLLBACK")
        connection.close()

    async def scenario() -> str:
        async with working(sessions, tmp_path, Asks(slow)):
            conversation_id = write(sessions, tmp_path, "before")
            await asyncio.sleep(0.2)
            holding = threading.Thread(target=hold)
            holding.start()
            await asyncio.to_thread(holding.join)
            await settled(sessions, seconds=30)
        return conversation_id

    assert said(sessions, asyncio.run(scenario())) == [("customer", "before"), ("bot", "you said before")]
