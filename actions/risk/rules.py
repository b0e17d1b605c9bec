"""Hard rules: what a shop does not let go through unseen, whatever the model thinks. Each with its reason in words.

A rule only ever makes a band stricter. The numbers in them are the shop's (`Limits`, from its policies) where an owner
would want to change them.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from actions.risk.types import Band, Reason, RiskRequest, Words, both

DAY = 86400.0
BACK = ("return", "exchange", "refund_without_return")
PRESSURE = re.compile(
    r"\b(urgent(ly)?|immediately|right now|asap|hurry|or else|lawyer|charge ?back|different address)\b"
    r"|马上|立刻|赶紧|尽快|投诉你|律师|换个地址",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Limits:
    high_value_minor: int
    new_account_days: int


@dataclass(frozen=True)
class Facts:
    """What rules look at: features as they are counted in words (not logarithms), the request, the shop's limits."""

    request: RiskRequest
    features: Mapping[str, float]
    amount_minor: int
    limits: Limits

    def count(self, name: str) -> float:
        """A count feature as a number; 0 when it is not known."""
        value = self.features.get(name, math.nan)
        return 0.0 if math.isnan(value) else math.expm1(value)

    def within(self, name: str, seconds: float) -> bool:
        """True when a span feature is known and no longer than that."""
        value = self.features.get(name, math.nan)
        return not math.isnan(value) and math.expm1(value) <= seconds

    def is_set(self, name: str) -> bool:
        return self.features.get(name, 0.0) == 1.0

    @property
    def high_value(self) -> bool:
        return self.amount_minor >= self.limits.high_value_minor


@dataclass(frozen=True)
class Rule:
    code: str
    band: Band
    words: Words
    holds: Callable[[Facts], bool]


def _taken_over(facts: Facts) -> bool:
    touched = facts.within("since_password_or_email", 3 * DAY) or facts.within("new_device_signed_in", 3 * DAY)
    return touched and (facts.is_set("address_new") or facts.is_set("card_new"))


def _habit_of_refunds(facts: Facts) -> bool:
    share = facts.features.get("returns_share", math.nan)
    often = facts.count("returns_180d") >= 4 and not math.isnan(share) and share >= 0.6
    return often and facts.request.action in (*BACK, "order")


def _new_and_dear(facts: Facts) -> bool:
    return facts.high_value and facts.within("account_age", facts.limits.new_account_days * DAY)


def _pressed(facts: Facts) -> bool:
    text = facts.request.text or ""
    return bool(PRESSURE.search(text)) and facts.high_value and facts.request.action != "cancel"


RULES = (
    Rule(
        "account_taken_over",
        "review",
        both(
            "within three days the password, e-mail or device of the account changed, and the place or card is new",
            "三天内账户的密码、邮箱或设备有变动，且收货地点或银行卡是新的",
        ),
        _taken_over,
    ),
    Rule(
        "account_taken_over_high_value",
        "high",
        both(
            "the account changed hands as above, the address is new and the amount is high",
            "账户有上述变动迹象，地址是新的，且金额较高",
        ),
        lambda facts: _taken_over(facts) and facts.is_set("address_new") and facts.high_value,
    ),
    Rule(
        "many_cards",
        "review",
        both("four or more cards were tried within a day", "一天内尝试了四张或更多的银行卡"),
        lambda facts: facts.count("cards_1d") >= 3.5,
    ),
    Rule(
        "failed_payments",
        "review",
        both("three or more payments failed within a day", "一天内有三次或更多付款失败"),
        lambda facts: facts.count("failed_1d") >= 2.5,
    ),
    Rule(
        "shared_address",
        "review",
        both(
            "three or more other customers had parcels sent to this place within a month",
            "一个月内有三位或更多其他客户的包裹寄往此地",
        ),
        lambda facts: facts.count("address_customers_30d") >= 2.5,
    ),
    Rule(
        "shared_device",
        "review",
        both("three or more other customers ordered from this device", "有三位或更多其他客户用此设备下过单"),
        lambda facts: facts.count("device_customers") >= 2.5,
    ),
    Rule(
        "shared_card",
        "review",
        both("the card was used in two or more other accounts", "此银行卡在两个或更多其他账户中使用过"),
        lambda facts: facts.count("card_customers") >= 1.5,
    ),
    Rule(
        "refund_habit",
        "review",
        both(
            "four or more returns in half a year, worth most of what was ordered",
            "半年内退货四次或更多，金额占所购的大部分",
        ),
        _habit_of_refunds,
    ),
    Rule(
        "new_account_high_value",
        "review",
        both("the account is new and the amount high", "新账户，且金额较高"),
        _new_and_dear,
    ),
    Rule(
        "pressure",
        "review",
        both("the message presses for speed and the amount is high", "留言催促尽快处理，且金额较高"),
        _pressed,
    ),
)


def applied(facts: Facts) -> tuple[Band, tuple[Reason, ...]]:
    """The strictest band of the rules that hold, and their reasons."""
    held = [rule for rule in RULES if rule.holds(facts)]
    order: tuple[Band, ...] = ("low", "review", "high")
    band = order[max((order.index(rule.band) for rule in held), default=0)]
    return band, tuple(Reason(rule.code, rule.words, "rule") for rule in held)
