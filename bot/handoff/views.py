"""What the console shows: the lists, one conversation and why it is here, the customer beside it. JSON, read only."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, func, or_, select
from sqlalchemy.orm import Session

from bot.database.conversation import Agent, Conversation, Handoff, Message, OutboxItem
from bot.database.shop import Customer
from bot.messaging import transcript
from bot.messaging.transcript import Line

WAITING_SHOWN = 200
BOT_SHOWN = 30
LINES_SHOWN = 500
PREVIEW = 120  # characters of the last message in a list


def lists(session: Session, agent_id: str) -> dict[str, Any]:
    """`waiting` (longest first), `mine`, `colleagues`, `bot` (the newest conversations the bot holds)."""
    open_handoff = and_(Handoff.conversation_id == Conversation.id, Handoff.closed_at.is_(None))
    query = (
        select(Conversation, Handoff, Customer.name, Agent.name)
        .outerjoin(Handoff, open_handoff)
        .outerjoin(Customer, Customer.id == Conversation.customer_id)
        .outerjoin(Agent, Agent.id == Conversation.agent_id)
    )
    held = session.execute(
        query.where(Conversation.holder != "bot").order_by(Handoff.opened_at).limit(WAITING_SHOWN)
    ).all()
    free = session.execute(
        query.where(Conversation.holder == "bot", Conversation.next_position > 1)
        .order_by(Conversation.last_message_at.desc())
        .limit(BOT_SHOWN)
    ).all()
    last = _last_lines(session, [row[0].id for row in (*held, *free)])
    rows = [_row(row, last) for row in held]
    return {
        "waiting": [row for row in rows if row["holder"] == "queue"],
        "mine": [row for row in rows if row["holder"] == "agent" and row["agent_id"] == agent_id],
        "colleagues": [row for row in rows if row["holder"] == "agent" and row["agent_id"] != agent_id],
        "bot": [_row(row, last) for row in free],
    }


def _last_lines(session: Session, ids: Sequence[str]) -> dict[str, Message]:
    newest = (
        select(Message.conversation_id, func.max(Message.position).label("position"))
        .where(
            Message.conversation_id.in_(ids),
            Message.kind == "message",
            Message.author.in_(("customer", "bot", "agent")),
        )
        .group_by(Message.conversation_id)
        .subquery()
    )
    query = select(Message).join(
        newest, and_(Message.conversation_id == newest.c.conversation_id, Message.position == newest.c.position)
    )
    return {message.conversation_id: message for message in session.scalars(query)}


def _row(row: Row[*tuple[Any, ...]], last: Mapping[str, Message]) -> dict[str, Any]:
    conversation, handoff, customer, agent = row
    message = last.get(conversation.id)
    return {
        "id": conversation.id,
        "channel": conversation.channel,
        "language": conversation.language,
        "holder": conversation.holder,
        "agent_id": conversation.agent_id,
        "agent_name": agent,
        "customer_name": customer,
        "visitor": conversation.id[:4],
        "reason": handoff.reason if handoff else None,
        "waiting_since": _iso(handoff.opened_at) if handoff else None,
        "last_position": conversation.next_position - 1,
        "last_at": _iso(conversation.last_message_at),
        "last_author": message.author if message else None,
        "last_text": _preview(message.body) if message else "",
    }


def _preview(body: Mapping[str, Any]) -> str:
    text = str(body.get("text") or "").replace("\n", " ")
    if not text and body.get("cards"):
        text = " · ".join(str(card.get("title", "")) for card in body["cards"])
    return text if len(text) <= PREVIEW else text[: PREVIEW - 1] + "…"


def thread(session: Session, conversation_id: str) -> dict[str, Any] | None:
    """The conversation's head, its lines, and every handoff it had; None when there is no such conversation."""
    found = state(session, conversation_id)
    if found is None:
        return None
    lines = transcript.last(session, conversation_id, LINES_SHOWN, notes=True)
    return {
        "conversation": found,
        "lines": [line_json(line, failure) for line, failure in _with_failures(session, conversation_id, lines)],
        "handoffs": _handoffs(session, conversation_id),
    }


def head(conversation: Conversation, agent_name: str | None, customer_name: str | None) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "visitor": conversation.id[:4],
        "channel": conversation.channel,
        "language": conversation.language,
        "holder": conversation.holder,
        "agent_id": conversation.agent_id,
        "agent_name": agent_name,
        "customer_id": conversation.customer_id,
        "customer_name": customer_name,
        "proven_at": _iso(conversation.proven_at),
        "opened_at": _iso(conversation.opened_at),
        "last_position": conversation.next_position - 1,
        "page": conversation.context.get("page"),
    }


def state(session: Session, conversation_id: str) -> dict[str, Any] | None:
    """Only the head: who holds it now."""
    found = session.execute(
        select(Conversation, Agent.name, Customer.name)
        .outerjoin(Agent, Agent.id == Conversation.agent_id)
        .outerjoin(Customer, Customer.id == Conversation.customer_id)
        .where(Conversation.id == conversation_id)
    ).one_or_none()
    return None if found is None else head(*found)


def lines_after(session: Session, conversation_id: str, position: int) -> list[dict[str, Any]]:
    lines = transcript.after(session, conversation_id, position, notes=True)
    return [line_json(line, failure) for line, failure in _with_failures(session, conversation_id, lines)]


def line_json(line: Line, failure: str | None = None) -> dict[str, Any]:
    """One line for the page; `source` says where the bot took its words from."""
    return {
        "position": line.position,
        "author": line.author,
        "kind": line.kind,
        "agent_id": line.agent_id,
        "agent_name": line.agent_name,
        "at": _iso(line.created_at),
        "text": line.body.get("text", ""),
        "buttons": line.body.get("buttons", []),
        "cards": line.body.get("cards", []),
        "picture": line.body.get("picture"),
        "pressed": line.body.get("payload") is not None,
        "source": line.body.get("source", {}),
        "undelivered": failure,
    }


def _with_failures(session: Session, conversation_id: str, lines: Sequence[Line]) -> Iterable[tuple[Line, str | None]]:
    """Each line with what its channel said when it refused it for good."""
    rejected = select(OutboxItem.position, OutboxItem.error).where(
        OutboxItem.conversation_id == conversation_id, OutboxItem.status == "rejected"
    )
    failures = {position: error or "refused by the channel" for position, error in session.execute(rejected)}
    return [(line, failures.get(line.position)) for line in lines]


def _handoffs(session: Session, conversation_id: str) -> list[dict[str, Any]]:
    """Newest first: why people were called each time, and how it ended."""
    query = (
        select(Handoff, Agent.name)
        .outerjoin(Agent, Agent.id == Handoff.agent_id)
        .where(Handoff.conversation_id == conversation_id)
        .order_by(Handoff.opened_at.desc())
        .limit(20)
    )
    return [
        {
            "reason": handoff.reason,
            "summary": handoff.summary,
            "opened_at": _iso(handoff.opened_at),
            "claimed_at": _iso(handoff.claimed_at),
            "closed_at": _iso(handoff.closed_at),
            "outcome": handoff.outcome,
            "agent_name": name,
        }
        for handoff, name in session.execute(query)
    ]


def search(session: Session, text: str) -> list[dict[str, Any]]:
    """Conversations of proven customers by name or e-mail, the newest first."""
    pattern = "%" + text.strip().lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    query = (
        select(Conversation, Handoff, Customer.name, Agent.name)
        .join(Customer, Customer.id == Conversation.customer_id)
        .outerjoin(Handoff, and_(Handoff.conversation_id == Conversation.id, Handoff.closed_at.is_(None)))
        .outerjoin(Agent, Agent.id == Conversation.agent_id)
        .where(
            or_(func.lower(Customer.name).like(pattern, escape="\\"), Customer.email.like(pattern, escape="\\")),
            Conversation.next_position > 1,
        )
        .order_by(Conversation.last_message_at.desc())
        .limit(BOT_SHOWN)
    )
    rows = session.execute(query).all()
    last = _last_lines(session, [row[0].id for row in rows])
    return [_row(row, last) for row in rows]


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
