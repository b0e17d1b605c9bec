"""Customers of the smoke run: made with fresh orders in known states, erased afterwards with all they did.

They are told by the domain of their address, so that what a killed run left is erased by the next one. They work in any
shop that has a few products in stock; nobody else's rows are touched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from bot.database.base import Base, new_id
from bot.database.conversation import Conversation
from bot.database.shop import (
    Customer,
    Mail,
    Order,
    OrderEvent,
    OrderLine,
    Payment,
    PaymentMethod,
    Product,
    Shipment,
    Variant,
)

DOMAIN = "@smoke.example"
AGES = {"pending": 0.05, "processing": 0.6, "shipped": 2.0, "delivered": 6.0, "cancelled": 8.0}  # days since placed
FEWEST_LEFT = 3  # a variant with less stock is left to the customers
ADDRESSES = {
    "en": {"line1": "Lindengasse 12", "line2": "", "city": "Vienna", "region": "", "postcode": "1070", "country": "AT"},
    "zh": {
        "line1": "漕溪北路88号",
        "line2": "",
        "city": "上海",
        "region": "上海",
        "postcode": "200030",
        "country": "CN",
    },
}
NAMES = {"en": "Robin Meier", "zh": "李明"}


class NoGoods(Exception):
    """The shop has too little in stock to try anything."""


@dataclass(frozen=True)
class Goods:
    """A product and the variants of it that are in stock; `other` differs from `first` in size."""

    product_id: str
    name: str
    name_zh: str
    first: Variant
    other: Variant


@dataclass(frozen=True)
class Trial:
    """A customer of the smoke run. `orders` are in the order that was asked for."""

    customer_id: str
    email: str
    orders: tuple[str, ...]
    goods: Goods
    stock: Mapping[str, int] = field(default_factory=dict)  # of every variant used, before


def goods_in_stock(session: Session) -> Goods:
    """A product with two sizes in stock.

    Raises:
        NoGoods: there is none.
    """
    rows = session.execute(
        select(Variant, Product)
        .join(Product)
        .where(Product.active, Variant.active, Variant.stock >= FEWEST_LEFT)
        .order_by(Product.category != "jackets", Product.id, Variant.sku)
    )
    firsts: dict[str, Variant] = {}
    for variant, product in rows:
        first = firsts.setdefault(product.id, variant)
        size = variant.options.get("size")
        same_price = variant.price_minor == first.price_minor
        if size and size != first.options.get("size") and same_price and not product.attributes.get("final_sale"):
            return Goods(product.id, product.name, product.name_zh or product.name, first, variant)
    raise NoGoods(f"no product has two sizes with {FEWEST_LEFT} in stock; `kefu seed` or `kefu import products` first")


def enrol(
    session: Session, language: str, states: Sequence[str], *, mark: str, first_number: int, now: datetime
) -> Trial:
    """A new customer with one order in each of `states`.

    Args:
        mark: makes the address unique.
        first_number: the orders are K-`first_number` and on.
    """
    goods = goods_in_stock(session)
    address = _address(language, first_number)
    customer = Customer(
        id=f"smoke-{mark}",
        name=NAMES[language],
        email=f"{mark}{DOMAIN}",
        phone="+43 660 5550100",
        language=language,
        addresses=[address],
        created_at=now - timedelta(days=200),
    )
    method = PaymentMethod(customer_id=customer.id, kind="card", brand="Visa", last_four="4821", fingerprint=new_id())
    paypal = PaymentMethod(customer_id=customer.id, kind="paypal", added_at=now - timedelta(days=140))
    method.added_at = now - timedelta(days=150)
    session.add(customer)
    session.flush()
    session.add_all([method, paypal])
    session.flush()
    stock = {variant.sku: variant.stock for variant in (goods.first, goods.other)}
    numbers = tuple(
        _place(session, customer, method, goods, state, f"K-{first_number + place}", now)
        for place, state in enumerate(states)
    )
    return Trial(customer.id, customer.email, numbers, goods, stock)


def _address(language: str, number: int) -> dict[str, Any]:
    """A home of one's own: many customers at one place look like fraud to the risk model, and rightly."""
    parts = ADDRESSES[language]
    postcode = f"{1010 + number % 8000}" if language == "en" else f"{200000 + number % 90000}"
    return {
        **parts,
        "line1": parts["line1"].format(house=number % 997 + 1),
        "line2": "",
        "postcode": postcode,
        "name": NAMES[language],
    }


def _place(
    session: Session, customer: Customer, method: PaymentMethod, goods: Goods, state: str, number: str, now: datetime
) -> str:
    at = now - timedelta(days=AGES[state])
    variant = goods.first
    order = Order(
        number=number,
        customer_id=customer.id,
        status=state,
        placed_at=at,
        subtotal_minor=variant.price_minor,
        total_minor=variant.price_minor,
        currency=variant.currency,
        ship_to=dict(customer.addresses[0]),
        bill_to=dict(customer.addresses[0]),
        placed_with={
            "device_id": f"smoke{customer.id[-12:]}",
            "ip": f"198.51.{int(number[-5:]) // 250 % 250}.{int(number[-5:]) % 250 + 1}",
            "user_agent": "Firefox/Linux",
            "session_seconds": 420,
            "pages_viewed": 18,
        },
        delivered_at=now - timedelta(days=2) if state == "delivered" else None,
        cancelled_at=at + timedelta(hours=1) if state == "cancelled" else None,
    )
    session.add(order)
    session.flush()
    line = OrderLine(
        order_id=order.id,
        position=1,
        product_id=goods.product_id,
        sku=variant.sku,
        name=goods.name,
        options=variant.options,
        price_minor=variant.price_minor,
    )
    session.add(line)
    session.add(OrderEvent(order_id=order.id, kind="placed", actor="system", request_id=new_id(), at=at))
    session.add(_payment(order, method, "payment", "captured", at))
    if state == "cancelled":
        session.add(_payment(order, method, "refund", "done", at + timedelta(hours=2)))
    session.flush()
    if state in ("shipped", "delivered"):
        session.add(_parcel(order, line, state, now))
    variant.stock -= 1
    return number


def _payment(order: Order, method: PaymentMethod, kind: str, status: str, at: datetime) -> Payment:
    return Payment(
        order_id=order.id,
        kind=kind,
        amount_minor=order.total_minor,
        payment_method_id=method.id,
        status=status,
        at=at,
    )


def _parcel(order: Order, line: OrderLine, state: str, now: datetime) -> Shipment:
    arrived = state == "delivered"
    return Shipment(
        order_id=order.id,
        carrier="DHL",
        tracking=f"SMOKE{order.number[-5:]}",
        status="delivered" if arrived else "in_transit",
        line_ids=[line.id],
        shipped_at=order.placed_at + timedelta(hours=8),
        eta=now + timedelta(days=-2 if arrived else 2),
        delivered_at=order.delivered_at,
    )


def values(session: Session, table: str, where: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of a table that have these values, as plain mappings.

    Raises:
        KeyError: there is no such table or column.
    """
    columns = Base.metadata.tables[table].c
    query = select(Base.metadata.tables[table]).where(*(columns[name] == value for name, value in where.items()))
    return [dict(row) for row in session.execute(query).mappings()]


def restock(session: Session, stock: Mapping[str, int]) -> None:
    """Put the shelves back as they were."""
    for sku, count in stock.items():
        session.execute(update(Variant).where(Variant.sku == sku).values(stock=count))


def erase(session: Session, conversation_ids: Sequence[str]) -> None:
    """Remove all smoke customers, their orders and mails, and these conversations, with every row that names them."""
    customers = select(Customer.id).where(Customer.email.endswith(DOMAIN) | Customer.id.startswith("smoke-"))
    doomed = {
        "customer_id": customers,
        "order_id": select(Order.id).where(Order.customer_id.in_(customers)),
        "conversation_id": select(Conversation.id).where(
            Conversation.id.in_(conversation_ids) | Conversation.customer_id.in_(customers)
        ),
    }
    doomed["visitor_id"] = doomed["conversation_id"]
    session.execute(delete(Mail).where(Mail.to_address.endswith(DOMAIN)))
    for table in reversed(Base.metadata.sorted_tables):  # what points at a row goes before it
        named = [table.c[name].in_(ids) for name, ids in doomed.items() if name in table.c and table.name != "orders"]
        if table.name == "conversations":
            named = [table.c.id.in_(doomed["conversation_id"])]
        if table.name in ("customers", "orders"):
            named = [table.c.id.in_(doomed["customer_id" if table.name == "customers" else "order_id"])]
        if named:
            session.execute(delete(table).where(or_(*named)))
