"""Where somebody's money is: what was given back, what is on its way, what waits for a parcel."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.order_desk import lookup
from actions.order_desk.days import working_days_after
from actions.order_desk.views import PaymentMethodView
from bot.database import policies
from bot.database.policies import Policies
from bot.database.shop import Order, Payment, PaymentMethod, ReturnRequest


@dataclass(frozen=True)
class RefundView:
    """One refund.

    state: paid_out | on_its_way (by `expected_at`) | waiting_for_parcel | checking (the parcel is here) | in_review |
    refused (a person explains why)
    """

    order_number: str
    return_number: str | None
    state: str
    amount_minor: int
    currency: str
    method: PaymentMethodView | None
    since: datetime
    expected_at: datetime | None


def refund_status(session: Session, customer_id: str, number: str | None = None) -> list[RefundView]:
    """Every refund of one order, or of all the customer's orders; newest first. [] when there is none.

    Raises:
        OrderNotFound: `number` is not this customer's.
    """
    query = select(Order).where(Order.customer_id == customer_id)
    if number is not None:
        query = query.where(Order.number == lookup.find(session, customer_id, number).number)
    orders = {order.id: order for order in session.scalars(query)}
    numbers = policies.load(session)
    found = _moved(session, orders, numbers) + _waiting(session, orders, numbers)
    return sorted(found, key=lambda each: each.since, reverse=True)


def _moved(session: Session, orders: dict[str, Order], numbers: Policies) -> list[RefundView]:
    rows = session.execute(
        select(Payment, PaymentMethod)
        .outerjoin(PaymentMethod, PaymentMethod.id == Payment.payment_method_id)
        .where(Payment.order_id.in_(orders), Payment.kind == "refund", Payment.status.in_(lookup.COUNTED))
    )
    views = []
    for payment, method in rows:
        done = payment.status in ("done", "captured")
        expected = working_days_after(payment.at, numbers.refund_days(method.kind if method else "card"))
        order = orders[payment.order_id]
        views.append(
            RefundView(
                order_number=order.number,
                return_number=None,
                state="paid_out" if done else "on_its_way",
                amount_minor=payment.amount_minor,
                currency=order.currency,
                method=lookup.method_view(method) if method else None,
                since=payment.at,
                expected_at=None if done else expected,
            )
        )
    return views


def _waiting(session: Session, orders: dict[str, Order], numbers: Policies) -> list[RefundView]:
    """Returns whose money has not moved; when they are done their refund is a payment row."""
    states = {
        "requested": "waiting_for_parcel",
        "label_sent": "waiting_for_parcel",
        "received": "checking",
        "in_review": "in_review",
        "refused": "refused",
    }
    query = select(ReturnRequest).where(ReturnRequest.order_id.in_(orders), ReturnRequest.status.in_(states))
    views = []
    for row in session.scalars(query.where(ReturnRequest.refund_minor > 0)):
        order = orders[row.order_id]
        method = session.get(PaymentMethod, row.payment_method_id) if row.payment_method_id else None
        received = row.status == "received"
        views.append(
            RefundView(
                order_number=order.number,
                return_number=row.number,
                state=states[row.status],
                amount_minor=row.refund_minor,
                currency=order.currency,
                method=lookup.method_view(method) if method else None,
                since=row.requested_at,
                expected_at=working_days_after(row.requested_at, numbers.integer("refund_after_receipt_days"))
                if received
                else None,
            )
        )
    return views
