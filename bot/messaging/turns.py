"""Turns: who may answer which message now, and the one transaction in which an answer takes effect.

A worker leases the *conversation* by compare-and-set, so messages of one conversation are answered in
order and conversations in parallel. A lease that ran out, was taken by an agent or belongs to a worker
that died is void: what its old owner brings is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session

from bot.database.base import new_id
from bot.messaging import handoffs, outbox
from bot.messaging.messages import HandoffRequest, OutboundMessage, stands_for
from bot.messaging.tables import CONVERSATIONS, INBOX, MESSAGES, OUTBOX

AnyRow = Row[*tuple[Any, ...]]

LEASE = timedelta(seconds=30)
FARTHEST = timedelta(minutes=10)  # no lease or next try is ever later; one that is comes from a clock that jumped
OFFERS_REMEMBERED = 200  # lines back in which a button may still be pressed


@dataclass(frozen=True)
class Turn:
    """One message to answer, and the right to answer it until the lease ends."""

    inbox_id: str
    conversation_id: str
    lease_token: str
    position: int
    attempts: int  # this one included
    received_at: datetime
    channel: str
    customer_id: str | None
    language: str
    text: str
    payload: str | None  # of a button we offered to this conversation; else None
    waiting_wishes: tuple[Any, ...]
    context: Mapping[str, Any]


@dataclass(frozen=True)
class Claim:
    turns: tuple[Turn, ...]
    silent: tuple[str, ...]  # conversations that people hold: their messages were finished without the bot


@dataclass(frozen=True)
class Finish:
    """The outcome of a turn: `status` done, or dead when only an apology is left to say."""

    turn: Turn
    replies: tuple[OutboundMessage, ...]
    language: str | None = None
    waiting_wishes: tuple[Any, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)  # keys to add to the conversation's context
    handoff: HandoffRequest | None = None
    status: str = "done"
    error: str | None = None


@dataclass(frozen=True)
class Retry:
    """The turn failed and is tried again at `at`. `counted` False: not the message's fault (an outage)."""

    turn: Turn
    at: datetime
    error: str
    counted: bool = True


def claim(session: Session, *, worker: str, limit: int, now: datetime, lease: timedelta = LEASE) -> Claim:
    """Lease up to `limit` conversations that wait, the longest waiting first; their first message each.

    Messages to conversations that people hold are finished here, without a lease and without the bot.

    Args:
        worker: id of the worker; the lease token begins with it.
    """
    rows = session.execute(
        _WAITING, {"b_now": now, "b_far": now + FARTHEST, "b_limit": limit, "b_lease_far": now + FARTHEST}
    ).all()
    silent = [row for row in rows if row.holder != "bot"]
    if silent:
        session.execute(_DONE, [_done(row.id, "done", None, now) for row in silent])
    leased = _lease(session, [row for row in rows if row.holder == "bot"], f"{worker}:{new_id()}", now, lease)
    return Claim(tuple(leased), tuple(row.conversation_id for row in silent))


_HEADS = (
    select(INBOX.c.conversation_id, func.min(INBOX.c.position).label("position"))
    .where(INBOX.c.status == "ready")
    .group_by(INBOX.c.conversation_id)
    .subquery()
)
_UNLEASED = or_(
    CONVERSATIONS.c.lease_token.is_(None),
    CONVERSATIONS.c.leased_until < bindparam("b_now"),
    CONVERSATIONS.c.leased_until > bindparam("b_lease_far"),
)
_WAITING = (
    select(
        INBOX.c.id,
        INBOX.c.conversation_id,
        INBOX.c.position,
        INBOX.c.received_at,
        CONVERSATIONS.c.channel,
        CONVERSATIONS.c.customer_id,
        CONVERSATIONS.c.language,
        CONVERSATIONS.c.holder,
        CONVERSATIONS.c.waiting_wishes,
        CONVERSATIONS.c.context,
        MESSAGES.c.body,
    )
    .select_from(_HEADS)
    .join(INBOX, and_(INBOX.c.conversation_id == _HEADS.c.conversation_id, INBOX.c.position == _HEADS.c.position))
    .join(CONVERSATIONS, CONVERSATIONS.c.id == INBOX.c.conversation_id)
    .join(
        MESSAGES, and_(MESSAGES.c.conversation_id == INBOX.c.conversation_id, MESSAGES.c.position == INBOX.c.position)
    )
    .where(
        INBOX.c.status == "ready",
        or_(INBOX.c.next_try_at <= bindparam("b_now"), INBOX.c.next_try_at > bindparam("b_far")),
        _UNLEASED,
    )
    .order_by(INBOX.c.next_try_at)
    .limit(bindparam("b_limit"))
    .with_for_update(of=CONVERSATIONS, skip_locked=True)
)
_LEASE = (
    update(CONVERSATIONS)
    .where(CONVERSATIONS.c.id.in_(bindparam("b_ids", expanding=True)), _UNLEASED)
    .values(lease_token=bindparam("b_token"), leased_until=bindparam("b_until"))
    .returning(CONVERSATIONS.c.id)
)
# Counted before the work starts: a message that kills its worker must not be tried for ever.
_COUNT = (
    update(INBOX)
    .where(INBOX.c.id.in_(bindparam("b_ids", expanding=True)), INBOX.c.status == "ready")
    .values(attempts=INBOX.c.attempts + 1)
    .returning(INBOX.c.id, INBOX.c.attempts)
)
_DONE = (
    update(INBOX)
    .where(INBOX.c.id == bindparam("b_id"), INBOX.c.status == "ready")
    .values(status=bindparam("b_status"), error=bindparam("b_error"), done_at=bindparam("b_now"))
)


def _lease(session: Session, rows: Sequence[AnyRow], token: str, now: datetime, lease: timedelta) -> list[Turn]:
    if not rows:
        return []
    times = {"b_now": now, "b_lease_far": now + FARTHEST, "b_until": now + lease}
    ids = [row.conversation_id for row in rows]
    ours = set(session.execute(_LEASE, {"b_ids": ids, "b_token": token, **times}).scalars())
    mine = [row for row in rows if row.conversation_id in ours]
    attempts = {row.id: row.attempts for row in session.execute(_COUNT, {"b_ids": [row.id for row in mine]})}
    # Answered between our look and our lease: nothing is left to do there.
    for row in mine:
        if row.id not in attempts:
            release(session, row.conversation_id, token)
    return [_turn(session, row, token, attempts[row.id]) for row in mine if row.id in attempts]


def _turn(session: Session, row: AnyRow, token: str, attempts: int) -> Turn:
    payload = row.body.get("payload")
    if payload is not None:
        payload = offered(session, row.conversation_id, row.position, payload)
    return Turn(
        inbox_id=row.id,
        conversation_id=row.conversation_id,
        lease_token=token,
        position=row.position,
        attempts=attempts,
        received_at=row.received_at,
        channel=row.channel,
        customer_id=row.customer_id,
        language=row.language,
        text=str(row.body.get("text", "")),
        payload=payload,
        waiting_wishes=tuple(row.waiting_wishes or ()),
        context=row.context or {},
    )


def offered(session: Session, conversation_id: str, before: int, given: str) -> str | None:
    """The payload of the button that was pressed, if we offered it to this conversation before that position."""
    query = (
        select(MESSAGES.c.body)
        .where(
            MESSAGES.c.conversation_id == conversation_id,
            MESSAGES.c.position < before,
            MESSAGES.c.author.in_(("bot", "agent")),
            MESSAGES.c.kind == "message",
        )
        .order_by(MESSAGES.c.position.desc())
        .limit(OFFERS_REMEMBERED)
    )
    payloads = (payload for body in session.execute(query).scalars() for payload in _payloads(body))
    return next((payload for payload in payloads if stands_for(given, payload)), None)


def _payloads(body: Mapping[str, Any]) -> list[str]:
    holders = [body, *body.get("cards", ())]
    buttons = [button for holder in holders for button in holder.get("buttons", ())]
    return [button["payload"] for button in buttons if button.get("payload")]


_HELD = (
    select(
        CONVERSATIONS.c.id,
        CONVERSATIONS.c.lease_token,
        CONVERSATIONS.c.next_position,
        CONVERSATIONS.c.context,
        CONVERSATIONS.c.language,
    )
    .where(CONVERSATIONS.c.id.in_(bindparam("b_ids", expanding=True)))
    .order_by(CONVERSATIONS.c.id)  # every transaction locks conversations in this order
    .with_for_update()
)


def finish_all(session: Session, finishes: Sequence[Finish], *, now: datetime) -> list[bool]:
    """Let each outcome take effect, whole: replies, outbox, inbox, handoff, end of the lease.

    Returns:
        For each, False when its lease is no longer ours: nothing of it was written.
    """
    ids = sorted({finish.turn.conversation_id for finish in finishes})
    held = {row.id: row for row in session.execute(_HELD, {"b_ids": ids})}
    ours = [
        finish
        for finish in finishes
        if (row := held.get(finish.turn.conversation_id)) is not None and row.lease_token == finish.turn.lease_token
    ]
    _write(session, ours, held, now)
    accepted = {id(finish) for finish in ours}
    return [id(finish) in accepted for finish in finishes]


def _write(session: Session, ours: Sequence[Finish], held: Mapping[str, AnyRow], now: datetime) -> None:
    if not ours:
        return
    moves, lines, owed = [], [], []
    for finish in ours:
        turn, row = finish.turn, held[finish.turn.conversation_id]
        moves.append(_move(finish, row, now))
        for position, reply in enumerate(finish.replies, row.next_position):
            lines.append(
                {
                    "conversation_id": turn.conversation_id,
                    "position": position,
                    "author": "bot",
                    "kind": "message",
                    "agent_id": None,
                    "body": reply.body(),
                    "created_at": now,
                }
            )
            owed.append(outbox.row(turn.conversation_id, position, turn.channel, now=now, inbox_id=turn.inbox_id))
    session.execute(_MOVE, moves)
    session.execute(_DONE, [_done(finish.turn.inbox_id, finish.status, finish.error, now) for finish in ours])
    if lines:
        session.execute(insert(MESSAGES), lines)
        session.execute(insert(OUTBOX), owed)
    for finish in ours:
        if finish.handoff is not None:
            wish = finish.handoff
            handoffs.open(session, finish.turn.conversation_id, wish.reason, wish.summary, now=now)


_MOVE = (
    update(CONVERSATIONS)
    .where(CONVERSATIONS.c.id == bindparam("b_id"))
    .values(
        lease_token=None,
        leased_until=None,
        next_position=bindparam("b_next"),
        last_message_at=bindparam("b_now"),
        language=bindparam("b_language"),
        waiting_wishes=bindparam("b_waiting"),
        context=bindparam("b_context"),
    )
)


def _move(finish: Finish, row: AnyRow, now: datetime) -> dict[str, Any]:
    return {
        "b_id": row.id,
        "b_next": row.next_position + len(finish.replies),
        "b_now": now,
        "b_language": finish.language or row.language,
        "b_waiting": list(finish.waiting_wishes),
        "b_context": {**row.context, **finish.context},
    }


def _done(inbox_id: str, status: str, error: str | None, now: datetime) -> dict[str, Any]:
    return {"b_id": inbox_id, "b_status": status, "b_error": error, "b_now": now}


def retry(session: Session, wish: Retry) -> bool:
    """Release the lease and try again later; False when the lease is no longer ours."""
    if not release(session, wish.turn.conversation_id, wish.turn.lease_token):
        return False
    values: dict[str, Any] = {"next_try_at": wish.at, "error": wish.error}
    if not wish.counted:
        values["attempts"] = INBOX.c.attempts - 1
    session.execute(update(INBOX).where(INBOX.c.id == wish.turn.inbox_id, INBOX.c.status == "ready").values(**values))
    return True


def release(session: Session, conversation_id: str, token: str) -> bool:
    """End the lease; False when it is no longer ours."""
    ended = session.execute(
        update(CONVERSATIONS)
        .where(CONVERSATIONS.c.id == conversation_id, CONVERSATIONS.c.lease_token == token)
        .values(lease_token=None, leased_until=None)
        .returning(CONVERSATIONS.c.id)
    )
    return ended.one_or_none() is not None


def extend(session: Session, held: Sequence[Turn], *, now: datetime, lease: timedelta = LEASE) -> set[str]:
    """The heartbeat: leases that are still ours run on; returns the conversations of those."""
    tokens = {turn.conversation_id: turn.lease_token for turn in held}
    kept = session.execute(
        update(CONVERSATIONS)
        .where(CONVERSATIONS.c.id.in_(sorted(tokens)), CONVERSATIONS.c.lease_token.in_(sorted(set(tokens.values()))))
        .values(leased_until=now + lease)
        .returning(CONVERSATIONS.c.id)
    )
    return set(kept.scalars())


def release_worker(session: Session, worker: str) -> int:
    """End every lease of a worker that is known to be dead; returns how many there were."""
    ended = session.execute(
        update(CONVERSATIONS)
        .where(CONVERSATIONS.c.lease_token.like(f"{worker}:%"))
        .values(lease_token=None, leased_until=None)
        .returning(CONVERSATIONS.c.id)
    )
    return len(ended.all())


def next_due(session: Session) -> datetime | None:
    """When the next message is due, by what was asked of retries; None when nothing waits."""
    due: datetime | None = session.execute(_DUE).scalar_one()
    return due


_DUE = select(func.min(INBOX.c.next_try_at)).where(INBOX.c.status == "ready")
