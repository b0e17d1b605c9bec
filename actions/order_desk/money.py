"""Money of an order: what was paid with what, charging a difference, giving money back.

The rule all changes keep (tests/actions/order_desk/test_money.py): payments - refunds = what the customer keeps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.order_desk.lookup import COUNTED, FINISHED
from actions.order_desk.outcomes import Refusal
from bot.database.policies import Policies
from bot.database.shop import Order, Payment, PaymentMethod, ReturnRequest


@dataclass(frozen=True)
class Share:
    """A part of an amount that goes to, or comes from, one method. None: a method no longer on file."""

    payment_method_id: str | None
    amount_minor: int


def paid_minor(order: Order) -> int:
    """Payments minus refunds, over all methods."""
    return sum(share.amount_minor for share in paid_by(order))


def kept_minor(order: Order, returns: Sequence[ReturnRequest]) -> int:
    """What the customer keeps and therefore has to have paid.

    A finished return is worth what was refunded for it; an open exchange for something dearer is paid already.
    """
    if order.status == "cancelled":
        return 0
    finished = sum(each.refund_minor for each in returns if each.status in ("refunded", "exchanged"))
    open_ = sum(each.refund_minor for each in returns if _charged_and_open(each))
    return order.total_minor - finished - open_


def paid_by(order: Order) -> list[Share]:
    """What each method still pays for, the largest first; methods that got all back are left out.

    What went back to a method that had not paid it (a refund to a gift card) is taken off the largest payments: nothing
    can be given back twice.
    """
    nets: dict[str | None, int] = {}
    for row in order.payments:
        if row.status in COUNTED:
            sign = 1 if row.kind == "payment" else -1
            nets[row.payment_method_id] = nets.get(row.payment_method_id, 0) + sign * row.amount_minor
    elsewhere = -sum(amount for amount in nets.values() if amount < 0)
    shares = []
    for method, amount in sorted(nets.items(), key=lambda net: (-net[1], net[0] or "")):
        left = amount - min(max(amount, 0), elsewhere)
        elsewhere -= max(amount, 0) - max(left, 0)
        if left > 0:
            shares.append(Share(method, left))
    return sorted(shares, key=lambda share: (-share.amount_minor, share.payment_method_id or ""))


def methods_of(session: Session, customer_id: str, *, lock: bool = False) -> dict[str, PaymentMethod]:
    """The customer's methods by id; locked in one order, so that two changes cannot wait for each other."""
    query = select(PaymentMethod).where(PaymentMethod.customer_id == customer_id).order_by(PaymentMethod.id)
    return {row.id: row for row in session.scalars(query.with_for_update() if lock else query)}


def payable(
    method_id: str, amount_minor: int, methods: dict[str, PaymentMethod], numbers: Policies, currency: str
) -> Refusal | None:
    """Why this method cannot pay the amount; None when it can."""
    method = methods.get(method_id)
    if method is None:
        return Refusal("payment_method_unknown")
    accepted = numbers.texts("payment_kinds")
    if method.kind not in accepted:
        return Refusal("payment_kind_not_accepted", {"kind": method.kind, "accepted": list(accepted)})
    if method.kind == "gift_card" and (method.balance_minor or 0) < amount_minor:
        held = {"balance_minor": method.balance_minor or 0, "needed_minor": amount_minor, "currency": currency}
        return Refusal("gift_card_balance", held)
    return None


def refundable(
    order: Order, method_id: str | None, methods: dict[str, PaymentMethod], targets: Sequence[str]
) -> Refusal | None:
    """Why money of this order cannot go to the method; None when it can. No method named means the original."""
    if method_id is None or any(share.payment_method_id == method_id for share in paid_by(order)):
        return None
    method = methods.get(method_id)
    if method is None:
        return Refusal("payment_method_unknown")
    if "any" in targets or (method.kind == "gift_card" and "gift_card" in targets):
        return None
    return Refusal("refund_target_not_allowed", {"allowed": list(targets)})


def shares_back(order: Order, amount_minor: int, method_id: str | None) -> list[Share]:
    """To whom an amount goes back: the named method, or the original ones, the largest first."""
    if amount_minor <= 0:
        return []
    if method_id is not None:
        return [Share(method_id, amount_minor)]
    shares, left = [], amount_minor
    for share in paid_by(order):
        part = min(left, share.amount_minor)
        shares.append(Share(share.payment_method_id, part))
        left -= part
        if left == 0:
            break
    return shares


def charge(session: Session, order: Order, method: PaymentMethod, amount_minor: int, now: datetime) -> None:
    """Take an amount. A gift card pays at once; other methods are settled by the shop's payment system.

    Raises:
        ValueError: a gift card does not hold the amount; `payable` is asked before.
    """
    if amount_minor <= 0:
        return
    if method.kind == "gift_card":
        if (method.balance_minor or 0) < amount_minor:
            raise ValueError("the gift card does not hold the amount")
        method.balance_minor = (method.balance_minor or 0) - amount_minor
    status = "captured" if method.kind == "gift_card" else "pending"
    order.payments.append(_row(order, "payment", amount_minor, method.id, status, now))
    session.flush()


def give_back(
    session: Session, order: Order, shares: Sequence[Share], methods: dict[str, PaymentMethod], now: datetime
) -> None:
    """Refund each share. A gift card has it at once; other methods are settled by the shop's payment system."""
    for share in shares:
        method = methods.get(share.payment_method_id or "")
        at_once = method is not None and method.kind == "gift_card"
        if method is not None and at_once:
            method.balance_minor = (method.balance_minor or 0) + share.amount_minor
        status = "done" if at_once else "pending"
        order.payments.append(_row(order, "refund", share.amount_minor, share.payment_method_id, status, now))
    session.flush()


def described(shares: Sequence[Share], methods: dict[str, PaymentMethod], numbers: Policies) -> list[dict[str, Any]]:
    """Shares as facts: kind, brand, last four, amount, and the working days a refund takes."""
    return [
        {
            "amount_minor": share.amount_minor,
            "working_days": numbers.refund_days(method.kind if method else "card"),
            **method_facts(method),
        }
        for share in shares
        for method in [methods.get(share.payment_method_id or "")]
    ]


def method_facts(method: PaymentMethod | None) -> dict[str, Any]:
    if method is None:
        return {"payment_method_id": None, "kind": "card", "brand": None, "last_four": None}
    return {
        "payment_method_id": method.id,
        "kind": method.kind,
        "brand": method.brand,
        "last_four": method.last_four,
    }


def _row(order: Order, kind: str, amount_minor: int, method_id: str | None, status: str, now: datetime) -> Payment:
    return Payment(
        order_id=order.id,
        kind=kind,
        amount_minor=amount_minor,
        payment_method_id=method_id,
        status=status,
        at=now,
    )


def _charged_and_open(row: ReturnRequest) -> bool:
    return row.kind == "exchange" and row.refund_minor < 0 and row.status not in FINISHED
