"""Mails the shop owes: written once for each request, sent by the courier."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.database.shop import Mail


def owe(session: Session, request_id: str, to_address: str | None, subject: str, body: str, now: datetime) -> bool:
    """Note a mail to be sent; False when this request noted it before.

    Without an address the row is written all the same and never sent, so that the work does not tell whether
    somebody has an account.
    """
    if session.scalar(select(Mail.id).where(Mail.request_id == request_id)) is not None:
        return False
    session.add(
        Mail(
            request_id=request_id,
            to_address=to_address or "",
            subject=subject if to_address else "",
            body=body if to_address else "",
            status="owed" if to_address else "rejected",
            next_try_at=now,
            created_at=now,
        )
    )
    session.flush()
    return True
