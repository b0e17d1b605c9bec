"""People taking over: a conversation waits in the queue, an agent holds it, it goes back to the bot."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from bot.database.base import new_id
from bot.messaging.tables import CONVERSATIONS, HANDOFFS


class HandoffRefused(Exception):
    """The conversation is not in the state the step needs; `holder` says in which it is."""

    def __init__(self, conversation_id: str, step: str, holder: str) -> None:
        super().__init__(f"conversation {conversation_id} cannot be {step}: it is held by {holder}")
        self.conversation_id = conversation_id
        self.holder = holder


def open(
    session: Session, conversation_id: str, reason: str, summary: Mapping[str, Any], *, now: datetime
) -> str | None:
    """Put the conversation into the queue; returns the handoff's id, None when people hold it already.

    The bot's lease is not touched: a turn that opens a handoff finishes with it.
    """
    moved = session.execute(
        update(CONVERSATIONS)
        .where(CONVERSATIONS.c.id == conversation_id, CONVERSATIONS.c.holder == "bot")
        .values(holder="queue", agent_id=None, waiting_wishes=[])
        .returning(CONVERSATIONS.c.id)
    ).one_or_none()
    if moved is None:
        return None
    handoff_id = new_id()
    row = {
        "id": handoff_id,
        "conversation_id": conversation_id,
        "reason": reason,
        "summary": dict(summary),
        "opened_at": now,
    }
    session.execute(insert(HANDOFFS), [row])
    return handoff_id


def claim(session: Session, conversation_id: str, agent_id: str, *, now: datetime) -> str:
    """`agent_id` takes the conversation from the queue, or from the bot; returns the handoff's id.

    The bot's lease ends here: a turn that is still running is refused at its finish, so the bot never
    speaks over a person.

    Raises:
        HandoffRefused: another agent holds it.
    """
    holder = _locked_holder(session, conversation_id)
    if holder == "agent":
        raise HandoffRefused(conversation_id, "claimed", holder)
    if holder == "bot":
        open(session, conversation_id, "agent", {}, now=now)
    session.execute(
        update(CONVERSATIONS)
        .where(CONVERSATIONS.c.id == conversation_id)
        .values(holder="agent", agent_id=agent_id, lease_token=None, leased_until=None)
    )
    handoff_id = _open_id(session, conversation_id)
    if handoff_id is None:
        raise HandoffRefused(conversation_id, "claimed", holder)
    session.execute(update(HANDOFFS).where(HANDOFFS.c.id == handoff_id).values(agent_id=agent_id, claimed_at=now))
    return handoff_id


def close(session: Session, conversation_id: str, outcome: str, *, now: datetime) -> str:
    """Give the conversation back to the bot; `outcome` is handed_back or resolved. Returns the handoff's id.

    Raises:
        HandoffRefused: the bot holds it already.
    """
    holder = _locked_holder(session, conversation_id)
    handoff_id = _open_id(session, conversation_id)
    if holder == "bot" or handoff_id is None:
        raise HandoffRefused(conversation_id, "handed back", holder)
    session.execute(
        update(CONVERSATIONS)
        .where(CONVERSATIONS.c.id == conversation_id)
        .values(holder="bot", agent_id=None, lease_token=None, leased_until=None, waiting_wishes=[])
    )
    session.execute(update(HANDOFFS).where(HANDOFFS.c.id == handoff_id).values(closed_at=now, outcome=outcome))
    return handoff_id


def _locked_holder(session: Session, conversation_id: str) -> str:
    holder = session.execute(
        select(CONVERSATIONS.c.holder).where(CONVERSATIONS.c.id == conversation_id).with_for_update()
    ).scalar_one_or_none()
    if holder is None:
        raise HandoffRefused(conversation_id, "found", "nobody")
    return str(holder)


def _open_id(session: Session, conversation_id: str) -> str | None:
    query = (
        select(HANDOFFS.c.id)
        .where(HANDOFFS.c.conversation_id == conversation_id, HANDOFFS.c.closed_at.is_(None))
        .order_by(HANDOFFS.c.opened_at.desc())
        .limit(1)
    )
    return session.execute(query).scalar_one_or_none()
