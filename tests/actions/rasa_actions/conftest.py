"""Actions run against trackers built by hand, a real dispatcher and a real database; no server."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.rasa_actions.services import Services
from actions.rasa_actions.shop_action import ShopAction
from bot.database.base import Base
from bot.database.engine import open_engine, open_sessions
from tests.dialogue import small_shop
from tests.dialogue.small_services import Risk, small_services


@dataclass
class Bench:
    """Runs one action with a message; `said` are the messages, the returned events what Rasa would get."""

    services: Services
    risk: Risk

    def run(
        self,
        action: Callable[[Services], ShopAction],
        text: str = "hello",
        intent: str = "greet",
        *,
        slots: dict[str, Any] | None = None,
        events: list[dict[str, Any]] | None = None,
        loop: str | None = None,
        message_id: str = "m1",
        conversation: str = "c-anna",
        page: dict[str, Any] | None = None,
        draft: str = "",
        **entities: Any,
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        message = {
            "text": text,
            "intent": {"name": intent, "confidence": 0.9},
            "entities": [{"entity": name, "value": value} for name, value in entities.items()],
            "metadata": {"message_id": message_id, "page": page},
            "reply_draft": {"text": draft} if draft else None,
        }
        history = [*(events or []), {"event": "user", "parse_data": message}]
        tracker = Tracker(
            conversation, {"language": "en", **(slots or {})}, message, history, False, None,
            {"name": loop} if loop else {}, "action_listen",
        )  # fmt: skip
        dispatcher = CollectingDispatcher()
        returned = asyncio.run(action(self.services).run(dispatcher, tracker, {}))
        return dispatcher.messages, returned


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    url = f"sqlite:///{tmp_path / 'kefu.db'}"
    engine = open_engine(url)
    Base.metadata.create_all(engine)
    with open_sessions(engine).begin() as session:
        small_shop.fill(session)
        small_shop.open_conversation(session, "c-anna", customer="anna")
        small_shop.open_conversation(session, "c-nobody")
    engine.dispose()
    risk = Risk()
    return Bench(small_services(url, risk=risk), risk)
