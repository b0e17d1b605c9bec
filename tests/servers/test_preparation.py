"""What `kefu up` makes again, and what it leaves."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot import preparation
from bot.preparation import Step


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Prepares two steps over one database file, each adding its name to it; gives what was said to be made."""
    database = tmp_path / "kefu.db"

    def step(name: str, *after: str) -> Step:
        code = f"open({str(database)!r}, 'a').write({name!r} + chr(10))"
        return Step(name, name, lambda _: [sys.executable, "-c", code], (), lambda _: database, (), after)

    monkeypatch.setattr(preparation, "STEPS", (step("database"), step("demo shop", "database"), step("other")))
    settings: Any = SimpleNamespace(home=tmp_path, models=tmp_path / "models", database_url=f"sqlite:///{database}")

    def run() -> list[str]:
        said: list[str] = []
        preparation.prepare(settings, said.append)
        return [line.split("] ")[1].split(":")[0] for line in said if "done in" in line]

    return SimpleNamespace(run=run, database=database)


def test_what_is_there_is_left(made: Any) -> None:
    assert made.run() == ["database", "demo shop", "other"]
    assert made.run() == []


def test_a_deleted_database_gets_its_shop_again(made: Any) -> None:
    made.run()
    made.database.unlink()
    assert made.run() == ["database", "demo shop"]
    assert made.database.read_text().split("\n")[:2] == ["database", "demo shop"]
    assert made.run() == []
