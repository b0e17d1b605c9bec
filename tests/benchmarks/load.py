"""Customers at once, on Kefu's widget or on Rasa's REST channel: who wrote, when it was acknowledged, when answered."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.benchmarks.http_client import Connection


@dataclass
class Measured:
    """Seconds of each message, in the order they were answered.

    `burst` holds the acknowledgements of the first message of everybody, written at the same instant while nothing is
    being answered yet; `acknowledged` those of all later ones, written while the models work.
    """

    burst: list[float] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.answered) / self.seconds


class WidgetCustomer:
    """Writes through the widget API and waits for the bot's line on the event stream."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80

    async def open(self) -> None:
        door = Connection(self.host, self.port)
        while True:
            status, body = await door.post("/api/widget/session", {"language": "en"})
            if status == 200:
                break
            await asyncio.sleep(0.5)  # sessions of one address are limited
        door.close()
        self.talk = Connection(self.host, self.port, body["visitor_token"])
        self.stream = Connection(self.host, self.port, body["visitor_token"])
        self.position = 0
        self.lines: asyncio.Queue[int] = asyncio.Queue()
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for name, data in self.stream.events("/api/widget/events?after=0"):
            if name == "message" and data["author"] == "bot":
                self.lines.put_nowait(data["position"])

    async def say(self, text: str) -> tuple[float, float]:
        """(acknowledged, answered) in seconds; the first line that comes after the message is the answer."""
        began = time.perf_counter()
        status, body = await self.talk.post("/api/widget/messages", {"id": uuid.uuid4().hex, "text": text})
        acknowledged = time.perf_counter() - began
        if status != 202:
            raise ConnectionError(f"a message was answered {status}: {body}")
        while await asyncio.wait_for(self.lines.get(), 120) < body["position"]:
            pass
        return acknowledged, time.perf_counter() - began

    async def close(self) -> None:
        self.reading.cancel()
        self.talk.close()
        self.stream.close()


class RestCustomer:
    """Rasa's REST channel: the answer is the HTTP answer."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80

    async def open(self) -> None:
        self.talk = Connection(self.host, self.port)
        self.sender = uuid.uuid4().hex

    async def say(self, text: str) -> tuple[float, float]:
        began = time.perf_counter()
        status, _ = await self.talk.post("/webhooks/rest/webhook", {"sender": self.sender, "message": text})
        if status != 200:
            raise ConnectionError(f"a message was answered {status}")
        seconds = time.perf_counter() - began
        return seconds, seconds

    async def close(self) -> None:
        self.talk.close()


Customer = WidgetCustomer | RestCustomer


async def at_once(customers: Sequence[Customer], texts: Sequence[str], each: int) -> Measured:
    """Every customer says `each` texts, the next as soon as the one before is answered."""
    for customer in customers:
        await customer.open()
    measured = Measured()

    async def talk(number: int, customer: Customer) -> None:
        for index in range(each):
            acknowledged, answered = await customer.say(texts[(number * each + index) % len(texts)])
            (measured.acknowledged if index else measured.burst).append(acknowledged)
            measured.answered.append(answered)

    began = time.perf_counter()
    await asyncio.gather(*(talk(number, customer) for number, customer in enumerate(customers)))
    measured.seconds = time.perf_counter() - began
    for customer in customers:
        await customer.close()
    return measured


async def one_long(customer: Customer, texts: Sequence[str], turns: int) -> list[float]:
    """Seconds of each turn of one conversation of `turns` turns."""
    await customer.open()
    seconds = [(await customer.say(texts[turn % len(texts)]))[1] for turn in range(turns)]
    await customer.close()
    return seconds
