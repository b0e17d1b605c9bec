"""Conversations: found or opened by (channel, sender), read, proven, their language chosen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from bot.database.base import new_id
from bot.messaging.tables import CONVERSATIONS

LANGUAGES = ("en", "zh")
Sender = tuple[str, str]  # (channel, sender_id)

_COLUMNS = (
    CONVERSATIONS.c.id,
    CONVERSATIONS.c.channel,
    CONVERSATIONS.c.sender_id,
    CONVERSATIONS.c.customer_id,
    CONVERSATIONS.c.proven_at,
    CONVERSATIONS.c.language,
    CONVERSATIONS.c.holder,
    CONVERSATIONS.c.agent_id,
    CONVERSATIONS.c.next_position,
    CONVERSATIONS.c.context,
)

# Made once: a statement costs more to put together than to run.
_BY_IDS = select(*_COLUMNS).where(CONVERSATIONS.c.id.in_(bindparam("b_ids", expanding=True)))
# Pairs of (channel, sender) are asked for column by column: SQLite reads the whole table for a list of pairs.
_BY_SENDERS = (
    select(*_COLUMNS)
    .where(CONVERSATIONS.c.channel.in_(bindparam("b_channels", expanding=True)))
    .where(CONVERSATIONS.c.sender_id.in_(bindparam("b_sender_ids", expanding=True)))
    .order_by(CONVERSATIONS.c.id)
)
_LOCKED = _BY_SENDERS.with_for_update()


@dataclass(frozen=True)
class ConversationView:
    """One conversation as it was read. `last_position` is 0 when nothing was said yet."""

    id: str
    channel: str
    sender_id: str
    customer_id: str | None
    proven_at: datetime | None
    language: str
    holder: str  # bot | queue | agent
    agent_id: str | None
    last_position: int
    context: Mapping[str, Any]


_FIELDS = tuple(field.name for field in fields(ConversationView))


def read(session: Session, conversation_id: str) -> ConversationView | None:
    row = session.execute(select(*_COLUMNS).where(CONVERSATIONS.c.id == conversation_id)).one_or_none()
    return None if row is None else _view(row)


def read_all(session: Session, conversation_ids: Iterable[str]) -> dict[str, ConversationView]:
    """Those that exist, by id, in one query."""
    rows = session.execute(_BY_IDS, {"b_ids": list(conversation_ids)})
    return {row.id: _view(row) for row in rows}


def of_sender(session: Session, channel: str, sender_id: str) -> ConversationView | None:
    found = _of_senders(session, [(channel, sender_id)], lock=False)
    return found.get((channel, sender_id))


def open_or_find(
    session: Session,
    channel: str,
    sender_id: str,
    *,
    now: datetime,
    language: str = "en",
    context: Mapping[str, Any] | None = None,
) -> ConversationView:
    """The conversation of this sender on this channel; opened now when there is none."""
    return lock_all(session, {(channel, sender_id): (language, context or {})}, now=now)[(channel, sender_id)]


def lock_all(
    session: Session, senders: Mapping[Sender, tuple[str, Mapping[str, Any]]], *, now: datetime
) -> dict[Sender, ConversationView]:
    """The conversations of all `senders`, opened where missing, locked until the transaction ends.

    Rows are locked in the order of their ids, everywhere: two transactions that want several never wait
    for each other.

    Args:
        senders: (channel, sender_id) to (language, context) of a conversation opened now.
    """
    found = _of_senders(session, senders, lock=True)
    missing = [sender for sender in senders if sender not in found]
    if missing:
        rows = [_fresh(sender, *senders[sender], now=now) for sender in missing]
        session.execute(_insert_or_ignore(session), rows)
        found |= _of_senders(session, missing, lock=True)
    return found


def choose_language(session: Session, conversation_id: str, language: str) -> None:
    """The customer chose `language`: it stays, whatever the next message looks like."""
    context = session.execute(
        select(CONVERSATIONS.c.context).where(CONVERSATIONS.c.id == conversation_id).with_for_update()
    ).scalar_one()
    session.execute(
        update(CONVERSATIONS)
        .where(CONVERSATIONS.c.id == conversation_id)
        .values(language=language, context={**context, "language_chosen": True})
    )


def prove(session: Session, conversation_id: str, customer_id: str, now: datetime) -> None:
    """The shop vouched for this customer (signed token): the conversation is theirs."""
    session.execute(
        update(CONVERSATIONS)
        .where(CONVERSATIONS.c.id == conversation_id)
        .values(customer_id=customer_id, proven_at=now)
    )


def _fresh(sender: Sender, language: str, context: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    channel, sender_id = sender
    return {
        "id": new_id(),
        "channel": channel,
        "sender_id": sender_id,
        "language": language if language in LANGUAGES else "en",
        "context": dict(context),
        "opened_at": now,
        "last_message_at": now,
    }


def _insert_or_ignore(session: Session) -> Any:
    """Another process may open the same conversation at the same moment: one row, both go on with it."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(CONVERSATIONS).on_conflict_do_nothing(index_elements=["channel", "sender_id"])
    return sqlite.insert(CONVERSATIONS).on_conflict_do_nothing(index_elements=["channel", "sender_id"])


def _of_senders(session: Session, senders: Iterable[Sender], *, lock: bool) -> dict[Sender, ConversationView]:
    asked = set(senders)
    wanted = {"b_channels": list({channel for channel, _ in asked}), "b_sender_ids": list({id_ for _, id_ in asked})}
    rows = session.execute(_LOCKED if lock else _BY_SENDERS, wanted)
    found = {(row.channel, row.sender_id): row for row in rows}
    return {sender: _view(found[sender]) for sender in asked if sender in found}


def _view(row: Row[*tuple[Any, ...]]) -> ConversationView:
    values: dict[str, Any] = dict(zip(_FIELDS, row, strict=True))  # the columns stand in the order of the fields
    values["last_position"] -= 1
    return ConversationView(**values)
