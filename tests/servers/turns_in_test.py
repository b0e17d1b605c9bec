"""A turns worker inside a test: real database, real signals, the two questions answered by hand."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bot.database.base import utc_now
from bot.database.engine import Sessions
from bot.messaging import answering, inbox, transcript, wakeup
from bot.messaging.answering import Played, Wish
from bot.messaging.messages import InboundMessage
from bot.messaging.presence import Presence
from bot.messaging.tables import INBOX
from bot.messaging.turns import Turn
from bot.turns_worker import Patience, Worker


class Asks:
    """Parses everything as `greet` and says it back, unless told otherwise."""

    def __init__(self, play: Callable[[Turn, str], Played] | None = None) -> None:
        self.play_ = play
        self.played: list[str] = []
        self.parse_error: Exception | None = None

    async def parse(self, turn: Turn) -> Mapping[str, Any]:
        if self.parse_error is not None:
            raise self.parse_error
        intent = {"name": "greet", "confidence": 0.9}
        return {"text": turn.text, "intent": intent, "entities": [], "language": None, "wishes": []}

    async def play(self, turn: Turn, message_id: str, wish: Wish, language: str) -> Played:
        self.played.append(message_id)
        await asyncio.sleep(0.01)
        return self.play_(turn, message_id) if self.play_ else Played(({"text": f"you said {wish.text}"},), None)


@contextlib.asynccontextmanager
async def working(
    sessions: Sessions, home: Path, asks: answering.Asks, *, concurrency: int = 4, **patience: Any
) -> AsyncIterator[Worker]:
    """One worker at work; it finishes what it holds at the end."""
    signals = wakeup.open_wakeup(sessions.kw["bind"], home)
    worker = Worker(sessions, signals, asks, Presence(home / "turns"), concurrency, Patience(**patience))
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(running, 30)
        signals.close()


def write(sessions: Sessions, home: Path, *texts: str, sender: str = "ann") -> str:
    """The customer writes; returns the conversation's id."""
    messages = [InboundMessage("web", f"{sender}-{text}", sender, text) for text in texts]
    with sessions.begin() as session:
        accepted = inbox.accept_all(session, messages, now=utc_now())
    signals = wakeup.open_wakeup(sessions.kw["bind"], home)
    signals.notify(wakeup.INBOX)
    signals.close()
    return accepted[0].conversation_id


async def settled(sessions: Sessions, *, seconds: float = 20) -> None:
    """Wait until no message is ready any more."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with sessions() as session:
            if not session.execute(select(INBOX.c.id).where(INBOX.c.status == "ready")).all():
                return
        await asyncio.sleep(0.02)
    raise AssertionError(f"messages still wait after {seconds} s")


def said(sessions: Sessions, conversation_id: str) -> list[tuple[str, str]]:
    with sessions() as session:
        return [(line.author, line.body["text"]) for line in transcript.after(session, conversation_id)]
