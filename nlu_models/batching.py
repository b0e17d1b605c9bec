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
    """Calls `work` with up to `largest` waiting requests, one batch at a time, in a thread of its own.

    The window is waited only when the machine would otherwise idle: while a batch is being computed the next one
    gathers by itself.

    Args:
        work: list of requests -> list of answers, same order and length.
        window_seconds: how long the first request of a batch waits for company.
        most_waiting: requests in the queue beyond which `ask` raises `Full`.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Given]], Sequence[Made]],
        *,
        window_seconds: float = 0.003,
        largest: int = 32,
        most_waiting: int = 256,
    ) -> None:
        self.work, self.window_seconds, self.largest, self.most_waiting = work, window_seconds, largest, most_waiting
        self.counts = Counts()
        self._waiting: list[_Waiting[Given, Made]] = []
        self._woken = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batch")
        self._task: asyncio.Task[None] | None = None
        self._closing = False

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
        self._thread.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._woken.wait()
            self._woken.clear()
            if self._waiting and len(self._waiting) < self.largest and not self._closing:
                await asyncio.sleep(self.window_seconds)
            while self._waiting:
                batch, self._waiting = self._waiting[: self.largest], self._waiting[self.largest :]
                batch = [waiting for waiting in batch if not waiting.done.cancelled()]
                if batch:
                    await self._serve(loop, batch)
            if self._closing:
                return

    async def _serve(self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting[Given, Made]]) -> None:
        self.counts.requests += len(batch)
        self.counts.batches += 1
        self.counts.largest = max(self.counts.largest, len(batch))
        try:
            made = await loop.run_in_executor(self._thread, self.work, [waiting.given for waiting in batch])
        except Exception as error:  # the loop must survive a bad batch; each request gets the error
            for waiting in batch:
                if not waiting.done.done():
                    waiting.done.set_exception(error)
            return
        for waiting, answer in zip(batch, made, strict=True):
            if not waiting.done.done():
                waiting.done.set_result(answer)
