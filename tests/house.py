"""The whole house for tests: every process real, on free ports, over a copy of a prepared home."""

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from bot import settings as bot_settings
from bot.database.engine import open_engine, open_readers
from bot.database.migrate import migrate
from bot.database.seed import seed
from bot.database.shop import ShopFact
from bot.processes import Group, house
from bot.settings import PROJECT, Settings

# Read now: the autouse fixture of conftest.py scrubs the environment of every test.
SOURCE = Path(os.environ.get("KEFU_TEST_HOME", PROJECT / ".kefu")).resolve()


@dataclass
class House:
    """A running house. `lines` is what its processes printed."""

    home: Path
    settings: Settings
    group: Group
    lines: list[str]
    environ: Mapping[str, str]

    @property
    def url(self) -> str:
        return str(self.settings.gateway_url)

    @property
    def mailbox(self) -> Path:
        return self.home / "mailbox"


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def prepare_source() -> Path:
    """A home in which everything is trained; made now (minutes) when nobody has."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KEFU_")}
    environ |= {"KEFU_HOME": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-m", "bot.supervisor", "--prepare-only"],
        cwd=PROJECT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    in_use = "is running from" in done.stdout and (SOURCE / "prepared.json").exists()
    if done.returncode and not in_use:
        raise RuntimeError(f"the home for tests could not be prepared:\n{done.stdout[-3000:]}")
    return SOURCE


def copy_home(source: Path, home: Path) -> None:
    """A home of its own: the database copied, the models shared (they are only read)."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "models").symlink_to(source / "models")
    if (source / "pictures").exists():
        (home / "pictures").symlink_to(source / "pictures")
    shutil.copytree(source / "keys", home / "keys")
    with (
        contextlib.closing(sqlite3.connect(source / "kefu.db")) as old,
        contextlib.closing(sqlite3.connect(home / "kefu.db")) as new,
    ):
        old.backup(new)  # also what still stands in the write-ahead log


def fill_shop(home: Path, url: str) -> None:
    """The demo shop of `home`, on the same day of its story, in an empty database elsewhere (`url`)."""
    ours, theirs = open_engine(f"sqlite:///{home / 'kefu.db'}"), open_engine(url)
    with open_readers(ours)() as session:
        demo = session.get_one(ShopFact, "demo")
        today = datetime.fromisoformat(demo.value["today"])
    migrate(theirs)
    seed(theirs, today)
    ours.dispose()
    theirs.dispose()


@contextlib.contextmanager
def running_house(home: Path, **given: str) -> Iterator[House]:
    """Start every process over `home`; `given` are further settings (`database_url="..."`)."""
    gateway, nlu, actions, dialogue = free_ports(4)
    environ = {
        "KEFU_HOME": str(home),
        "KEFU_PORT": str(gateway),
        "KEFU_NLU_PORT": str(nlu),
        "KEFU_ACTIONS_PORT": str(actions),
        "KEFU_DIALOGUE_PORT": str(dialogue),
        **{f"KEFU_{name.upper()}": value for name, value in given.items()},
    }
    settings = bot_settings.load(environ)
    lines: list[str] = []
    group = Group(lines.append, {**environ, "HF_HUB_OFFLINE": "1"})
    try:
        group.start(house(settings))
        group.wait_ready(240)
        yield House(home, settings, group, lines, environ)
    finally:
        group.stop()


@pytest.fixture(scope="session")
def prepared() -> Path:
    """The prepared home that houses are copied from."""
    return prepare_source()


@pytest.fixture(scope="session")
def the_house(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for all tests of the session that only talk to it; those that break it start their own."""
    home = tmp_path_factory.mktemp("house") / "home"
    copy_home(prepared, home)
    with running_house(home) as running:
        yield running
