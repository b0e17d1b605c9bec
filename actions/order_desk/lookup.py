"""Reading orders and customers. Everything is asked for one customer; what is not theirs does not exist."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, selectinload

from actions.order_desk.days import working_days_after
from actions.order_desk.outcomes import LineNotFound, OrderNotFound
from actions.order_desk.views import (
    CustomerView,
    LineView,
    OrderView,
    PaymentMethodView,
    PaymentView,
    ReturnView,
    ShipmentView,
    VariantView,
)
from bot.database import policies
from bot.database.policies import Policies
from bot.database.shop import (
    Customer,
    Order,
    OrderLine,
    Payment,
    PaymentMethod,
    Product,
    ReturnRequest,
    Shipment,
    Variant,
)

COUNTED = ("captured", "pending", "done")  # payments that moved or will; the failed ones did not
LEFT = ("in_transit", "out_for_delivery", "delivered", "lost", "returned")
AWAITED = ("requested", "label_sent")  # returns whose parcel is not here: they can still be withdrawn
VOID = ("refused", "withdrawn")  # returns that leave everything as if nobody had asked
FINISHED = ("refunded", "exchanged", *VOID)


def orders_of(
    session: Session, customer_id: str, *, limit: int = 5, offset: int = 0, statuses: Sequence[str] = ()
) -> list[OrderView]:
    """The customer's orders, newest first."""
    query = _with_parts(select(Order).where(Order.customer_id == customer_id))
    if statuses:
        query = query.where(Order.status.in_(statuses))
    rows = session.scalars(query.order_by(Order.placed_at.desc(), Order.number).limit(limit).offset(offset)).all()
    return views(session, rows)


def find(session: Session, customer_id: str, number: str) -> OrderView:
    """One order by its number, however it was typed ("k104233", "#K-104233").

    Raises:
        OrderNotFound: there is none, or it is not this customer's.
    """
    row = session.scalars(_with_parts(_of(customer_id, number))).one_or_none() or _by_digits(
        session, customer_id, number
    )
    if row is None:
        raise OrderNotFound(number)
    return views(session, [row])[0]


def _by_digits(session: Session, customer_id: str, number: str) -> Order | None:
    """The one order of this customer with these digits: the letters of a number are what people leave out."""
    digits = re.sub(r"\D", "", number)
    own = session.execute(select(Order.id, Order.number).where(Order.customer_id == customer_id)).all()
    fitting = [row.id for row in own if digits and re.sub(r"\D", "", row.number) == digits]
    if len(fitting) != 1:
        return None
    return session.scalars(_with_parts(select(Order).where(Order.id == fitting[0]))).one()


def latest(session: Session, customer_id: str, *, statuses: Sequence[str] = ()) -> OrderView | None:
    found = orders_of(session, customer_id, limit=1, statuses=statuses)
    return found[0] if found else None


def customer(session: Session, customer_id: str) -> CustomerView:
    row = session.get_one(Customer, customer_id)
    return CustomerView(
        id=row.id,
        name=row.name,
        email=row.email,
        phone=row.phone,
        language=row.language,
        addresses=tuple(dict(address) for address in row.addresses),
        newsletter=row.newsletter,
        payment_methods=tuple(payment_methods(session, customer_id)),
    )


def payment_methods(session: Session, customer_id: str) -> list[PaymentMethodView]:
    """What the customer has on file, oldest first."""
    rows = session.scalars(
        select(PaymentMethod)
        .where(PaymentMethod.customer_id == customer_id)
        .order_by(PaymentMethod.added_at, PaymentMethod.id)
    )
    return [method_view(row) for row in rows]


def variants_of(session: Session, product_id: str) -> list[VariantView]:
    """All active variants of a product, in stock or not."""
    product = session.get(Product, product_id)
    if product is None:
        return []
    rows = session.scalars(
        select(Variant).where(Variant.product_id == product_id, Variant.active).order_by(Variant.sku)
    )
    return [variant_view(product, row) for row in rows]


def line(order: OrderView, wanted: str) -> LineView:
    """A line by its id, position ("2"), sku, or the words of its name.

    Raises:
        LineNotFound: nothing fits, or a name fits several lines.
    """
    exact = [each for each in order.lines if wanted in (each.id, str(each.position), each.sku)]
    if exact:
        return exact[0]
    words = wanted.casefold().split()
    named = [each for each in order.lines if _says(each, words)]
    if len(named) != 1 or not words:
        raise LineNotFound(wanted)
    return named[0]


def numbers_like(text: str) -> list[str]:
    """How a typed order number may be spelt in the database."""
    bare = text.strip().lstrip("#").upper()
    return [text.strip(), bare, f"#{bare}", f"K-{bare.removeprefix('K').removeprefix('-').strip()}"]


def views(session: Session, rows: Sequence[Order]) -> list[OrderView]:
    """Orders as views; what they share (names, methods, returns, policies) is read once."""
    numbers = policies.load(session)
    ids = [row.id for row in rows]
    returns: dict[str, list[ReturnRequest]] = {id_: [] for id_ in ids}
    for each in session.scalars(
        select(ReturnRequest).where(ReturnRequest.order_id.in_(ids)).order_by(ReturnRequest.requested_at)
    ):
        returns[each.order_id].append(each)
    names = _names_zh(session, {line.product_id for row in rows for line in row.lines})
    methods = _methods(session, rows, [each for some in returns.values() for each in some])
    return [_view(row, returns[row.id], names, methods, numbers) for row in rows]


def standing(returns: Iterable[ReturnRequest]) -> list[ReturnRequest]:
    """The returns and exchanges that are not `VOID`."""
    return [each for each in returns if each.status not in VOID]


def returned_quantities(returns: Iterable[ReturnRequest]) -> dict[str, int]:
    """Line id -> quantity that has a return or exchange which is not `VOID`."""
    counts: dict[str, int] = {}
    for each in standing(returns):
        for part in each.lines:
            counts[part["line_id"]] = counts.get(part["line_id"], 0) + int(part["quantity"])
    return counts


def numbers_of(returns: Iterable[ReturnRequest], line_id: str) -> list[str]:
    """The numbers of the returns and exchanges, `VOID` ones apart, that this line is part of."""
    return [each.number for each in standing(returns) if any(part["line_id"] == line_id for part in each.lines)]


def has_left(order: Order) -> bool:
    """True when any parcel of the order is on its way or further."""
    return order.status in ("shipped", "delivered") or any(each.status in LEFT for each in order.shipments)


def line_delivered_at(order: Order, line: OrderLine) -> datetime | None:
    """When this line arrived: by its own parcel, or with the whole order."""
    parcels = [each for each in order.shipments if line.id in each.line_ids]
    if parcels:
        arrived = [each.delivered_at for each in parcels if each.status == "delivered"]
        if len(arrived) == len(parcels):
            return max((each for each in arrived if each is not None), default=order.delivered_at)
        return order.delivered_at if order.status == "delivered" else None
    return order.delivered_at if order.status == "delivered" else None


def method_view(row: PaymentMethod) -> PaymentMethodView:
    return PaymentMethodView(row.id, row.kind, row.brand, row.last_four, row.balance_minor)


def variant_view(product: Product, row: Variant) -> VariantView:
    return VariantView(
        sku=row.sku,
        product_id=product.id,
        name=product.name,
        name_zh=product.name_zh,
        options=dict(row.options),
        price_minor=row.price_minor,
        currency=row.currency,
        stock=row.stock,
    )


def _of(customer_id: str, number: str) -> Select[Order]:
    return select(Order).where(Order.customer_id == customer_id, Order.number.in_(numbers_like(number)))


def _with_parts(query: Select[Order]) -> Select[Order]:
    return query.options(selectinload(Order.lines), selectinload(Order.shipments), selectinload(Order.payments))


def _says(line: LineView, words: Sequence[str]) -> bool:
    text = " ".join([line.name, line.name_zh or "", *map(str, line.options.values())]).casefold()
    return all(word in text for word in words)


def _names_zh(session: Session, product_ids: set[str]) -> dict[str, str | None]:
    rows = session.execute(select(Product.id, Product.name_zh).where(Product.id.in_(product_ids)))
    return {row[0]: row[1] for row in rows}


def _methods(session: Session, rows: Sequence[Order], returns: Sequence[ReturnRequest]) -> dict[str, PaymentMethodView]:
    ids = {payment.payment_method_id for row in rows for payment in row.payments}
    ids |= {each.payment_method_id for each in returns}
    found = session.scalars(select(PaymentMethod).where(PaymentMethod.id.in_([id_ for id_ in ids if id_])))
    return {row.id: method_view(row) for row in found}


def _view(
    row: Order,
    returns: Sequence[ReturnRequest],
    names: Mapping[str, str | None],
    methods: Mapping[str, PaymentMethodView],
    numbers: Policies,
) -> OrderView:
    counts = returned_quantities(returns)
    lines = tuple(_line_view(row, each, names, counts) for each in row.lines)
    positions = {each.id: each.position for each in lines}
    refunds = [each.amount_minor for each in row.payments if each.kind == "refund" and each.status in COUNTED]
    return OrderView(
        number=row.number,
        status=row.status,
        placed_at=row.placed_at,
        lines=lines,
        shipments=tuple(_shipment_view(each, positions) for each in row.shipments),
        payments=tuple(_payment_view(each, methods) for each in sorted(row.payments, key=lambda each: each.at)),
        returns=tuple(_return_view(each, lines, methods) for each in returns),
        subtotal_minor=row.subtotal_minor,
        shipping_minor=row.shipping_minor,
        total_minor=row.total_minor,
        refunded_minor=sum(refunds),
        currency=row.currency,
        shipping_method=row.shipping_method,
        ship_to=dict(row.ship_to),
        eta=_eta(row, numbers),
        delivered_at=row.delivered_at,
        cancelled_at=row.cancelled_at,
        can=_can(row, lines, returns, numbers),
    )


def _line_view(row: Order, line: OrderLine, names: Mapping[str, str | None], counts: Mapping[str, int]) -> LineView:
    return LineView(
        id=line.id,
        position=line.position,
        product_id=line.product_id,
        sku=line.sku,
        name=line.name,
        name_zh=names.get(line.product_id),
        options=dict(line.options),
        quantity=line.quantity,
        price_minor=line.price_minor,
        returned=counts.get(line.id, 0),
        delivered_at=line_delivered_at(row, line),
    )


def _shipment_view(row: Shipment, positions: Mapping[str, int]) -> ShipmentView:
    inside = tuple(sorted(positions[id_] for id_ in row.line_ids if id_ in positions))
    return ShipmentView(row.carrier, row.tracking, row.status, inside, row.shipped_at, row.eta, row.delivered_at)


def _payment_view(row: Payment, methods: Mapping[str, PaymentMethodView]) -> PaymentView:
    return PaymentView(row.kind, row.amount_minor, row.status, row.at, methods.get(row.payment_method_id or ""))


def _return_view(row: ReturnRequest, lines: Sequence[LineView], methods: Mapping[str, PaymentMethodView]) -> ReturnView:
    by_id = {each.id: each for each in lines}
    parts: list[dict[str, Any]] = []
    for part in row.lines:
        held = by_id.get(part["line_id"])
        parts.append({**part, "name": held.name if held else "", "name_zh": held.name_zh if held else None})
    return ReturnView(
        number=row.number,
        kind=row.kind,
        status=row.status,
        lines=tuple(parts),
        reason=row.reason,
        refund_minor=row.refund_minor,
        requested_at=row.requested_at,
        refunded_at=row.refunded_at,
        method=methods.get(row.payment_method_id or ""),
    )


def _eta(row: Order, numbers: Policies) -> datetime | None:
    """The latest parcel's; before anything left, the policy's latest day. None when nothing is to come."""
    if row.status in ("delivered", "cancelled"):
        return None
    etas = [each.eta for each in row.shipments if each.eta is not None and each.status != "delivered"]
    if etas:
        return max(etas)
    span = numbers.shipping_days(str(row.ship_to.get("country", "")), row.shipping_method)
    if span is None:
        return None
    return working_days_after(row.placed_at, numbers.integer("dispatch_days") + span[1])


def _can(row: Order, lines: Sequence[LineView], returns: Sequence[ReturnRequest], numbers: Policies) -> tuple[str, ...]:
    """What the state allows; windows, stock and risk are looked at when it is asked for."""
    left = has_left(row)
    final = row.items_changed_at is not None and numbers.flag("items_change_is_final")
    changes = ("cancel", "change_address", "change_items", "change_payment", "change_shipping")
    keys = {"cancel": "cancel_statuses"}
    allowed = [
        change
        for change in changes
        if not left and not final and row.status in numbers.texts(keys.get(change, f"{change[7:]}_change_statuses"))
    ]
    if row.items_changed_at is not None and numbers.integer("item_changes_per_order") <= 1:
        allowed = [change for change in allowed if change != "change_items"]
    if any(each.delivered_at is not None and each.returned < each.quantity for each in lines):
        allowed += ["return", "exchange"]
    if any(each.status in AWAITED for each in returns):
        allowed.append("cancel_return")
    if row.status != "cancelled":
        allowed += ["track", "invoice"]
    return (*allowed, "reorder")
