"""The shop of the retail tasks (tau2-bench), brought into Kefu's database: catalogue, customers, orders, policy.

The data set names no dates. Its customers' orders are laid five days apart in the order in which they are listed, the
newest four days ago; accounts are two years old. Everything else is the data set's own.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from bot.database import policies
from bot.database.conversation import Conversation
from bot.database.shop import (
    Customer,
    CustomerEvent,
    Order,
    OrderEvent,
    OrderLine,
    Payment,
    PaymentMethod,
    Policy,
    Product,
    ReturnRequest,
    RiskDecision,
    Shipment,
    Variant,
)

FOLDER = "tau_retail"
STOCK = 1000  # "available": more than all tasks together take
STATUSES = {"processed": "processing"}  # the others are called alike
KINDS = {"credit_card": "card"}
PARCELS = {"processed": "packed", "delivered": "delivered", "cancelled": "returned"}
GAP, NEWEST, TRAVEL = timedelta(days=5), timedelta(days=4), timedelta(days=3)

# policy.md of the data set, rule by rule, as rows of the table `policies`.
POLICY: Mapping[str, Any] = {
    "cancel_statuses": ["pending"],
    "cancel_reasons": ["no_longer_needed", "ordered_by_mistake"],
    "address_change_statuses": ["pending"],
    "items_change_statuses": ["pending"],
    "payment_change_statuses": ["pending"],
    "shipping_change_statuses": [],  # "and nothing else"
    "item_changes_per_order": 1,
    "items_change_is_final": True,
    "exchange_same_product_only": True,
    "return_window_days": 36500,  # the policy knows no windows, fees, conditions or reasons for sending back
    "exchange_window_days": 36500,
    "return_condition": "any",
    "return_fee_minor": 0,
    "return_reasons": [],
    "returns_per_order": 1,
    "exchanges_per_order": 1,
    "returns_and_exchanges_per_order": 1,
    "refund_targets": ["original", "gift_card"],
    "difference_refund_targets": ["any"],
    "refund_days": {"card": 7, "paypal": 7, "gift_card": 0},
    "payment_kinds": ["card", "paypal", "gift_card"],
    "shipping_zones": {"home": ["US"]},
    "shipping_fees_minor": {"home": {"standard": 0}},
    "shipping_days": {"home": {"standard": [2, 5]}},
    "bulky_fee_minor": 0,
    "high_value_minor": 100_000_000,  # no amount of its own asks for a person
}


@dataclass(frozen=True)
class Shop:
    """The data set as it is read; `products`, `users` and `orders` by id."""

    products: Mapping[str, Any]
    users: Mapping[str, Any]
    orders: Mapping[str, Any]

    def orders_of(self, user_id: str) -> dict[str, Any]:
        return {number: self.orders[number] for number in self.users[user_id]["orders"]}

    def variant(self, item_id: str) -> dict[str, Any]:
        """The variant with its product's name and id.

        Raises:
            KeyError: no product has it.
        """
        for product in self.products.values():
            if item_id in product["variants"]:
                return {"name": product["name"], "product_id": product["product_id"], **product["variants"][item_id]}
        raise KeyError(item_id)


def read(folder: Path) -> Shop:
    """Read `db.json.gz` (or a plain `db.json`) of the data set."""
    packed = folder / "db.json.gz"
    raw = gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / "db.json").read_bytes()
    data = json.loads(raw)
    return Shop(data["products"], data["users"], data["orders"])


def minor(amount: float) -> int:
    return round(amount * 100)


def address_of(place: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    """An address of the data set as the shop keeps it."""
    return {
        "name": name,
        "line1": place["address1"],
        "line2": place["address2"] or None,
        "city": place["city"],
        "region": place["state"],
        "postcode": place["zip"],
        "country": "US" if place["country"] == "USA" else place["country"],
    }


def fill(session: Session, shop: Shop, now: datetime) -> None:
    """Write the whole shop into an empty, migrated database."""
    known = set(session.scalars(select(Policy.key)))
    missing = set(POLICY) - known
    if missing:
        raise policies.PolicyError(f"no such policies: {', '.join(sorted(missing))}")
    for key, value in POLICY.items():
        session.execute(update(Policy).where(Policy.key == key).values(value={"value": value}))
    products, variants = [], []
    for product in shop.products.values():
        products.append(
            {
                "id": product["product_id"],
                "name": product["name"],
                "description": product["name"],
                "category": product["name"].lower().replace(" ", "_"),
            }
        )
        variants += [
            {
                "sku": variant["item_id"],
                "product_id": product["product_id"],
                "options": variant["options"],
                "price_minor": minor(variant["price"]),
                "currency": "USD",
                "stock": STOCK if variant["available"] else 0,
            }
            for variant in product["variants"].values()
        ]
    session.execute(insert(Product), products)
    session.execute(insert(Variant), variants)
    for user_id in shop.users:
        _customer(session, shop, user_id, now)
        _orders(session, shop, user_id, now)


def restore(session: Session, shop: Shop, user_id: str, now: datetime) -> None:
    """One customer as if nothing had ever been asked for: orders, money, addresses, audit, decisions."""
    orders = select(Order.id).where(Order.customer_id == user_id)
    for table in (OrderEvent, ReturnRequest, Payment, Shipment, OrderLine):
        session.execute(delete(table).where(table.order_id.in_(orders)))
    session.execute(delete(Order).where(Order.customer_id == user_id))
    for table in (RiskDecision, CustomerEvent, PaymentMethod):
        session.execute(delete(table).where(table.customer_id == user_id))
    session.execute(update(Conversation).where(Conversation.customer_id == user_id).values(customer_id=None))
    session.execute(delete(Customer).where(Customer.id == user_id))
    _customer(session, shop, user_id, now)
    _orders(session, shop, user_id, now)
    session.execute(update(Variant).where(Variant.stock > 0).values(stock=STOCK))


def _customer(session: Session, shop: Shop, user_id: str, now: datetime) -> None:
    user = shop.users[user_id]
    name = " ".join(user["name"].values())
    row = {
        "id": user_id,
        "name": name,
        "email": user["email"].lower(),
        "addresses": [address_of(user["address"], name)],
        "created_at": now - timedelta(days=730),
    }
    session.execute(insert(Customer), [row])
    methods = [
        {
            "id": method["id"],
            "customer_id": user_id,
            "kind": KINDS.get(method["source"], method["source"]),
            "brand": method["brand"].title() if method.get("brand") else None,
            "last_four": method.get("last_four"),
            "balance_minor": minor(method["balance"]) if "balance" in method else None,
            "fingerprint": method["id"],
            "added_at": now - timedelta(days=720),
        }
        for method in user["payment_methods"].values()
    ]
    if methods:
        session.execute(insert(PaymentMethod), methods)


def _orders(session: Session, shop: Shop, user_id: str, now: datetime) -> None:
    user = shop.users[user_id]
    name = " ".join(user["name"].values())
    count = len(user["orders"])
    for place, number in enumerate(user["orders"]):
        placed_at = now - NEWEST - GAP * (count - 1 - place)
        _order(session, shop.orders[number], name, address_of(user["address"], name), placed_at)


def _order(session: Session, order: Mapping[str, Any], name: str, home: Mapping[str, Any], placed_at: datetime) -> None:
    id_, status = order["order_id"].lstrip("#"), order["status"]
    arrived_at = placed_at + TRAVEL
    total = sum(minor(item["price"]) for item in order["items"])
    row = {
        "id": id_,
        "number": order["order_id"],
        "customer_id": order["user_id"],
        "status": STATUSES.get(status, status),
        "placed_at": placed_at,
        "subtotal_minor": total,
        "total_minor": total,
        "currency": "USD",
        "ship_to": address_of(order["address"], name),
        "bill_to": dict(home),
        "delivered_at": arrived_at if status == "delivered" else None,
        "cancelled_at": placed_at + timedelta(days=1) if status == "cancelled" else None,
    }
    session.execute(insert(Order), [row])
    lines = [
        {
            "id": f"{id_}-{position}",
            "order_id": id_,
            "position": position,
            "product_id": item["product_id"],
            "sku": item["item_id"],
            "name": item["name"],
            "options": item["options"],
            "quantity": 1,
            "price_minor": minor(item["price"]),
        }
        for position, item in enumerate(order["items"], start=1)
    ]
    session.execute(insert(OrderLine), lines)
    payments = [
        {
            "id": f"{id_}-p{position}",
            "order_id": id_,
            "kind": payment["transaction_type"],
            "amount_minor": minor(payment["amount"]),
            "payment_method_id": payment["payment_method_id"],
            "status": "captured" if payment["transaction_type"] == "payment" else "done",
            "at": placed_at + timedelta(minutes=position),
        }
        for position, payment in enumerate(order["payment_history"], start=1)
    ]
    session.execute(insert(Payment), payments)
    parcels = [
        {
            "id": f"{id_}-s{position}",
            "order_id": id_,
            "carrier": "Carrier",
            "tracking": parcel["tracking_id"][0],
            "status": PARCELS[status],
            "line_ids": _held(lines, parcel["item_ids"]),
            "shipped_at": placed_at + timedelta(days=1) if status == "delivered" else None,
            "eta": arrived_at,
            "delivered_at": arrived_at if status == "delivered" else None,
        }
        for position, parcel in enumerate(order["fulfillments"], start=1)
    ]
    if parcels:
        session.execute(insert(Shipment), parcels)


def _held(lines: list[dict[str, Any]], item_ids: list[str]) -> list[str]:
    """Lines of a parcel; the same item twice is two lines."""
    left = list(item_ids)
    held = []
    for line in lines:
        if line["sku"] in left:
            left.remove(line["sku"])
            held.append(line["id"])
    return held
