"""How an order is sent: another method before it leaves."""

from typing import Any, Unpack

from sqlalchemy.orm import Session

from actions.order_desk.change import By, Check, Plan, carry_out, read_terms
from actions.order_desk.difference import Difference
from actions.order_desk.outcomes import Outcome, Refusal, Terms
from actions.order_desk.shipping_fee import difference_for, settle
from actions.order_desk.states import refused_by_state
from bot.database.policies import Policies
from bot.database.shop import Order


def check_change_shipping(
    session: Session, customer_id: str, number: str, method: str | None = None, payment_method_id: str | None = None
) -> Terms | Refusal:
    """What another method costs. Without a method, facts hold `offered`: [{method, fee_minor, least_days, most_days}].

    facts: before, after, difference_minor, currency, refunds or charge, least_days, most_days.
    """
    return read_terms(session, customer_id, number, _check(session, method, payment_method_id))


def change_shipping(
    session: Session,
    customer_id: str,
    number: str,
    method: str,
    payment_method_id: str | None = None,
    **by: Unpack[By],
) -> Outcome:
    """Send it by another method; the difference is charged or given back."""
    check = _check(session, method, payment_method_id, by)
    return carry_out(session, customer_id, number, by, kind="shipping_changed", action="change_shipping", check=check)


def offered(numbers: Policies, country: str, goods_minor: int) -> list[dict[str, Any]]:
    """The methods of a country with fee and working days, cheapest first."""
    methods = numbers.mapping("shipping_fees_minor").get(numbers.zone(country) or "", {})
    found = []
    for method in methods:
        fee, days = numbers.shipping_fee_minor(country, method, goods_minor), numbers.shipping_days(country, method)
        if fee is not None and days is not None:
            found.append({"method": method, "fee_minor": fee, "least_days": days[0], "most_days": days[1]})
    return sorted(found, key=lambda each: (each["fee_minor"], each["method"]))


def _check(session: Session, method: str | None, payment_method_id: str | None, by: By | None = None) -> Check:
    def check(order: Order, numbers: Policies) -> Plan | Refusal:
        refused = refused_by_state(order, numbers, "shipping_change_statuses")
        if refused is not None:
            return refused
        country = str(order.ship_to.get("country") or "")
        choices = offered(numbers, country, order.subtotal_minor)
        facts: dict[str, Any] = {"before": order.shipping_method, "offered": choices, "currency": order.currency}
        if method is None:
            return Plan(facts)
        if method == order.shipping_method:
            return Refusal("nothing_changes", facts)
        difference = difference_for(
            session,
            order,
            numbers,
            order.ship_to,
            method,
            payment_method_id=payment_method_id,
            lock=by is not None,
        )
        if isinstance(difference, Refusal):
            return difference
        days = numbers.shipping_days(country, method) or (0, 0)
        facts |= {"after": method, "least_days": days[0], "most_days": days[1], **difference.facts}
        apply = _apply(session, order, method, difference, by)
        return Plan(facts, abs(difference.amount_minor), payment_method_id=payment_method_id, apply=apply)

    return check


def _apply(session: Session, order: Order, method: str, difference: Difference, by: By | None) -> Any:
    def apply() -> None:
        if by is not None:
            order.shipping_method = method
            settle(session, order, difference, by["now"])

    return apply
