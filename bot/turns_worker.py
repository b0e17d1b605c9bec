"""The turns process: claims what customers wrote, asks nlu and dialogue, commits the outcome.

`python -m bot.turns_worker`. One thread writes (group commit: the end of some turns and the claim of the
next share a transaction); one event loop asks.
"""

import asyncio
import contextlib
import logging
import signal
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from uvicorn.loops.auto import auto_loop_factory

from bot import settings as settings_
from bot.database.base import utc_now
from bot.database.engine import open_engine, open_sessions
from bot.loopback import Answer, BrokenOff, Loopback, NotReached
from bot.messaging import answering, turns, wakeup, words
from bot.messaging.answering import Failed, Played, Unavailable, Wish
from bot.messaging.batches import Batches
from bot.messaging.messages import HandoffRequest, OutboundMessage
from bot.messaging.outbox import PULLED
from bot.messaging.presence import Presence
from bot.messaging.ready import check_database
from bot.messaging.turns import Claim, Finish, Retry, Turn
from bot.ready import say_ready

POLL_SECONDS = 1.0  # the safety net under the wakeup
HEARTBEAT_SECONDS = 8.0
WRITING_AFTER_SECONDS = 0.4  # a sign of writing that is gone at once only flickers, and costs every turn two signals
BURY_SECONDS = 2.0  # how often dead workers' leases are looked for
SHUTDOWN_SECONDS = 20.0
WRITE_PACE_SECONDS = 0.015  # of a busy worker: ends and claims of several turns share a transaction

READ_OF_PARSE = (
    "text",
    "intent",
    "intent_ranking",
    "entities",
    "language",
    "in_scope",
    "reply_draft",
)  # by the dialogue
# What the dialogue names when something it needs is away, not the turn wrong.
AWAY = ("TurnAborted", "OperationalError", "InterfaceError", "DBAPIError", "TimeoutError")

log = logging.getLogger("bot.turns")


@dataclass(frozen=True)
class Patience:
    """When to try again and when to apologise. Seconds."""

    attempts: int = 3  # of a question that goes wrong
    claims: int = 12  # of any kind, for a message that kills its worker
    first_delay_seconds: float = 0.5
    outage_seconds: float = 120.0  # that a process of the house may be away before customers are told

    def after(self, turn: Turn, error: Unavailable | Failed, now: datetime) -> Retry | None:
        """The next try, or None when it is time to apologise."""
        waited = (now - turn.received_at).total_seconds()
        if isinstance(error, Unavailable):
            if not 0 <= waited < self.outage_seconds:
                return None
            delay = error.after_seconds or min(5.0, max(0.3, waited / 4))
            return Retry(turn, now + timedelta(seconds=delay), str(error), counted=False)
        if turn.attempts >= self.attempts:
            return None
        delay = self.first_delay_seconds * 2 ** (turn.attempts - 1)
        return Retry(turn, now + timedelta(seconds=delay), str(error))


class HttpAsks:
    """The two questions over loopback HTTP, on kept-alive connections."""

    def __init__(
        self,
        nlu_url: str,
        dialogue_urls: Sequence[str],
        token: str,
        *,
        nlu_seconds: float = 10.0,
        dialogue_seconds: float = 15.0,
    ) -> None:
        self._client = Loopback()
        self._nlu_url = f"{nlu_url}/model/parse"
        self._dialogue_urls = [f"{url}/webhooks/kefu/turn" for url in dialogue_urls]
        self._authorization = {"Authorization": f"Bearer {token}"}
        self._nlu_seconds = nlu_seconds
        self._dialogue_seconds = dialogue_seconds

    async def parse(self, turn: Turn) -> Mapping[str, Any]:
        body = {
            "text": turn.text,
            "message_id": turn.inbox_id,
            "metadata": {"language": turn.language, "page": turn.context.get("page")},
        }
        return await self._ask("nlu", self._nlu_url, body, {}, self._nlu_seconds)

    async def play(self, turn: Turn, message_id: str, wish: Wish, language: str) -> Played:
        body = {
            "conversation_id": turn.conversation_id,
            "message_id": message_id,
            "text": wish.text,
            "parse": {name: wish.parse[name] for name in READ_OF_PARSE if name in wish.parse},
            "metadata": {
                "customer_id": turn.customer_id,
                "channel": turn.channel,
                "language": language,
                "page": turn.context.get("page"),
                "conversation_id": turn.conversation_id,
                "message_id": message_id,
            },
        }
        # A conversation always goes to the same process: only there is its memory in order.
        url = self._dialogue_urls[zlib.crc32(turn.conversation_id.encode()) % len(self._dialogue_urls)]
        said = await self._ask("dialogue", url, body, self._authorization, self._dialogue_seconds)
        replies = tuple(reply for reply in said.get("replies", ()) if isinstance(reply, dict))
        return Played(replies, said.get("active_loop"), bool(said.get("repeated")))

    async def _ask(
        self, who: str, url: str, body: Mapping[str, Any], headers: Mapping[str, str], seconds: float
    ) -> dict[str, Any]:
        try:
            answer = await self._client.post(url, body, headers, seconds=seconds)
        except NotReached as error:
            raise Unavailable(f"{who} is down") from error
        except BrokenOff as error:
            raise Unavailable(f"{who} broke off") from error
        except TimeoutError as error:
            raise Failed(f"{who} did not answer in {seconds:.0f} s") from error
        if answer.status in (429, 503):
            if _broken_turn(answer):
                raise Failed(f"{who} could not finish the turn")
            raise Unavailable(f"{who} is busy", _retry_after(answer))
        if answer.status != 200:
            raise Failed(f"{who} answered {answer.status}")
        try:
            said = answer.json()
        except ValueError as error:
            raise Failed(f"{who} answered no JSON") from error
        if not isinstance(said, dict):
            raise Failed(f"{who} answered {type(said).__name__}, not an object")
        return said

    async def close(self) -> None:
        await self._client.close()


def _broken_turn(answer: Answer) -> bool:
    """The dialogue answers 503 when its database or the action server is away, and when the turn itself fails."""
    try:
        error = answer.json()["error"]
        return bool(error["code"] == "turn_failed") and not str(error["message"]).startswith(AWAY)
    except (ValueError, KeyError, TypeError):
        return False


def _retry_after(answer: Answer) -> float | None:
    try:
        return min(10.0, max(0.1, float(answer.headers["retry-after"])))
    except (KeyError, ValueError):
        return None


@dataclass(frozen=True)
class Look:
    """Claim what waits; nothing ended."""


@dataclass(frozen=True)
class Beat:
    """Keep the leases of these turns."""

    held: tuple[Turn, ...]


@dataclass(frozen=True)
class Bury:
    """End the leases of these dead workers."""

    workers: tuple[str, ...]


Step = Look | Beat | Bury | Finish | Retry


@dataclass
class Worker:
    """Serves up to `concurrency` conversations at a time until `stop`."""

    sessions: Any
    signals: wakeup.Wakeup
    asks: answering.Asks
    presence: Presence
    concurrency: int = 16
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        self._busy = 0  # leases held; touched by the writing thread alone
        self._claimed = Claim((), ())
        self._running: dict[str, tuple[Turn, asyncio.Task[None]]] = {}
        self._stopping = asyncio.Event()
        self._look = asyncio.Event()
        self._down = False  # the database, as far as we know

    async def run(self) -> None:
        """Work until `stop`, then finish what is held."""
        self._loop = asyncio.get_running_loop()
        self._writer: Batches[Step, Any] = Batches(
            self.sessions, self._write, after_commit=self._after_commit, pace_seconds=WRITE_PACE_SECONDS
        )
        listener = self.signals.listen(wakeup.INBOX)
        helpers = [asyncio.create_task(self._beat()), asyncio.create_task(self._bury())]
        try:
            while not self._stopping.is_set():
                await self._submit(Look())
                await self._wait(listener)
            await self._drain()
        finally:
            for helper in helpers:
                helper.cancel()
            listener.close()
            self._writer.close()
            self.presence.close()

    def stop(self) -> None:
        self._stopping.set()
        self._look.set()

    # the event loop

    async def _wait(self, listener: wakeup.Listener) -> None:
        handle = listener.fileno()
        self._loop.add_reader(handle, self._look.set)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), self._pause())
        finally:
            self._loop.remove_reader(handle)
        listener.drain()
        self._look.clear()

    def _pause(self) -> float:
        """Until the next retry is due, at most the poll."""
        return self._next_due_seconds if 0 < self._next_due_seconds < POLL_SECONDS else POLL_SECONDS

    _next_due_seconds = POLL_SECONDS

    def _start(self, claim: Claim) -> None:
        for turn in claim.turns:
            self._running[turn.inbox_id] = (turn, self._loop.create_task(self._serve(turn)))
        self._loop.call_later(WRITING_AFTER_SECONDS, self._say_writing, claim.turns)

    def _say_writing(self, turns_: Sequence[Turn]) -> None:
        ids = [turn.conversation_id for turn in turns_ if turn.inbox_id in self._running]
        if ids:
            self.signals.notify(wakeup.TYPING, ids)

    async def _serve(self, turn: Turn) -> None:
        try:
            outcome: Step = await self._answer(turn)
        except Exception as error:  # the worker survives any one message
            log.exception("turn %s: %s", turn.inbox_id, type(error).__name__)
            outcome = self._failure(turn, Failed(f"internal error: {type(error).__name__}"))
        await self._submit(outcome)
        del self._running[turn.inbox_id]

    async def _answer(self, turn: Turn) -> Step:
        if turn.attempts > self.patience.claims:
            return _give_up(turn, "the message was claimed too often")
        try:
            return await answering.answer(turn, self.asks)
        except (Unavailable, Failed) as error:
            return self._failure(turn, error)

    def _failure(self, turn: Turn, error: Unavailable | Failed) -> Step:
        again = self.patience.after(turn, error, utc_now())
        log.warning(
            "turn %s, attempt %d: %s; %s", turn.inbox_id, turn.attempts, error, "again" if again else "given up"
        )
        return again or _give_up(turn, str(error))

    async def _submit(self, step: Step) -> None:
        """Commit one step. During an outage of the database the step waits: what it holds is ours to keep,
        and a lease lost meanwhile refuses it."""
        delay = 0.1
        while True:
            try:
                await self._writer.submit(step)
            except DBAPIError as error:
                self._say_down(error)
                if isinstance(step, Look | Beat | Bury) or self._stopping.is_set():
                    await asyncio.sleep(delay)
                    return
                await asyncio.sleep(delay)
                delay = min(2.0, delay * 2)
            else:
                self._say_up()
                return

    def _say_down(self, error: DBAPIError) -> None:
        if not self._down:
            self._down = True
            log.error("the database refuses: %s; trying again until it takes the work", str(error.orig).splitlines()[0])

    def _say_up(self) -> None:
        if self._down:
            self._down = False
            log.warning("the database is back")

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            held = tuple(turn for turn, _ in self._running.values())
            if held:
                await self._submit(Beat(held))
                self._say_writing(held)

    async def _bury(self) -> None:
        while True:
            dead = tuple(self.presence.dead())
            if dead:
                await self._submit(Bury(dead))
            await asyncio.sleep(BURY_SECONDS)

    async def _drain(self) -> None:
        running = [task for _, task in self._running.values()]
        if running:
            log.info("finishing %d turns", len(running))
            await asyncio.wait(running, timeout=SHUTDOWN_SECONDS)

    # the writing thread

    def _write(self, session: Session, steps: Sequence[Step]) -> list[Any]:
        now = utc_now()
        finishes = [step for step in steps if isinstance(step, Finish)]
        taken = (
            dict(zip(map(id, finishes), turns.finish_all(session, finishes, now=now), strict=True)) if finishes else {}
        )
        results = [taken[id(step)] if id(step) in taken else self._step(session, step, now) for step in steps]
        ended = sum(isinstance(step, Finish | Retry) for step in steps)
        free = self.concurrency - self._busy + ended
        self._claimed = Claim((), ())
        if free > 0 and not self._stopping.is_set():
            self._claimed = turns.claim(session, worker=self.presence.id, limit=free, now=now)
        if not self._claimed.turns and any(isinstance(step, Look | Retry) for step in steps):
            due = turns.next_due(session)
            self._next_due_seconds = POLL_SECONDS if due is None else (due - now).total_seconds()
        return results

    def _step(self, session: Session, step: Step, now: datetime) -> Any:
        if isinstance(step, Retry):
            return turns.retry(session, step)
        if isinstance(step, Beat):
            return turns.extend(session, step.held, now=now)
        if isinstance(step, Bury):
            return [turns.release_worker(session, worker) for worker in step.workers]
        return None

    def _after_commit(self, steps: Sequence[Step], results: Sequence[Any]) -> None:
        claim = self._claimed
        ended = [step for step in steps if isinstance(step, Finish | Retry)]
        self._busy += len(claim.turns) - len(ended)
        for step in steps:
            if isinstance(step, Bury):
                for worker in step.workers:
                    self.presence.bury(worker)
        if claim.turns:
            self._loop.call_soon_threadsafe(self._start, claim)
        said = [step for step in ended if isinstance(step, Finish)]
        if said:
            self.signals.notify(wakeup.TRANSCRIPT, [step.turn.conversation_id for step in said])
        if any(step.turn.channel not in PULLED for step in said):
            self.signals.notify(wakeup.OUTBOX)
        if len(claim.turns) + len(claim.silent) >= self.concurrency or claim.silent:
            self._loop.call_soon_threadsafe(self._look.set)


def _give_up(turn: Turn, reason: str) -> Finish:
    apology = OutboundMessage(words.apology(turn.language), source={"core": "apology"})
    request = HandoffRequest("failure", {"error": reason, "position": turn.position})
    return Finish(turn, (apology,), handoff=request, status="dead", error=reason)


async def serve(settings: settings_.Settings) -> None:
    """Wire the process and run it until SIGTERM or SIGINT."""
    engine = open_engine(settings.database_url, pool_size=3)
    check_database(engine)
    asks = HttpAsks(settings.nlu_url, settings.dialogue_urls, settings.internal_token)
    signals = wakeup.open_wakeup(engine, settings.home)
    presence = Presence(settings.home / "run" / "turns")
    worker = Worker(open_sessions(engine), signals, asks, presence, settings.turns_concurrency)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    say_ready("turns")
    await worker.run()
    await asks.close()
    signals.close()
    engine.dispose()


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        settings = settings_.load()
        with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
            runner.run(serve(settings))
    except (settings_.SettingError, ConnectionError) as error:
        print(f"turns cannot start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
