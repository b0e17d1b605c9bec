"""Follow the shop's changes: a thread that asks the source and applies what it says, within a second of the commit."""

import logging
import threading
import time
from typing import Protocol

from retrieval.search import Change, Search

LOOK_SECONDS = 0.4
AFTER_FAILURE_SECONDS = 5.0

log = logging.getLogger(__name__)


class Source(Protocol):
    """Says what changed since it was asked last."""

    def look(self) -> Change: ...


class Follower:
    """Runs until `stop`. A source that fails (database away) is asked again later; searches go on meanwhile."""

    def __init__(self, search: Search, source: Source, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._search = search
        self._source = source
        self._look_seconds = look_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index-follower", daemon=True)
        self._rebuilding: threading.Thread | None = None

    def start(self) -> "Follower":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def step(self) -> bool:
        """Look once; True when something changed."""
        change = self._source.look()
        if change:
            started = time.monotonic()
            self._search.apply(change)
            log.info(
                "index followed %d products, %d documents, %d removals in %.2f s",
                len(change.products),
                len(change.documents),
                len(change.products_gone) + len(change.documents_gone),
                time.monotonic() - started,
            )
            self._rebuild_beside()
        return bool(change)

    def _rebuild_beside(self) -> None:
        """A rebuild runs in its own thread, so that further changes are taken in meanwhile."""
        if self._rebuilding is None or not self._rebuilding.is_alive():
            self._rebuilding = threading.Thread(target=self._search.rebuild_if_due, name="index-rebuild", daemon=True)
            self._rebuilding.start()

    def _run(self) -> None:
        wait = self._look_seconds
        while not self._stopped.wait(wait):
            try:
                self.step()
                wait = self._look_seconds
            except Exception:  # the loop must survive a database that is away
                log.exception("following the shop's changes failed; trying again in %.0f s", AFTER_FAILURE_SECONDS)
                wait = AFTER_FAILURE_SECONDS
