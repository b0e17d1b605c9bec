"""What went wrong on the way: a lost parcel or a damaged item is refunded without anything coming back.

Always assessed. Low risk and a small amount goes through; anything else is for a person, with the reasons.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Unpack

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from actions.order_desk import lookup, money
from actions.order_desk.change import By, Check, Plan, carry_out, read_terms
from actions.order_desk.days import day, working_days_after
from actions.order_desk.outcomes import Outcome, Refusal, Terms
from actions.order_desk.returning import returns_of
from actions.order_desk.variants import line_of, quantity_of
from actions.order_desk.views import LineChange
from bot.database.policies import Policies
from bot.database.shop import Order, OrderEvent, OrderLine, ReturnRequest

PROBLEMS = ("lost", "damaged")


def check_report(
    session: Session, customer_id: str, number: str, problem: str, lines: Sequence[LineChange], *, now: datetime
) -> Terms | Refusal:
    """What reporting a lost parcel or damaged items leads to.

    facts: items, refund_minor, currency, refunds, by_person (True: above what goes through without one).
    """
    return read_terms(session, customer_id, number, _check(session, problem, lines, now))


def report(
    session: Session, customer_id: str, number: str, problem: str, lines: Sequence[LineChange], **by: Unpack[By]
) -> Outcome:
    """Refund what never came or came broken, or open it for a person. `problem` is lost | damaged."""
    check = _check(session, problem, lines, by["now"], by)
    kind = f"refunded_without_return:{problem}"
    return carry_out(session, customer_id, number, by, kind=kind, action="refund_without_return", check=check)


def _check(session: Session, problem: str, lines: Sequence[LineChange], now: datetime, by: By | None = None) -> Check:
    if problem not in PROBLEMS:
        raise ValueError(f"{problem!r} is no problem this knows; {PROBLEMS}")

    def check(order: Order, numbers: Policies) -> Plan | Refusal:
        returns = returns_of(session, order)
        parts = _parts(order, lines, returns)
        if isinstance(parts, Refusal):
            return parts
        refused = _refused(order, problem, [line for line, _ in parts], numbers, now)
        if refused is not None:
            return refused
        methods = money.methods_of(session, order.customer_id, lock=by is not None)
        amount = sum(line.price_minor * quantity for line, quantity in parts)
        shares = money.shares_back(order, amount, None)
        facts = {
            "problem": problem,
            "items": [{"line_id": line.id, "name": line.name, "quantity": quantity} for line, quantity in parts],
            "refund_minor": amount,
            "currency": order.currency,
            "refunds": money.described(shares, methods, numbers),
            "by_person": amount > numbers.integer("refund_without_return_most_minor"),
        }

        def apply() -> None:
            if by is None:
                return
            money.give_back(session, order, shares, methods, by["now"])
            count = session.scalar(select(func.count()).where(OrderEvent.order_id == order.id)) or 0
            stored = [{"line_id": line.id, "quantity": quantity} for line, quantity in parts]
            session.add(
                ReturnRequest(
                    number=f"{order.number}-{problem[0].upper()}{count}",
                    order_id=order.id,
                    kind="return",
                    lines=stored,
                    reason=problem,
                    status="refunded",
                    refund_minor=amount,
                    requested_at=by["now"],
                    refunded_at=by["now"],
                )
            )

        return Plan(facts, amount, apply=apply, people_only=bool(facts["by_person"]))

    return check


def _parts(
    order: Order, lines: Sequence[LineChange], returns: Sequence[ReturnRequest]
) -> list[tuple[OrderLine, int]] | Refusal:
    if not lines:
        return Refusal("no_lines")
    used = lookup.returned_quantities(returns)
    parts = []
    for change in lines:
        line = line_of(order, change.line_id)
        quantity = quantity_of(change, line, used)
        if isinstance(quantity, Refusal):
            return Refusal("already_returned", {"name": line.name, "returns": lookup.numbers_of(returns, line.id)})
        used[line.id] = used.get(line.id, 0) + quantity
        parts.append((line, quantity))
    return parts


def _refused(
    order: Order, problem: str, lines: Sequence[OrderLine], numbers: Policies, now: datetime
) -> Refusal | None:
    if order.status == "cancelled":
        return Refusal("already_cancelled", {"cancelled_on": day(order.cancelled_at)})
    if problem == "damaged":
        return _too_late_or_not_here(order, lines, numbers, now)
    parcels = [each for each in order.shipments if any(line.id in each.line_ids for line in lines)]
    if not parcels:
        return Refusal("parcel_not_lost", {"eta": None, "lost_from": None})
    late = timedelta(days=numbers.integer("lost_after_days"))
    for parcel in parcels:
        if parcel.status == "lost":
            continue
        eta = parcel.eta or working_days_after(parcel.shipped_at or order.placed_at, 5)
        if parcel.status == "delivered" or now < eta + late:
            return Refusal("parcel_not_lost", {"eta": day(eta), "lost_from": day(eta + late)})
    return None


def _too_late_or_not_here(order: Order, lines: Sequence[OrderLine], numbers: Policies, now: datetime) -> Refusal | None:
    window = numbers.integer("damage_report_days")
    for line in lines:
        arrived = lookup.line_delivered_at(order, line)
        if arrived is None:
            return Refusal("not_delivered", {"status": order.status, "eta": None})
        last = arrived + timedelta(days=window)
        if now > last:
            return Refusal("window_over", {"window_days": window, "delivered_on": day(arrived), "last_day": day(last)})
    return None
