"""Group commit: what arrives while one transaction runs shares the next one.

A database takes one writer at a time (SQLite) or pays a flush a commit (PostgreSQL); a hundred customers
who write at once should cost a few transactions, not a hundred.
"""

import asyncio
import collections
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy.orm import Session

from bot.database.engine import Sessions

Item = TypeVar("Item")
Result = TypeVar("Result")

BUSY_ITEMS = 12
BUSY_SECONDS = 0.1

Work = Callable[[Session, Sequence[Item]], Sequence[Result]]
AfterCommit = Callable[[Sequence[Item], Sequence[Result]], None]


class Batches(Generic[Item, Result]):
    """One writing thread. An item's future is done only after the commit that holds it.

    `work` gets the items of one transaction and returns a result for each. When a batch fails, each
    item is tried alone, so that one bad item fails alone; `work` must therefore be repeatable.

    Args:
        limit: items of one transaction.
        after_commit: called with items and results on the writing thread.
        pace_seconds: least time from the begin of one transaction to the next while much comes (`BUSY_ITEMS` within
            `BUSY_SECONDS`): what comes in between shares one, and a transaction's cost is paid once. One customer who
            writes alone is never kept waiting.
    """

    def __init__(
        self,
        sessions: Sessions,
        work: Work[Item, Result],
        *,
        limit: int = 64,
        after_commit: AfterCommit[Item, Result] | None = None,
        pace_seconds: float = 0.0,
    ) -> None:
        self._sessions = sessions
        self._work = work
        self._limit = limit
        self._pace = pace_seconds
        self._began = 0.0
        self._came: collections.deque[float] = collections.deque(maxlen=BUSY_ITEMS)  # when the last ones were taken up
        self._after_commit = after_commit
        self._queue: queue.SimpleQueue[tuple[Item, _Waiting[Result]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()

    async def submit(self, item: Item) -> Result:
        """Hand in one item and wait for its commit. Raises what `work` or the database raised."""
        waiting: _Waiting[Result] = _Waiting(asyncio.get_running_loop())
        self._queue.put((item, waiting))
        return await waiting.future

    def close(self) -> None:
        """Commit what was handed in and stop. Nothing may be submitted afterwards."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        open_ = True
        while open_:
            entry = self._queue.get()
            if self._busy():
                time.sleep(max(0.0, self._began + self._pace - time.monotonic()))
            self._began = time.monotonic()
            batch = []
            while entry is not None:
                batch.append(entry)
                if len(batch) >= self._limit or self._queue.empty():
                    break
                entry = self._queue.get()
            open_ = entry is not None
            self._came.extend([self._began] * len(batch))
            if batch:
                self._commit(batch)

    def _busy(self) -> bool:
        return len(self._came) == BUSY_ITEMS and time.monotonic() - self._came[0] < BUSY_SECONDS

    def _commit(self, batch: "list[tuple[Item, _Waiting[Result]]]") -> None:
        items = [item for item, _ in batch]
        try:
            results = self._transaction(items)
        except Exception as error:  # goes to whoever waits for the item
            if len(batch) == 1:
                batch[0][1].fail(error)
                return
            for entry in batch:
                self._commit([entry])
            return
        for (_, waiting), result in zip(batch, results, strict=True):
            waiting.succeed(result)

    def _transaction(self, items: Sequence[Item]) -> Sequence[Result]:
        with self._sessions.begin() as session:
            results = self._work(session, items)
        if self._after_commit is not None:
            self._after_commit(items, results)
        return results


class _Waiting(Generic[Result]):
    """A future of the loop that asked, settled from the writing thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.future: asyncio.Future[Result] = loop.create_future()

    def succeed(self, result: Result) -> None:
        self._settle(lambda: self.future.set_result(result))

    def fail(self, error: Exception) -> None:
        self._settle(lambda: self.future.set_exception(error))

    def _settle(self, act: Callable[[], None]) -> None:
        def unless_gone() -> None:
            if not self.future.done():  # the client may have gone
                act()

        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
            self.loop.call_soon_threadsafe(unless_gone)
