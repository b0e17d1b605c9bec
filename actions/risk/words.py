"""Reasons in words for the person who reviews: what the trees found, and what each member thinks."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from actions.risk.types import Reason

LEAST = 0.15  # log-odds a feature must add to be worth a sentence
# feature -> its name, and how a value is said: amount | span | count | yes | share | plain
NAMED: dict[str, tuple[str, str]] = {
    "amount": ("the amount", "amount"),
    "dearest_item": ("the dearest item", "amount"),
    "amount_over_habit": ("the amount against the customer's usual one", "times"),
    "amount_over_most": ("the amount against the customer's highest one", "times"),
    "spent_day": ("what was ordered within a day", "amount"),
    "items": ("the number of items", "plain"),
    "account_age": ("the age of the account", "span"),
    "orders_before": ("the number of earlier orders", "count"),
    "since_last_order": ("the time since the last order", "span"),
    "orders_1h": ("orders within an hour", "count"),
    "orders_1d": ("orders within a day", "count"),
    "orders_7d": ("orders within a week", "count"),
    "since_password_or_email": ("the time since password or e-mail changed", "span"),
    "since_address_added": ("the time since an address was added", "span"),
    "account_events_3d": ("changes of the account within three days", "count"),
    "new_device_signed_in": ("the time since a new device signed in", "span"),
    "device_customers": ("other customers on this device", "count"),
    "device_orders_1h": ("orders from this device within an hour", "count"),
    "device_orders_1d": ("orders from this device within a day", "count"),
    "device_orders_30d": ("orders from this device within a month", "count"),
    "device_age": ("how long this device has been known", "span"),
    "device_new": ("a device this customer never used", "yes"),
    "ip_customers": ("other customers from this network address", "count"),
    "ip_orders_1d": ("orders from this network address within a day", "count"),
    "ip_new": ("a network address this customer never used", "yes"),
    "card_customers": ("other customers with this card", "count"),
    "card_orders_1d": ("orders with this card within a day", "count"),
    "card_age": ("how long the card has been on file", "span"),
    "card_new": ("a card this customer never used", "yes"),
    "card_is_card": ("payment by card", "yes"),
    "cards_1d": ("cards tried within a day", "count"),
    "failed_1d": ("failed payments within a day", "count"),
    "address_customers": ("other customers at this place", "count"),
    "address_customers_30d": ("other customers at this place within a month", "count"),
    "address_orders_7d": ("orders to this place within a week", "count"),
    "address_new": ("a place this customer never ordered to", "yes"),
    "ship_is_not_bill": ("shipping and billing address differ", "yes"),
    "ship_country_is_not_bill": ("shipping and billing country differ", "yes"),
    "country_new": ("a country this customer never ordered to", "yes"),
    "returns_share": ("the share of the ordered value that was asked back", "share"),
    "returns_per_order": ("returns an order", "plain"),
    "returns_180d": ("returns within half a year", "count"),
    "faults_claimed": ("returns called damaged, wrong or late", "count"),
    "express": ("express shipping", "yes"),
    "night": ("placed at night", "yes"),
    "hour_sin": ("the hour", "bare"),
    "hour_cos": ("the hour", "bare"),
    "weekend": ("placed at the weekend", "yes"),
    "session": ("the length of the visit", "span"),
    "pages": ("the pages looked at", "count"),
}
MEMBERS = {
    "logistic": "the linear model",
    "lightgbm": "the trees",
    "isolation_forest": "how unusual it is",
    "neighbours": "the most alike orders",
    "sequence": "the order of events",
}


def of_trees(
    contributions: NDArray[np.float64], names: Sequence[str], features: Mapping[str, float], *, most: int = 4
) -> list[Reason]:
    """The features that raised the score most. contributions: (features,) log-odds (TreeSHAP)."""
    order = np.argsort(-contributions)[:most]
    return [
        Reason(names[i], said(names[i], features[names[i]]), "lightgbm", round(float(contributions[i]), 3))
        for i in order
        if contributions[i] >= LEAST
    ]


def of_members(chances: Mapping[str, float], usual: float) -> list[Reason]:
    """One sentence a member that finds the order clearly riskier than usual."""
    return [
        Reason(f"member_{name}", f"{MEMBERS.get(name, name)} alone says {chance:.0%} (usual: {usual:.1%})", name)
        for name, chance in sorted(chances.items(), key=lambda each: -each[1])
        if not math.isnan(chance) and chance >= 3 * usual
    ]


def said(name: str, value: float) -> str:
    """A feature and its value in words."""
    words, how = NAMED.get(name, (name, "plain"))
    if math.isnan(value):
        return f"{words}: not known"
    if how == "bare":
        return words
    if how == "yes":
        return words if value == 1.0 else f"not: {words}"
    sayings = {
        "amount": lambda: f"{math.expm1(value) / 100:.2f}",
        "span": lambda: span(math.expm1(value)),
        "count": lambda: f"{math.expm1(value):.0f}",
        "times": lambda: f"{math.exp(value):.1f} times",
        "share": lambda: f"{value:.0%}",
        "plain": lambda: f"{value:.1f}".removesuffix(".0"),
    }
    return f"{words}: {sayings[how]()}"


def span(seconds: float) -> str:
    """Seconds in the unit a person would use."""
    if seconds >= 4 * 365 * 86400:
        return "never or long ago"
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            number = round(seconds / size)
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return "none"
