"""A tiny shop whose every number can be checked in the head."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from actions.order_desk.change import By
from actions.risk.types import Reason, RiskAssessment, RiskRequest, both
from bot.database import policies
from bot.database.engine import Sessions
from bot.database.shop import (
    Customer,
    Order,
    OrderLine,
    Payment,
    PaymentMethod,
    Product,
    Shipment,
    Variant,
)

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)  # a Monday
BERLIN = {"name": "Ada", "line1": "Lindenweg 3", "line2": None, "city": "Berlin", "region": None,
          "postcode": "10115", "country": "DE"}  # fmt: skip
HAMBURG = {**BERLIN, "line1": "Hafenstr. 9", "city": "Hamburg", "postcode": "20095"}


@dataclass
class Shop:
    """The shop under test: ada owns K-1001 (pending), K-1002 (shipped), K-1003 (delivered), bob owns K-2001."""

    sessions: Sessions
    now: datetime = NOW
    asked: list[RiskRequest] = field(default_factory=list)
    band: str = "low"

    def assess(self, session: Session, request: RiskRequest) -> RiskAssessment:
        self.asked.append(request)
        reasons = (Reason("planted", both("a planted reason", "预设的原因"), "rule"),)
        return RiskAssessment(0.1, self.band, reasons, {"logistic": 0.1}, "test-1", {"amount": 1.0})  # type: ignore[arg-type]

    def by(self, request_id: str = "m1", **more: Any) -> By:
        return {
            "request_id": request_id,
            "actor": "customer:ada",
            "now": self.now,
            "assess": self.assess,
            **more,
        }  # type: ignore[typeddict-item]

    def do(self, change: Callable[..., Any], *args: Any, customer: str = "ada", **more: Any) -> Any:
        """Run a change in a transaction of its own; `request_id` and the rest of `By` may be given."""
        by_keys = ("request_id", "actor", "now", "assess", "stepped_up", "text")
        by = self.by(**{key: more.pop(key) for key in by_keys if key in more})
        with self.sessions.begin() as session:
            return change(session, customer, *args, **more, **by)

    def look(self, read: Callable[..., Any], *args: Any, customer: str = "ada", **more: Any) -> Any:
        with self.sessions() as session:
            return read(session, customer, *args, **more)

    def policy(self, key: str, value: Any) -> None:
        with self.sessions.begin() as session:
            session.get_one(policies.Policy, key).value = {"value": value}

    def order(self, number: str) -> Order:
        with self.sessions() as session:
            found = session.query(Order).where(Order.number == number).one()
            _ = found.lines, found.payments, found.shipments
            return found

    def stock(self, sku: str) -> int:
        with self.sessions() as session:
            return session.get_one(Variant, sku).stock

    def balance(self, method_id: str) -> int:
        with self.sessions() as session:
            return session.get_one(PaymentMethod, method_id).balance_minor or 0


@pytest.fixture
def shop(sessions: Sessions) -> Shop:
    with sessions.begin() as session:
        fill(session)
    return Shop(sessions)


def fill(session: Session) -> None:
    policies.add_missing(session)
    for id_, name in (("ada", "Ada Lund"), ("bob", "Bob Ray")):
        session.add(
            Customer(
                id=id_, name=name, email=f"{id_}@mail.example", addresses=[BERLIN], created_at=NOW - timedelta(days=400)
            )
        )
    session.flush()
    _methods(session)
    _products(session)
    add_order(session, "K-1001", "pending", days=1)
    add_order(session, "K-1002", "shipped", days=3)
    add_order(session, "K-1003", "delivered", days=10)
    add_order(session, "K-2001", "pending", days=1, customer="bob", method="bob-card")


def _methods(session: Session) -> None:
    rows = [
        ("ada-card", "ada", "card", None, "fp1"),
        ("ada-gift", "ada", "gift_card", 5000, None),
        ("ada-paypal", "ada", "paypal", None, None),
        ("bob-card", "bob", "card", None, "fp2"),
        ("bob-gift", "bob", "gift_card", 90000, None),
    ]
    for id_, owner, kind, balance, fingerprint in rows:
        brand, digits = ("visa", "4242") if kind == "card" else (None, None)
        session.add(
            PaymentMethod(
                id=id_, customer_id=owner, kind=kind, balance_minor=balance, fingerprint=fingerprint,
                brand=brand, last_four=digits, added_at=NOW - timedelta(days=300),
            )
        )  # fmt: skip
    session.flush()


def _products(session: Session) -> None:
    for id_, name, name_zh, category in (
        ("boot", "Trail boot", "登山鞋", "shoes"),
        ("mug", "Tin mug", "铁杯", "kitchen"),
    ):
        session.add(Product(id=id_, name=name, name_zh=name_zh, description=name, category=category))
    session.flush()
    for sku, product, options, price, stock in (
        ("boot-41", "boot", {"size": "41"}, 9000, 5),
        ("boot-42", "boot", {"size": "42"}, 9000, 5),
        ("boot-43", "boot", {"size": "43", "color": "red"}, 9900, 1),
        ("boot-44", "boot", {"size": "44"}, 8500, 5),
        ("boot-45", "boot", {"size": "45"}, 9000, 0),
        ("mug-s", "mug", {"size": "S"}, 1000, 9),
        ("mug-l", "mug", {"size": "L"}, 1500, 9),
    ):
        session.add(Variant(sku=sku, product_id=product, options=options, price_minor=price, stock=stock))
    session.flush()


def add_order(
    session: Session, number: str, status: str, *, days: int, customer: str = "ada", method: str = "ada-card"
) -> Order:
    """One pair of boots (9000) and two mugs (1000 each): 11000, shipping free, paid with `method`."""
    placed = NOW - timedelta(days=days)
    order = Order(
        id=number, number=number, customer_id=customer, status=status, placed_at=placed, subtotal_minor=11000,
        shipping_minor=0, total_minor=11000, ship_to=dict(BERLIN), bill_to=dict(BERLIN),
        delivered_at=placed + timedelta(days=3) if status == "delivered" else None,
    )  # fmt: skip
    session.add(order)
    session.flush()
    for position, (product, sku, name, options, quantity, price) in enumerate(
        [
            ("boot", "boot-42", "Trail boot", {"size": "42"}, 1, 9000),
            ("mug", "mug-s", "Tin mug", {"size": "S"}, 2, 1000),
        ],
        1,
    ):
        session.add(
            OrderLine(
                id=f"{number}-{position}", order_id=number, position=position, product_id=product, sku=sku, name=name,
                options=options, quantity=quantity, price_minor=price,
            )
        )  # fmt: skip
    session.add(
        Payment(
            order_id=number, kind="payment", amount_minor=11000, payment_method_id=method, status="captured", at=placed
        )
    )
    if status in ("shipped", "delivered"):
        session.add(
            Shipment(
                order_id=number, carrier="DHL", tracking=f"T{number}", line_ids=[f"{number}-1", f"{number}-2"],
                status="delivered" if status == "delivered" else "in_transit", shipped_at=placed + timedelta(days=1),
                eta=placed + timedelta(days=4), delivered_at=order.delivered_at,
            )
        )  # fmt: skip
    session.flush()
    return order
