"""The inbox: what a customer wrote is stored once, before anyone is told that we have it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from bot.database.base import new_id
from bot.messaging import conversations
from bot.messaging.conversations import ConversationView
from bot.messaging.messages import InboundMessage
from bot.messaging.plain_text import TEXT_LIMIT, clean, clean_json
from bot.messaging.tables import CONVERSATIONS, INBOX, MESSAGES

ID_LIMIT = 200  # characters of a platform's id that are kept


@dataclass(frozen=True)
class Accepted:
    """Where the message stands. `fresh` is False for a second delivery, which changed nothing."""

    conversation_id: str
    inbox_id: str
    position: int
    fresh: bool


# Column by column: SQLite reads the whole table for a list of pairs.
_STORED = select(INBOX.c.channel, INBOX.c.external_id, INBOX.c.conversation_id, INBOX.c.id, INBOX.c.position).where(
    INBOX.c.channel.in_(bindparam("b_channels", expanding=True)),
    INBOX.c.external_id.in_(bindparam("b_external_ids", expanding=True)),
)
_POSITION = (
    update(CONVERSATIONS)
    .where(CONVERSATIONS.c.id == bindparam("b_id"))
    .values(next_position=bindparam("b_next"), last_message_at=bindparam("b_now"), context=bindparam("b_context"))
)


def accept(session: Session, message: InboundMessage, *, now: datetime, language: str = "en") -> Accepted:
    """Store one message; see `accept_all`."""
    return accept_all(session, [message], now=now, language=language)[0]


def accept_all(
    session: Session, messages: Sequence[InboundMessage], *, now: datetime, language: str = "en"
) -> list[Accepted]:
    """Store messages in their order: transcript and inbox; the conversation is opened when it is new.

    A message whose (channel, external_id) is known changes nothing and gets its first place back.

    Args:
        language: of conversations opened now, unless the message's context has one.
    """
    senders: dict[tuple[str, str], tuple[str, Any]] = {}
    for message in messages:
        context = clean_json(dict(message.context))
        senders.setdefault((message.channel, message.sender_id), (context.get("language", language), context))
    locked = conversations.lock_all(session, senders, now=now)
    known = _known(session, messages)
    batch = _Batch(now)
    results = []
    for message in messages:
        key = (message.channel, message.external_id[:ID_LIMIT])
        if key in known:
            results.append(known[key])
            continue
        accepted = batch.add(locked[(message.channel, message.sender_id)], message, key[1])
        known[key] = Accepted(accepted.conversation_id, accepted.inbox_id, accepted.position, fresh=False)
        results.append(accepted)
    batch.write(session)
    return results


def _known(session: Session, messages: Sequence[InboundMessage]) -> dict[tuple[str, str], Accepted]:
    keys = {(message.channel, message.external_id[:ID_LIMIT]) for message in messages}
    wanted = {"b_channels": list({channel for channel, _ in keys}), "b_external_ids": list({id_ for _, id_ in keys})}
    return {
        (row.channel, row.external_id): Accepted(row.conversation_id, row.id, row.position, fresh=False)
        for row in session.execute(_STORED, wanted)
        if (row.channel, row.external_id) in keys
    }


class _Batch:
    """The rows of one transaction; positions are counted from the locked conversations."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.lines: list[dict[str, Any]] = []
        self.items: list[dict[str, Any]] = []
        self.positions: dict[str, dict[str, Any]] = {}

    def add(self, conversation: ConversationView, message: InboundMessage, external_id: str) -> Accepted:
        moved = self.positions.setdefault(
            conversation.id,
            {
                "b_id": conversation.id,
                "b_next": conversation.last_position + 1,
                "b_now": self.now,
                "b_context": dict(conversation.context),
            },
        )
        position = moved["b_next"]
        moved["b_next"] += 1
        moved["b_context"] = {**moved["b_context"], **clean_json(dict(message.context))}
        self.lines.append(
            {
                "conversation_id": conversation.id,
                "position": position,
                "author": "customer",
                "kind": "message",
                "agent_id": None,
                "body": _body(message),
                "created_at": self.now,
            }
        )
        inbox_id = new_id()
        self.items.append(
            {
                "id": inbox_id,
                "conversation_id": conversation.id,
                "position": position,
                "channel": message.channel,
                "external_id": external_id,
                "status": "ready",
                "attempts": 0,
                "next_try_at": self.now,
                "received_at": self.now,
            }
        )
        return Accepted(conversation.id, inbox_id, position, fresh=True)

    def write(self, session: Session) -> None:
        if not self.items:
            return
        session.execute(_POSITION, [self.positions[id_] for id_ in sorted(self.positions)])
        session.execute(insert(MESSAGES), self.lines)
        session.execute(insert(INBOX), self.items)


def _body(message: InboundMessage) -> dict[str, Any]:
    text = clean(message.text)
    body: dict[str, Any] = {"text": text[:TEXT_LIMIT]}
    if len(text) > TEXT_LIMIT:
        body["cut"] = True
    if message.payload is not None:
        body["payload"] = clean(message.payload)[:TEXT_LIMIT]
    if message.attachments:
        body["attachments"] = clean_json([dict(attachment) for attachment in message.attachments])
    return body
