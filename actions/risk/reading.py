"""The shop's rows as events: all of them for training, and those around one request for the live assessor.

The only file of this package that reads the database. Columns such as name, language or the fraud label of other
orders are not asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from actions.risk.events import AccountSeen, OrderSeen, PaymentFailed, ReturnSeen, Seen, address_key, postcode_of
from actions.risk.rules import Limits
from actions.risk.types import RiskRequest
from bot.database import policies
from bot.database.shop import (
    Customer,
    CustomerEvent,
    Order,
    OrderLine,
    Payment,
    PaymentMethod,
    ReturnRequest,
)

MOST = 2000  # newest linked orders looked at: a warehouse's address must not make one decision slow
CHUNK = 500


@dataclass(frozen=True)
class Labelled:
    """The whole shop: events, and the label of each order (None: honest), in the order of `seen.orders`."""

    seen: Seen
    kinds: tuple[str | None, ...]


def everything(session: Session) -> Labelled:
    """All events of the shop, orders by time."""
    rows = session.execute(_orders().add_columns(Order.fraud_kind).order_by(Order.placed_at, Order.id)).all()
    kinds = tuple(row.fraud_kind for row in rows)
    orders = _seen(session, rows, None)
    seen = Seen(tuple(orders), _accounts(session, None), _returns(session, None), _failures(session, None))
    return Labelled(seen, kinds)


def around(session: Session, request: RiskRequest) -> tuple[OrderSeen, Seen]:
    """The order as it would be after the request, and everything linked to it: by customer, device, network address,
    card and place.

    Raises:
        LookupError: the order is not there.
    """
    order = _as_asked(session, request, _order(session, request))
    ids = _linked(session, order)
    rows: list[Any] = []
    for part in _parts(ids):
        rows += session.execute(_orders().where(Order.id.in_(part or ()))).all()
    orders = _seen(session, rows, [row.id for row in rows])
    customers = [order.customer_id]
    seen = Seen(
        tuple(orders), _accounts(session, customers), _returns(session, customers), _failures(session, customers)
    )
    return order, seen


def _orders() -> Select[Any]:
    return select(
        Order.id,
        Order.customer_id,
        Order.placed_at,
        Order.total_minor,
        Order.shipping_method,
        Order.ship_to,
        Order.bill_to,
        Order.placed_with,
        Customer.created_at,
    ).join(Customer, Customer.id == Order.customer_id)


def _seen(session: Session, rows: Sequence[Any], ids: Sequence[str] | None) -> list[OrderSeen]:
    cards, lines = _cards(session, ids), _lines(session, ids)
    return [_one(row, cards, lines) for row in rows]


def _one(row: Any, cards: dict[str, Any], lines: dict[str, tuple[int, int]]) -> OrderSeen:
    card, context = cards.get(row.id), row.placed_with or {}
    items, dearest = lines.get(row.id, (0, 0))
    bill = row.bill_to or None
    return OrderSeen(
        id=row.id,
        customer_id=row.customer_id,
        at=row.placed_at,
        amount_minor=row.total_minor,
        account_created_at=row.created_at,
        device=context.get("device_id"),
        ip=context.get("ip"),
        address=address_key(row.ship_to),
        bill_address=address_key(bill),
        country=(row.ship_to or {}).get("country"),
        bill_country=(bill or {}).get("country"),
        card=(card.fingerprint or card.id) if card else None,
        card_kind=card.kind if card else None,
        card_added_at=card.added_at if card else None,
        express=row.shipping_method == "express",
        session_seconds=context.get("session_seconds"),
        pages=context.get("pages_viewed"),
        items=items,
        dearest_minor=dearest,
    )


def _cards(session: Session, ids: Sequence[str] | None) -> dict[str, Any]:
    """Order id -> the method that paid first (later ones are changes, and later than the order)."""
    query = (
        select(Payment.order_id, Payment.at, PaymentMethod.id, PaymentMethod.kind, PaymentMethod.fingerprint)
        .add_columns(PaymentMethod.added_at)
        .join(PaymentMethod, PaymentMethod.id == Payment.payment_method_id)
        .where(Payment.kind == "payment", Payment.status != "failed")
    )
    found: dict[str, Any] = {}
    for part in _parts(ids):
        narrowed = query if part is None else query.where(Payment.order_id.in_(part))
        for row in session.execute(narrowed.order_by(Payment.at, Payment.id)):
            found.setdefault(row.order_id, row)
    return found


def _lines(session: Session, ids: Sequence[str] | None) -> dict[str, tuple[int, int]]:
    query = select(OrderLine.order_id, func.sum(OrderLine.quantity), func.max(OrderLine.price_minor)).group_by(
        OrderLine.order_id
    )
    found: dict[str, tuple[int, int]] = {}
    for part in _parts(ids):
        narrowed = query if part is None else query.where(OrderLine.order_id.in_(part))
        for order_id, items, dearest in session.execute(narrowed):
            found[order_id] = (int(items), int(dearest))
    return found


def _parts(ids: Sequence[str] | None) -> list[Sequence[str] | None]:
    """Ids in parts a query can hold; one None for "all"."""
    return [None] if ids is None else [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]


def _accounts(session: Session, customers: Sequence[str] | None) -> tuple[AccountSeen, ...]:
    query = select(CustomerEvent.customer_id, CustomerEvent.at, CustomerEvent.kind, CustomerEvent.detail)
    if customers is not None:
        query = query.where(CustomerEvent.customer_id.in_(customers))
    return tuple(
        AccountSeen(row.customer_id, row.at, row.kind, (row.detail or {}).get("device_id"))
        for row in session.execute(query)
    )


def _returns(session: Session, customers: Sequence[str] | None) -> tuple[ReturnSeen, ...]:
    query = select(
        Order.customer_id, ReturnRequest.requested_at, ReturnRequest.refund_minor, ReturnRequest.reason
    ).join(Order, Order.id == ReturnRequest.order_id)
    query = query.where(ReturnRequest.status != "withdrawn")
    if customers is not None:
        query = query.where(Order.customer_id.in_(customers))
    return tuple(
        ReturnSeen(row.customer_id, row.requested_at, max(row.refund_minor, 0), row.reason)
        for row in session.execute(query)
    )


def _failures(session: Session, customers: Sequence[str] | None) -> tuple[PaymentFailed, ...]:
    query = (
        select(Order.customer_id, Payment.at, PaymentMethod.fingerprint, PaymentMethod.id)
        .join(Order, Order.id == Payment.order_id)
        .outerjoin(PaymentMethod, PaymentMethod.id == Payment.payment_method_id)
        .where(Payment.kind == "payment", Payment.status == "failed")
    )
    if customers is not None:
        query = query.where(Order.customer_id.in_(customers))
    return tuple(PaymentFailed(row.customer_id, row.at, row.fingerprint or row.id) for row in session.execute(query))


def _order(session: Session, request: RiskRequest) -> OrderSeen:
    row = session.execute(_orders().where(Order.id == request.order_id)).one_or_none()
    if row is None:
        raise LookupError("the order to be assessed is not there")
    return _seen(session, [row], [row.id])[0]


def _as_asked(session: Session, request: RiskRequest, order: OrderSeen) -> OrderSeen:
    """The order as if it were placed now, the way it is asked for: that is what the decision is about."""
    changed = replace(order, at=request.at)
    if request.action == "order":  # a new one, made from an old one
        changed = replace(changed, id="", amount_minor=request.amount_minor)
    if request.new_address is not None:
        address = request.new_address
        changed = replace(changed, address=address_key(address), country=address.get("country") or order.country)
    method = session.get(PaymentMethod, request.payment_method_id) if request.payment_method_id else None
    if method is not None and request.action in ("order", "change_payment", "change_items", "exchange"):
        card = method.fingerprint or method.id
        changed = replace(changed, card=card, card_kind=method.kind, card_added_at=method.added_at)
    return changed


def _linked(session: Session, order: OrderSeen) -> list[str]:
    """Ids of the orders that share something with this one; the newest of them when there are very many."""
    shares = [Order.customer_id == order.customer_id]
    if order.device is not None:
        shares.append(Order.device_id == order.device)
    if order.ip is not None:
        shares.append(Order.ip == order.ip)
    ids: set[str] = set()
    for share in shares:
        query = select(Order.id).where(share, Order.placed_at <= order.at)
        ids |= set(session.scalars(query.order_by(Order.placed_at.desc()).limit(MOST)))
    ids |= _sent_there(session, order)
    if order.card is not None:
        by_card = (
            select(Payment.order_id)
            .join(PaymentMethod, PaymentMethod.id == Payment.payment_method_id)
            .where(or_(PaymentMethod.fingerprint == order.card, PaymentMethod.id == order.card), Payment.at <= order.at)
        )
        ids |= set(session.scalars(by_card.order_by(Payment.at.desc()).limit(MOST)))
    return sorted(ids)


def _sent_there(session: Session, order: OrderSeen) -> set[str]:
    """Orders to the very place, found among those to its postcode."""
    postcode = postcode_of(order.address)
    if not postcode:
        return set()
    query = select(Order.id, Order.ship_to).where(Order.ship_to_postcode == postcode, Order.placed_at <= order.at)
    rows = session.execute(query.order_by(Order.placed_at.desc()).limit(MOST))
    return {row.id for row in rows if address_key(row.ship_to) == order.address}


def limits(session: Session) -> Limits:
    """The shop's numbers the rules use."""
    numbers = policies.load(session)
    return Limits(numbers.integer("high_value_minor"), numbers.integer("new_account_days"))
