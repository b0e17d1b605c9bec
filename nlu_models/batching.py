"""Micro-batching: requests that arrive within a few milliseconds of each other go through the models together.

Full        the queue is full: answer 503 now rather than late
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


CLOSE_SECONDS = 0.02  # requests this close to each other are likely to have more company
FEWEST = 4  # texts a batch, if so many wait: fewer are not worth a thread switch


class Full(Exception):
    """More is waiting than can be served in time; `retry_after_seconds` says when to come back."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("too many requests are waiting")
        self.retry_after_seconds = retry_after_seconds


@dataclass
class Counts:
    """What the batcher has done since the start."""

    requests: int = 0
    batches: int = 0
    refused: int = 0
    largest: int = 0


@dataclass
class _Waiting(Generic[Given, Made]):
    given: Given
    done: "asyncio.Future[Made]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batcher(Generic[Given, Made]):
    """Calls `work` with up to `largest` waiting requests, in threads of its own, `workers` batches at a time.

    The window is waited only for company that is likely, when others are unanswered or the last batch was shared and
    that a moment ago (one customer who writes again after each answer has none), and only when the machine would
    otherwise idle: while batches are being computed the next one gathers by itself. What waits is shared
    out among the idle workers, but not into batches smaller than `FEWEST`.

    Args:
        work: list of requests -> list of answers, same order and length.
        window_seconds: how long the first request of a batch waits for company.
        most_waiting: requests in the queue beyond which `ask` raises `Full`.
        workers: batches at a time; with more than one `work` must bear being called from several threads.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Given]], Sequence[Made]],
        *,
        window_seconds: float = 0.003,
        largest: int = 32,
        most_waiting: int = 256,
        workers: int = 1,
    ) -> None:
        self.work, self.window_seconds, self.largest, self.most_waiting = work, window_seconds, largest, most_waiting
        self.workers, self._busy = workers, 0
        self._running: set[asyncio.Task[None]] = set()
        self.counts = Counts()
        self._waiting: list[_Waiting[Given, Made]] = []
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="batch")
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._asked_at, self._company, self._last_size = 0.0, False, 0

    async def ask(self, given: Given) -> Made:
        """The answer to one request.

        Raises:
            Full: too many are waiting.
            Exception: whatever `work` raised for the batch.
        """
        if len(self._waiting) >= self.most_waiting or self._closing:
            self.counts.refused += 1
            raise Full(1)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        now = asyncio.get_running_loop().time()
        shared = bool(self._waiting) or self._busy > 0 or self._last_size > 1
        self._company, self._asked_at = shared and now - self._asked_at < CLOSE_SECONDS, now
        waiting: _Waiting[Given, Made] = _Waiting(given)
        self._waiting.append(waiting)
        self._woken.set()
        return await waiting.done

    async def close(self) -> None:
        """Finish what is waiting, then stop."""
        self._closing = True
        self._woken.set()
        if self._task is not None:
            await self._task
        self._threads.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._woken.wait()
            self._woken.clear()
            if self._company and 0 < len(self._waiting) < self.largest and not self._closing:
                await asyncio.sleep(self.window_seconds)
            while self._waiting:
                while self._busy >= self.workers:
                    self._idle.clear()
                    await self._idle.wait()
                size = self._share()
                batch, self._waiting = self._waiting[:size], self._waiting[size:]
                batch = [waiting for waiting in batch if not waiting.done.cancelled()]
                if batch:
                    self._busy += 1
                    task = asyncio.create_task(self._serve(loop, batch))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
            if self._closing:
                await asyncio.gather(*self._running)
                return

    def _share(self) -> int:
        """How many of those waiting go to the next idle worker."""
        idle = self.workers - self._busy
        return min(self.largest, max(FEWEST, -(-len(self._waiting) // idle)))

    async def _serve(self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting[Given, Made]]) -> None:
        self.counts.requests += len(batch)
        self.counts.batches += 1
        self.counts.largest = max(self.counts.largest, len(batch))
        self._last_size = len(batch)
        try:
            made = await loop.run_in_executor(self._threads, self.work, [waiting.given for waiting in batch])
        except Exception as error:  # the loop must survive a bad batch; each request gets the error
            for waiting in batch:
                if not waiting.done.done():
                    waiting.done.set_exception(error)
            return
        finally:  # before the answers go out: who asks again at once must find the worker idle
            self._busy -= 1
            self._idle.set()
        for waiting, answer in zip(batch, made, strict=True):
            if not waiting.done.done():
                waiting.done.set_result(answer)
