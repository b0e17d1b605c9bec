"""Live transcripts: who waits is woken, reads on from the position it has, and is never ahead of the database.

A connection holds no queue. It knows the last position it wrote; woken, it reads on from there. So a slow
client costs one flag, a lost signal costs one poll, and a reconnect is the same as a wake.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot.database.engine import Sessions
from bot.messaging import conversations, transcript
from bot.messaging.batches import Batches
from bot.messaging.conversations import ConversationView
from bot.messaging.transcript import Line
from bot.messaging.wakeup import TRANSCRIPT, TYPING, Listener

HEARTBEAT_SECONDS = 15.0
POLL_SECONDS = 1.0
READ_PACE_SECONDS = 0.03  # of a busy hub: a line is shown that much later, and three are read in one transaction
TYPING_SECONDS = 10.0  # a typing mark that is not renewed ends by itself
PAGE = 200  # lines read at a time
WRITE_SECONDS = 30.0  # a client that reads nothing for so long is dropped; it resumes by position

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Scope = MutableMapping[str, Any]

log = logging.getLogger(__name__)


def shown(line: Line) -> dict[str, Any]:
    """A line as customers see it."""
    body = line.body
    return {
        "position": line.position,
        "author": line.author,
        "kind": line.kind,
        "text": body.get("text", ""),
        "buttons": body.get("buttons", []),
        "cards": body.get("cards", []),
        "picture": body.get("picture"),
        "at": line.created_at.isoformat(),
        **({"agent_name": line.agent_name} if line.agent_name else {}),
    }


Seen = tuple[int, str, str]  # last position, holder, language
News = tuple[ConversationView | None, list[Line]]


@dataclass(eq=False)
class Watcher:
    """One open connection."""

    conversation_id: str
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    grown: bool = True  # there may be something to read
    typing: bool = False


class Hub:
    """Wakes the watchers of a conversation when its transcript grew, and reads for all of them together."""

    def __init__(self, readers: Sessions) -> None:
        self._reads: Batches[tuple[str, int, int], News] = Batches(readers, _news, pace_seconds=READ_PACE_SECONDS)
        self._looks: Batches[tuple[str, ...], dict[str, Seen]] = Batches(readers, _looked)
        self._watchers: dict[str, set[Watcher]] = defaultdict(set)
        self._seen: dict[str, Seen] = {}
        self._writing: dict[str, float] = {}  # since when somebody writes, for who connects meanwhile
        self.closing = False

    @property
    def connections(self) -> int:
        return sum(map(len, self._watchers.values()))

    @contextlib.contextmanager
    def watching(self, conversation_id: str) -> Iterator[Watcher]:
        watcher = Watcher(conversation_id, typing=conversation_id in self._writing)
        self._watchers[conversation_id].add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[conversation_id].discard(watcher)
            if not self._watchers[conversation_id]:
                del self._watchers[conversation_id]
                self._seen.pop(conversation_id, None)

    def wake(self, conversation_ids: Iterable[str], *, typing: bool = False) -> None:
        now = time.monotonic()
        for conversation_id in conversation_ids:
            if typing:
                self._writing[conversation_id] = now
            else:
                self._writing.pop(conversation_id, None)
            for watcher in self._watchers.get(conversation_id, ()):
                watcher.typing = watcher.typing or typing
                watcher.grown = watcher.grown or not typing
                watcher.woken.set()

    def close(self) -> None:
        """End every stream; clients resume at the next gateway."""
        self.closing = True
        self.wake(list(self._watchers))

    def stop(self) -> None:
        """End the reading threads, when nothing reads any more."""
        self._reads.close()
        self._looks.close()

    async def listen(self, listener: Listener) -> None:
        """Pass signals on; look at every watched conversation once a second in case one was lost."""
        loop = asyncio.get_running_loop()
        looked = loop.time()
        while not self.closing:
            ready = asyncio.Event()
            handle = listener.fileno()
            loop.add_reader(handle, ready.set)
            try:
                await asyncio.wait_for(ready.wait(), POLL_SECONDS)
            except TimeoutError:
                pass
            finally:
                loop.remove_reader(handle)
            for topic, ids in listener.drain():
                if topic in (TRANSCRIPT, TYPING):
                    self.wake(ids, typing=topic == TYPING)
            if loop.time() - looked >= POLL_SECONDS:
                looked = loop.time()
                self._forget_writing()
                await self._look()

    def _forget_writing(self) -> None:
        ended = time.monotonic() - TYPING_SECONDS
        for conversation_id in [id_ for id_, since in self._writing.items() if since < ended]:
            del self._writing[conversation_id]

    async def _look(self) -> None:
        if not self._watchers:
            return
        try:
            now = await self._looks.submit(tuple(self._watchers))
        except DBAPIError as error:
            log.debug("the look waits for the database: %s", type(error.orig).__name__)
            return
        self.wake(id_ for id_, seen in now.items() if self._seen.get(id_) != seen)

    async def read(self, conversation_id: str, position: int, *, limit: int = PAGE) -> News:
        """The conversation and its public lines after `position`, at most `limit` positions on."""
        view, lines = await self._reads.submit((conversation_id, position, limit))
        if view is not None and conversation_id in self._watchers:
            self._seen[conversation_id] = (view.last_position, view.holder, view.language)
        return view, lines


def _news(session: Session, wishes: Sequence[tuple[str, int, int]]) -> list[News]:
    """Two queries for any number of connections."""
    views = conversations.read_all(session, {id_ for id_, _, _ in wishes})
    places = [place for wish in wishes if wish[0] in views for place in _places(views[wish[0]], *wish)]
    lines = transcript.at_places(session, list(dict.fromkeys(places)))
    return [
        (
            views.get(id_),
            [line for line in lines.get(id_, ()) if position < line.position <= position + limit],
        )
        for id_, position, limit in wishes
    ]


def _places(view: ConversationView, id_: str, position: int, limit: int) -> list[tuple[str, int]]:
    return [(id_, number) for number in range(position + 1, min(view.last_position, position + limit) + 1)]


def _looked(session: Session, wishes: Sequence[tuple[str, ...]]) -> list[dict[str, Seen]]:
    found = conversations.read_all(session, {id_ for wish in wishes for id_ in wish})
    seen = {id_: (view.last_position, view.holder, view.language) for id_, view in found.items()}
    return [seen for _ in wishes]


class EventStream:
    """The ASGI response: server-sent events of one conversation after `position`, until the client goes."""

    def __init__(
        self, hub: Hub, conversation_id: str, position: int, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        self._hub = hub
        self._conversation_id = conversation_id
        self._position = position
        self._headers = headers
        self._held = ("", "")  # holder and language, as last told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
            *self._headers,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        writing = asyncio.ensure_future(self._write(send))
        leaving = asyncio.ensure_future(_left(receive))
        await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        for task in (writing, leaving):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, TimeoutError, OSError):
                await task

    async def _write(self, send: Send) -> None:
        with self._hub.watching(self._conversation_id) as watcher:
            async for chunk in self._chunks(watcher):
                body = {"type": "http.response.body", "body": chunk.encode(), "more_body": True}
                await asyncio.wait_for(send(body), WRITE_SECONDS)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self, watcher: Watcher) -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        watcher.woken.set()
        while not self._hub.closing:
            try:
                await asyncio.wait_for(watcher.woken.wait(), HEARTBEAT_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            watcher.woken.clear()
            typing, watcher.typing = watcher.typing, False
            grown, watcher.grown = watcher.grown, False
            text, spoken = await self._news(watcher) if grown else ("", False)
            if typing and not spoken:
                author = "agent" if self._held[0] == "agent" else "bot"
                text += _event("typing", {"author": author, "seconds": TYPING_SECONDS})
            if text:
                yield text

    async def _news(self, watcher: Watcher) -> tuple[str, bool]:
        """(events, is the last of them not the customer's)."""
        try:
            view, lines = await self._hub.read(self._conversation_id, self._position)
        except DBAPIError as error:  # the look wakes us when the database is back
            log.debug("a stream waits for the database: %s", type(error.orig).__name__)
            return "", False
        if view is None:
            return "", False
        text = "".join(_event("message", shown(line), line.position) for line in lines)
        # Notes of agents are positions that a customer never sees: passed over, not waited for.
        self._position = min(view.last_position, self._position + PAGE)
        if self._position < view.last_position:
            watcher.grown = True
            watcher.woken.set()
        if (view.holder, view.language) != self._held:
            self._held = (view.holder, view.language)
            text += _event("holder", {"holder": view.holder, "language": view.language})
        return text, bool(lines) and lines[-1].author != "customer"


def _event(name: str, data: dict[str, Any], position: int | None = None) -> str:
    head = "" if position is None else f"id: {position}\n"
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
