"""Which workers of this machine are alive: a file each, locked by the kernel as long as its process lives."""

import fcntl
import os
from pathlib import Path

from bot.database.base import new_id


class Presence:
    """This worker's file. `id` begins its lease tokens."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.id = new_id()
        self._folder = folder
        # Locked before it has its name, so that nobody takes it for a dead worker's file.
        hidden = folder / f".{self.id}"
        self._handle = os.open(hidden, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(folder / self.id)

    def dead(self) -> list[str]:
        """Ids of workers that died without saying so. `bury` each when its leases are ended."""
        return [
            name
            for name in sorted(os.listdir(self._folder))
            if name != self.id and not name.startswith(".") and _free(self._folder / name)
        ]

    def bury(self, worker: str) -> None:
        (self._folder / worker).unlink(missing_ok=True)

    def close(self) -> None:
        (self._folder / self.id).unlink(missing_ok=True)
        os.close(self._handle)


def _free(file: Path) -> bool:
    try:
        handle = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True
