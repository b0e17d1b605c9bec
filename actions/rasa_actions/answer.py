"""What an action answers: replies (domain responses with facts), slots to set, who comes next."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One message. `response` names a domain response, filled with `facts`; or `text` is said as it is."""

    response: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    text: str | None = None
    buttons: tuple[Mapping[str, str], ...] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)  # cards, handoff, source, language (CONTRACT: dialogue)


@dataclass(frozen=True)
class Answer:
    """Built from the left: `Answer.response("utter_products").cards(...).slots(wish=None)`."""

    replies: tuple[Reply, ...] = ()
    slot_values: Mapping[str, Any] = field(default_factory=dict)
    follow: str | None = None  # the action that runs next in this turn
    rejected: bool = False  # a form leaves this message to the rules

    @classmethod
    def response(cls, response: str, /, **facts: Any) -> "Answer":
        return cls((Reply(response=response, facts=facts),))

    @classmethod
    def said(cls, text: str) -> "Answer":
        """A text that is no domain response: a draft or a quoted passage."""
        return cls((Reply(text=text),))

    def then(self, other: "Answer") -> "Answer":
        return Answer(
            self.replies + other.replies,
            {**self.slot_values, **other.slot_values},
            other.follow or self.follow,
            self.rejected or other.rejected,
        )

    def slots(self, **values: Any) -> "Answer":
        return replace(self, slot_values={**self.slot_values, **values})

    def followed_by(self, action: str) -> "Answer":
        return replace(self, follow=action)

    def buttons(self, *buttons: Mapping[str, str]) -> "Answer":
        return self._last(buttons=self.replies[-1].buttons + tuple(buttons)) if buttons else self

    def cards(self, cards: Iterable[Mapping[str, Any]]) -> "Answer":
        cards = list(cards)
        return self.custom(cards=cards) if cards else self

    def custom(self, **items: Any) -> "Answer":
        return self._last(custom={**self.replies[-1].custom, **items})

    def _last(self, **changes: Any) -> "Answer":
        return replace(self, replies=(*self.replies[:-1], replace(self.replies[-1], **changes)))


def button(title: str, intent: str, **entities: Any) -> dict[str, str]:
    """A button that comes back as `/intent{"entity": "value"}`."""
    payload = f"/{intent}" + (json.dumps(entities, ensure_ascii=False) if entities else "")
    return {"title": title, "payload": payload}
