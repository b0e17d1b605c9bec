"""Signing in to the console: limits on guessing, sessions whose tokens the database does not know."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from bot.database.conversation import Agent, AgentSession, AuditEntry
from bot.handoff import agents, audit
from bot.handoff.agents import AgentView

LIFETIME = timedelta(hours=12)  # a working day; then the password is asked for again
WINDOW = timedelta(minutes=15)
# Failures within the window before further tries are refused. The pair is the narrow gate: nobody locks an agent
# out from another address with it; the wide ones stop guessing from many addresses, and over many accounts.
PAIR, ADDRESS, ACCOUNT = 5, 30, 50


class SignInRefused(Exception):
    """Wrong address or password; which of them is not said."""


class TooManyTries(Exception):
    """Guessing is refused for a while, right or wrong."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many failed sign-ins; try again in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class Console:
    """A signed-in console: who, and the token its writes must carry."""

    agent: AgentView
    csrf_token: str
    expires_at: datetime


def refuse_guessing(session: Session, *, email: str, address: str, now: datetime) -> None:
    """Raises TooManyTries. Counted in the audit log: a restart forgets nothing, all gateways count together."""
    failures = session.execute(
        select(AuditEntry.at, AuditEntry.target, AuditEntry.detail)
        .where(AuditEntry.action == "sign_in_failed", AuditEntry.at > now - WINDOW)
        .order_by(AuditEntry.at.desc())
        .limit(1000)
    ).all()
    key = _account_key(email)
    by_address = [row.at for row in failures if row.detail.get("address") == address]
    by_account = [row.at for row in failures if row.target == key]
    by_pair = [row.at for row in failures if row.target == key and row.detail.get("address") == address]
    for times, most in ((by_pair, PAIR), (by_address, ADDRESS), (by_account, ACCOUNT)):
        if len(times) >= most:
            free_at = times[most - 1] + WINDOW  # newest first: when this one leaves the window, one try is free
            raise TooManyTries(max(1, round((free_at - now).total_seconds())))


def note_failure(session: Session, *, email: str, address: str, now: datetime) -> None:
    audit.record(session, "sign_in_failed", now=now, target=_account_key(email), detail={"address": address})


def sign_in(session: Session, *, email: str, password: str, address: str, now: datetime) -> tuple[str, Console]:
    """Check the password and open a session; returns the cookie's token, of which only a hash is stored.

    Raises:
        SignInRefused: wrong address or password; the caller notes the failure in a transaction of its own.
    """
    agent = agents.check_password(session, email, password)
    if agent is None:
        raise SignInRefused("wrong e-mail address or password")
    token = secrets.token_urlsafe(32)
    console = Console(agent, secrets.token_urlsafe(32), now + LIFETIME)
    session.execute(delete(AgentSession).where(AgentSession.expires_at <= now))
    session.add(
        AgentSession(
            token_sha256=_sha256(token),
            agent_id=agent.id,
            csrf_token=console.csrf_token,
            created_at=now,
            expires_at=console.expires_at,
        )
    )
    audit.record(session, "signed_in", now=now, agent_id=agent.id, detail={"address": address})
    return token, console


def console_of(session: Session, token: str | None, *, now: datetime) -> Console | None:
    """The session of this cookie; None when it is unknown, over, or its agent is out."""
    if not token:
        return None
    row = session.execute(
        select(AgentSession, Agent)
        .join(Agent, Agent.id == AgentSession.agent_id)
        .where(AgentSession.token_sha256 == _sha256(token), AgentSession.expires_at > now, Agent.active.is_(True))
    ).one_or_none()
    if row is None:
        return None
    held, agent = row
    view = AgentView(agent.id, agent.email, agent.name, agent.role, agent.active, agent.created_at)
    return Console(view, held.csrf_token, held.expires_at)


def may_write(console: Console, csrf_token: str) -> bool:
    """Does the request carry the token that only our own page can read?"""
    return hmac.compare_digest(console.csrf_token.encode(), csrf_token.encode())


def sign_out(session: Session, token: str, *, now: datetime, agent_id: str) -> None:
    session.execute(delete(AgentSession).where(AgentSession.token_sha256 == _sha256(token)))
    audit.record(session, "signed_out", now=now, agent_id=agent_id)


def _account_key(email: str) -> str:
    """Failed tries name an address by hash: people type passwords into the wrong field."""
    return f"account:{_sha256(email.strip().lower())[:16]}"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
