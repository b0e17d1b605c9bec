import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.database.base import utc_now
from bot.database.engine import Sessions
from bot.messaging import conversations, turns, wakeup, words
from bot.messaging.answering import Failed, Played, Unavailable
from bot.messaging.presence import Presence
from bot.messaging.tables import INBOX
from bot.turns_worker import HttpAsks
from tests.servers.turns_in_test import Asks, said, settled, working, write

GREETED = {"intent": {"name": "greet", "confidence": 0.9}, "language": "en", "wishes": []}


def test_messages_are_answered_in_order_by_however_many_workers(sessions: Sessions, tmp_path: Path):
    async def scenario() -> dict[str, str]:
        asks = Asks()
        async with working(sessions, tmp_path, asks), working(sessions, tmp_path, asks):
            ids = {name: write(sessions, tmp_path, "one", "two", "three", sender=name) for name in ("ann", "bob", "cy")}
            await settled(sessions)
        assert len(asks.played) == len(set(asks.played)) == 9
        return ids

    for conversation_id in asyncio.run(scenario()).values():
        bot = [text for author, text in said(sessions, conversation_id) if author == "bot"]
        assert bot == ["you said one", "you said two", "you said three"]


def test_a_waiting_worker_is_woken_not_polled(sessions: Sessions, tmp_path: Path):
    async def scenario() -> float:
        async with working(sessions, tmp_path, Asks()):
            await asyncio.sleep(0.3)
            waits = []
            for number in range(5):
                began = time.perf_counter()
                write(sessions, tmp_path, f"hello {number}")
                await settled(sessions)
                waits.append(time.perf_counter() - began)
            return sorted(waits)[2]

    assert asyncio.run(scenario()) < 0.5  # the poll alone would take half a second on average


def test_an_outage_of_nlu_is_waited_out_and_then_answered(sessions: Sessions, tmp_path: Path):
    async def scenario() -> str:
        asks = Asks()
        asks.parse_error = Unavailable("nlu is down", 0.1)
        async with working(sessions, tmp_path, asks):
            conversation_id = write(sessions, tmp_path, "hello")
            await asyncio.sleep(1.0)
            asks.parse_error = None
            await settled(sessions)
        return conversation_id

    assert said(sessions, asyncio.run(scenario())) == [("customer", "hello"), ("bot", "you said hello")]


def test_an_outage_beyond_patience_reaches_the_customer(sessions: Sessions, tmp_path: Path):
    async def scenario() -> str:
        asks = Asks()
        asks.parse_error = Unavailable("nlu is down", 0.1)
        async with working(sessions, tmp_path, asks, outage_seconds=0.5):
            conversation_id = write(sessions, tmp_path, "hello")
            await settled(sessions)
        return conversation_id

    assert said(sessions, asyncio.run(scenario()))[-1] == ("bot", words.apology("en"))


def test_after_the_last_attempt_comes_an_apology_and_a_person_and_others_are_served(sessions: Sessions, tmp_path: Path):
    def broken(turn, message_id):
        if turn.text == "poison":
            raise Failed("the dialogue answered 500")
        return Played(({"text": "fine"},), None)

    async def scenario() -> tuple[str, str]:
        asks = Asks(broken)
        async with working(sessions, tmp_path, asks, first_delay_seconds=0.05):
            ids = write(sessions, tmp_path, "poison"), write(sessions, tmp_path, "hello", sender="bob")
            await settled(sessions)
        assert len(asks.played) == 4
        return ids

    poisoned, healthy = asyncio.run(scenario())
    assert said(sessions, poisoned)[-1] == ("bot", words.apology("en"))
    assert said(sessions, healthy)[-1] == ("bot", "fine")
    with sessions() as session:
        assert conversations.read(session, poisoned).holder == "queue"
        rows = session.execute(INBOX.select().where(INBOX.c.conversation_id == poisoned)).all()
    assert [(row.status, row.attempts, row.error) for row in rows] == [("dead", 3, "the dialogue answered 500")]


def test_no_reply_reaches_the_customer_as_an_apology(sessions: Sessions, tmp_path: Path):
    async def scenario() -> str:
        async with working(sessions, tmp_path, Asks(lambda *_: Played((), None)), first_delay_seconds=0.05):
            conversation_id = write(sessions, tmp_path, "hello")
            await settled(sessions)
        return conversation_id

    assert said(sessions, asyncio.run(scenario()))[-1] == ("bot", words.apology("en"))


def test_an_error_in_our_own_code_is_an_attempt_and_no_end_of_the_worker(sessions: Sessions, tmp_path: Path):
    def buggy(turn, message_id):
        if turn.attempts == 1:
            raise KeyError("a defect")
        return Played(({"text": "second time lucky"},), None)

    async def scenario() -> str:
        async with working(sessions, tmp_path, Asks(buggy), first_delay_seconds=0.05):
            conversation_id = write(sessions, tmp_path, "hello")
            await settled(sessions)
        return conversation_id

    assert said(sessions, asyncio.run(scenario()))[-1] == ("bot", "second time lucky")


def test_a_hung_dialogue_reaches_the_customer_as_an_apology_and_a_person(sessions: Sessions, tmp_path: Path):
    async def scenario() -> str:
        async def hang(reader, writer):
            await asyncio.sleep(60)

        nlu = await asyncio.start_server(answers(GREETED), "127.0.0.1", 0)
        hung = await asyncio.start_server(hang, "127.0.0.1", 0)
        urls = [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in (nlu, hung)]
        asks = HttpAsks(urls[0], [urls[1]], "token", dialogue_seconds=0.3)
        async with working(sessions, tmp_path, asks, first_delay_seconds=0.05):
            conversation_id = write(sessions, tmp_path, "cancel my order")
            await settled(sessions)
        await asks.close()
        nlu.close()
        hung.close()
        return conversation_id

    conversation_id = asyncio.run(scenario())
    assert said(sessions, conversation_id)[-1] == ("bot", words.apology("en"))
    with sessions() as session:
        assert conversations.read(session, conversation_id).holder == "queue"


def test_the_dialogue_is_told_what_else_a_message_may_have_meant(sessions: Sessions, tmp_path: Path):
    parsed = {
        "intent": {"name": "nlu_fallback", "confidence": 0.5},
        "intent_ranking": [{"name": "track_order", "confidence": 0.5}, {"name": "delivery_time", "confidence": 0.4}],
        "members": {"bert": ["track_order", 0.5]},  # nothing for the dialogue
    }
    played: list[dict[str, Any]] = []

    async def scenario() -> None:
        nlu = await asyncio.start_server(answers(parsed), "127.0.0.1", 0)
        dialogue = await asyncio.start_server(answers({"replies": [{"text": "hm"}]}, played), "127.0.0.1", 0)
        urls = [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in (nlu, dialogue)]
        asks = HttpAsks(urls[0], [urls[1]], "token")
        async with working(sessions, tmp_path, asks):
            write(sessions, tmp_path, "Friday?")
            await settled(sessions)
        await asks.close()
        nlu.close()
        dialogue.close()

    asyncio.run(scenario())
    (turn,) = played
    assert turn["parse"]["intent_ranking"] == parsed["intent_ranking"]
    assert "members" not in turn["parse"]


def answers(body: dict[str, Any], asked: list[dict[str, Any]] | None = None) -> Callable[..., Awaitable[None]]:
    """A server that says `body` to whatever it is asked, and notes that."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length:")[1].split()[0])
        said = json.loads(await reader.readexactly(size))
        if asked is not None:
            asked.append(said)
        text = json.dumps(body).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        await writer.drain()

    return serve


def test_a_dead_worker_s_conversations_are_taken_over_at_once(sessions: Sessions, tmp_path: Path):
    """A process that claims and is killed: its lease would hold for half a minute."""
    write(sessions, tmp_path, "hello")
    claiming = f"""
import os, signal, sys
from pathlib import Path
from bot.database.base import utc_now
from bot.database.engine import open_engine, open_sessions
from bot.messaging import turns
from bot.messaging.presence import Presence
presence = Presence(Path({str(tmp_path / "turns")!r}))
with open_sessions(open_engine(sys.argv[1])).begin() as session:
    assert len(turns.claim(session, worker=presence.id, limit=5, now=utc_now()).turns) == 1
os.kill(os.getpid(), signal.SIGKILL)
"""
    url = sessions.kw["bind"].url.render_as_string(hide_password=False)
    assert subprocess.run([sys.executable, "-c", claiming, url], check=False).returncode == -9
    with sessions.begin() as session:
        assert turns.claim(session, worker="w", limit=5, now=utc_now()).turns == ()

    async def scenario() -> None:
        async with working(sessions, tmp_path, Asks()):
            await settled(sessions, seconds=10)

    asyncio.run(scenario())


def test_a_living_worker_is_not_taken_for_dead(tmp_path: Path):
    one, two = Presence(tmp_path), Presence(tmp_path)
    assert one.dead() == two.dead() == []
    one.close()
    assert two.dead() == []
    two.close()


def test_a_signal_reaches_every_listener_of_its_topic_and_no_other(engine, tmp_path: Path):
    signals = wakeup.open_wakeup(engine, tmp_path)
    one, two, other = signals.listen("inbox"), signals.listen("inbox", "outbox"), signals.listen("transcript")
    signals.notify("inbox", ["c1", "c2"])
    assert wakeup.wait(one, 2) == [("inbox", ("c1", "c2"))]
    assert wakeup.wait(two, 2) == [("inbox", ("c1", "c2"))]
    assert wakeup.wait(other, 0.2) == []
    for listener in (one, two, other):
        listener.close()
    signals.close()


def test_many_ids_are_told_whole(engine, tmp_path: Path):
    signals = wakeup.open_wakeup(engine, tmp_path)
    listener = signals.listen("transcript")
    ids = [f"{number:032x}" for number in range(1000)]
    signals.notify("transcript", ids)
    heard: list[str] = []
    until = time.monotonic() + 5
    while len(heard) < len(ids) and time.monotonic() < until:
        heard += [id_ for _, part in wakeup.wait(listener, 0.5) for id_ in part]
    assert heard == ids
    listener.close()
    signals.close()


@pytest.mark.parametrize("setting", ["KEFU_DATABASE_URL=sqlite:////nowhere/kefu.db", "KEFU_PORTT=1"])
def test_a_process_that_cannot_start_says_why_in_one_sentence(setting: str, tmp_path: Path):
    name, _, value = setting.partition("=")
    environ = {"KEFU_HOME": str(tmp_path), name: value, "PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-m", "bot.turns_worker"], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("turns cannot start: ")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_taken_port_is_named(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environ = {"KEFU_HOME": str(tmp_path), "KEFU_PORT": str(port), "PATH": "/usr/bin"}
        done = subprocess.run(
            [sys.executable, "-m", "bot.gateway"], env=environ, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
