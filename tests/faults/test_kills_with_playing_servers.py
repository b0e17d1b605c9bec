"""The durable core under SIGKILL, with small servers that play nlu, dialogue and actions. Both databases."""

import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from bot import settings as bot_settings
from bot.processes import Group, ProcessSpec, house
from bot.settings import PROJECT
from tests.faults.run import Plan, open_sessions_at, run
from tests.house import free_ports

PLAN = Plan(conversations=50, messages=20, kills=5)


@dataclass
class Playing:
    url: str
    group: Group
    memory: Path
    lines: list[str]


def part(role: str, port: int, *more: str) -> ProcessSpec:
    command = (sys.executable, "-u", "-m", "tests.faults.playing", role, "--port", str(port), *more)
    return ProcessSpec(role, command, PROJECT)


@pytest.fixture
def playing(tmp_path: Path, database_url: str) -> Iterator[Playing]:
    gateway, nlu, actions, dialogue = free_ports(4)
    environ = {
        "KEFU_HOME": str(tmp_path / "home"),
        "KEFU_DATABASE_URL": database_url,
        "KEFU_PORT": str(gateway),
        "KEFU_NLU_PORT": str(nlu),
        "KEFU_ACTIONS_PORT": str(actions),
        "KEFU_DIALOGUE_PORT": str(dialogue),
        "KEFU_SENDER_PER_MINUTE": "0",
        "KEFU_ADDRESS_PER_MINUTE": "0",
    }
    settings = bot_settings.load(environ, file=tmp_path / "none")
    ours = [spec for spec in house(settings) if spec.name in ("gateway", "turns", "courier")]
    said, effects = tmp_path / "said.db", tmp_path / "effects.db"
    parts = [
        part("nlu", nlu),
        part("actions", actions, "--memory", str(effects)),
        part("dialogue", dialogue, "--memory", str(said), "--actions", f"http://127.0.0.1:{actions}/webhook"),
    ]
    lines: list[str] = []
    group = Group(lines.append, {**{k: v for k, v in os.environ.items() if not k.startswith("KEFU_")}, **environ})
    try:
        group.start([*parts, *ours])
        group.wait_ready(120)
        yield Playing(settings.gateway_url, group, effects, lines)
    finally:
        group.stop()


def texts(number: int) -> Sequence[str]:
    """Every fifth message changes an order."""
    return [
        f"cancel order K-{number}-{index}" if index % 5 == 4 else f"hello {number} {index}"
        for index in range(PLAN.messages)
    ]


@pytest.mark.timeout(900)
def test_a_thousand_messages_are_answered_once_each_while_every_process_is_killed(playing: Playing, engine: Engine):
    tokens = open_sessions_at(playing.url, [{}] * PLAN.conversations)
    result = run(playing.group, playing.url, engine, PLAN, texts, tokens)
    assert result.problems == []
    assert (result.answered, result.apologies) == (PLAN.total, 0)
    assert result.deliveries == 2 * PLAN.total
    assert all(count >= PLAN.kills for count in result.kills.values())
    assert len(result.kills) == 6
    with sqlite3.connect(playing.memory) as store:
        changed = store.execute("SELECT order_number, count(*) FROM effects GROUP BY order_number").fetchall()
    orders = {
        text.rpartition(" ")[2] for number in range(PLAN.conversations) for text in texts(number) if "cancel" in text
    }
    assert dict(changed) == dict.fromkeys(orders, 1), "no order is left out, none is changed twice"
    print(f"{result.seconds:.0f} s, kills {dict(result.kills)}")
