"""Short ways to say "a customer wrote" in tests of the core."""

from datetime import UTC, datetime, timedelta

from bot.database.engine import Sessions
from bot.messaging import inbox, turns
from bot.messaging.inbox import Accepted
from bot.messaging.messages import InboundMessage, OutboundMessage
from bot.messaging.turns import Claim, Finish, Turn

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def write(
    sessions: Sessions,
    text: str,
    *,
    sender: str = "ann",
    id_: str | None = None,
    channel: str = "web",
    payload: str | None = None,
    seconds: float = 0,
) -> Accepted:
    message = InboundMessage(channel, id_ or f"{sender}-{text}", sender, text, payload)
    with sessions.begin() as session:
        return inbox.accept(session, message, now=at(seconds))


def claim(sessions: Sessions, *, worker: str = "w1", limit: int = 10, seconds: float = 0) -> Claim:
    with sessions.begin() as session:
        return turns.claim(session, worker=worker, limit=limit, now=at(seconds))


def claim_one(sessions: Sessions, *, worker: str = "w1", seconds: float = 0) -> Turn:
    (turn,) = claim(sessions, worker=worker, seconds=seconds).turns
    return turn


def finish(sessions: Sessions, turn: Turn, *texts: str, seconds: float = 0, **more: object) -> bool:
    outcome = Finish(turn, tuple(OutboundMessage(text) for text in texts), **more)  # type: ignore[arg-type]
    with sessions.begin() as session:
        return turns.finish_all(session, [outcome], now=at(seconds))[0]
