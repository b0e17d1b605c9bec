"""The audit log: who did what in the console, and when. Ids only, no words of customers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.database.conversation import Agent, AuditEntry


@dataclass(frozen=True)
class Entry:
    at: datetime
    agent_id: str | None
    agent_name: str | None
    action: str
    target: str | None
    detail: Mapping[str, Any]


def record(
    session: Session,
    action: str,
    *,
    now: datetime,
    agent_id: str | None = None,
    target: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    session.add(AuditEntry(at=now, agent_id=agent_id, action=action, target=target, detail=dict(detail or {})))


def read(session: Session, *, limit: int = 200) -> list[Entry]:
    """The newest entries first."""
    query = (
        select(AuditEntry, Agent.name)
        .outerjoin(Agent, Agent.id == AuditEntry.agent_id)
        .order_by(AuditEntry.at.desc())
        .limit(limit)
    )
    return [
        Entry(entry.at, entry.agent_id, name, entry.action, entry.target, entry.detail)
        for entry, name in session.execute(query)
    ]
