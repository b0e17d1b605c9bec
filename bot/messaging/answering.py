"""What one message asks of nlu and dialogue, and what their answers mean for the conversation.

Pure rules over two questions (`Asks`); the turns process asks them over HTTP, tests by hand.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from bot.messaging import words
from bot.messaging.messages import HandoffRequest, OutboundMessage
from bot.messaging.turns import Finish, Turn

LANGUAGES = ("en", "zh")
# While a form waits for an answer these are the answer, however many wishes they seem to hold.
ANSWERS = frozenset({"nlu_fallback", "affirm", "deny", "inform", "correct", "product_refine", "product_search"})
WISHES_AT_ONCE = 4

_PAYLOAD = re.compile(r"/(?P<intent>[A-Za-z_][\w.+-]*)(?P<entities>\{.*\})?", re.DOTALL)


class Unavailable(Exception):
    """A process of the house is down or full: try again, it is not the message's fault."""

    def __init__(self, reason: str, after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds


class Failed(Exception):
    """The question was asked and went wrong: a timeout, an error, no reply. Counts as an attempt."""


@dataclass(frozen=True)
class Played:
    """What the dialogue said to one wish. `active_loop` is the form that waits for an answer."""

    replies: tuple[Mapping[str, Any], ...]
    active_loop: str | None
    repeated: bool = False


class Asks(Protocol):
    async def parse(self, turn: Turn) -> Mapping[str, Any]:
        """The nlu process's reading of `turn.text`. Raises Unavailable, Failed."""

    async def play(self, turn: Turn, message_id: str, wish: "Wish", language: str) -> Played:
        """The dialogue's replies to one wish. Raises Unavailable, Failed."""


@dataclass(frozen=True)
class Wish:
    """One thing a customer wants, as nlu read it; a message may hold several."""

    text: str
    parse: Mapping[str, Any]

    def plain(self) -> dict[str, Any]:
        return {"text": self.text, "parse": dict(self.parse)}


@dataclass
class _Said:
    replies: list[OutboundMessage] = field(default_factory=list)
    handoff: HandoffRequest | None = None
    language: str | None = None
    active_loop: str | None = None

    def add(self, played: Played) -> None:
        self.active_loop = played.active_loop
        for reply in played.replies:
            message = outbound(reply)
            if (message.text or message.buttons or message.cards or message.picture) and not self._heard(message):
                self.replies.append(message)
            self.handoff = self.handoff or message.handoff
            wanted = (reply.get("custom") or {}).get("language")
            self.language = wanted if wanted in LANGUAGES else self.language

    def _heard(self, message: OutboundMessage) -> bool:
        """Whether the customer reads it already: two wishes may end in the same question."""
        return any(replace(message, source=said.source, handoff=said.handoff) == said for said in self.replies)


async def answer(turn: Turn, asks: Asks) -> Finish:
    """Ask nlu, play the wishes in their order, gather the replies.

    A form that asks for something stops the playing; the wishes left wait in the conversation and are
    played in the turn in which the form ends.

    Raises:
        Unavailable, Failed: nothing took effect; asked again with the same ids the dialogue repeats itself.
    """
    parse: Mapping[str, Any] | None = payload_parse(turn.payload, turn.text) if turn.payload else None
    if parse is None:
        if not turn.text.strip():
            return Finish(
                turn, (OutboundMessage(words.cannot_read(turn.language)),), waiting_wishes=turn.waiting_wishes
            )
        parse = await asks.parse(turn)
    language = spoken_language(turn, parse)
    first, *more = wishes(parse, turn)
    said = _Said()
    waiting = [*(Wish(wish["text"], wish["parse"]) for wish in turn.waiting_wishes), *more]
    said.add(await _play(asks, turn, turn.inbox_id, first, language))
    number = 1
    while waiting and said.active_loop is None and said.handoff is None and number < WISHES_AT_ONCE:
        number += 1
        said.add(await _play(asks, turn, f"{turn.inbox_id}.{number}", waiting.pop(0), said.language or language))
    context: dict[str, Any] = {"active_loop": said.active_loop}
    if said.language:
        context["language_chosen"] = True
    return Finish(
        turn,
        tuple(said.replies),
        language=said.language or language,
        waiting_wishes=() if said.handoff else tuple(wish.plain() for wish in waiting),
        context=context,
        handoff=said.handoff,
    )


async def _play(asks: Asks, turn: Turn, message_id: str, wish: Wish, language: str) -> Played:
    played = await asks.play(turn, message_id, wish, language)
    if not played.replies:
        raise Failed("the dialogue gave no reply")
    return played


def spoken_language(turn: Turn, parse: Mapping[str, Any]) -> str:
    """What the customer writes, unless the text is too short to tell or they chose a language."""
    detected = parse.get("language")
    if turn.context.get("language_chosen") or detected not in LANGUAGES:
        return turn.language
    return str(detected)


def wishes(parse: Mapping[str, Any], turn: Turn) -> list[Wish]:
    """The wishes of a parse, at least one: the whole message when it holds one, or answers a form."""
    found = parse.get("wishes") or []
    form, intent = turn.context.get("active_loop"), (parse.get("intent") or {}).get("name")
    if len(found) < 2 or (form and (intent in ANSWERS or form == f"{intent}_form")):
        return [Wish(turn.text, parse)]
    return [_wish(wish, parse) for wish in found[:WISHES_AT_ONCE]]


def _wish(wish: Mapping[str, Any], parse: Mapping[str, Any]) -> Wish:
    own = {
        **{key: value for key, value in parse.items() if key in ("language", "in_scope", "model_version")},
        "text": wish["text"],
        "intent": wish["intent"],
        "intent_ranking": wish.get("intent_ranking") or [wish["intent"]],
        "entities": wish.get("entities", []),
        "wishes": [wish],
    }
    return Wish(str(wish["text"]), own)


def payload_parse(payload: str, text: str) -> dict[str, Any] | None:
    """The parse that a pressed button stands for; None when it is no `/intent{"entity": "value"}`."""
    match = _PAYLOAD.fullmatch(payload.strip())
    if match is None:
        return None
    try:
        values = json.loads(match["entities"] or "{}")
    except ValueError:
        return None
    intent = {"name": match["intent"], "confidence": 1.0}
    entities = [
        {"entity": name, "value": value, "start": 0, "end": 0, "confidence": 1.0, "extractor": "button"}
        for name, one_or_more in values.items()
        for value in (one_or_more if isinstance(one_or_more, list) else [one_or_more])
    ]
    wish = {"text": text, "intent": intent, "entities": entities}
    return {**wish, "intent_ranking": [intent], "language": None, "in_scope": 1.0, "wishes": [wish]}


def outbound(reply: Mapping[str, Any]) -> OutboundMessage:
    """One reply of the dialogue as a message; unknown keys are left out."""
    custom = reply.get("custom") or {}
    wish = custom.get("handoff")
    body = {
        "text": reply.get("text") or custom.get("text") or "",
        "buttons": reply.get("buttons") or custom.get("buttons") or (),
        "cards": custom.get("cards") or (),
        "picture": reply.get("image") or custom.get("picture"),
        "source": custom.get("source") or {},
    }
    message = OutboundMessage.from_body(body)
    if not wish:
        return message
    request = HandoffRequest(str(wish.get("reason", "asked")), dict(wish.get("summary") or {}))
    return OutboundMessage(message.text, message.buttons, message.cards, message.picture, request, message.source)
