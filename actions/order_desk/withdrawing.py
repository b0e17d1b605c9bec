"""Taking back the wish to send something back, as long as its parcel is not here."""

from typing import Unpack

from sqlalchemy.orm import Session

from actions.order_desk import lookup, money, receiving, return_mail
from actions.order_desk.change import By, Check, Plan, carry_out, read_terms
from actions.order_desk.outcomes import Outcome, Refusal, Terms
from actions.order_desk.returning import returns_of
from bot.database.policies import Policies
from bot.database.shop import Customer, Order


def check_withdraw(
    session: Session, customer_id: str, number: str, return_number: str | None = None
) -> Terms | Refusal:
    """What withdrawing would mean. Without a return's number: the newest one that waits for its parcel.

    facts: return_number, kind (return or exchange), items [{line_id, name, quantity}], refunds and refund_minor (what
    an exchange had charged), currency.
    """
    return read_terms(session, customer_id, number, _check(session, return_number))


def withdraw(
    session: Session, customer_id: str, number: str, return_number: str | None = None, **by: Unpack[By]
) -> Outcome:
    """Withdraw a return or exchange: the customer keeps what they have, its label is void, and what an exchange had
    charged or set aside goes back. Another return can be asked for later."""
    check = _check(session, return_number, by)
    return carry_out(session, customer_id, number, by, kind="return_withdrawn", action="return", check=check)


def _check(session: Session, return_number: str | None, by: By | None = None) -> Check:
    def check(order: Order, numbers: Policies) -> Plan | Refusal:
        returns = returns_of(session, order)
        awaited = [each for each in returns if each.status in lookup.AWAITED and return_number in (None, each.number)]
        if not awaited:
            return Refusal("no_open_return", {"returns": [each.number for each in returns]})
        request = awaited[-1]
        methods = money.methods_of(session, order.customer_id, lock=by is not None)
        amount = max(receiving.charged_minor(request), 0)
        shares = money.shares_back(order, amount, request.payment_method_id)
        names = {line.id: line.name for line in order.lines}
        facts = {
            "return_number": request.number,
            "kind": request.kind,
            "items": [{**part, "name": names[part["line_id"]]} for part in request.lines],
            "refunds": money.described(shares, methods, numbers),
            "refund_minor": amount,
            "currency": order.currency,
        }

        def apply() -> None:
            if by is None:
                return
            money.give_back(session, order, shares, methods, by["now"])
            receiving.let_go(session, request)
            request.status = "withdrawn"
            return_mail.send_withdrawn(session, session.get_one(Customer, order.customer_id), order, request, by["now"])

        return Plan(facts, amount, payment_method_id=request.payment_method_id, harmless=True, apply=apply)

    return check
