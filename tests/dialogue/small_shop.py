"""A shop small enough to know by heart, for tests of the dialogue.

anna@mail.example owns K-100001 (pending), K-100002 (on its way), K-100003 (delivered ten days ago), K-100004
(cancelled) and K-100005 (delivered last year); ben@mail.example owns K-200001 (pending) and K-200002 (delivered).
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from bot.database import policies
from bot.database.conversation import Conversation
from bot.database.shop import (
    Customer,
    HelpDocument,
    Order,
    OrderLine,
    Payment,
    PaymentMethod,
    Product,
    Promotion,
    Shipment,
    Variant,
)

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
BERLIN: dict[str, Any] = {
    "name": "Anna Berg",
    "line1": "Lindenweg 3",
    "city": "Berlin",
    "postcode": "10115",
    "country": "DE",
}
PRODUCTS = (
    ("jacket", "Fjell rain jacket", "山岚雨衣", "jackets", {"waterproof": True, "weight_g": 420}),
    ("tent", "Nordlys tent", "极光帐篷", "tents", {"waterproof": True, "weight_g": 2400, "persons": 2}),
    ("stove", "Ember stove", "余烬炉", "cooking", {"weight_g": 90}),
)
VARIANTS: tuple[tuple[str, str, dict[str, str], int, int], ...] = (
    ("jacket-m-red", "jacket", {"size": "M", "color": "red"}, 12900, 4),
    ("jacket-l-red", "jacket", {"size": "L", "color": "red"}, 12900, 3),
    ("jacket-l-blue", "jacket", {"size": "L", "color": "blue"}, 13900, 2),
    ("jacket-s-red", "jacket", {"size": "S", "color": "red"}, 12900, 0),
    ("tent-green", "tent", {"color": "green"}, 24900, 5),
    ("stove", "stove", {}, 3900, 9),
)
HELP = (
    ("returns", "en", "Returns and refunds", "You can send unused items back within 30 days of delivery."),
    ("returns", "zh", "退货与退款", "未使用的商品可在送达后 30 天内退回。"),
    ("delivery", "en", "Delivery", "Standard delivery in Germany takes 2 to 3 working days."),
    ("delivery", "zh", "配送", "德国境内标准配送需要 2 到 3 个工作日。"),
    ("size_backpacks", "en", "Size guide: backpacks", "Measure your back from the neck to the hips."),
    ("size_jackets", "en", "Size guide: jackets", "Measure your chest over a thin shirt."),
)


def fill(session: Session, now: datetime = NOW) -> None:
    policies.add_missing(session)
    for id, name in (("anna", "Anna Berg"), ("ben", "Ben Ray")):
        place = {**BERLIN, "name": name}
        session.add(
            Customer(
                id=id, name=name, email=f"{id}@mail.example", addresses=[place], created_at=now - timedelta(days=400)
            )
        )
    session.flush()
    for id, owner, kind, brand, digits, balance in (
        ("anna-card", "anna", "card", "Visa", "4242", None),
        ("anna-paypal", "anna", "paypal", None, None, None),
        ("anna-gift", "anna", "gift_card", None, "7788", 5000),
        ("ben-card", "ben", "card", "Visa", "1111", None),
    ):
        session.add(
            PaymentMethod(id=id, customer_id=owner, kind=kind, brand=brand, last_four=digits, balance_minor=balance)
        )
    for id, name, name_zh, category, attributes in PRODUCTS:
        session.add(
            Product(
                id=id, name=name, name_zh=name_zh, description=f"{name}. Made for bad weather.",
                description_zh=f"{name_zh}。适合恶劣天气。", category=category, attributes=attributes,
            )
        )  # fmt: skip
    session.flush()
    for sku, product, options, price, stock in VARIANTS:
        session.add(Variant(sku=sku, product_id=product, options=options, price_minor=price, stock=stock))
    session.flush()
    jacket_and_stoves = (("jacket-m-red", 1), ("stove", 2))
    _order(session, now, "K-100001", "anna", "pending", 1, jacket_and_stoves)
    _order(session, now, "K-100002", "anna", "shipped", 3, (("tent-green", 1),))
    _order(session, now, "K-100003", "anna", "delivered", 13, jacket_and_stoves)
    _order(session, now, "K-100004", "anna", "cancelled", 30, (("stove", 1),))
    _order(session, now, "K-100005", "anna", "delivered", 300, (("tent-green", 1),))
    _order(session, now, "K-200001", "ben", "pending", 1, jacket_and_stoves)
    _order(session, now, "K-200002", "ben", "delivered", 12, jacket_and_stoves)
    for topic, language, title, body in HELP:
        url = f"https://shop.example/help/{topic}"
        session.add(HelpDocument(topic=topic, kind="policy", language=language, title=title, body=body, url=url))
    session.add(
        Promotion(
            title="10 % off tents", title_zh="帐篷九折", category="tents", percent=10, code="TENT10",
            starts_at=now - timedelta(days=1), ends_at=now + timedelta(days=5),
        )
    )  # fmt: skip


def _order(
    session: Session, now: datetime, number: str, owner: str, status: str, days: int, parts: tuple[tuple[str, int], ...]
) -> None:
    placed = now - timedelta(days=days)
    prices = {sku: (product, options, price) for sku, product, options, price, _ in VARIANTS}
    names = {id: name for id, name, *_ in PRODUCTS}
    total = sum(prices[sku][2] * count for sku, count in parts)
    delivered = placed + timedelta(days=3) if status == "delivered" else None
    order = Order(
        id=number, number=number, customer_id=owner, status=status, placed_at=placed, subtotal_minor=total,
        total_minor=total, ship_to={**BERLIN}, delivered_at=delivered,
        cancelled_at=placed if status == "cancelled" else None,
    )  # fmt: skip
    session.add(order)
    session.flush()
    for position, (sku, count) in enumerate(parts, 1):
        product, options, price = prices[sku]
        session.add(
            OrderLine(
                id=f"{number}-{position}", order_id=number, position=position, product_id=product, sku=sku,
                name=names[product], options=options, quantity=count, price_minor=price,
            )
        )  # fmt: skip
    card = f"{owner}-card"
    session.add(
        Payment(
            order_id=number, kind="payment", amount_minor=total, payment_method_id=card, status="captured", at=placed
        )
    )
    if status == "cancelled":
        session.add(
            Payment(
                order_id=number, kind="refund", amount_minor=total, payment_method_id=card, status="done", at=placed
            )
        )
    if status in ("shipped", "delivered"):
        session.add(
            Shipment(
                order_id=number, carrier="DHL", tracking=f"T{number[2:]}",
                status="delivered" if delivered else "in_transit",
                line_ids=[f"{number}-{at}" for at in range(1, len(parts) + 1)],
                shipped_at=placed + timedelta(days=1), eta=placed + timedelta(days=5), delivered_at=delivered,
            )
        )  # fmt: skip
    session.flush()


def open_conversation(
    session: Session, id: str, *, customer: str | None = None, now: datetime = NOW, language: str = "en"
) -> None:
    session.add(
        Conversation(
            id=id,
            channel="web",
            sender_id=id,
            customer_id=customer,
            proven_at=now if customer else None,
            language=language,
        )
    )
