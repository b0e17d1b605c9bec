"""A real gateway over a real database, and a desk by hand in place of the models: it answers what a test tells it."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot import settings as bot_settings
from bot.database import shop  # noqa: F401  (the tables register themselves)
from bot.database.base import Base, utc_now
from bot.database.engine import Sessions, open_engine, open_sessions
from bot.messaging import turns, wakeup
from bot.messaging.messages import HandoffRequest, OutboundMessage
from bot.messaging.turns import Finish, Turn
from bot.settings import PROJECT, Settings
from tests.house import free_ports

Answer = Callable[[Turn, Sessions], list[OutboundMessage]]


@dataclass(frozen=True)
class Desk:
    settings: Settings
    sessions: Sessions
    environ: dict[str, str]


@contextmanager
def open_desk(home: Path, answer: Answer) -> Iterator[Desk]:
    """A gateway on a free port; `answer` gives the replies of each turn, none: the turn is left undone."""
    environ = {"KEFU_HOME": str(home), "KEFU_PORT": str(free_ports(1)[0])}
    settings = bot_settings.load(environ)
    engine = open_engine(settings.database_url)
    Base.metadata.create_all(engine)
    sessions = open_sessions(engine)
    gateway = subprocess.Popen(
        [sys.executable, "-m", "bot.gateway"],
        cwd=PROJECT,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    closing = threading.Event()
    signals = wakeup.open_wakeup(engine, home)
    worker = threading.Thread(target=_work, args=(sessions, signals, answer, closing))
    try:
        assert gateway.stdout is not None
        seen = []
        for line in gateway.stdout:
            seen.append(line)
            if line.strip() == "ready: gateway":
                break
        else:
            raise AssertionError(f"the gateway did not start: {''.join(seen)}")
        worker.start()
        yield Desk(settings, sessions, environ)
    finally:
        closing.set()
        if worker.is_alive():
            worker.join()
        gateway.terminate()
        gateway.communicate(timeout=20)
        signals.close()
        engine.dispose()


def _work(sessions: Sessions, signals: wakeup.Wakeup, answer: Answer, closing: threading.Event) -> None:
    listener = signals.listen(wakeup.INBOX)
    while not closing.is_set():
        wakeup.wait(listener, 0.2)
        with sessions.begin() as session:
            claimed = turns.claim(session, worker="desk", limit=10, now=utc_now()).turns
        finishes = [_finish(turn, replies) for turn in claimed if (replies := answer(turn, sessions))]
        with sessions.begin() as session:
            turns.finish_all(session, finishes, now=utc_now())
        signals.notify(wakeup.TRANSCRIPT, [each.turn.conversation_id for each in finishes])
    listener.close()


def _finish(turn: Turn, replies: list[OutboundMessage]) -> Finish:
    handoff = next((reply.handoff for reply in replies if reply.handoff), None)
    return Finish(turn, tuple(replies), handoff=handoff)


def says(text: str, **more: object) -> OutboundMessage:
    return OutboundMessage(text=text, **more)  # type: ignore[arg-type]


ASKED = HandoffRequest("asked")
