"""The same again: a new order of what an earlier one held, at today's prices, as far as it is in stock."""

import hashlib
from typing import Any, Unpack

from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.order_desk import money, stock
from actions.order_desk.change import By, Check, Plan, carry_out, read_terms
from actions.order_desk.outcomes import Outcome, Refusal, Terms
from bot.database.policies import Policies
from bot.database.shop import Order, OrderEvent, OrderLine, Product, Variant


def check_reorder(
    session: Session, customer_id: str, number: str, payment_method_id: str | None = None
) -> Terms | Refusal:
    """What ordering it again would cost today.

    facts: items [{name, options, quantity, price_minor}], missing [names not in stock], subtotal_minor,
    shipping_minor, total_minor, currency, charge (method), ship_to.
    """
    return read_terms(session, customer_id, number, _check(session, payment_method_id))


def reorder(
    session: Session, customer_id: str, number: str, payment_method_id: str | None = None, **by: Unpack[By]
) -> Outcome:
    """Place it again, paid with the named method or the one that paid before. facts as in the check, and new_number."""
    check = _check(session, payment_method_id, by)
    return carry_out(session, customer_id, number, by, kind="reordered", action="order", check=check)


def _check(session: Session, payment_method_id: str | None, by: By | None = None) -> Check:
    def check(order: Order, numbers: Policies) -> Plan | Refusal:
        lines, missing = _available(session, order, lock=by is not None)
        if not lines:
            return Refusal("nothing_in_stock", {"items": missing})
        subtotal = sum(variant.price_minor * line.quantity for line, variant in lines)
        country = str(order.ship_to.get("country") or "")
        fee = numbers.shipping_fee_minor(country, "standard", subtotal, bulky=_bulky(session, lines))
        if fee is None:
            return Refusal("not_delivered_there", {"country": country})
        methods = money.methods_of(session, order.customer_id, lock=by is not None)
        paid = [row.payment_method_id for row in order.payments if row.kind == "payment" and row.payment_method_id]
        payer = payment_method_id or (paid[0] if paid else "")
        refused = money.payable(payer, subtotal + fee, methods, numbers, order.currency)
        if refused is not None:
            return refused
        facts: dict[str, Any] = {
            "items": [
                {
                    "name": line.name,
                    "options": dict(variant.options),
                    "quantity": line.quantity,
                    "price_minor": variant.price_minor,
                }
                for line, variant in lines
            ],
            "missing": missing,
            "subtotal_minor": subtotal,
            "shipping_minor": fee,
            "total_minor": subtotal + fee,
            "currency": order.currency,
            "charge": money.method_facts(methods[payer]),
            "ship_to": dict(order.ship_to),
        }

        def apply() -> dict[str, Any]:
            if by is None:
                return {}
            placed = _place(session, order, lines, subtotal, fee, by)
            money.charge(session, placed, methods[payer], subtotal + fee, by["now"])
            stock.move(session, out=[(line.sku, line.quantity) for line, _ in lines])
            return {"new_number": placed.number}

        return Plan(facts, subtotal + fee, payment_method_id=payer, apply=apply)

    return check


def _available(session: Session, order: Order, *, lock: bool) -> tuple[list[tuple[OrderLine, Variant]], list[str]]:
    skus = [line.sku for line in order.lines]
    rows = stock.locked(session, skus) if lock else {
        row.sku: row for row in session.scalars(select(Variant).where(Variant.sku.in_(skus)))
    }  # fmt: skip
    lines, missing, wanted = [], [], dict.fromkeys(skus, 0)
    for line in order.lines:
        variant = rows.get(line.sku)
        wanted[line.sku] += line.quantity
        if variant is not None and variant.active and variant.stock >= wanted[line.sku]:
            lines.append((line, variant))
        else:
            missing.append(line.name)
    return lines, missing


def _bulky(session: Session, lines: list[tuple[OrderLine, Variant]]) -> bool:
    return any(session.get_one(Product, line.product_id).category == "furniture" for line, _ in lines)


def _place(
    session: Session, order: Order, lines: list[tuple[OrderLine, Variant]], subtotal: int, fee: int, by: By
) -> Order:
    placed = Order(
        number=_number(session, by["request_id"], order),
        customer_id=order.customer_id,
        status="pending",
        placed_at=by["now"],
        subtotal_minor=subtotal,
        shipping_minor=fee,
        total_minor=subtotal + fee,
        currency=order.currency,
        shipping_method="standard",
        ship_to=dict(order.ship_to),
        bill_to=dict(order.bill_to),
    )
    session.add(placed)
    session.flush()
    for position, (line, variant) in enumerate(lines, 1):
        placed.lines.append(
            OrderLine(
                position=position,
                product_id=line.product_id,
                sku=variant.sku,
                name=line.name,
                options=dict(variant.options),
                quantity=line.quantity,
                price_minor=variant.price_minor,
            )
        )
    session.add(
        OrderEvent(
            order_id=placed.id,
            kind="placed",
            actor=by["actor"],
            request_id=by["request_id"],
            at=by["now"],
            detail={"again": order.number},
        )
    )
    session.flush()
    return placed


def _number(session: Session, request_id: str, order: Order) -> str:
    """An order number nobody can count up from their own; made from the request, so a repeated turn agrees."""
    start = int(hashlib.sha256(f"order\n{request_id}\n{order.id}".encode()).hexdigest()[:12], 16)
    for step in range(1000):
        number = f"K-{200000 + (start + step) % 800000}"
        if session.scalar(select(Order.id).where(Order.number == number)) is None:
            return number
    raise RuntimeError("no free order number within a thousand steps")
