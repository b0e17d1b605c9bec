"""Point-in-time features of an order: one row of numbers made from what was known strictly before it.

Training and the live assessor call the same `vector`, so their numbers are equal; tests add and shuffle the future and
compare. Counts and spans are logarithms of (1 + x): a second matters next to a minute, not next to a month.
"""

import math
from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from actions.risk.events import OrderSeen
from actions.risk.history import History

Floats = NDArray[np.float64]
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
NEVER = 5 * 365 * DAY  # "no earlier one", as a span
FAULTS = ("damaged", "not_as_described", "lost", "arrived_late")
Feature = Callable[[OrderSeen, History], float]


def vector(order: OrderSeen, history: History) -> Floats:
    """(features,) in the order of `NAMES`; NaN where something is not known. The order itself is never counted."""
    return np.array([feature(order, history) for feature in _FEATURES], dtype=float)


def matrix(orders: Sequence[OrderSeen], history: History) -> Floats:
    """(orders, features)."""
    return np.array([vector(order, history) for order in orders], dtype=float).reshape(len(orders), len(NAMES))


def _log(value: float) -> float:
    return math.log1p(max(value, 0.0))


def _ago(order: OrderSeen, moment: datetime | None) -> float:
    """log seconds since a moment; NaN when there is none or it is later."""
    if moment is None or moment > order.at:
        return math.nan
    return _log((order.at - moment).total_seconds())


def _others(orders: Sequence[OrderSeen], order: OrderSeen) -> list[OrderSeen]:
    """Without the order itself: a change of an order is judged against all the others."""
    return [each for each in orders if each.id != order.id]


def _mine(order: OrderSeen, history: History, seconds: float | None = None) -> list[OrderSeen]:
    return _others(history.by_customer.before(order.customer_id, order.at, seconds=seconds), order)


def _customers(orders: Sequence[OrderSeen], order: OrderSeen) -> int:
    return len({each.customer_id for each in orders} - {order.customer_id})


# amount


def _amount(order: OrderSeen, history: History) -> float:
    return _log(order.amount_minor)


def _dearest(order: OrderSeen, history: History) -> float:
    return _log(order.dearest_minor)


def _amount_over_habit(order: OrderSeen, history: History) -> float:
    mine = _mine(order, history)
    if not mine:
        return math.nan
    return _log(order.amount_minor) - sum(_log(each.amount_minor) for each in mine) / len(mine)


def _amount_over_most(order: OrderSeen, history: History) -> float:
    mine = _mine(order, history)
    return _log(order.amount_minor) - max(_log(each.amount_minor) for each in mine) if mine else math.nan


def _spent_day(order: OrderSeen, history: History) -> float:
    return _log(order.amount_minor + sum(each.amount_minor for each in _mine(order, history, DAY)))


def _items(order: OrderSeen, history: History) -> float:
    return float(order.items)


# the account


def _account_age(order: OrderSeen, history: History) -> float:
    return _ago(order, order.account_created_at)


def _orders_before(order: OrderSeen, history: History) -> float:
    return _log(len(_mine(order, history)))


def _since_last_order(order: OrderSeen, history: History) -> float:
    mine = _mine(order, history)
    return _ago(order, mine[-1].at) if mine else _log(NEVER)


def _orders_within(seconds: float) -> Feature:
    def feature(order: OrderSeen, history: History) -> float:
        return _log(len(_mine(order, history, seconds)))

    return feature


def _since_account_event(*kinds: str) -> Feature:
    def feature(order: OrderSeen, history: History) -> float:
        events = [each for each in history.accounts.before(order.customer_id, order.at) if each.kind in kinds]
        return _ago(order, events[-1].at) if events else _log(NEVER)

    return feature


def _account_events_3d(order: OrderSeen, history: History) -> float:
    events = history.accounts.before(order.customer_id, order.at, seconds=3 * DAY)
    return _log(sum(each.kind not in ("created", "newsletter_on", "newsletter_off") for each in events))


def _new_device_signed_in(order: OrderSeen, history: History) -> float:
    """Log seconds since a device that never ordered or signed in before signed in; long when none did."""
    known = {each.device for each in _mine(order, history)}
    latest = math.nan
    for event in history.accounts.before(order.customer_id, order.at):
        if event.kind == "signed_in" and event.device is not None and event.device not in known:
            latest = _ago(order, event.at)
            known.add(event.device)
    return _log(NEVER) if math.isnan(latest) else latest


# device, network address, card, place: how many orders, how many people, new for this customer


def _shared(timeline: str, attribute: str, seconds: float | None) -> Feature:
    def feature(order: OrderSeen, history: History) -> float:
        key = getattr(order, attribute)
        if key is None:
            return math.nan
        return _log(_customers(getattr(history, timeline).before(key, order.at, seconds=seconds), order))

    return feature


def _velocity(timeline: str, attribute: str, seconds: float | None) -> Feature:
    def feature(order: OrderSeen, history: History) -> float:
        key = getattr(order, attribute)
        if key is None:
            return math.nan
        return _log(len(_others(getattr(history, timeline).before(key, order.at, seconds=seconds), order)))

    return feature


def _age(timeline: str, attribute: str) -> Feature:
    """Log seconds since the key was first seen; 0 when it never was."""

    def feature(order: OrderSeen, history: History) -> float:
        key = getattr(order, attribute)
        if key is None:
            return math.nan
        earlier = _others(getattr(history, timeline).before(key, order.at), order)
        return _ago(order, earlier[0].at) if earlier else 0.0

    return feature


def _new_for_customer(attribute: str) -> Feature:
    """1 when a customer with earlier orders never used it; NaN for a first order."""

    def feature(order: OrderSeen, history: History) -> float:
        mine, key = _mine(order, history), getattr(order, attribute)
        if not mine or key is None:
            return math.nan
        return float(all(getattr(each, attribute) != key for each in mine))

    return feature


def _card_age(order: OrderSeen, history: History) -> float:
    return _ago(order, order.card_added_at)


def _cards_within(seconds: float) -> Feature:
    """Different cards of this customer, failed ones too."""

    def feature(order: OrderSeen, history: History) -> float:
        cards = {each.card for each in _mine(order, history, seconds)} | {order.card}
        failed = history.failures.before(order.customer_id, order.at, seconds=seconds)
        return _log(len({each for each in cards | {each.card for each in failed} if each is not None}))

    return feature


def _failed_within(seconds: float) -> Feature:
    def feature(order: OrderSeen, history: History) -> float:
        return _log(len(history.failures.before(order.customer_id, order.at, seconds=seconds)))

    return feature


def _is_card(order: OrderSeen, history: History) -> float:
    return math.nan if order.card_kind is None else float(order.card_kind == "card")


# mismatches


def _differs(first: str, second: str) -> Feature:
    def feature(order: OrderSeen, history: History) -> float:
        one, other = getattr(order, first), getattr(order, second)
        return math.nan if one is None or other is None else float(one != other)

    return feature


# refunds


def _returns_share(order: OrderSeen, history: History) -> float:
    """Value asked back over value ordered, before this order; NaN for a first order."""
    ordered = sum(each.amount_minor for each in _mine(order, history))
    back = sum(each.amount_minor for each in history.returns.before(order.customer_id, order.at))
    return back / ordered if ordered else math.nan


def _returns_count(seconds: float | None) -> Feature:
    def feature(order: OrderSeen, history: History) -> float:
        return _log(len(history.returns.before(order.customer_id, order.at, seconds=seconds)))

    return feature


def _returns_per_order(order: OrderSeen, history: History) -> float:
    mine = _mine(order, history)
    return len(history.returns.before(order.customer_id, order.at)) / len(mine) if mine else math.nan


def _faults_claimed(order: OrderSeen, history: History) -> float:
    return _log(sum(each.reason in FAULTS for each in history.returns.before(order.customer_id, order.at)))


# time and visit


def _night(order: OrderSeen, history: History) -> float:
    return float(order.at.hour < 6)


def _hour(function: Callable[[float], float]) -> Feature:
    def feature(order: OrderSeen, history: History) -> float:
        return function(2 * math.pi * (order.at.hour + order.at.minute / 60) / 24)

    return feature


def _weekend(order: OrderSeen, history: History) -> float:
    return float(order.at.weekday() >= 5)


def _session(order: OrderSeen, history: History) -> float:
    return math.nan if order.session_seconds is None else _log(order.session_seconds)


def _pages(order: OrderSeen, history: History) -> float:
    return math.nan if order.pages is None else _log(order.pages)


def _express(order: OrderSeen, history: History) -> float:
    return float(order.express)


FEATURES: dict[str, Feature] = {
    "amount": _amount,
    "dearest_item": _dearest,
    "amount_over_habit": _amount_over_habit,
    "amount_over_most": _amount_over_most,
    "spent_day": _spent_day,
    "items": _items,
    "account_age": _account_age,
    "orders_before": _orders_before,
    "since_last_order": _since_last_order,
    "orders_1h": _orders_within(HOUR),
    "orders_1d": _orders_within(DAY),
    "orders_7d": _orders_within(7 * DAY),
    "since_password_or_email": _since_account_event("password_changed", "email_changed"),
    "since_address_added": _since_account_event("address_added"),
    "account_events_3d": _account_events_3d,
    "new_device_signed_in": _new_device_signed_in,
    "device_customers": _shared("by_device", "device", None),
    "device_orders_1h": _velocity("by_device", "device", HOUR),
    "device_orders_1d": _velocity("by_device", "device", DAY),
    "device_orders_30d": _velocity("by_device", "device", 30 * DAY),
    "device_age": _age("by_device", "device"),
    "device_new": _new_for_customer("device"),
    "ip_customers": _shared("by_ip", "ip", None),
    "ip_orders_1d": _velocity("by_ip", "ip", DAY),
    "ip_new": _new_for_customer("ip"),
    "card_customers": _shared("by_card", "card", None),
    "card_orders_1d": _velocity("by_card", "card", DAY),
    "card_age": _card_age,
    "card_new": _new_for_customer("card"),
    "card_is_card": _is_card,
    "cards_1d": _cards_within(DAY),
    "failed_1d": _failed_within(DAY),
    "address_customers": _shared("by_address", "address", None),
    "address_customers_30d": _shared("by_address", "address", 30 * DAY),
    "address_orders_7d": _velocity("by_address", "address", 7 * DAY),
    "address_new": _new_for_customer("address"),
    "ship_is_not_bill": _differs("address", "bill_address"),
    "ship_country_is_not_bill": _differs("country", "bill_country"),
    "country_new": _new_for_customer("country"),
    "returns_share": _returns_share,
    "returns_per_order": _returns_per_order,
    "returns_180d": _returns_count(180 * DAY),
    "faults_claimed": _faults_claimed,
    "express": _express,
    "night": _night,
    "hour_sin": _hour(math.sin),
    "hour_cos": _hour(math.cos),
    "weekend": _weekend,
    "session": _session,
    "pages": _pages,
}
NAMES = tuple(FEATURES)
_FEATURES = tuple(FEATURES.values())
