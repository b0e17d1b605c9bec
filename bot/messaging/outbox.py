"""The outbox: lines of the transcript that are owed to a channel, delivered in order, never dropped."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.orm import Session

from bot.database.base import new_id
from bot.messaging import transcript
from bot.messaging.messages import OutboundMessage
from bot.messaging.tables import CONVERSATIONS, MESSAGES, OUTBOX

# Channels whose readers fetch the transcript themselves: what stands in it is delivered.
PULLED = frozenset({"web"})
FARTHEST = timedelta(hours=2)  # no next try is ever later; one that is comes from a clock that jumped


@dataclass(frozen=True)
class Owed:
    """One delivery that this courier may try until `OutboxItem.next_try_at`, when another may."""

    id: str
    conversation_id: str
    position: int
    attempts: int
    channel: str
    sender_id: str
    message: OutboundMessage


def row(
    conversation_id: str, position: int, channel: str, *, now: datetime, inbox_id: str | None = None
) -> dict[str, Any]:
    """The columns of an item that is owed from now on."""
    pulled = channel in PULLED
    return {
        "id": new_id(),
        "conversation_id": conversation_id,
        "position": position,
        "inbox_id": inbox_id,
        "status": "delivered" if pulled else "owed",
        "attempts": 0,
        "next_try_at": now,
        "delivered_at": now if pulled else None,
    }


def say(
    session: Session,
    conversation_id: str,
    author: str,
    message: OutboundMessage,
    *,
    now: datetime,
    agent_id: str | None = None,
) -> int:
    """Append `message` to the transcript and owe it to the channel; returns the position.

    Raises:
        NoConversation: the id is unknown.
    """
    position = transcript.append(session, conversation_id, author, message.body(), now=now, agent_id=agent_id)
    channel = session.execute(select(CONVERSATIONS.c.channel).where(CONVERSATIONS.c.id == conversation_id)).scalar_one()
    session.execute(insert(OUTBOX), [row(conversation_id, position, channel, now=now)])
    return position


def claim(session: Session, *, limit: int, now: datetime, lease: timedelta) -> list[Owed]:
    """Take up to `limit` deliveries, the oldest of each conversation only, so that order holds.

    A claimed item is due again after `lease`: a courier that was killed loses nothing, and may have
    delivered it without saying so (at least once).
    """
    heads = (
        select(OUTBOX.c.conversation_id, func.min(OUTBOX.c.position).label("position"))
        .where(OUTBOX.c.status == "owed")
        .group_by(OUTBOX.c.conversation_id)
        .subquery()
    )
    query = (
        select(
            OUTBOX.c.id,
            OUTBOX.c.conversation_id,
            OUTBOX.c.position,
            OUTBOX.c.attempts,
            CONVERSATIONS.c.channel,
            CONVERSATIONS.c.sender_id,
            MESSAGES.c.body,
        )
        .select_from(OUTBOX)
        .join(
            heads,
            (heads.c.conversation_id == OUTBOX.c.conversation_id) & (heads.c.position == OUTBOX.c.position),
        )
        .join(CONVERSATIONS, CONVERSATIONS.c.id == OUTBOX.c.conversation_id)
        .join(
            MESSAGES,
            (MESSAGES.c.conversation_id == OUTBOX.c.conversation_id) & (MESSAGES.c.position == OUTBOX.c.position),
        )
        .where(or_(OUTBOX.c.next_try_at <= now, OUTBOX.c.next_try_at > now + FARTHEST), OUTBOX.c.status == "owed")
        .order_by(OUTBOX.c.next_try_at)
        .limit(limit)
        .with_for_update(of=OUTBOX, skip_locked=True)
    )
    taken = [Owed(*found[:-1], OutboundMessage.from_body(found[-1])) for found in session.execute(query)]
    if taken:
        session.execute(
            update(OUTBOX)
            .where(OUTBOX.c.id.in_([owed.id for owed in taken]))
            .values(next_try_at=now + lease, attempts=OUTBOX.c.attempts + 1)
        )
    return taken


def delivered(session: Session, owed_id: str, *, external_id: str | None, now: datetime) -> None:
    _settle(session, owed_id, status="delivered", external_id=external_id, delivered_at=now, error=None)


def rejected(session: Session, owed_id: str, *, reason: str) -> None:
    """The channel will never take it; the console shows why."""
    _settle(session, owed_id, status="rejected", error=reason)


def retry(session: Session, owed_id: str, *, at: datetime, reason: str) -> None:
    _settle(session, owed_id, next_try_at=at, error=reason)


def _settle(session: Session, owed_id: str, **values: Any) -> None:
    session.execute(update(OUTBOX).where(OUTBOX.c.id == owed_id, OUTBOX.c.status == "owed").values(**values))
