"""Few actions at a time: three are done sooner one after the other than sixteen that wait for each other.

Python runs one of them at any instant; the more are begun, the later each ends.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

PLACES = 3
PATIENCE_SECONDS = 0.15


class Gate:
    """Lets `places` in at a time. Who has waited `patience_seconds` goes in anyway: an action that hangs, or that waits
    for a draft, holds nobody up for longer."""

    def __init__(self, places: int = PLACES, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._free = asyncio.Semaphore(places)
        self._patience_seconds = patience_seconds

    @contextlib.asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        admitted = await self._wait()
        try:
            yield
        finally:
            if admitted:
                self._free.release()

    async def _wait(self) -> bool:
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await self._free.acquire()
        except TimeoutError:
            return False
