"""One conversation that waits for a person, two agents, and the instant all of it happens."""

from datetime import UTC, datetime

import pytest
from argon2 import PasswordHasher

from bot.database.conversation import Agent, Conversation
from bot.database.engine import Sessions
from bot.handoff.agents import AgentView
from bot.messaging import conversations, handoffs, outbox, transcript
from bot.messaging.messages import OutboundMessage

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PASSWORD = "a long enough password"


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def password_hash() -> str:
    """Argon2 is slow on purpose; once is enough for tests that never type the password."""
    return PasswordHasher().hash(PASSWORD)


def account(sessions: Sessions, name: str, role: str, password_hash: str) -> AgentView:
    with sessions.begin() as session:
        agent = Agent(
            email=f"{name.lower()}@shop.example", name=name, role=role, password_hash=password_hash, created_at=NOW
        )
        session.add(agent)
        session.flush()
        return AgentView(agent.id, agent.email, agent.name, agent.role, True, NOW)


@pytest.fixture
def anna(sessions: Sessions, password_hash: str) -> AgentView:
    return account(sessions, "Anna", "agent", password_hash)


@pytest.fixture
def ben(sessions: Sessions, password_hash: str) -> AgentView:
    return account(sessions, "Ben", "owner", password_hash)


@pytest.fixture
def waiting(sessions: Sessions) -> str:
    """A conversation in the queue: the customer wrote (1), the bot answered (2) and called people."""
    with sessions.begin() as session:
        view = conversations.open_or_find(session, "telegram", "visitor-1", now=NOW)
        transcript.append(session, view.id, "customer", {"text": "I want a person"}, now=NOW)
        outbox.say(session, view.id, "bot", OutboundMessage("I am calling a colleague."), now=NOW)
        handoffs.open(session, view.id, "asked", {"wish": "cancel_order"}, now=NOW)
        return view.id


@pytest.fixture
def holder(sessions: Sessions, waiting: str):
    """Who holds it now: (holder, agent id)."""

    def read() -> tuple[str, str | None]:
        with sessions.begin() as session:
            row = session.get_one(Conversation, waiting)
            return row.holder, row.agent_id

    return read


@pytest.fixture
def said(sessions: Sessions, waiting: str):
    """What stands in the transcript for customers: [(author, text)]."""

    def read() -> list[tuple[str, str]]:
        with sessions.begin() as session:
            return [(line.author, line.body["text"]) for line in transcript.after(session, waiting)]

    return read
