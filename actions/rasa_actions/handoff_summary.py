"""What a person who takes over should know at once: wish, what was tried, what is known, language."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actions.rasa_actions.shop_action import ActionCall

LAST_INTENTS = 5
_NOT_FOR_PEOPLE = ("email", "code", "missed", "form", "first")  # secrets and our own bookkeeping


def summary_of(call: "ActionCall", *, tried: str = "", **more: Any) -> dict[str, Any]:
    """The `summary` of a handoff: JSON, short."""
    wish = call.slot("wish") or {}
    known = {name: value for name, value in wish.items() if name not in _NOT_FOR_PEOPLE}
    if call.slot("order_number"):
        known.setdefault("order", call.slot("order_number"))
    summary = {
        "wish": str(wish.get("form") or call.intent).removesuffix("_form"),
        "tried": tried,
        "known": known,
        "intents": _last_intents(call),
        "language": call.language,
        "last_message": call.text[:300],
        **more,
    }
    return {name: value for name, value in summary.items() if value not in ("", None, {}, [])}


def _last_intents(call: "ActionCall") -> list[str]:
    users = [event for event in call.events if event.get("event") == "user"]
    return [_intent(event) for event in users[-LAST_INTENTS:]]


def _intent(event: Mapping[str, Any]) -> str:
    intent = (event.get("parse_data") or {}).get("intent") or {}
    return str(intent.get("name") or "nlu_fallback")
