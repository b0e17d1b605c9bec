"""What pays for an order: another method before it is packed."""

from typing import Any, Unpack

from sqlalchemy.orm import Session

from actions.order_desk import money
from actions.order_desk.change import By, Check, Plan, carry_out, read_terms
from actions.order_desk.outcomes import Outcome, Refusal, Terms
from actions.order_desk.states import refused_by_state
from bot.database.policies import Policies
from bot.database.shop import Order


def check_change_payment(
    session: Session, customer_id: str, number: str, payment_method_id: str | None = None
) -> Terms | Refusal:
    """What paying with another method on file means. Without one, facts hold `choices`.

    facts: before (methods), after (method), amount_minor, currency, refunds, choices.
    """
    return read_terms(session, customer_id, number, _check(session, payment_method_id))


def change_payment(
    session: Session, customer_id: str, number: str, payment_method_id: str, **by: Unpack[By]
) -> Outcome:
    """Pay the whole order with one other method; what was paid before goes back to where it came from."""
    check = _check(session, payment_method_id, by)
    return carry_out(session, customer_id, number, by, kind="payment_changed", action="change_payment", check=check)


def _check(session: Session, payment_method_id: str | None, by: By | None = None) -> Check:
    def check(order: Order, numbers: Policies) -> Plan | Refusal:
        refused = refused_by_state(order, numbers, "payment_change_statuses")
        if refused is not None:
            return refused
        methods = money.methods_of(session, order.customer_id, lock=by is not None)
        shares = money.paid_by(order)
        current = {share.payment_method_id for share in shares}
        amount = money.paid_minor(order) or order.total_minor
        others = [row for id_, row in methods.items() if current != {id_}]
        choices = [
            money.method_facts(row)
            for row in others
            if money.payable(row.id, amount, methods, numbers, order.currency) is None
        ]
        facts: dict[str, Any] = {
            "before": [money.method_facts(methods.get(id_ or "")) for id_ in current],
            "choices": choices,
            "amount_minor": amount,
            "currency": order.currency,
        }
        if payment_method_id is None:
            return Plan(facts)
        if current == {payment_method_id}:
            return Refusal("same_payment_method", facts)
        refused = money.payable(payment_method_id, amount, methods, numbers, order.currency)
        if refused is not None:
            return refused
        facts["after"] = money.method_facts(methods[payment_method_id])
        facts["refunds"] = money.described(shares, methods, numbers)

        def apply() -> None:
            if by is not None:
                money.give_back(session, order, shares, methods, by["now"])
                money.charge(session, order, methods[payment_method_id], amount, by["now"])

        return Plan(facts, amount, payment_method_id=payment_method_id, apply=apply)

    return check
