"""The price difference of a swap: who pays it, or who gets it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from actions.order_desk import money
from actions.order_desk.outcomes import Refusal
from bot.database.policies import Policies
from bot.database.shop import Order, PaymentMethod


@dataclass(frozen=True)
class Difference:
    """`amount_minor` > 0 is charged to `payer`, < 0 is given back as `shares`."""

    amount_minor: int
    payer: PaymentMethod | None
    shares: list[money.Share]
    methods: dict[str, PaymentMethod]
    facts: Mapping[str, Any]


def planned(
    session: Session,
    order: Order,
    numbers: Policies,
    amount_minor: int,
    payment_method_id: str | None,
    *,
    targets: Sequence[str],
    lock: bool,
) -> Difference | Refusal:
    """How a difference is settled; without a named method, with the one that pays most of the order.

    Args:
        amount_minor: > 0 to be paid, < 0 to be given back.
        targets: where money may go back to, as the shop's policy lists them.
    """
    methods = money.methods_of(session, order.customer_id, lock=lock)
    originals = money.paid_by(order)
    payer_id = payment_method_id or (originals[0].payment_method_id if originals else None)
    refused: Refusal | None = None
    if amount_minor > 0:
        refused = money.payable(payer_id or "", amount_minor, methods, numbers, order.currency)
    elif amount_minor < 0:
        refused = money.refundable(order, payment_method_id, methods, targets)
    elif payment_method_id is not None and payment_method_id not in methods:
        refused = Refusal("payment_method_unknown")
    if refused is not None:
        return refused
    shares = money.shares_back(order, -amount_minor, payment_method_id)
    facts: dict[str, Any] = {
        "difference_minor": amount_minor,
        "currency": order.currency,
        "refunds": money.described(shares, methods, numbers),
    }
    if amount_minor > 0:
        facts["charge"] = money.method_facts(methods.get(payer_id or ""))
    return Difference(amount_minor, methods.get(payer_id or ""), shares, methods, facts)


def settle(session: Session, order: Order, difference: Difference, now: datetime) -> None:
    """Charge it or give it back; the order's totals are the caller's."""
    if difference.amount_minor > 0 and difference.payer is not None:
        money.charge(session, order, difference.payer, difference.amount_minor, now)
    money.give_back(session, order, difference.shares, difference.methods, now)
