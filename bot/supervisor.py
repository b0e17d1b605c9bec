"""`kefu up`: prepare what is missing, start every process, wait until each is ready, stop all together."""

import argparse
import contextlib
import fcntl
import importlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from rich.console import Console

from bot import settings as bot_settings
from bot.preparation import PreparationError, prepare
from bot.processes import Group, ProcessError, house
from bot.settings import SettingError, Settings

READY_SECONDS = 180


class AlreadyRunning(Exception):
    """Another `kefu up` holds this home folder."""


@contextlib.contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the home folder for one `kefu up` at a time; a killed one lets go by itself."""
    with open(home / "up.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunning(
                f"Kefu is running from {home} already; stop that one, or use another folder with KEFU_HOME"
            ) from None
        yield


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="kefu up",
        description="Prepare what is missing, start everything, wait until it is ready. Ctrl-C stops everything.",
    )
    parser.add_argument(
        "--smoke", action="store_true", help="hold one conversation a skill in both languages, then stop"
    )
    parser.add_argument("--prepare-only", action="store_true", help="make everything, start nothing")
    parser.add_argument("--force", action="store_true", help="make everything again, even what is up to date")
    options = parser.parse_args(argv)
    console = Console(highlight=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        settings = bot_settings.load()
        with only_one(Path(settings.home)):
            began = time.monotonic()
            prepare(settings, console.print, force=options.force)
            if options.prepare_only:
                console.print(f"prepared in {time.monotonic() - began:.0f} s: {settings.home}")
                return 0
            return _run(settings, console, smoke=options.smoke, began=began)
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    except (SettingError, PreparationError, ProcessError, AlreadyRunning) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except OSError as error:
        console.print(f"{error.strerror or error}: {error.filename or ''}", style="red", markup=False)
        return 1


def _run(settings: Settings, console: Console, *, smoke: bool, began: float) -> int:
    group = Group(lambda line: console.print(line, style="dim", markup=False))
    try:
        group.start(house(settings))
        group.wait_ready(READY_SECONDS)
        console.print(f"ready after {time.monotonic() - began:.0f} s")
        _show_addresses(settings, console)
        if smoke:
            return 0 if importlib.import_module("bot.smoke").run(settings) else 1
        while True:
            group.wait_for_an_end()
    finally:
        group.stop()


def _show_addresses(settings: Settings, console: Console) -> None:
    password = Path(settings.home) / "keys" / "console-password"
    console.print(f"  shop with the widget   {settings.gateway_url}/")
    console.print(f"  agent console          {settings.gateway_url}/console", end="")
    console.print(f"   owner@shop.example, password in {password}" if password.exists() else "")
    console.print("  in the terminal        kefu chat")
    console.print("Ctrl-C stops everything.")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
