"""The transcript: what was said, append-only, numbered from 1 within a conversation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from bot.messaging.tables import AGENTS, CONVERSATIONS, MESSAGES


class NoConversation(Exception):
    """There is no conversation with this id."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(f"no conversation {conversation_id}")
        self.conversation_id = conversation_id


@dataclass(frozen=True)
class Line:
    """One line as it was said. `body` has the keys of `OutboundMessage.body`."""

    conversation_id: str
    position: int
    author: str  # customer | bot | agent | system
    kind: str  # message | note (agents only) | event
    agent_id: str | None
    agent_name: str | None
    body: Mapping[str, Any]
    created_at: datetime


_LINES = (
    select(
        MESSAGES.c.conversation_id,
        MESSAGES.c.position,
        MESSAGES.c.author,
        MESSAGES.c.kind,
        MESSAGES.c.agent_id,
        AGENTS.c.name.label("agent_name"),
        MESSAGES.c.body,
        MESSAGES.c.created_at,
    )
    .select_from(MESSAGES.outerjoin(AGENTS, AGENTS.c.id == MESSAGES.c.agent_id))
    .order_by(MESSAGES.c.position)
)
_PUBLIC = _LINES.where(MESSAGES.c.kind != "note")


def append(
    session: Session,
    conversation_id: str,
    author: str,
    body: Mapping[str, Any],
    *,
    now: datetime,
    kind: str = "message",
    agent_id: str | None = None,
) -> int:
    """Add one line and return its position.

    The position is allotted by the update of the conversation's row, so two writers never share one.

    Raises:
        NoConversation: the id is unknown.
    """
    position = allot(session, conversation_id, 1, now=now)
    line = {
        "conversation_id": conversation_id,
        "position": position,
        "author": author,
        "kind": kind,
        "agent_id": agent_id,
        "body": dict(body),
        "created_at": now,
    }
    session.execute(insert(MESSAGES), [line])
    return position


def allot(session: Session, conversation_id: str, count: int, *, now: datetime) -> int:
    """Reserve `count` positions; returns the first. Raises NoConversation."""
    following = session.execute(
        update(CONVERSATIONS)
        .where(CONVERSATIONS.c.id == conversation_id)
        .values(next_position=CONVERSATIONS.c.next_position + count, last_message_at=now)
        .returning(CONVERSATIONS.c.next_position)
    ).scalar_one_or_none()
    if following is None:
        raise NoConversation(conversation_id)
    return int(following) - count


def after(
    session: Session, conversation_id: str, position: int = 0, *, limit: int = 500, notes: bool = False
) -> list[Line]:
    """Lines with a higher position than `position`, in order; notes of agents only on request."""
    query = (_LINES if notes else _PUBLIC).where(
        MESSAGES.c.conversation_id == conversation_id, MESSAGES.c.position > position
    )
    return [Line(*row) for row in session.execute(query.limit(limit))]


# Column by column: SQLite reads the whole table for a list of pairs.
_AT = _PUBLIC.where(
    MESSAGES.c.conversation_id.in_(bindparam("b_ids", expanding=True)),
    MESSAGES.c.position.in_(bindparam("b_positions", expanding=True)),
)
FEW = 8  # lines of one conversation that are read together with those of others


def at_places(session: Session, places: Sequence[tuple[str, int]]) -> dict[str, list[Line]]:
    """Public lines at exactly these (conversation id, position), by conversation and in order.

    One query for all conversations that want a line or two, as live ones do, and one for each that catches up.
    """
    wanted: dict[str, set[int]] = {}
    for id_, position in places:
        wanted.setdefault(id_, set()).add(position)
    few = [id_ for id_, positions in wanted.items() if len(positions) <= FEW]
    many = [[id_] for id_ in wanted if len(wanted[id_]) > FEW]
    found: dict[str, list[Line]] = {}
    for ids in [few, *many] if few else many:
        positions = set[int]().union(*(wanted[id_] for id_ in ids))
        for row in session.execute(_AT, {"b_ids": ids, "b_positions": list(positions)}):
            if row.position in wanted[row.conversation_id]:
                found.setdefault(row.conversation_id, []).append(Line(*row))
    return found


def last(session: Session, conversation_id: str, count: int, *, notes: bool = False) -> list[Line]:
    """The last `count` lines, in order."""
    query = (_LINES if notes else _PUBLIC).where(MESSAGES.c.conversation_id == conversation_id)
    rows = session.execute(query.order_by(None).order_by(MESSAGES.c.position.desc()).limit(count)).all()
    return [Line(*row) for row in reversed(rows)]
