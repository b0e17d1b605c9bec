"""Live updates for open consoles: what is new since a position, who else is looking, who writes.

Server-sent events; a console that was away says the last position it has and gets the rest. Signals wake the
streams, a slow look by themselves is the safety net.
"""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.database.engine import Sessions
from bot.handoff import views
from bot.handoff.agents import AgentView
from bot.messaging import wakeup
from bot.messaging.wakeup import Listener, Wakeup

LOOK_SECONDS = 2.0  # safety net behind the signals
HEARTBEAT_SECONDS = 15.0
SETTLE_SECONDS = 0.05  # signals come in bunches; one look answers them all


class Bell:
    """One listener of this process, rung for all its streams. `typing` says in which conversations someone writes."""

    def __init__(self, signals: Wakeup) -> None:
        self._signals = signals
        self._listener: Listener | None = None
        self._watched: int | None = None
        self._waiting: set[asyncio.Event] = set()
        self._typing: dict[asyncio.Event, set[str]] = {}

    @contextlib.contextmanager
    def heard(self) -> Iterator[asyncio.Event]:
        """An event that is set at every signal."""
        event = asyncio.Event()
        self._waiting.add(event)
        self._start()
        try:
            yield event
        finally:
            self._waiting.discard(event)
            self._typing.pop(event, None)
            if not self._waiting:
                self._stop()

    def take_typing(self, event: asyncio.Event) -> set[str]:
        return self._typing.pop(event, set())

    def ring(self) -> None:
        for event in self._waiting:
            event.set()

    def _start(self) -> None:
        if self._listener is None:
            self._listener = self._signals.listen(wakeup.TRANSCRIPT, wakeup.TYPING)
            self._watch()

    def _watch(self) -> None:
        """The descriptor may change after `drain` (a database connection made anew)."""
        if self._listener is None:
            return
        loop = asyncio.get_running_loop()
        number = self._listener.fileno()
        if number != self._watched:
            if self._watched is not None:
                loop.remove_reader(self._watched)
            loop.add_reader(number, self._drain)
            self._watched = number

    def _drain(self) -> None:
        if self._listener is None:
            return
        for topic, ids in self._listener.drain():
            if topic == wakeup.TYPING:
                for event in self._waiting:
                    self._typing.setdefault(event, set()).update(ids)
        self._watch()
        self.ring()

    def _stop(self) -> None:
        if self._watched is not None:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None


@dataclass
class Viewers:
    """Who has which conversation open, in this process. An agent with two windows counts once."""

    open: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)

    @contextlib.contextmanager
    def looking(self, conversation_id: str, agent: AgentView) -> Iterator[None]:
        who = self.open.setdefault(conversation_id, Counter())
        who[(agent.id, agent.name)] += 1
        try:
            yield
        finally:
            who[(agent.id, agent.name)] -= 1
            if not +who:
                self.open.pop(conversation_id, None)

    def others(self, conversation_id: str, agent_id: str) -> list[str]:
        who = +self.open.get(conversation_id, Counter())
        return sorted(name for number, name in who if number != agent_id)


async def events(
    readers: Sessions,
    bell: Bell,
    viewers: Viewers,
    agent: AgentView,
    conversation_id: str | None,
    after: int,
    closing: Callable[[], bool],
) -> AsyncIterator[str]:
    """The stream of one console: `lists` when they changed, and of the open conversation `line` (with its position
    as id), `state`, `viewers` and `typing`."""
    with contextlib.ExitStack() as stack:
        heard = stack.enter_context(bell.heard())
        if conversation_id:
            stack.enter_context(viewers.looking(conversation_id, agent))
            bell.ring()  # colleagues see at once that someone else looks
            stack.callback(bell.ring)
        known: dict[str, str] = {}
        quiet = 0.0
        yield ": open\n\n"
        while not closing():
            heard.clear()
            sent = False
            found = await asyncio.to_thread(_look, readers, agent.id, conversation_id, after)
            for line in found["lines"]:
                after = line["position"]
                yield frame("line", line, after)
                sent = True
            current = {"lists": found["lists"], "state": found["state"]}
            if conversation_id:
                current["viewers"] = viewers.others(conversation_id, agent.id)
                if conversation_id in bell.take_typing(heard):
                    yield frame("typing", {"conversation": conversation_id})
            for name, value in current.items():
                data = json.dumps(value, ensure_ascii=False)
                if value is not None and known.get(name) != data:
                    known[name] = data
                    yield f"event: {name}\ndata: {data}\n\n"
                    sent = True
            quiet = 0.0 if sent else quiet + LOOK_SECONDS
            if quiet >= HEARTBEAT_SECONDS:
                quiet = 0.0
                yield ": still here\n\n"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(heard.wait(), LOOK_SECONDS)
                await asyncio.sleep(SETTLE_SECONDS)


def _look(readers: Sessions, agent_id: str, conversation_id: str | None, after: int) -> dict[str, Any]:
    with readers() as session:
        return {
            "lists": views.lists(session, agent_id),
            "state": views.state(session, conversation_id) if conversation_id else None,
            "lines": views.lines_after(session, conversation_id, after) if conversation_id else [],
        }


def frame(event: str, data: Any, position: int | None = None) -> str:
    """One event on the wire."""
    head = f"id: {position}\n" if position is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
