"""Waking who waits for work: a signal after the commit, never instead of it.

On one machine a signal is a datagram to every listener's socket in a folder of this installation; on
PostgreSQL it is NOTIFY. A signal may be lost (a full buffer, a kill between commit and signal), so every
listener also looks by itself, slowly. Signals carry topics and ids, no words.
"""

import contextlib
import hashlib
import logging
import os
import select
import socket
import tempfile
import threading
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

INBOX = "inbox"  # a customer wrote: turns
OUTBOX = "outbox"  # a line or a mail is owed: courier
TRANSCRIPT = "transcript"  # ids of conversations with new lines or another holder: gateways
TYPING = "typing"  # ids of conversations somebody answers now: gateways
CHANNEL = "kefu"  # of PostgreSQL's NOTIFY
IDS_A_SIGNAL = 100  # fits a datagram and the 8000 bytes of a NOTIFY

Signal = tuple[str, tuple[str, ...]]  # (topic, ids)

log = logging.getLogger(__name__)


class Listener(Protocol):
    """One process that waits. `fileno` is readable when `drain` has something; it may change after `drain`."""

    def fileno(self) -> int: ...

    def drain(self) -> list[Signal]: ...

    def close(self) -> None: ...


class Wakeup(Protocol):
    def notify(self, topic: str, ids: Iterable[str] = ()) -> None:
        """Tell listeners of `topic`. Never raises, never waits long: the poll is the safety net."""

    def listen(self, *topics: str) -> Listener: ...

    def close(self) -> None: ...


def open_wakeup(engine: Engine, home: Path) -> Wakeup:
    """NOTIFY where the database has it, else datagrams between the processes of this home."""
    if engine.dialect.name == "postgresql":
        return PostgresWakeup(engine)
    return LocalWakeup(home)


def wait(listener: Listener, timeout_seconds: float) -> list[Signal]:
    """Block until a signal or the timeout; for processes without an event loop."""
    readable, _, _ = select.select([listener.fileno()], [], [], timeout_seconds)
    return listener.drain() if readable else []


def _parts(topic: str, ids: Iterable[str]) -> Iterator[str]:
    every = list(ids)
    for start in range(0, max(len(every), 1), IDS_A_SIGNAL):
        yield "\n".join([topic, *every[start : start + IDS_A_SIGNAL]])


def _signal(message: str) -> Signal:
    topic, *ids = message.split("\n")
    return topic, tuple(ids)


class LocalWakeup:
    """Datagrams to unix sockets, one a listener."""

    def __init__(self, home: Path) -> None:
        # A socket's path holds about 100 bytes; a home may be longer, so the folder is named by its hash.
        name = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
        self.folder = Path(tempfile.gettempdir()) / f"kefu-{os.getuid()}-{name}"
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if self.folder.stat().st_uid != os.getuid():
            raise PermissionError(f"{self.folder} belongs to another user; remove it and start again")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def notify(self, topic: str, ids: Iterable[str] = ()) -> None:
        messages = [part.encode() for part in _parts(topic, ids)]
        with contextlib.suppress(FileNotFoundError):  # nobody listens any more
            for name in os.listdir(self.folder):
                if topic in name.split("-")[0].split("+"):
                    for message in messages:
                        self._send(self.folder / name, message)

    def _send(self, path: Path, message: bytes) -> None:
        try:
            self._socket.sendto(message, str(path))
        except ConnectionRefusedError:  # its process is gone
            path.unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError, OSError) as error:
            log.debug("signal not sent: %s", type(error).__name__)

    def listen(self, *topics: str) -> "LocalListener":
        self.folder.mkdir(mode=0o700, exist_ok=True)
        return LocalListener(self.folder, topics)

    def close(self) -> None:
        self._socket.close()
        with contextlib.suppress(OSError):  # somebody still listens
            self.folder.rmdir()


class LocalListener:
    """A socket whose name tells its topics: `outbox+typing-0a1b2c3d4e5f`."""

    def __init__(self, folder: Path, topics: Iterable[str]) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._path = folder / f"{'+'.join(topics)}-{uuid.uuid4().hex[:12]}"
        self._socket.bind(str(self._path))

    def fileno(self) -> int:
        return self._socket.fileno()

    def drain(self) -> list[Signal]:
        signals = []
        with contextlib.suppress(BlockingIOError):
            while True:
                signals.append(_signal(self._socket.recv(1 << 16).decode()))
        return signals

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        self._socket.close()


class PostgresWakeup:
    """LISTEN/NOTIFY on connections of its own, outside any transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = _own_engine(engine)
        self._lock = threading.Lock()
        self._connection: Any = None

    def notify(self, topic: str, ids: Iterable[str] = ()) -> None:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._engine.connect()
                for part in _parts(topic, ids):
                    self._connection.execute(
                        text("SELECT pg_notify(:channel, :part)"), {"channel": CHANNEL, "part": part}
                    )
            except DBAPIError as error:  # an outage: listeners look by themselves when it is over
                log.debug("signal not sent: %s", type(error.orig).__name__)
                self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(DBAPIError):
                self._connection.close()
        self._connection = None

    def listen(self, *topics: str) -> "PostgresListener":
        return PostgresListener(self._engine, topics)

    def close(self) -> None:
        with self._lock:
            self._drop()
            self._engine.dispose()


class PostgresListener:
    """A connection that LISTENs; opened again after an outage, by the next `drain`."""

    def __init__(self, engine: Engine, topics: Iterable[str]) -> None:
        self._engine = engine
        self._topics = frozenset(topics)
        self._connection: Any = None
        # Readable at once after a reconnect that may have missed signals, and never while there is no connection.
        self._idle, self._other = socket.socketpair()
        self._connect()

    def fileno(self) -> int:
        return self._idle.fileno() if self._connection is None else int(self._driver().fileno())

    def drain(self) -> list[Signal]:
        if self._connection is None:
            with contextlib.suppress(DBAPIError):
                self._connect()
            return []
        try:
            messages = [_signal(notice.payload) for notice in self._driver().notifies(timeout=0)]
        except self._engine.dialect.loaded_dbapi.Error:
            self._forget()
            return []
        return [signal for signal in messages if signal[0] in self._topics]

    def close(self) -> None:
        self._forget()
        self._idle.close()
        self._other.close()

    def _connect(self) -> None:
        connection = self._engine.connect()
        connection.execute(text(f"LISTEN {CHANNEL}"))
        self._connection = connection

    def _driver(self) -> Any:
        return self._connection.connection.driver_connection

    def _forget(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(DBAPIError):
                self._connection.invalidate()
                self._connection.close()
        self._connection = None


def _own_engine(engine: Engine) -> Engine:
    return create_engine(engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
