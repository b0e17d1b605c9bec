"""Cancelling an order before it leaves, and asking for one that has left to be called back."""

from typing import Unpack

from sqlalchemy.orm import Session

from actions.order_desk import money, stock
from actions.order_desk.change import By, Check, Plan, carry_out, read_terms
from actions.order_desk.lookup import has_left
from actions.order_desk.outcomes import Outcome, Refusal, Terms
from actions.order_desk.states import refused_by_state
from bot.database.policies import Policies
from bot.database.shop import Order


def check_cancel(session: Session, customer_id: str, number: str, reason: str | None = None) -> Terms | Refusal:
    """What cancelling would give back. Without a reason, only the order is looked at.

    facts: refunds [{kind, brand, last_four, amount_minor, working_days}], refund_minor, currency, reason,
    reasons (those the shop accepts).
    """
    return read_terms(session, customer_id, number, _check(session, reason))


def cancel(session: Session, customer_id: str, number: str, reason: str | None, **by: Unpack[By]) -> Outcome:
    """Cancel: everything paid goes back to where it came from, the goods go back on the shelf."""
    check = _check(session, reason, by)
    return carry_out(session, customer_id, number, by, kind="cancelled", action="cancel", check=check)


def ask_to_call_back(session: Session, customer_id: str, number: str, **by: Unpack[By]) -> Outcome:
    """A parcel that has left and is not wanted any more: always a person's decision, with the assessment beside it."""

    def check(order: Order, numbers: Policies) -> Plan | Refusal:
        if order.status == "cancelled":
            return Refusal("already_cancelled")
        if order.status == "delivered" or not has_left(order):
            return refused_by_state(order, numbers, "cancel_statuses") or Refusal("nothing_changes")
        paid = money.paid_minor(order)
        return Plan({"refund_minor": paid, "currency": order.currency}, paid, people_only=True)

    return carry_out(
        session, customer_id, number, by, kind="callback_wanted", action="cancel_after_shipping", check=check
    )


def _check(session: Session, reason: str | None, by: By | None = None) -> Check:
    def check(order: Order, numbers: Policies) -> Plan | Refusal:
        refused = refused_by_state(order, numbers, "cancel_statuses")
        if refused is not None:
            return refused
        accepted = numbers.texts("cancel_reasons")
        if (by is not None or reason is not None) and reason not in accepted:
            return Refusal("reason_not_accepted", {"accepted": list(accepted)})
        methods = money.methods_of(session, order.customer_id, lock=by is not None)
        shares = money.paid_by(order)
        amount = sum(share.amount_minor for share in shares)
        facts = {
            "refunds": money.described(shares, methods, numbers),
            "refund_minor": amount,
            "currency": order.currency,
            "reason": reason,
            "reasons": list(accepted),
        }

        def apply() -> None:
            if by is None:
                return
            money.give_back(session, order, shares, methods, by["now"])
            stock.put_back(session, [(line.sku, line.quantity) for line in order.lines])
            order.status = "cancelled"
            order.cancelled_at = by["now"]
            order.cancel_reason = reason

        return Plan(facts, amount, apply=apply)

    return check
