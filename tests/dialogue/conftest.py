"""A real Rasa with the real domain and rules, and the real actions over the small shop.

Messages come with the parse the test says, so that a conversation depends on the dialogue alone.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from bot.database import conversation, shop  # noqa: F401
from bot.database.base import Base, new_id
from bot.database.engine import Sessions, open_engine, open_sessions
from bot.database.shop import Mail, Order
from bot.dialogue_training import train
from bot.processes import DIALOGUE, DIALOGUE_PYTHON, Group, ProcessSpec
from tests.dialogue import small_shop
from tests.house import free_ports

TOKEN = "a-token-of-this-test"


@dataclass
class Talk:
    """One customer's conversation. Calling it says something and returns what the bot answered."""

    url: str
    sessions: Sessions
    id: str
    language: str = "en"
    page: dict[str, Any] | None = None
    replies: list[dict[str, Any]] = field(default_factory=list)
    active_loop: str | None = None

    def __call__(
        self,
        text: str,
        intent: str,
        confidence: float = 0.95,
        ranking: Mapping[str, float] | None = None,
        **entities: Any,
    ) -> str:
        """The texts of the replies, one a line."""
        message_id = new_id()
        parse = {
            "text": text,
            "intent": {"name": intent, "confidence": confidence},
            "intent_ranking": [{"name": name, "confidence": chance} for name, chance in (ranking or {}).items()],
            "entities": [
                {"entity": name, "value": value, "start": 0, "end": 0, "extractor": "test"}
                for name, values in entities.items()
                for value in (values if isinstance(values, list) else [values])
            ],
        }
        metadata = {"language": self.language, "channel": "web", "message_id": message_id, "page": self.page}
        body = {
            "conversation_id": self.id,
            "message_id": message_id,
            "text": text,
            "parse": parse,
            "metadata": metadata,
        }
        answer = httpx.post(
            f"{self.url}/webhooks/kefu/turn", json=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30
        )
        answer.raise_for_status()
        self.replies, self.active_loop = answer.json()["replies"], answer.json()["active_loop"]
        said = "\n".join(reply.get("text", "") for reply in self.replies)
        assert not re.search(r"{\w+}", said), f"a fact is missing: {said}"
        return said

    @property
    def responses(self) -> list[str]:
        """Names of the responses of the last turn."""
        return [reply["response"] for reply in self.replies if reply.get("response")]

    @property
    def buttons(self) -> list[dict[str, str]]:
        return [button for reply in self.replies for button in reply.get("buttons", ())]

    @property
    def cards(self) -> list[dict[str, Any]]:
        return [card for reply in self.replies for card in (reply.get("custom") or {}).get("cards", ())]

    @property
    def handoff(self) -> dict[str, Any] | None:
        found = [reply["custom"]["handoff"] for reply in self.replies if (reply.get("custom") or {}).get("handoff")]
        return found[0] if found else None

    def press(self, title: str) -> str:
        """Press a button or a card's button by its title."""
        offered = self.buttons + [button for card in self.cards for button in card.get("buttons", ())]
        payload = next(button["payload"] for button in offered if button["title"] == title and "payload" in button)
        intent, _, entities = payload.removeprefix("/").partition("{")
        return self(payload, intent, 1.0, **(json.loads("{" + entities) if entities else {}))

    def code(self) -> str:
        """The newest code mailed to anybody."""
        with self.sessions() as session:
            mails = session.scalars(select(Mail).where(Mail.request_id.like("code:%")).order_by(Mail.created_at)).all()
        found = re.search(r"\b\d{6}\b", mails[-1].body)
        assert found, "no code was mailed"
        return found.group()

    def order(self, number: str) -> Order:
        with self.sessions() as session:
            return session.scalars(
                select(Order)
                .where(Order.number == number)
                .options(selectinload(Order.lines), selectinload(Order.payments))
            ).one()


@pytest.fixture(scope="session")
def dialogue_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not DIALOGUE_PYTHON.exists():
        pytest.skip("the dialogue's environment is missing; make it: kefu up --prepare-only")
    out = tmp_path_factory.mktemp("dialogue") / "model"
    train(out)
    return out


@dataclass
class Desk:
    """A running dialogue with its action server over a small shop."""

    url: str
    sessions: Sessions
    group: Group
    lines: list[str]

    def talk(self, customer: str | None = None, language: str = "en", page: dict[str, Any] | None = None) -> Talk:
        id = new_id()
        with self.sessions.begin() as session:
            small_shop.open_conversation(session, id, customer=customer, language=language)
        return Talk(self.url, self.sessions, id, language, page)

    def fresh(self) -> None:
        """The shop as it was at first; conversations start anew."""
        with self.sessions.begin() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(table.delete())
            session.flush()
            small_shop.fill(session)


@pytest.fixture(scope="session")
def running_desk(dialogue_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    home = tmp_path_factory.mktemp("desk")
    url = f"sqlite:///{home / 'kefu.db'}"
    engine = open_engine(url)
    Base.metadata.create_all(engine)
    actions, dialogue = free_ports(2)
    lines: list[str] = []
    group = Group(lines.append, {"HF_HUB_OFFLINE": "1"})
    environ = {
        "KEFU_INTERNAL_TOKEN": TOKEN,
        "KEFU_TRACKER_URL": f"sqlite:///{home / 'dialogue.db'}",
        "KEFU_ACTIONS_URL": f"http://127.0.0.1:{actions}",
        "KEFU_NLU_URL": "http://127.0.0.1:9",
        "KEFU_DEBUG": "1",
    }
    command: tuple[str, ...] = (str(DIALOGUE_PYTHON), "-u", "rasa_launch.py", "run", "--model", str(dialogue_model))
    command += (
        "--endpoints",
        "endpoints.yml",
        "--credentials",
        "credentials.yml",
        "-i",
        "127.0.0.1",
        "-p",
        str(dialogue),
    )
    server = (sys.executable, "-u", "-m", "tests.dialogue.small_services", url, str(actions))
    try:
        group.start(
            [
                ProcessSpec("actions", server, port=actions),
                ProcessSpec("dialogue", command, DIALOGUE, environ, dialogue),
            ]
        )
        group.wait_ready(120)
        yield Desk(f"http://127.0.0.1:{dialogue}", open_sessions(engine), group, lines)
    finally:
        group.stop()
        engine.dispose()


@pytest.fixture
def desk(running_desk: Desk) -> Desk:
    running_desk.fresh()
    return running_desk
