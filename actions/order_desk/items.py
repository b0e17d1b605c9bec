"""What is in an order: other variants of what was bought, before it is packed, as often as the shop allows."""

from collections.abc import Sequence
from typing import Any, Unpack

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from actions.order_desk import difference, stock
from actions.order_desk.change import By, Check, Plan, carry_out, read_terms
from actions.order_desk.outcomes import Outcome, Refusal, Terms
from actions.order_desk.states import refused_by_state
from actions.order_desk.variants import Swap, swaps
from actions.order_desk.views import LineChange
from bot.database.policies import Policies
from bot.database.shop import Order, OrderEvent, OrderLine


def check_change_items(
    session: Session,
    customer_id: str,
    number: str,
    changes: Sequence[LineChange] | None = None,
    payment_method_id: str | None = None,
) -> Terms | Refusal:
    """What other variants would cost. Without changes, only the state is looked at.

    facts: items [{name, quantity, before, after, price_minor, new_price_minor, difference_minor}], difference_minor,
    currency, refunds or charge, once (True: it cannot be changed again).
    """
    return read_terms(session, customer_id, number, _check(session, changes, payment_method_id))


def change_items(
    session: Session,
    customer_id: str,
    number: str,
    changes: Sequence[LineChange],
    payment_method_id: str | None = None,
    **by: Unpack[By],
) -> Outcome:
    """Swap variants; the difference is charged or given back, stock follows."""
    check = _check(session, changes, payment_method_id, by)
    return carry_out(session, customer_id, number, by, kind="items_changed", action="change_items", check=check)


def _check(
    session: Session, changes: Sequence[LineChange] | None, payment_method_id: str | None, by: By | None = None
) -> Check:
    def check(order: Order, numbers: Policies) -> Plan | Refusal:
        refused = refused_by_state(order, numbers, "items_change_statuses") or _changed_too_often(
            session, order, numbers
        )
        if refused is not None:
            return refused
        if changes is None:
            return Plan({"currency": order.currency})
        found = swaps(session, order, changes, {}, lock=by is not None)
        if isinstance(found, Refusal):
            return found
        total = sum(swap.difference_minor for swap in found)
        targets = numbers.texts("difference_refund_targets")
        plan = difference.planned(
            session, order, numbers, total, payment_method_id, targets=targets, lock=by is not None
        )
        if isinstance(plan, Refusal):
            return plan
        facts = {
            "items": [swap.facts for swap in found],
            **plan.facts,
            "once": numbers.integer("item_changes_per_order") <= 1,
        }
        worth = sum(swap.variant.price_minor * swap.quantity for swap in found)
        apply = _apply(session, order, found, plan, by)
        return Plan(facts, max(worth, abs(total)), payment_method_id=payment_method_id, apply=apply)

    return check


def _changed_too_often(session: Session, order: Order, numbers: Policies) -> Refusal | None:
    limit = numbers.integer("item_changes_per_order")
    counted = select(func.count()).where(OrderEvent.order_id == order.id, OrderEvent.kind == "items_changed")
    times = max(session.scalar(counted) or 0, 1 if order.items_changed_at is not None else 0)
    return Refusal("items_changed_before", {"limit": limit}) if times >= limit else None


def _apply(session: Session, order: Order, found: list[Swap], plan: difference.Difference, by: By | None) -> Any:
    def apply() -> None:
        if by is None:
            return
        back = [(swap.line.sku, swap.quantity) for swap in found]
        stock.move(session, back=back, out=[(swap.variant.sku, swap.quantity) for swap in found])
        difference.settle(session, order, plan, by["now"])
        for swap in found:
            rewrite(session, order, swap)
        order.subtotal_minor += plan.amount_minor
        order.total_minor += plan.amount_minor
        order.items_changed_at = by["now"]

    return apply


def rewrite(session: Session, order: Order, swap: Swap) -> None:
    """Put the new variant in the line's place; a part of a line becomes a line of its own, at the end."""
    if swap.quantity == swap.line.quantity:
        line = swap.line
    else:
        swap.line.quantity -= swap.quantity
        position = max(each.position for each in order.lines) + 1
        line = OrderLine(position=position, product_id=swap.variant.product_id, quantity=swap.quantity)
        order.lines.append(line)
    line.product_id = swap.variant.product_id
    line.sku = swap.variant.sku
    line.name = swap.name
    line.options = dict(swap.variant.options)
    line.price_minor = swap.variant.price_minor
    session.flush()
