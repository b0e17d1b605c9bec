"""Mails that are owed: written in the transaction that causes them, sent by the courier."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from bot.messaging.outbox import FARTHEST
from bot.messaging.tables import MAILS


@dataclass(frozen=True)
class OwedMail:
    """One mail that this courier may send until its next try is due."""

    id: str
    attempts: int  # before this one
    to_address: str
    subject: str
    body: str
    created_at: datetime


def claim(session: Session, *, limit: int, now: datetime, lease: timedelta) -> list[OwedMail]:
    """Take up to `limit` mails; a courier that is killed loses none (at least once)."""
    query = (
        select(MAILS.c.id, MAILS.c.attempts, MAILS.c.to_address, MAILS.c.subject, MAILS.c.body, MAILS.c.created_at)
        .where(MAILS.c.status == "owed", or_(MAILS.c.next_try_at <= now, MAILS.c.next_try_at > now + FARTHEST))
        .order_by(MAILS.c.next_try_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = [OwedMail(*row) for row in session.execute(query)]
    if taken:
        session.execute(
            update(MAILS)
            .where(MAILS.c.id.in_([mail.id for mail in taken]))
            .values(next_try_at=now + lease, attempts=MAILS.c.attempts + 1)
        )
    return taken


def sent(session: Session, mail_id: str, *, now: datetime) -> None:
    _settle(session, mail_id, status="sent", sent_at=now)


def rejected(session: Session, mail_id: str) -> None:
    _settle(session, mail_id, status="rejected")


def retry(session: Session, mail_id: str, *, at: datetime) -> None:
    _settle(session, mail_id, next_try_at=at)


def _settle(session: Session, mail_id: str, **values: Any) -> None:
    session.execute(update(MAILS).where(MAILS.c.id == mail_id, MAILS.c.status == "owed").values(**values))
