"""The people who answer: accounts, passwords, roles. `python -m bot.handoff.agents --help` manages them."""

import argparse
import getpass
import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot.database.base import utc_now
from bot.database.conversation import Agent, AgentSession
from bot.database.engine import Sessions, open_engine, open_sessions
from bot.handoff import audit

ROLES = ("agent", "owner")
SHORTEST_PASSWORD = 10
FIRST_EMAIL = "owner@shop.example"
FIRST_NAME = "Shop owner"

_HASHER = PasswordHasher()
# Checked when the address is unknown, so that an unknown address takes as long as a wrong password.
_NOBODY = _HASHER.hash(secrets.token_hex(16))


class AccountError(Exception):
    """An account cannot be made or changed; the message says which rule is in the way."""


@dataclass(frozen=True)
class AgentView:
    id: str
    email: str
    name: str
    role: str  # agent | owner
    active: bool
    created_at: datetime


def add(
    session: Session, *, email: str, name: str, password: str, role: str = "agent", now: datetime, by: str | None = None
) -> AgentView:
    """Make an account.

    Raises:
        AccountError: the address is taken or no address, the role unknown, the password too short.
    """
    email = email.strip().lower()
    if "@" not in email[1:-1]:
        raise AccountError(f"{email!r} is no e-mail address")
    if role not in ROLES:
        raise AccountError(f"role {role!r} is unknown; it must be one of {', '.join(ROLES)}")
    if session.scalar(select(Agent.id).where(Agent.email == email)) is not None:
        raise AccountError(f"{email} has an account already")
    agent = Agent(
        email=email, name=name.strip() or email, role=role, password_hash=_hash(password), active=True, created_at=now
    )
    session.add(agent)
    session.flush()
    audit.record(session, "agent_added", now=now, agent_id=by, target=agent.id, detail={"role": role})
    return _view(agent)


def everyone(session: Session) -> list[AgentView]:
    return [_view(agent) for agent in session.scalars(select(Agent).order_by(Agent.created_at, Agent.email))]


def of_id(session: Session, agent_id: str) -> AgentView | None:
    agent = session.get(Agent, agent_id)
    return None if agent is None else _view(agent)


def set_password(session: Session, email: str, password: str, *, now: datetime, by: str | None = None) -> None:
    """A new password; every console signed in with the old one is signed out. Raises AccountError."""
    agent = _of_email(session, email)
    agent.password_hash = _hash(password)
    session.execute(delete(AgentSession).where(AgentSession.agent_id == agent.id))
    audit.record(session, "password_set", now=now, agent_id=by, target=agent.id)


def set_active(session: Session, email: str, active: bool, *, now: datetime, by: str | None = None) -> None:
    """Let someone in again, or out: signed out at once, their name stays in transcripts.

    Raises:
        AccountError: the address is unknown, or nobody would be left who may manage accounts.
    """
    agent = _of_email(session, email)
    if not active and agent.role == "owner":
        owners = session.scalar(
            select(func.count()).select_from(Agent).where(Agent.role == "owner", Agent.active.is_(True))
        )
        if (owners or 0) <= 1:
            raise AccountError(f"{agent.email} is the only active owner; make another one first")
    agent.active = active
    if not active:
        session.execute(delete(AgentSession).where(AgentSession.agent_id == agent.id))
    audit.record(session, "agent_activated" if active else "agent_deactivated", now=now, agent_id=by, target=agent.id)


def check_password(session: Session, email: str, password: str) -> AgentView | None:
    """The active account of this address and password, or None. Takes the same time either way."""
    agent = session.scalar(select(Agent).where(Agent.email == email.strip().lower()))
    try:
        _HASHER.verify(agent.password_hash if agent else _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return None
    if agent is None or not agent.active:
        return None
    if _HASHER.check_needs_rehash(agent.password_hash):
        agent.password_hash = _HASHER.hash(password)
    return _view(agent)


def ensure_owner(sessions: Sessions, home: Path, *, now: datetime) -> Path | None:
    """Make the first account, with a random password kept in `<home>/keys/console-password`.

    Returns:
        The file, or None when there are accounts already.
    """
    file = home / "keys" / "console-password"
    with sessions.begin() as session:
        if session.scalar(select(func.count()).select_from(Agent)):
            return None
        password = secrets.token_urlsafe(12)
        add(session, email=FIRST_EMAIL, name=FIRST_NAME, password=password, role="owner", now=now)
        # Written before the commit: an account whose password nobody knows would lock the owner out.
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(password)
    return file


def _hash(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise AccountError(f"the password has {len(password)} characters; it must have at least {SHORTEST_PASSWORD}")
    return _HASHER.hash(password)


def _of_email(session: Session, email: str) -> Agent:
    agent = session.scalar(select(Agent).where(Agent.email == email.strip().lower()))
    if agent is None:
        raise AccountError(f"no account has the address {email}")
    return agent


def _view(agent: Agent) -> AgentView:
    return AgentView(agent.id, agent.email, agent.name, agent.role, agent.active, agent.created_at)


def main(argv: Sequence[str] | None = None) -> int:
    from bot import settings as bot_settings  # only the command reads settings

    options = _parser().parse_args(argv)
    try:
        settings = bot_settings.load()
        engine = open_engine(settings.database_url)
        try:
            print(_run(options, open_sessions(engine), Path(settings.home)))
        finally:
            engine.dispose()
    except (AccountError, bot_settings.SettingError) as error:
        print(error, file=sys.stderr)
        return 1
    except DBAPIError as error:
        print(f"the database does not answer as expected ({type(error.orig).__name__}); run kefu up", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kefu agents", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("first", help=f"make {FIRST_EMAIL} with a random password, if there is no account at all")
    verbs.add_parser("list", help="print every account")
    adding = verbs.add_parser("add", help="make an account; the password is asked for, or read from standard input")
    adding.add_argument("email")
    adding.add_argument("--name", default="")
    adding.add_argument("--role", choices=ROLES, default="agent", help="an owner also manages accounts")
    for verb, text in (
        ("password", "set a new password; signs that person out everywhere"),
        ("deactivate", "let someone out, at once; nothing is deleted"),
        ("activate", "let someone in again"),
    ):
        verbs.add_parser(verb, help=text).add_argument("email")
    return parser


def _run(options: argparse.Namespace, sessions: Sessions, home: Path) -> str:
    now = utc_now()
    if options.verb == "first":
        file = ensure_owner(sessions, home, now=now)
        return "there are accounts already" if file is None else f"made {FIRST_EMAIL}; password in {file}"
    with sessions.begin() as session:
        if options.verb == "list":
            rows = everyone(session)
            return (
                "\n".join(
                    f"{row.email:<32} {row.role:<6} {'active' if row.active else 'out':<7} {row.name}" for row in rows
                )
                or "no accounts; kefu agents add EMAIL makes one"
            )
        if options.verb == "add":
            made = add(session, email=options.email, name=options.name, password=_asked(), role=options.role, now=now)
            return f"made {made.email} ({made.role})"
        if options.verb == "password":
            set_password(session, options.email, _asked(), now=now)
            return f"{options.email} has a new password"
        set_active(session, options.email, options.verb == "activate", now=now)
        return f"{options.email} is {'active' if options.verb == 'activate' else 'out'}"


def _asked() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return getpass.getpass("Password: ")


if __name__ == "__main__":
    sys.exit(main())
