"""A run of faults: customers write through the gateway while every process is killed again and again.

Used by the tests and by `kefu bench faults`. The processes are given as a group that runs already; whether
they are the real house or servers that play a part makes no difference here.
"""

import asyncio
import contextlib
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx
from sqlalchemy import Engine, select

from bot.messaging.tables import CONVERSATIONS, INBOX, MESSAGES, OUTBOX
from bot.processes import Group

Texts = Callable[[int], Sequence[str]]  # what conversation number N writes, in order


@dataclass(frozen=True)
class Plan:
    conversations: int = 50
    messages: int = 20  # of each conversation
    kills: int = 5  # of each process
    seed: int = 7
    pause_seconds: tuple[float, float] = (0.2, 1.2)  # of work between a process being ready again and the next kill
    timeout_seconds: float = 600.0

    @property
    def total(self) -> int:
        return self.conversations * self.messages


@dataclass
class Result:
    """What became of the messages. `problems` is empty when the promise was kept."""

    sent: int = 0
    answered: int = 0
    apologies: int = 0
    silent: int = 0  # done without the bot, because people hold the conversation
    deliveries: int = 0
    kills: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


class Customers:
    """Everybody writes in order, delivers every message twice, and repeats until it is acknowledged."""

    def __init__(self, url: str, plan: Plan, texts: Texts, tokens: Sequence[str]) -> None:
        self.plan, self.texts, self.tokens = plan, texts, tokens
        self.client = httpx.AsyncClient(base_url=url, timeout=10, trust_env=False)
        self.random = random.Random(plan.seed)
        self.sent = 0
        self.deliveries = 0
        self.allowed = 0  # messages that may be out by now: writing keeps step with the kills
        self.moved = asyncio.Event()

    def allow(self, count: int) -> None:
        self.allowed = count
        self.moved.set()

    async def write_all(self) -> None:
        await asyncio.gather(*(self._write(number) for number in range(self.plan.conversations)))
        await self.client.aclose()

    async def _write(self, number: int) -> None:
        for index, text in enumerate(self.texts(number)):
            while self.sent >= self.allowed:
                self.moved.clear()
                await self.moved.wait()
            self.sent += 1
            await asyncio.sleep(self.random.uniform(0, 0.3))
            body = {"id": f"{index}", "text": text}
            if self.random.random() < 0.5:
                await asyncio.gather(self._deliver(number, body), self._deliver(number, body))
            else:
                await self._deliver(number, body)
                await self._deliver(number, body)

    async def _deliver(self, number: int, body: dict[str, str]) -> None:
        headers = {"Authorization": f"Bearer {self.tokens[number]}"}
        while True:
            with contextlib.suppress(httpx.TransportError):
                response = await self.client.post("/api/widget/messages", json=body, headers=headers)
                if response.status_code in (200, 202):
                    self.deliveries += 1
                    return
                if response.status_code < 500:
                    raise AssertionError(f"the gateway refused a message: {response.status_code} {response.text}")
            await asyncio.sleep(0.1)


def open_sessions_at(url: str, bodies: Sequence[dict[str, str]]) -> list[str]:
    """Visitor tokens, one for each body of `POST /api/widget/session`."""
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        tokens = []
        for body in bodies:
            response = client.post("/api/widget/session", json=body)
            while response.status_code == 429:  # the limit of one address
                time.sleep(float(response.headers["retry-after"]))
                response = client.post("/api/widget/session", json=body)
            response.raise_for_status()
            tokens.append(response.json()["visitor_token"])
        return tokens


def run(
    group: Group,
    url: str,
    engine: Engine,
    plan: Plan,
    texts: Texts,
    tokens: Sequence[str],
    *,
    kill: Sequence[str] | None = None,
    progress: Callable[[int], None] = lambda answered: None,
) -> Result:
    """Write, kill, wait until everything is answered, and check the promise in the database.

    Processes are killed from the calling thread: they are told to die with the thread that started them.
    """
    result = Result()
    names = list(group.specs if kill is None else kill)
    schedule = [name for name in names for _ in range(plan.kills)]
    chance = random.Random(plan.seed)
    chance.shuffle(schedule)
    began = time.monotonic()
    loop = asyncio.new_event_loop()
    try:
        customers = loop.run_until_complete(_made(url, plan, texts, tokens))
        writing = loop.create_task(customers.write_all())
        for step, name in enumerate(schedule, 1):
            # At each kill there is work on its way: a share of the messages is written around it.
            customers.allow(plan.total * step // len(schedule) if schedule else plan.total)
            loop.run_until_complete(asyncio.sleep(chance.uniform(*plan.pause_seconds)))
            group.kill(name)
            result.kills[name] += 1
            group.restart(name)
            while not group.ready(name):
                loop.run_until_complete(asyncio.sleep(0.02))
                group.check()
                if time.monotonic() - began > plan.timeout_seconds:
                    raise TimeoutError(f"{name} did not come back")
            progress(_answered(engine))
        customers.allow(plan.total)
        loop.run_until_complete(asyncio.wait_for(writing, plan.timeout_seconds))
    finally:
        loop.close()
    while _answered(engine) < plan.total and time.monotonic() - began < plan.timeout_seconds:
        time.sleep(0.2)
        group.check()
        progress(_answered(engine))
    result.seconds = time.monotonic() - began
    result.sent, result.deliveries = customers.sent, customers.deliveries
    check(engine, plan, texts, result)
    return result


async def _made(url: str, plan: Plan, texts: Texts, tokens: Sequence[str]) -> Customers:
    return Customers(url, plan, texts, tokens)


def _answered(engine: Engine) -> int:
    with engine.connect() as connection:
        return len(connection.execute(select(INBOX.c.id).where(INBOX.c.status != "ready")).all())


def check(engine: Engine, plan: Plan, texts: Texts, result: Result) -> None:
    """Every message stored once, answered by one turn, in order within its conversation."""
    with engine.connect() as connection:
        inbox = connection.execute(select(INBOX).order_by(INBOX.c.conversation_id, INBOX.c.position)).all()
        lines = connection.execute(select(MESSAGES).order_by(MESSAGES.c.conversation_id, MESSAGES.c.position)).all()
        owed = connection.execute(select(OUTBOX)).all()
        people = select(CONVERSATIONS.c.id).where(CONVERSATIONS.c.holder != "bot")
        held = set(connection.execute(people).scalars())
    line_at = {(line.conversation_id, line.position): line for line in lines}
    replies: dict[str, list[int]] = defaultdict(list)
    for item in sorted(owed, key=lambda item: item.position):
        if item.inbox_id:
            replies[item.inbox_id].append(item.position)
    written: dict[str, list[str]] = defaultdict(list)
    before: dict[str, int] = defaultdict(int)
    for item in inbox:
        written[item.conversation_id].append(line_at[item.conversation_id, item.position].body["text"])
        positions = replies[item.id]
        if item.status == "done" and not positions and item.conversation_id in held:
            result.silent += 1
            continue
        if item.status == "ready" or not positions:
            result.problems.append(f"message {item.id} was not answered: {item.status}, {item.error}")
            continue
        known = len(result.problems)
        turns = {line_at[item.conversation_id, position].created_at for position in positions}
        if len(turns) != 1:
            result.problems.append(f"message {item.id} was answered {len(turns)} times")
        if positions[0] < before[item.conversation_id]:
            result.problems.append(f"message {item.id} was answered before an earlier one")
        if positions[0] < item.position:
            result.problems.append(f"message {item.id} was answered before it was written")
        before[item.conversation_id] = positions[-1]
        result.answered += len(result.problems) == known
        result.apologies += item.status == "dead"
    if len(inbox) != plan.total:
        result.problems.append(f"{len(inbox)} messages are stored, {plan.total} were acknowledged")
    expected = sorted(list(texts(number)) for number in range(plan.conversations))
    if sorted(written.values()) != expected:
        result.problems.append("a conversation does not hold what was written, in the order it was written")
    by_conversation: dict[str, list[int]] = defaultdict(list)
    for line in lines:
        by_conversation[line.conversation_id].append(line.position)
    for id_, positions in by_conversation.items():
        if positions != list(range(1, len(positions) + 1)):
            result.problems.append(f"conversation {id_} has gaps in its positions")
