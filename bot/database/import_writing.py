"""Checked rows of an import into the tables: insert what is new, replace what is there."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, joinedload

from bot.database.base import Base
from bot.database.shop import Customer, Order, PaymentMethod, Variant

Entry = dict[str, Any]  # one product, document, customer or order with its parts
NAMESPACE = uuid.UUID("5e0f7c1a-6b7d-4c0e-9b59-2d1f3f7f3a11")


def own_id(*words: object) -> str:
    """The id of a row that has none of its own: the same file gives the same ids."""
    return uuid.uuid5(NAMESPACE, "\x1f".join(map(str, words))).hex


def upsert(
    session: Session, table: str, rows: Sequence[Entry], key: Sequence[str], *, keep: Sequence[str] = ()
) -> None:
    """Insert rows; where the key exists, replace every other column but those in `keep`."""
    if not rows:
        return
    target: Table = Base.metadata.tables[table]
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(target)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in key and name not in keep}
    session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changed), list(rows))


def write_products(session: Session, entries: Sequence[Entry], now: datetime) -> None:
    columns = (
        "id",
        "name",
        "name_zh",
        "description",
        "description_zh",
        "category",
        "brand",
        "attributes",
        "picture",
        "url",
        "repeatable",
        "active",
    )
    rows = [{**{name: entry[name] for name in columns}, "created_at": now, "updated_at": now} for entry in entries]
    upsert(session, "products", rows, ["id"], keep=["created_at"])
    ids = [entry["id"] for entry in entries]
    session.execute(update(Variant).where(Variant.product_id.in_(ids)).values(active=False, updated_at=now))
    variants = [
        {
            "sku": variant["sku"],
            "product_id": entry["id"],
            "options": variant["options"],
            "price_minor": variant["price"],
            "list_price_minor": variant["list_price"],
            "currency": variant["currency"],
            "stock": variant["stock"],
            "active": True,
            "updated_at": now,
        }
        for entry in entries
        for variant in entry["variants"]
    ]
    upsert(session, "variants", variants, ["sku"])


def write_documents(session: Session, entries: Sequence[Entry], now: datetime) -> None:
    columns = ("topic", "language", "kind", "title", "body", "url", "active")
    rows = [
        {
            "id": own_id("document", entry["topic"], entry["language"]),
            **{name: entry[name] for name in columns},
            "updated_at": now,
        }
        for entry in entries
    ]
    upsert(session, "documents", rows, ["topic", "language"], keep=["id"])


def write_customers(session: Session, entries: Sequence[Entry], now: datetime) -> None:
    rows = [
        {
            "id": entry["id"],
            "name": entry["name"],
            "email": entry["email"],
            "phone": entry["phone"],
            "language": entry["language"],
            "addresses": [
                {**address, "name": address["name"] or entry["name"]} for address in entry["addresses"] or []
            ],
            "newsletter": entry["newsletter"],
            "created_at": entry["created_at"] or now,
            "deleted_at": None,
        }
        for entry in entries
    ]
    dated = {entry["id"] for entry in entries if entry["created_at"]}
    upsert(session, "customers", [row for row in rows if row["id"] in dated], ["id"])
    undated = [row for row in rows if row["id"] not in dated]
    upsert(session, "customers", undated, ["id"], keep=["created_at"])
    methods = [
        {
            "id": method["id"],
            "customer_id": entry["id"],
            "kind": method["kind"],
            "brand": method["brand"],
            "last_four": method["last_four"],
            "balance_minor": method["balance"],
            "fingerprint": None,
            "added_at": entry["created_at"] or now,
        }
        for entry in entries
        for method in entry["payment_methods"] or []
    ]
    upsert(session, "payment_methods", methods, ["id"], keep=["fingerprint", "added_at"])


def write_orders(session: Session, entries: Sequence[Entry], now: datetime) -> None:
    """Orders with lines, shipments and payments; those of an order that is there are replaced."""
    numbers = [entry["number"] for entry in entries]
    known = dict(session.execute(select(Order.number, Order.id).where(Order.number.in_(numbers))).all())
    people = _customers(session, entries)
    variants = _variants(session, entries)
    orders, lines, shipments, payments = [], [], [], []
    for entry in entries:
        entry["id"] = known.get(entry["number"]) or own_id("order", entry["number"])
        person = people[entry["customer_id"] or entry["customer_email"]]
        own_lines = [_line(entry, position, line, variants) for position, line in enumerate(entry["lines"], 1)]
        orders.append(_order(entry, person, own_lines))
        lines.extend(own_lines)
        shipments.extend(_shipments(entry, own_lines))
        payments.extend(_payments(entry, orders[-1], person))
    upsert(session, "orders", orders, ["number"], keep=["id", "placed_with", "fraud_kind", "items_changed_at"])
    ids = [entry["id"] for entry in entries]
    for table in ("shipments", "payments"):
        target = Base.metadata.tables[table]
        session.execute(delete(target).where(target.c.order_id.in_(ids)))
    _drop_lines(session, entries)
    upsert(session, "order_lines", lines, ["order_id", "position"], keep=["id"])
    upsert(session, "shipments", shipments, ["id"])
    upsert(session, "payments", payments, ["id"])


def _drop_lines(session: Session, entries: Sequence[Entry]) -> None:
    """Lines beyond those the file has."""
    target = Base.metadata.tables["order_lines"]
    statement = delete(target).where(target.c.order_id == bindparam("of"), target.c.position > bindparam("last"))
    session.execute(statement, [{"of": entry["id"], "last": len(entry["lines"])} for entry in entries])


def _customers(session: Session, entries: Sequence[Entry]) -> dict[str, Entry]:
    """By id and by e-mail: id, addresses, the first payment method."""
    ids = {entry["customer_id"] for entry in entries if entry["customer_id"]}
    emails = {entry["customer_email"] for entry in entries if not entry["customer_id"]}
    found = session.execute(
        select(Customer.id, Customer.email, Customer.addresses).where(Customer.id.in_(ids) | Customer.email.in_(emails))
    ).all()
    methods: dict[str, str] = {}
    own = select(PaymentMethod.customer_id, PaymentMethod.id).where(
        PaymentMethod.customer_id.in_([row.id for row in found])
    )
    for customer_id, method_id in session.execute(own.order_by(PaymentMethod.id)):
        methods.setdefault(customer_id, method_id)
    people = {}
    for row in found:
        person = {"id": row.id, "address": (row.addresses or [{}])[0], "method": methods.get(row.id)}
        people[row.id] = people[row.email] = person
    return people


def _variants(session: Session, entries: Sequence[Entry]) -> Mapping[str, Any]:
    skus = {line["sku"] for entry in entries for line in entry["lines"]}
    found = select(Variant).options(joinedload(Variant.product)).where(Variant.sku.in_(skus))
    return {row.sku: row for row in session.scalars(found)}


def _line(entry: Entry, position: int, line: Entry, variants: Mapping[str, Any]) -> Entry:
    variant = variants[line["sku"]]
    return {
        "id": own_id("line", entry["number"], position),
        "order_id": entry["id"],
        "position": position,
        "product_id": variant.product_id,
        "sku": line["sku"],
        "name": variant.product.name,
        "options": variant.options,
        "quantity": line["quantity"],
        "price_minor": line["price"],
    }


def _order(entry: Entry, person: Entry, lines: Sequence[Entry]) -> Entry:
    goods = sum(line["price_minor"] * line["quantity"] for line in lines)
    ship_to = entry["ship_to"] or person["address"]
    return {
        "id": entry["id"],
        "number": entry["number"],
        "customer_id": person["id"],
        "status": entry["status"],
        "placed_at": entry["placed_at"],
        "subtotal_minor": goods,
        "shipping_minor": entry["shipping"],
        "total_minor": goods + entry["shipping"],
        "currency": entry["currency"],
        "shipping_method": entry["shipping_method"],
        "ship_to": ship_to,
        "bill_to": entry["bill_to"] or ship_to,
        "placed_with": {},
        "cancelled_at": entry["cancelled_at"],
        "cancel_reason": entry["cancel_reason"],
        "delivered_at": entry["delivered_at"],
        "items_changed_at": None,
        "fraud_kind": None,
    }


def _shipments(entry: Entry, lines: Sequence[Entry]) -> list[Entry]:
    rows = []
    for number, parcel in enumerate(entry["shipments"] or [], 1):
        skus = set((parcel["skus"] or "").split())
        held = [line["id"] for line in lines if not skus or line["sku"] in skus]
        rows.append(
            {
                "id": own_id("shipment", entry["number"], number),
                "order_id": entry["id"],
                "line_ids": held,
                **{
                    name: parcel[name]
                    for name in ("carrier", "tracking", "status", "shipped_at", "eta", "delivered_at")
                },
            }
        )
    return rows


def _payments(entry: Entry, order: Entry, person: Entry) -> list[Entry]:
    paid: list[Entry] = entry["payments"] or [
        {
            "kind": "payment",
            "amount": order["total_minor"],
            "payment_method_id": person["method"],
            "status": "captured",
            "at": None,
        }
    ]
    return [
        {
            "id": own_id("payment", entry["number"], number),
            "order_id": entry["id"],
            "kind": payment["kind"],
            "amount_minor": payment["amount"],
            "payment_method_id": payment["payment_method_id"],
            "status": payment["status"],
            "at": payment["at"] or entry["placed_at"],
        }
        for number, payment in enumerate(paid, 1)
    ]


WRITERS = {
    "products": write_products,
    "documents": write_documents,
    "customers": write_customers,
    "orders": write_orders,
}
