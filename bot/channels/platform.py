"""Calling a platform: its HTTP answers as `RetryLater` and `Rejected`, its limits on text."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from bot.channels.connector import RetryLater
from bot.messaging.messages import Button, Card, OutboundMessage

TIMEOUT_SECONDS = 10.0  # below the courier's lease, so that a slow platform is never sent to twice at once


def open_client(base_url: str, headers: dict[str, str] | None = None) -> httpx.Client:
    return httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT_SECONDS)


@contextlib.contextmanager
def channel_errors(name: str) -> Iterator[None]:
    """An error of the HTTP library becomes RetryLater; its text, which may hold a token, goes nowhere."""
    try:
        yield
    except httpx.HTTPError as error:
        raise RetryLater(f"{name} cannot be reached ({type(error).__name__})") from None


def refuse_outage(name: str, response: httpx.Response) -> None:
    """Raises RetryLater for 429 and 5xx."""
    if response.status_code == 429 or response.status_code >= 500:
        raise RetryLater(f"{name} answered {response.status_code}", retry_after(response))


def retry_after(response: httpx.Response) -> float | None:
    """Seconds of the Retry-After header, None without a usable one."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.replace(".", "", 1).isdigit() else None


def json_of(name: str, response: httpx.Response) -> dict[str, Any]:
    """Raises RetryLater: an answer that is no JSON object comes from something in between."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RetryLater(f"{name} answered {response.status_code} without JSON")
    return body


def pieces(text: str, limit: int) -> list[str]:
    """`text` in parts of at most `limit` characters, cut between paragraphs, lines or words where possible."""
    parts = []
    rest = text.strip()
    while len(rest) > limit:
        cut = max((rest.rfind(mark, limit // 2, limit) + len(mark) for mark in ("\n\n", "\n", "。", " ")), default=0)
        cut = cut if cut > limit // 2 else limit
        parts.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*parts, rest] if rest else parts


def short(text: str, limit: int) -> str:
    """At most `limit` characters, the last an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def card_text(card: Card) -> str:
    """A card in lines, for channels that draw none."""
    title = f"{card.title} ({card.badge})" if card.badge else card.title
    lines = [title, *([card.price] if card.price else []), *([card.text] if card.text else [])]
    return "\n".join([*lines, *([card.url] if card.url else [])])


def all_as_text(message: OutboundMessage) -> str:
    """The whole message as one text: cards in lines, links with their titles, buttons numbered."""
    parts = [message.text] if message.text else []
    parts += [card_text(card) for card in message.cards]
    buttons = [*message.buttons, *(button for card in message.cards for button in card.buttons)]
    if message.picture:
        parts.append(message.picture)
    if buttons:
        parts.append(numbered(buttons))
    return "\n\n".join(parts)


def numbered(buttons: Sequence[Button]) -> str:
    lines = (
        f"{number}. {button.title}" + (f" {button.url}" if button.url else "")
        for number, button in enumerate(buttons, 1)
    )
    return "\n".join(lines)


def web_picture(picture: str | None) -> str | None:
    """A picture that a platform's servers can fetch and draw: https, and no SVG."""
    return picture if picture and picture.startswith("https://") and not picture.lower().endswith(".svg") else None


class Progress:
    """Which parts of a message have gone out, so that a retry by this process sends only the rest."""

    REMEMBERED = 1000

    def __init__(self) -> None:
        self._sent: dict[str, int] = {}

    def sent(self, key: str) -> int:
        return self._sent.get(key, 0)

    def advance(self, key: str) -> None:
        self._sent[key] = self._sent.pop(key, 0) + 1
        while len(self._sent) > self.REMEMBERED:
            del self._sent[next(iter(self._sent))]

    def done(self, key: str) -> None:
        self._sent.pop(key, None)
