"""JSON over kept-alive HTTP/1.1 between processes of the house.

A general client costs 4 ms of CPU a call (measured on httpx 0.28, most of it bookkeeping of its pool), which is
more than the turn itself. This one does what loopback needs: POST JSON, read JSON, a deadline, connections reused.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

IDLE_KEPT = 64  # connections kept open to one address
HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 32 * 1024 * 1024


class LoopbackError(Exception):
    """No usable answer.

    x NotReached   nobody listens
    x BrokenOff    the other side went away while it worked, or spoke no HTTP
    """


class NotReached(LoopbackError):
    pass


class BrokenOff(LoopbackError):
    pass


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        """Raises ValueError."""
        return json.loads(self.body)


_Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Loopback:
    """A pool of connections, an address each; for one event loop."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, int], list[_Line]] = defaultdict(list)

    async def post(self, url: str, body: Any, headers: Mapping[str, str], *, seconds: float) -> Answer:
        """Send `body` as JSON and wait for the whole answer.

        A kept connection that turns out to be closed is replaced once: calls must be repeatable.

        Raises:
            NotReached, BrokenOff.
            TimeoutError: no whole answer within `seconds`.
        """
        parts = urlsplit(url)
        address = (parts.hostname or "127.0.0.1", parts.port or 80)
        content = json.dumps(body).encode()
        head = f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = head.encode() + b"Content-Length: %d\r\n\r\n" % len(content) + content
        async with asyncio.timeout(seconds):
            while self._idle[address]:
                line = self._idle[address].pop()
                if line[1].is_closing() or line[0].at_eof():
                    line[1].close()
                    continue
                try:
                    return await self._call(address, line, request)
                except _Stale:
                    break
            try:
                return await self._call(address, await _connect(address), request)
            except _Stale as error:  # a fresh connection: it died while it worked
                raise BrokenOff("closed without an answer") from error

    async def _call(self, address: tuple[str, int], line: _Line, request: bytes) -> Answer:
        reader, writer = line
        keep = False
        try:
            writer.write(request)
            answer = await _read(reader)
            keep = answer.headers.get("connection", "").lower() != "close"
            return answer
        except (OSError, asyncio.IncompleteReadError, ValueError, IndexError) as error:
            raise BrokenOff(type(error).__name__) from error
        finally:
            if keep and len(self._idle[address]) < IDLE_KEPT:
                self._idle[address].append(line)
            else:
                writer.close()  # also after a timeout: a late answer must not meet the next question

    async def close(self) -> None:
        for lines in self._idle.values():
            for _, writer in lines:
                writer.close()
        self._idle.clear()


class _Stale(Exception):
    """The other side had closed the connection before our request."""


async def _connect(address: tuple[str, int]) -> _Line:
    try:
        return await asyncio.open_connection(*address, limit=HEAD_LIMIT)
    except OSError as error:
        raise NotReached(f"{address[0]}:{address[1]}") from error


async def _read(reader: asyncio.StreamReader) -> Answer:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        if not getattr(error, "partial", b""):
            raise _Stale from error
        raise
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
    }
    status = int(first.split(" ", 2)[1])
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Answer(status, headers, await _chunks(reader))
    size = int(headers.get("content-length", "0"))
    if size > BODY_LIMIT:
        raise ValueError("the answer is too large")
    return Answer(status, headers, await reader.readexactly(size) if size else b"")


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while (await reader.readline()).strip():
        pass  # trailers
    return b"".join(parts)
