"""A client light enough to measure a server on the same two cores: one kept-alive connection, no library.

It speaks as much HTTP/1.1 as uvicorn and Sanic answer with.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any


class Connection:
    """One connection; `post` and `get` wait for the whole answer, `events` yields server-sent events."""

    def __init__(self, host: str, port: int, token: str = "") -> None:
        self.host, self.port = host, port
        self.authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        return await self._call("POST", path, json.dumps(body).encode())

    async def get(self, path: str) -> tuple[int, Any]:
        return await self._call("GET", path, b"")

    async def _call(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        reader = await self._send(method, path, body)
        status, headers = await _head(reader)
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        return status, json.loads(raw) if raw else None

    async def events(self, path: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """(event, data) until the server ends the stream. Chunk sizes are skipped: data lines hold no CRLF."""
        reader = await self._send("GET", path, b"")
        status, _ = await _head(reader)
        if status != 200:
            raise ConnectionError(f"events answered {status}")
        name = ""
        while line := await reader.readline():
            if line.startswith(b"event: "):
                name = line[7:].strip().decode()
            elif line.startswith(b"data: "):
                yield name, json.loads(line[6:])

    async def _send(self, method: str, path: str, body: bytes) -> asyncio.StreamReader:
        if self.reader is None or self.writer is None or self.writer.is_closing():
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port, limit=1 << 20)
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n{self.authorization}"
        if method == "POST":
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.writer.write(head.encode() + b"\r\n" + body)
        await self.writer.drain()
        return self.reader

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    first = await reader.readline()
    if not first:
        raise ConnectionError("the server closed the connection")
    status = int(first.split()[1])
    headers = {}
    while (line := (await reader.readline()).decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return status, headers
