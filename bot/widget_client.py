"""The widget's API from Python: what `kefu chat`, the smoke run and tests speak to the gateway.

Whoever waits for a reply waits on the event stream, by position; nothing here sleeps a guess.
"""

import contextlib
import json
import time
import uuid
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import httpx

QUIET_SECONDS = 40.0  # the gateway sends a heartbeat every 15 s; a stream silent for longer is dead


class GatewayError(Exception):
    """The gateway refused or did not answer; the message is its own sentence, `code` its code."""

    def __init__(self, message: str, *, code: str = "unreachable", status: int = 0, again_after: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.again_after = again_after  # seconds, where the gateway asks to come back later


class NoReply(GatewayError):
    """Nobody answered before the deadline."""


@dataclass(frozen=True)
class Line:
    """One line of the transcript as a customer sees it."""

    position: int
    author: str  # customer | bot | agent | system
    text: str = ""
    buttons: tuple[Mapping[str, Any], ...] = ()
    cards: tuple[Mapping[str, Any], ...] = ()
    agent_name: str = ""

    @property
    def choices(self) -> tuple[Mapping[str, Any], ...]:
        """Every button of the line, those of its cards first, in the order they are seen."""
        of_cards = (button for card in self.cards for button in card.get("buttons", ()))
        return (*of_cards, *self.buttons)


@dataclass(frozen=True)
class Event:
    """One server-sent event: `message` has a line; `holder` and `typing` have data."""

    kind: str
    line: Line | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Opened:
    visitor_token: str
    conversation_id: str
    language: str
    last_position: int
    shop_name: str


class WidgetClient:
    """One visitor. `open` first; then `write`, `read`, `events`, `wait`."""

    def __init__(self, url: str, *, timeout_seconds: float = 15.0, patience_seconds: float = 0.0) -> None:
        """`patience_seconds`: how long a request that is told to come later (429, 503) is tried again."""
        self.url = url.rstrip("/")
        self.patience_seconds = patience_seconds
        self._http = httpx.Client(base_url=f"{self.url}/api/widget", timeout=timeout_seconds, trust_env=False)

    def __enter__(self) -> "WidgetClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def open(self, *, language: str = "", customer_token: str = "", visitor_token: str = "") -> Opened:
        """Open a session, or go on with the one of `visitor_token`."""
        given = {"language": language, "customer_token": customer_token, "visitor_token": visitor_token}
        body = self._asked("POST", "/session", json={name: value for name, value in given.items() if value})
        self._http.headers["Authorization"] = f"Bearer {body['visitor_token']}"
        return Opened(
            visitor_token=body["visitor_token"],
            conversation_id=body["conversation_id"],
            language=body["language"],
            last_position=body["last_position"],
            shop_name=body["shop"]["name"],
        )

    def write(self, text: str, *, payload: str | None = None, id: str | None = None) -> int:
        """Send a text or press a button; the position it got in the transcript."""
        body = {"id": id or uuid.uuid4().hex, "text": text, **({"payload": payload} if payload else {})}
        return int(self._asked("POST", "/messages", json=body)["position"])

    def read(self, after: int = 0) -> tuple[list[Line], str]:
        """The lines after a position, and who holds the conversation: bot, queue or agent."""
        body = self._asked("GET", "/messages", params={"after": after})
        return [line_of(message) for message in body["messages"]], str(body["holder"])

    def choose_language(self, language: str) -> None:
        self._asked("POST", "/language", json={"language": language})

    def identify(self, customer_token: str) -> None:
        body = self._asked("POST", "/identify", json={"customer_token": customer_token})
        self._http.headers["Authorization"] = f"Bearer {body['visitor_token']}"

    def events(self, after: int = 0) -> Generator[Event, None, None]:
        """The live stream after a position, until the gateway ends it. Raises GatewayError."""
        timeout = httpx.Timeout(10.0, read=QUIET_SECONDS)
        try:
            with self._http.stream("GET", "/events", params={"after": after}, timeout=timeout) as response:
                if response.is_error:
                    response.read()
                    raise _refusal(response)
                yield from _events(response.iter_lines())
        except httpx.HTTPError as error:
            raise GatewayError(f"the gateway at {self.url} does not answer ({type(error).__name__})") from error

    def wait(self, after: int, *, seconds: float) -> tuple[list[Line], str]:
        """The replies to the message at position `after`, as soon as there are any; a turn's replies come together.

        Raises:
            NoReply: nothing came within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.closing(self.events(after)) as events:
                for event in events:
                    if event.line is not None and event.line.author != "customer":
                        lines, holder = self.read(after)
                        return [line for line in lines if line.author != "customer"], holder
                    if time.monotonic() >= deadline:
                        break
        raise NoReply(f"no reply within {seconds:.0f} s", code="no_reply")

    def _asked(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        deadline = time.monotonic() + self.patience_seconds
        while True:
            try:
                return self._asked_once(method, path, **request)
            except GatewayError as error:
                if not error.again_after or time.monotonic() + error.again_after > deadline:
                    raise
                time.sleep(error.again_after)

    def _asked_once(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise GatewayError(f"the gateway at {self.url} does not answer ({type(error).__name__})") from error
        if response.is_error:
            raise _refusal(response)
        body = response.json()
        if not isinstance(body, dict):
            raise GatewayError(f"{path} answered no JSON object", status=response.status_code)
        return body


def line_of(message: Mapping[str, Any]) -> Line:
    return Line(
        position=int(message["position"]),
        author=str(message["author"]),
        text=str(message.get("text") or ""),
        buttons=tuple(message.get("buttons") or ()),
        cards=tuple(message.get("cards") or ()),
        agent_name=str(message.get("agent_name") or ""),
    )


def _events(lines: Iterator[str]) -> Iterator[Event]:
    """Server-sent events from their lines; comments (heartbeats) come as kind `heartbeat`."""
    kind, data = "message", ""
    for line in lines:
        if line.startswith(":"):
            yield Event("heartbeat")
        elif line.startswith("event:"):
            kind = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:].strip()
        elif not line and data:
            body = json.loads(data)
            yield Event(kind, line_of(body) if kind == "message" else None, body)
            kind, data = "message", ""


def _refusal(response: httpx.Response) -> GatewayError:
    try:
        error = response.json()["error"]
        again_after = float(response.headers.get("Retry-After", 0))
        return GatewayError(
            str(error["message"]), code=str(error["code"]), status=response.status_code, again_after=again_after
        )
    except (ValueError, KeyError, TypeError):
        return GatewayError(f"the gateway answered {response.status_code}", status=response.status_code)
