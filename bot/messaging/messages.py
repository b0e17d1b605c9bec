"""The nouns that travel between rooms: webhook in, message in, message out (DESIGN.md section 4)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class WebhookRequest:
    """One HTTP request as a connector sees it. `headers` are lower case; `body` is what was signed."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class InboundMessage:
    """What a customer wrote or pressed. `external_id` is the platform's id: the key of idempotency."""

    channel: str
    external_id: str
    sender_id: str
    text: str
    payload: str | None = None  # of a button we offered
    attachments: tuple[Mapping[str, Any], ...] = ()
    sent_at: datetime | None = None
    context: Mapping[str, Any] = field(default_factory=dict)  # page, locale, profile name


@dataclass(frozen=True)
class Button:
    """`payload` goes back to the dialogue (`/intent{"slot": "value"}`); `url` opens a page. One of the two."""

    title: str
    payload: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Card:
    """A product, an order or a document. `kind` lets a rich channel draw it; all can show title and text."""

    title: str
    text: str = ""
    kind: str = "product"  # product | order | document
    picture: str | None = None
    price: str | None = None  # formatted, with currency
    url: str | None = None
    buttons: tuple[Button, ...] = ()
    badge: str | None = None  # "Out of stock", "Ad", a status


@dataclass(frozen=True)
class HandoffRequest:
    """The wish for a person, which takes effect with the turn or not at all."""

    reason: str  # asked | not_understood | failure | risk_review | policy | complaint
    summary: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OutboundMessage:
    text: str = ""
    buttons: tuple[Button, ...] = ()
    cards: tuple[Card, ...] = ()
    picture: str | None = None
    handoff: HandoffRequest | None = None
    source: Mapping[str, Any] = field(default_factory=dict)  # response name, draft, passages: for the console

    def body(self) -> dict[str, Any]:
        """The JSON of the transcript; empty fields are left out, the handoff is not part of it."""
        body: dict[str, Any] = {"text": self.text}
        if self.buttons:
            body["buttons"] = [_plain(button) for button in self.buttons]
        if self.cards:
            body["cards"] = [
                {**_plain(card), "buttons": [_plain(button) for button in card.buttons]} for card in self.cards
            ]
        if self.picture:
            body["picture"] = self.picture
        if self.source:
            body["source"] = dict(self.source)
        return body

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> "OutboundMessage":
        """The inverse of `body`. Unknown keys are ignored: an older transcript must still load."""
        return cls(
            text=str(body.get("text", "")),
            buttons=tuple(_button(button) for button in body.get("buttons", ())),
            cards=tuple(_card(card) for card in body.get("cards", ())),
            picture=body.get("picture"),
            source=dict(body.get("source", {})),
        )


def _plain(value: Button | Card) -> dict[str, Any]:
    return {key: item for key, item in vars(value).items() if item is not None and key != "buttons"}


def _button(body: Mapping[str, Any]) -> Button:
    return Button(str(body.get("title", "")), body.get("payload"), body.get("url"))


def _card(body: Mapping[str, Any]) -> Card:
    return Card(
        title=str(body.get("title", "")),
        text=str(body.get("text", "")),
        kind=str(body.get("kind", "product")),
        picture=body.get("picture"),
        price=body.get("price"),
        url=body.get("url"),
        buttons=tuple(_button(button) for button in body.get("buttons", ())),
        badge=body.get("badge"),
    )


def short_payload(payload: str, limit: int) -> str:
    """`payload` where a platform takes at most `limit` bytes: itself, or a mark that `stands_for` knows again."""
    return payload if len(payload.encode()) <= limit else _mark(payload)


def stands_for(given: str, payload: str) -> bool:
    """Is `given`, which came back from a platform, this payload or its mark?"""
    return given == payload or (given.startswith("#") and given == _mark(payload))


def _mark(payload: str) -> str:
    return "#" + hashlib.sha256(payload.encode()).hexdigest()[:24]
