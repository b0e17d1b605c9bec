"""`/metrics` in Prometheus text: how much waits, how much was done. Counts only, no personal data."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.database.base import utc_now
from bot.messaging.tables import CONVERSATIONS, HANDOFFS, INBOX, MAILS, OUTBOX


@dataclass
class Counters:
    """What `/metrics` tells of this gateway."""

    accepted: int = 0
    repeated: int = 0
    refused: dict[str, int] = field(default_factory=dict)  # by error code
    acknowledged_seconds: list[float] = field(default_factory=lambda: [0.0] * 2)  # sum, count

    def refuse(self, code: str) -> None:
        self.refused[code] = self.refused.get(code, 0) + 1


STATES = {
    "inbox": (INBOX.c.status, ("ready", "dead")),
    "outbox": (OUTBOX.c.status, ("owed", "rejected")),
    "mails": (MAILS.c.status, ("owed", "rejected")),
    "conversations": (CONVERSATIONS.c.holder, ("queue", "agent")),
}


def page(session: Session, counters: Counters, connections: int) -> str:
    """The whole page, read from the database and from this gateway's counters."""
    lines: list[str] = []
    for name, (column, states) in STATES.items():
        counted = session.execute(select(column, func.count()).where(column.in_(states)).group_by(column))
        found = {str(state): int(count) for state, count in counted}
        lines += _series(f"kefu_{name}", "gauge", ((f'{{state="{state}"}}', found.get(state, 0)) for state in states))
    oldest = session.execute(select(func.min(INBOX.c.received_at)).where(INBOX.c.status == "ready")).scalar_one()
    waited = 0.0 if oldest is None else max(0.0, (utc_now() - oldest).total_seconds())
    lines += _series("kefu_oldest_message_seconds", "gauge", [("", round(waited, 3))])
    waiting = select(func.count()).where(HANDOFFS.c.closed_at.is_(None), HANDOFFS.c.claimed_at.is_(None))
    lines += _series("kefu_handoffs_waiting", "gauge", [("", session.execute(waiting).scalar_one())])
    lines += _series("kefu_widget_connections", "gauge", [("", connections)])
    lines += _series("kefu_messages_accepted_total", "counter", [("", counters.accepted)])
    lines += _series("kefu_messages_repeated_total", "counter", [("", counters.repeated)])
    refused = [(f'{{code="{code}"}}', count) for code, count in sorted(counters.refused.items())]
    lines += _series("kefu_requests_refused_total", "counter", refused)
    total, count = counters.acknowledged_seconds
    lines += _series("kefu_acknowledge_seconds_sum", "counter", [("", round(total, 6))])
    lines += _series("kefu_acknowledge_seconds_count", "counter", [("", int(count))])
    return "\n".join(lines) + "\n"


def _series(name: str, kind: str, values: Iterable[tuple[str, float]]) -> list[str]:
    return [f"# TYPE {name} {kind}", *(f"{name}{labels} {value}" for labels, value in values)]
