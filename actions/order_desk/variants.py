"""Lines swapped for other variants of the same product: what items changes and exchanges have in common."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.order_desk import stock
from actions.order_desk.outcomes import LineNotFound, Refusal
from actions.order_desk.views import LineChange
from bot.database.shop import Order, OrderLine, Product, Variant


@dataclass(frozen=True)
class Swap:
    """`quantity` of a line becomes another variant. `difference_minor` is for all of them, > 0 costs more."""

    line: OrderLine
    quantity: int
    variant: Variant
    name: str

    @property
    def difference_minor(self) -> int:
        return (self.variant.price_minor - self.line.price_minor) * self.quantity

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "line_id": self.line.id,
            "name": self.name,
            "quantity": self.quantity,
            "before": dict(self.line.options),
            "after": dict(self.variant.options),
            "sku": self.line.sku,
            "new_sku": self.variant.sku,
            "price_minor": self.line.price_minor,
            "new_price_minor": self.variant.price_minor,
            "difference_minor": self.difference_minor,
        }


def swaps(
    session: Session,
    order: Order,
    changes: Sequence[LineChange],
    taken: Mapping[str, int],
    *,
    lock: bool,
    same_product_only: bool = True,
) -> list[Swap] | Refusal:
    """The swaps wished for, each checked, or the first reason against one.

    Args:
        taken: line id -> quantity that is no longer there to be swapped.

    Raises:
        LineNotFound: the order has no such line.
    """
    if not changes:
        return Refusal("no_lines")
    wanted = [change.new_sku or "" for change in changes]
    if lock:
        variants = stock.locked(session, [*wanted, *(line.sku for line in order.lines)])
    else:
        variants = {row.sku: row for row in session.scalars(select(Variant).where(Variant.sku.in_(wanted)))}
    used = dict(taken)
    found: list[Swap] = []
    for change in changes:
        swap = _swap(session, order, change, used, variants, same_product_only)
        if isinstance(swap, Refusal):
            return swap
        used[swap.line.id] = used.get(swap.line.id, 0) + swap.quantity
        found.append(swap)
    return _short_of_stock(found) or found


def line_of(order: Order, line_id: str) -> OrderLine:
    """The line with that id, of this order and no other."""
    found = next((line for line in order.lines if line.id == line_id), None)
    if found is None:
        raise LineNotFound(line_id)
    return found


def quantity_of(change: LineChange, line: OrderLine, used: Mapping[str, int]) -> int | Refusal:
    """How many of the line are meant: what is named, or all that are left of it."""
    left = line.quantity - used.get(line.id, 0)
    quantity = left if change.quantity is None else change.quantity
    if not 1 <= quantity <= left:
        return Refusal("quantity_not_possible", {"name": line.name, "quantity": quantity, "most": left})
    return quantity


def _swap(
    session: Session,
    order: Order,
    change: LineChange,
    used: Mapping[str, int],
    variants: Mapping[str, Variant],
    same_product_only: bool,
) -> Swap | Refusal:
    line = line_of(order, change.line_id)
    quantity = quantity_of(change, line, used)
    if isinstance(quantity, Refusal):
        return quantity
    variant = variants.get(change.new_sku or "")
    if variant is None or not variant.active:
        return Refusal("variant_unknown", {"sku": change.new_sku, "name": line.name})
    product = session.get_one(Product, variant.product_id)
    if same_product_only and variant.product_id != line.product_id:
        return Refusal("other_product", {"product": line.name, "wanted": product.name})
    if variant.sku == line.sku:
        return Refusal("nothing_changes", {"name": line.name, "options": dict(line.options)})
    return Swap(line, quantity, variant, product.name)


def _short_of_stock(found: Iterable[Swap]) -> Refusal | None:
    needed: dict[str, int] = {}
    for swap in found:
        needed[swap.variant.sku] = needed.get(swap.variant.sku, 0) + swap.quantity
        if swap.variant.stock < needed[swap.variant.sku]:
            options = dict(swap.variant.options)
            return Refusal(
                "out_of_stock",
                {"sku": swap.variant.sku, "name": swap.name, "options": options, "stock": swap.variant.stock},
            )
    return None
