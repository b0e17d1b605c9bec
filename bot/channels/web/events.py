"""Live transcripts: who waits is woken, reads on from the position it has, and is never ahead of the database.

A connection holds no queue. It knows the last position it wrote; woken, it reads on from there. So a slow
client costs one flag, a lost signal costs one poll, and a reconnect is the same as a wake.
"""

import asyncio
import contextlib
import json
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import DBAPIError

from bot.database.engine import Sessions
from bot.messaging import conversations, transcript
from bot.messaging.conversations import ConversationView
from bot.messaging.transcript import Line
from bot.messaging.wakeup import TRANSCRIPT, TYPING, Listener

HEARTBEAT_SECONDS = 15.0
POLL_SECONDS = 1.0
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


@dataclass(eq=False)
class Watcher:
    """One open connection."""

    conversation_id: str
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    typing: bool = False


class Hub:
    """Wakes the watchers of a conversation when its transcript grew."""

    def __init__(self, readers: Sessions, threads: ThreadPoolExecutor) -> None:
        self._readers = readers
        self._threads = threads
        self._watchers: dict[str, set[Watcher]] = defaultdict(set)
        self.closing = False

    @property
    def connections(self) -> int:
        return sum(map(len, self._watchers.values()))

    @contextlib.contextmanager
    def watching(self, conversation_id: str) -> Iterator[Watcher]:
        watcher = Watcher(conversation_id)
        self._watchers[conversation_id].add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[conversation_id].discard(watcher)
            if not self._watchers[conversation_id]:
                del self._watchers[conversation_id]

    def wake(self, conversation_ids: Iterable[str], *, typing: bool = False) -> None:
        for conversation_id in conversation_ids:
            for watcher in self._watchers.get(conversation_id, ()):
                watcher.typing = watcher.typing or typing
                watcher.woken.set()

    def close(self) -> None:
        """End every stream; clients resume at the next gateway."""
        self.closing = True
        self.wake(list(self._watchers))

    async def listen(self, listener: Listener) -> None:
        """Pass signals on; look at everybody once a second in case one was lost."""
        loop = asyncio.get_running_loop()
        while not self.closing:
            ready = asyncio.Event()
            handle = listener.fileno()
            loop.add_reader(handle, ready.set)
            try:
                await asyncio.wait_for(ready.wait(), POLL_SECONDS)
            except TimeoutError:
                self.wake(list(self._watchers))
            finally:
                loop.remove_reader(handle)
            for topic, ids in listener.drain():
                if topic in (TRANSCRIPT, TYPING):
                    self.wake(ids, typing=topic == TYPING)

    async def read(
        self, conversation_id: str, position: int, *, limit: int = PAGE
    ) -> tuple[ConversationView | None, list[Line]]:
        """The conversation and its public lines after `position`."""

        def now() -> tuple[ConversationView | None, list[Line]]:
            with self._readers() as session:
                view = conversations.read(session, conversation_id)
                # Nothing new is the common case of the poll: one small query answers it.
                lines = (
                    transcript.after(session, conversation_id, position, limit=limit) if _grew(view, position) else []
                )
                return view, lines

        return await asyncio.get_running_loop().run_in_executor(self._threads, now)


def _grew(view: ConversationView | None, position: int) -> bool:
    return view is not None and view.last_position > position


class EventStream:
    """The ASGI response: server-sent events of one conversation after `position`, until the client goes."""

    def __init__(
        self, hub: Hub, conversation_id: str, position: int, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        self._hub = hub
        self._conversation_id = conversation_id
        self._position = position
        self._headers = headers

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
        held: tuple[str, str] | None = None
        yield "retry: 1000\n\n"
        watcher.woken.set()
        quiet_since = asyncio.get_running_loop().time()
        while not self._hub.closing:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(watcher.woken.wait(), HEARTBEAT_SECONDS)
            typing, watcher.typing = watcher.typing, False
            watcher.woken.clear()
            try:
                view, lines = await self._hub.read(self._conversation_id, self._position)
            except DBAPIError as error:  # the poll reads on when the database is back
                log.debug("a stream waits for the database: %s", type(error.orig).__name__)
                continue
            if len(lines) == PAGE:
                watcher.woken.set()
            text = "".join(self._event(line) for line in lines)
            if view is not None and (view.holder, view.language) != held:
                held = (view.holder, view.language)
                text += _event("holder", {"holder": view.holder, "language": view.language})
            if typing and all(line.author == "customer" for line in lines):
                author = "agent" if view is not None and view.holder == "agent" else "bot"
                text += _event("typing", {"author": author, "seconds": TYPING_SECONDS})
            now = asyncio.get_running_loop().time()
            if not text and now - quiet_since >= HEARTBEAT_SECONDS:
                text = ": still here\n\n"
            if text:
                quiet_since = now
                yield text

    def _event(self, line: Line) -> str:
        self._position = line.position
        return f"id: {line.position}\n" + _event("message", shown(line))


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
