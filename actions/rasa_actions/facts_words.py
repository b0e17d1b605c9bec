"""Facts of the order desk as people read them: amounts, days, states, lists."""

from collections.abc import Mapping
from typing import Any

from actions.rasa_actions import wording

# Every field a refusal's response may use; a fact the desk leaves out is a dash, never a brace on screen.
REFUSAL_FIELDS = dict.fromkeys(
    (
        "status", "allowed", "delivered_on", "tracking", "carrier", "eta", "accepted", "limit", "product", "wanted",
        "sku", "name", "options", "stock", "quantity", "most", "kind", "balance", "needed", "country", "method",
        "offered", "window_days", "last_day", "items", "condition", "returns", "lost_from", "orders", "from_day",
    ),
    "–",
)  # fmt: skip


def refusal_words(facts: Mapping[str, Any], language: str, *, number: str = "") -> dict[str, str]:
    """All a refusal's response may name."""
    return {**REFUSAL_FIELDS, **in_words(facts, language), "number": number}


def in_words(facts: Mapping[str, Any], language: str) -> dict[str, str]:
    """Facts of the order desk as people read them: amounts, days, states, lists."""
    currency = str(facts.get("currency") or "EUR")
    words: dict[str, str] = {}
    for name, value in facts.items():
        if name.endswith("_minor") and isinstance(value, int):
            words[name.removesuffix("_minor")] = wording.money(value, currency)
        elif name in ("eta", "deadline") or name.endswith(("_on", "_day", "_from", "_at")):
            words[name] = wording.day(value, language)
        elif name in ("status", "condition", "kind", "method", "reason"):
            words[name] = _label(str(value), language)
        elif name in ("allowed", "accepted", "offered"):
            words[name] = ", ".join(_label(str(item), language) for item in value or ())
        elif isinstance(value, Mapping):
            words[name] = wording.options(value, language)
        elif isinstance(value, (list, tuple)):
            words[name] = ", ".join(str(item) for item in value)
        else:
            words[name] = "–" if value is None else str(value)
    return words


def _label(code: str, language: str) -> str:
    for table in (wording.STATUS, wording.SHIPPING, wording.PAYMENT, wording.REASONS, wording.CONDITIONS):
        if code in table:
            return wording.of(table, code, language)
    return code.replace("_", " ")
