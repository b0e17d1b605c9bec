"""Bringing back what arrived: returns for money, exchanges for another variant. Money moves when it is back here."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Unpack

from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.order_desk import difference, lookup, money, return_mail, stock
from actions.order_desk.change import By, Check, Plan, carry_out, read_terms
from actions.order_desk.days import day
from actions.order_desk.outcomes import Outcome, Refusal, Terms
from actions.order_desk.variants import Swap, line_of, quantity_of, swaps
from actions.order_desk.views import LineChange
from bot.database.policies import Policies
from bot.database.shop import Customer, Order, OrderLine, Product, ReturnRequest

CONDITIONS = ("unused", "tried_on", "any")  # from strict to lenient: what an item may be at worst


def check_return_lines(
    session: Session,
    customer_id: str,
    number: str,
    lines: Sequence[LineChange] | None = None,
    reason: str | None = None,
    payment_method_id: str | None = None,
    condition: str | None = None,
    *,
    now: datetime,
) -> Terms | Refusal:
    """What returning would give back. Without lines, only whether anything can come back.

    Args:
        reason: one of the policy's; None while it is not known yet.
        payment_method_id: where the money goes; None means where it came from.
        condition: unused | tried_on | used, when the customer said so.

    facts: items [{line_id, name, options, quantity, amount_minor}], goods_minor, fee_minor, refund_minor, currency,
    refunds, condition (asked for), last_day, label_days, reasons, returnable (lines that can come back).
    """
    check = _check_return(session, lines, reason, payment_method_id, condition, now)
    return read_terms(session, customer_id, number, check)


def return_lines(
    session: Session,
    customer_id: str,
    number: str,
    lines: Sequence[LineChange],
    reason: str | None,
    payment_method_id: str | None = None,
    condition: str | None = None,
    **by: Unpack[By],
) -> Outcome:
    """Open a return: the label goes out by mail, the money back when the parcel is here (`receiving.receive`).

    facts as in the check, and return_number.
    """
    check = _check_return(session, lines, reason, payment_method_id, condition, by["now"], by)
    return carry_out(session, customer_id, number, by, kind="return_requested", action="return", check=check)


def check_exchange_lines(
    session: Session,
    customer_id: str,
    number: str,
    lines: Sequence[LineChange] | None = None,
    payment_method_id: str | None = None,
    reason: str | None = None,
    *,
    now: datetime,
) -> Terms | Refusal:
    """What exchanging for other variants would cost. Without lines, only whether anything can be exchanged.

    facts: items (as for an items change), difference_minor, currency, refunds or charge, condition, last_day,
    label_days, returnable.
    """
    return read_terms(session, customer_id, number, _check_exchange(session, lines, payment_method_id, reason, now))


def exchange_lines(
    session: Session,
    customer_id: str,
    number: str,
    lines: Sequence[LineChange],
    payment_method_id: str | None = None,
    reason: str | None = None,
    **by: Unpack[By],
) -> Outcome:
    """Open an exchange: the new variant is set aside and a difference charged now, one to give back when it is here."""
    check = _check_exchange(session, lines, payment_method_id, reason, by["now"], by)
    return carry_out(session, customer_id, number, by, kind="exchange_requested", action="exchange", check=check)


def _check_return(
    session: Session,
    lines: Sequence[LineChange] | None,
    reason: str | None,
    payment_method_id: str | None,
    condition: str | None,
    now: datetime,
    by: By | None = None,
) -> Check:
    def check(order: Order, numbers: Policies) -> Plan | Refusal:
        returns = returns_of(session, order)
        window = numbers.integer("return_window_days")
        refused = _refused(order, numbers, returns, "return", window, now)
        if refused is not None:
            return refused
        common = _common(order, numbers, returns, window, now)
        if lines is None:
            return Plan(common)
        parts = _parts(order, lines, returns)
        if isinstance(parts, Refusal):
            return parts
        faulty = reason in numbers.texts("free_return_reasons")
        refused = (
            _reason_refused(reason, numbers, needed=by is not None)
            or _line_refused(session, order, [line for line, _ in parts], numbers, window, now, faulty=faulty)
            or (None if faulty else _condition_refused(condition, numbers))
        )
        methods = money.methods_of(session, order.customer_id, lock=by is not None)
        refused = refused or money.refundable(order, payment_method_id, methods, numbers.texts("refund_targets"))
        if refused is not None:
            return refused
        goods = sum(line.price_minor * quantity for line, quantity in parts)
        fee = 0 if faulty else min(numbers.integer("return_fee_minor"), goods)
        shares = money.shares_back(order, goods - fee, payment_method_id)
        facts = {
            **common,
            "items": [_part_facts(line, quantity) for line, quantity in parts],
            "goods_minor": goods,
            "fee_minor": fee,
            "refund_minor": goods - fee,
            "refunds": money.described(shares, methods, numbers),
            "reason": reason,
        }
        row = {"refund_minor": goods - fee, "reason": reason, "payment_method_id": payment_method_id}
        apply = _apply(session, order, "return", _stored(parts), row, by)
        return Plan(facts, goods - fee, payment_method_id=payment_method_id, apply=apply)

    return check


def _check_exchange(
    session: Session,
    lines: Sequence[LineChange] | None,
    payment_method_id: str | None,
    reason: str | None,
    now: datetime,
    by: By | None = None,
) -> Check:
    def check(order: Order, numbers: Policies) -> Plan | Refusal:
        returns = returns_of(session, order)
        window = numbers.integer("exchange_window_days")
        refused = _refused(order, numbers, returns, "exchange", window, now)
        if refused is not None:
            return refused
        common = _common(order, numbers, returns, window, now)
        if lines is None:
            return Plan(common)
        taken = lookup.returned_quantities(returns)
        same = numbers.flag("exchange_same_product_only")
        found = swaps(session, order, lines, taken, lock=by is not None, same_product_only=same)
        if isinstance(found, Refusal):
            return found
        held = [swap.line for swap in found]
        refused = _line_refused(session, order, held, numbers, window, now, faulty=True)
        if refused is not None:
            return refused
        total = sum(swap.difference_minor for swap in found)
        targets = numbers.texts("difference_refund_targets")
        plan = difference.planned(
            session, order, numbers, total, payment_method_id, targets=targets, lock=by is not None
        )
        if isinstance(plan, Refusal):
            return plan
        facts = {**common, "items": [swap.facts for swap in found], **plan.facts, "reason": reason}
        row = {"refund_minor": -total, "reason": reason, "payment_method_id": payment_method_id}
        stored = [{**part, "new_sku": swap.variant.sku} for part, swap in zip(_swapped(found), found, strict=True)]
        apply = _apply(session, order, "exchange", stored, row, by, plan, found)
        worth = sum(swap.variant.price_minor * swap.quantity for swap in found)
        return Plan(facts, max(worth, abs(total)), payment_method_id=payment_method_id, apply=apply)

    return check


def returns_of(session: Session, order: Order) -> list[ReturnRequest]:
    query = select(ReturnRequest).where(ReturnRequest.order_id == order.id).order_by(ReturnRequest.requested_at)
    return list(session.scalars(query))


def _refused(
    order: Order, numbers: Policies, returns: Sequence[ReturnRequest], kind: str, window: int, now: datetime
) -> Refusal | None:
    """Why nothing of this order can come back."""
    if order.status == "cancelled":
        return Refusal("already_cancelled", {"cancelled_on": day(order.cancelled_at)})
    arrived = [line for line in order.lines if lookup.line_delivered_at(order, line) is not None]
    if not arrived:
        etas = [each.eta for each in order.shipments if each.eta]
        return Refusal("not_delivered", {"status": order.status, "eta": day(max(etas, default=None))})
    counted = lookup.standing(returns)
    limits = {"return": "returns_per_order", "exchange": "exchanges_per_order"}
    if sum(each.kind == kind for each in counted) >= numbers.integer(limits[kind]):
        return Refusal("one_per_order", {"kind": kind, "limit": numbers.integer(limits[kind])})
    both = numbers.integer("returns_and_exchanges_per_order")
    if len(counted) >= both:
        return Refusal("one_per_order", {"kind": "return_or_exchange", "limit": both})
    taken = lookup.returned_quantities(returns)
    left = [line for line in arrived if taken.get(line.id, 0) < line.quantity]
    if not left:
        return Refusal("already_returned", {"returns": [each.number for each in counted]})
    last = max(_last_day(order, line, window) for line in left)
    return _window_refusal(order, left[0], window, last) if now > last else None


def _line_refused(
    session: Session,
    order: Order,
    lines: Sequence[OrderLine],
    numbers: Policies,
    window: int,
    now: datetime,
    *,
    faulty: bool,
) -> Refusal | None:
    """Why one of the named lines cannot come back."""
    for line in lines:
        if lookup.line_delivered_at(order, line) is None:
            return Refusal("not_delivered", {"status": order.status, "name": line.name, "eta": None})
        last = _last_day(order, line, window)
        if now > last:
            return _window_refusal(order, line, window, last)
    if faulty:
        return None
    closed = numbers.texts("not_returnable_categories")
    products = {line.product_id: session.get_one(Product, line.product_id) for line in lines}
    kept = [
        line.name
        for line in lines
        if products[line.product_id].category in closed
        or products[line.product_id].attributes.get("returnable", True) is False
    ]
    return Refusal("not_returnable", {"items": kept}) if kept else None


def _window_refusal(order: Order, line: OrderLine, window: int, last: datetime) -> Refusal:
    arrived = day(lookup.line_delivered_at(order, line))
    return Refusal("window_over", {"window_days": window, "delivered_on": arrived, "last_day": day(last)})


def _last_day(order: Order, line: OrderLine, window: int) -> datetime:
    """The end of the last day on which the line may come back."""
    arrived = lookup.line_delivered_at(order, line)
    if arrived is None:
        raise ValueError(f"line {line.id} has not arrived")
    return (arrived + timedelta(days=window)).replace(hour=23, minute=59, second=59)


def _condition_refused(condition: str | None, numbers: Policies) -> Refusal | None:
    asked = numbers.text("return_condition")
    if condition is None or asked == "any":
        return None
    worst = "any" if condition == "used" else condition
    if worst not in CONDITIONS or CONDITIONS.index(worst) > CONDITIONS.index(asked):
        return Refusal("condition", {"condition": asked})
    return None


def _reason_refused(reason: str | None, numbers: Policies, *, needed: bool) -> Refusal | None:
    accepted = numbers.texts("return_reasons")
    if reason in accepted or (reason is None and not needed) or not accepted:
        return None
    return Refusal("reason_not_accepted", {"accepted": list(accepted)})


def _parts(
    order: Order, lines: Sequence[LineChange], returns: Sequence[ReturnRequest]
) -> list[tuple[OrderLine, int]] | Refusal:
    """The lines and quantities meant; what is on its way back already does not count as there."""
    if not lines:
        return Refusal("no_lines")
    used = lookup.returned_quantities(returns)
    parts: list[tuple[OrderLine, int]] = []
    for change in lines:
        line = line_of(order, change.line_id)
        if used.get(line.id, 0) >= line.quantity:
            return Refusal("already_returned", {"name": line.name, "returns": lookup.numbers_of(returns, line.id)})
        quantity = quantity_of(change, line, used)
        if isinstance(quantity, Refusal):
            return quantity
        used[line.id] = used.get(line.id, 0) + quantity
        parts.append((line, quantity))
    return parts


def _common(
    order: Order, numbers: Policies, returns: Sequence[ReturnRequest], window: int, now: datetime
) -> dict[str, Any]:
    taken = lookup.returned_quantities(returns)
    open_ = [
        line
        for line in order.lines
        if lookup.line_delivered_at(order, line) is not None
        and taken.get(line.id, 0) < line.quantity
        and now <= _last_day(order, line, window)
    ]
    return {
        "returnable": [_part_facts(line, line.quantity - taken.get(line.id, 0)) for line in open_],
        "last_day": day(max((_last_day(order, line, window) for line in open_), default=None)),
        "condition": numbers.text("return_condition"),
        "label_days": numbers.integer("return_label_valid_days"),
        "reasons": list(numbers.texts("return_reasons")),
        "currency": order.currency,
    }


def _part_facts(line: OrderLine, quantity: int) -> dict[str, Any]:
    return {
        "line_id": line.id,
        "name": line.name,
        "options": dict(line.options),
        "sku": line.sku,
        "quantity": quantity,
        "amount_minor": line.price_minor * quantity,
    }


def _stored(parts: Sequence[tuple[OrderLine, int]]) -> list[dict[str, Any]]:
    return [{"line_id": line.id, "quantity": quantity} for line, quantity in parts]


def _swapped(found: Sequence[Swap]) -> list[dict[str, Any]]:
    return [{"line_id": swap.line.id, "quantity": swap.quantity} for swap in found]


def _apply(
    session: Session,
    order: Order,
    kind: str,
    stored: list[dict[str, Any]],
    row: Mapping[str, Any],
    by: By | None,
    plan: difference.Difference | None = None,
    found: Sequence[Swap] = (),
) -> Any:
    def apply() -> dict[str, Any]:
        if by is None:
            return {}
        if plan is not None:
            stock.move(session, out=[(swap.variant.sku, swap.quantity) for swap in found])
            if plan.amount_minor > 0:
                difference.settle(session, order, plan, by["now"])
        request = ReturnRequest(
            number=_number(session, by["request_id"], order),
            order_id=order.id,
            kind=kind,
            lines=stored,
            status="label_sent",
            requested_at=by["now"],
            risk_id=None,
            **row,
        )
        session.add(request)
        session.flush()
        return_mail.send_label(session, session.get_one(Customer, order.customer_id), order, request, by["now"])
        return {"return_number": request.number}

    return apply


def _number(session: Session, request_id: str, order: Order) -> str:
    """A return number nobody can count up from their own; made from the request, so a repeated turn agrees."""
    start = int(hashlib.sha256(f"{request_id}\n{order.id}".encode()).hexdigest()[:12], 16)
    for step in range(1000):
        number = f"R-{100000 + (start + step) % 900000}"
        if session.scalar(select(ReturnRequest.id).where(ReturnRequest.number == number)) is None:
            return number
    raise RuntimeError("no free return number within a thousand steps")
