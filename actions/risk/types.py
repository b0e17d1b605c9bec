"""What goes into an assessment and what comes out. Plain data: nothing here reads a database or a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Band = Literal["low", "review", "high"]

# What may be assessed; `order` is the placing itself, the others are changes a customer asks for.
ACTIONS = (
    "order",
    "cancel",
    "cancel_after_shipping",
    "change_address",
    "change_items",
    "change_payment",
    "change_shipping",
    "return",
    "exchange",
    "refund_without_return",
)


@dataclass(frozen=True)
class RiskRequest:
    """One question: may this happen without a person looking at it?

    `amount_minor` is the money that would move (refunded, charged, or shipped to another place). `text` is what the
    customer wrote, read for signals such as urgency and never kept.
    """

    action: str
    customer_id: str
    order_id: str | None
    amount_minor: int
    at: datetime
    request_id: str
    new_address: Mapping[str, Any] | None = None
    payment_method_id: str | None = None
    text: str | None = None


Words = Mapping[str, str]  # a sentence by language: en and zh


def both(english: str, chinese: str) -> Words:
    """A sentence in the languages of the console."""
    return {"en": english, "zh": chinese}


@dataclass(frozen=True)
class Reason:
    """Why a score is what it is, for the person who reviews; a customer never sees it.

    `source` is `rule`, `model`, or a member's name; `weight` is what it adds to the score (log-odds; 0 for a rule).
    """

    code: str
    words: Words
    source: str
    weight: float = 0.0


@dataclass(frozen=True)
class RiskAssessment:
    """The answer. `score` is a calibrated probability; NaN never leaves the assessor."""

    score: float
    band: Band
    reasons: tuple[Reason, ...]
    members: Mapping[str, float]
    model_version: str
    features: Mapping[str, float] = field(default_factory=dict)


def undecided(reason: Words) -> RiskAssessment:
    """The answer when no model can give one: a person or a one-time code decides, never silence."""
    return RiskAssessment(0.5, "review", (Reason("not_assessed", reason, "rule"),), {}, "none")
