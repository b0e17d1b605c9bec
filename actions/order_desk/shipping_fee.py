"""What sending costs after a change of address or method, and settling the difference."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.order_desk import difference
from actions.order_desk.difference import Difference
from actions.order_desk.outcomes import Refusal
from bot.database.policies import Policies
from bot.database.shop import Order, Product


def difference_for(
    session: Session,
    order: Order,
    numbers: Policies,
    address: Mapping[str, Any],
    method: str,
    *,
    payment_method_id: str | None = None,
    lock: bool = False,
) -> Difference | Refusal:
    """What the new address and method cost more or less than what was paid.

    An order that stays in its zone with its method keeps the fee it was placed with, whatever fees are today.
    """
    country = str(address.get("country") or "")
    zone, before = numbers.zone(country), numbers.zone(str(order.ship_to.get("country") or ""))
    if zone is None:
        return Refusal("not_delivered_there", {"country": country})
    fee: int | None = order.shipping_minor
    if zone != before or method != order.shipping_method:
        fee = numbers.shipping_fee_minor(country, method, order.subtotal_minor, bulky=_bulky(session, order))
    if fee is None:
        offered = sorted(numbers.mapping("shipping_fees_minor").get(zone, {}))
        return Refusal("shipping_method_unknown", {"method": method, "offered": offered})
    targets = numbers.texts("difference_refund_targets")
    amount = fee - order.shipping_minor
    found = difference.planned(session, order, numbers, amount, payment_method_id, targets=targets, lock=lock)
    return found if isinstance(found, Refusal) else replace(found, facts={"shipping_minor": fee, **found.facts})


def settle(session: Session, order: Order, found: Difference, now: datetime) -> None:
    """Charge or give back the difference and keep the order's totals right."""
    difference.settle(session, order, found, now)
    order.shipping_minor += found.amount_minor
    order.total_minor += found.amount_minor


def _bulky(session: Session, order: Order) -> bool:
    ids = [line.product_id for line in order.lines]
    return bool(session.scalar(select(Product.id).where(Product.id.in_(ids), Product.category == "furniture").limit(1)))
