"""From a basket to the rows of an order: lines, payments, shipments, returns, events, as far as time has gone on."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from bot.database.demo_behaviour import Purchase, Visit
from bot.database.demo_customers import Person, address, placed_with
from bot.database.policies import Policies

CARRIERS = {"standard": ("DHL", "DPD", "Hermes"), "express": ("DHL Express", "UPS"), "pickup": ("Shop",)}
CANCEL_REASONS = ("no_longer_needed", "ordered_by_mistake", "found_cheaper", "too_slow")
RETURN_REASONS = ("wrong_size", "not_as_described", "damaged", "changed_mind", "arrived_late")
Row = dict[str, Any]


@dataclass
class Plan:
    """What is fixed about an order; what is None is left to chance. `fate`: deliver | cancel | partial | lost."""

    fate: str | None = None
    number: str | None = None
    ship_to: Mapping[str, Any] | None = None
    bill_to: Mapping[str, Any] | None = None
    method: Mapping[str, Any] | None = None
    shipping: str | None = None
    context: Mapping[str, Any] | None = None
    failed_payments: Sequence[Mapping[str, Any]] = ()
    fraud_kind: str | None = None
    returns: str | None = None  # none | return | exchange
    return_status: str | None = None


@dataclass
class Book:
    """All rows made so far, by table."""

    today: datetime
    policies: Policies
    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    visits: list[Visit] = field(default_factory=list)  # the sessions the orders came from

    def place(
        self, random: Random, person: Person, at: datetime, basket: Sequence[Purchase], plan: Plan | None = None
    ) -> Row:
        """Write one order and everything that has happened to it until today; its session is the basket alone."""
        items = [purchase.item for purchase in basket]
        self.visits.append(Visit(person, at, items, items, list(basket)))
        return _Placing(self, random, person, at, basket, plan or Plan()).write()

    def event(self, order: Row, kind: str, at: datetime, actor: str = "system", **detail: Any) -> None:
        events = self.rows["order_events"]
        request = f"seed-{order['id']}-{kind}-{len(events)}"
        events.append(
            {
                "id": f"e{len(events):07d}",
                "order_id": order["id"],
                "kind": kind,
                "actor": actor,
                "request_id": request,
                "at": at,
                "detail": detail,
            }
        )

    def customer_event(self, customer_id: str, kind: str, at: datetime, **detail: Any) -> None:
        events = self.rows["customer_events"]
        events.append(
            {
                "id": f"ce{len(events):07d}",
                "customer_id": customer_id,
                "kind": kind,
                "actor": f"customer:{customer_id}",
                "request_id": f"seed-{customer_id}-{kind}-{len(events)}",
                "at": at,
                "detail": detail,
            }
        )

    def pay(self, order: Row, kind: str, amount: int, method_id: str | None, status: str, at: datetime) -> None:
        payments = self.rows["payments"]
        payments.append(
            {
                "id": f"pay{len(payments):07d}",
                "order_id": order["id"],
                "kind": kind,
                "amount_minor": amount,
                "payment_method_id": method_id,
                "status": status,
                "at": at,
            }
        )

    def number_orders(self) -> None:
        """Numbers in the order of time, with gaps; those planned stay."""
        random = Random("numbers")
        for table, prefix, start in (("orders", "K-", 104900), ("returns", "R-", 20300)):
            key = "placed_at" if table == "orders" else "requested_at"
            for row in sorted(self.rows[table], key=lambda row: (row[key], row["id"])):
                if row["number"] is None:
                    start += random.choice((1, 1, 1, 2, 3))
                    row["number"] = f"{prefix}{start}"


class _Placing:
    """One order being written."""

    def __init__(
        self, book: Book, random: Random, person: Person, at: datetime, basket: Sequence[Purchase], plan: Plan
    ) -> None:
        self.book, self.random, self.person, self.at, self.basket, self.plan = book, random, person, at, basket, plan
        self.fate = plan.fate or random.choices(("deliver", "cancel", "partial", "lost"), (90, 5.5, 4, 0.5))[0]
        self.method = plan.method or random.choice([row for row in person.methods if row["kind"] != "gift_card"])
        self.order = self._order()
        self.lines = self._lines()

    def write(self) -> Row:
        self.book.rows["orders"].append(self.order)
        self.book.rows["order_lines"].extend(self.lines)
        self._pay()
        self.book.event(self.order, "placed", self.at, f"customer:{self.person.id}")
        packed = self.at + timedelta(hours=self.random.uniform(3, 20))
        if self.fate == "cancel":
            cancelled = self.at + timedelta(hours=self.random.uniform(0.2, 16))
            if cancelled < self.book.today:
                self._cancel(cancelled)
                return self.order
        if packed >= self.book.today:
            return self.order
        self.order["status"] = "processing"
        self.book.event(self.order, "packed", packed)
        self._ship(packed + timedelta(hours=self.random.uniform(4, 28)))
        if self.order["status"] == "delivered":
            self._bring_back()
        return self.order

    # the order itself

    def _order(self) -> Row:
        plan, goods = self.plan, sum(p.variant["price_minor"] * p.quantity for p in self.basket)
        ship_to = dict(plan.ship_to or self._ship_to())
        shipping = plan.shipping or self._shipping(ship_to["country"], goods)
        bulky = any(p.item.kind.category == "furniture" for p in self.basket)
        fee = self.book.policies.shipping_fee_minor(ship_to["country"], shipping, goods, bulky=bulky) or 0
        return {
            "id": f"o{len(self.book.rows['orders']):06d}",
            "number": plan.number,
            "customer_id": self.person.id,
            "status": "pending",
            "placed_at": self.at,
            "subtotal_minor": goods,
            "shipping_minor": fee,
            "total_minor": goods + fee,
            "currency": "EUR",
            "shipping_method": shipping,
            "ship_to": ship_to,
            "bill_to": dict(plan.bill_to or self.person.row["addresses"][0]),
            "placed_with": dict(plan.context or placed_with(self.random, self.person)),
            "cancelled_at": None,
            "cancel_reason": None,
            "delivered_at": None,
            "items_changed_at": None,
            "fraud_kind": plan.fraud_kind,
        }

    def _ship_to(self) -> Mapping[str, Any]:
        if self.random.random() < 0.06:  # a present for somebody else
            return address(self.random, self.person.row["name"], self.person.country)
        chosen: Mapping[str, Any] = self.random.choice(self.person.row["addresses"])
        return chosen

    def _shipping(self, country: str, goods: int) -> str:
        methods = ["standard"] * 8 + ["express"] * 2 + (["pickup"] if country == "DE" else [])
        return self.random.choice(methods)

    def _lines(self) -> list[Row]:
        return [
            {
                "id": f"{self.order['id']}-{position}",
                "order_id": self.order["id"],
                "position": position,
                "product_id": purchase.item.id,
                "sku": purchase.variant["sku"],
                "name": purchase.item.name,
                "options": purchase.variant["options"],
                "quantity": purchase.quantity,
                "price_minor": purchase.variant["price_minor"],
            }
            for position, purchase in enumerate(self.basket, 1)
        ]

    def _pay(self) -> None:
        at = self.at - timedelta(minutes=2 * len(self.plan.failed_payments))
        for failed in self.plan.failed_payments:
            self.book.pay(self.order, "payment", self.order["total_minor"], failed["id"], "failed", at)
            at += timedelta(minutes=1)
        if not self.plan.failed_payments and self.random.random() < 0.03:
            self.book.pay(
                self.order, "payment", self.order["total_minor"], self.method["id"], "failed", at - timedelta(minutes=1)
            )
        self.book.pay(self.order, "payment", self.order["total_minor"], self.method["id"], "captured", self.at)

    def _cancel(self, at: datetime) -> None:
        reason = self.random.choice(CANCEL_REASONS)
        self.order.update(status="cancelled", cancelled_at=at, cancel_reason=reason)
        self.book.event(self.order, "cancelled", at, f"customer:{self.person.id}", reason=reason)
        self._refund(self.order["total_minor"], at)

    def _refund(self, amount: int, at: datetime) -> datetime | None:
        """Start a refund; returns when it is done, or None while it is on its way."""
        done = at + timedelta(days=self.book.policies.refund_days(self.method["kind"]) * 1.4)
        finished = done < self.book.today
        self.book.pay(
            self.order, "refund", amount, self.method["id"], "done" if finished else "pending", done if finished else at
        )
        return done if finished else None

    # on its way

    def _ship(self, at: datetime) -> None:
        split = self.fate == "partial" and len(self.lines) > 1
        parts = [self.lines[:1], self.lines[1:]] if split else [self.lines]
        arrivals = []
        for number, part in enumerate(parts, 1):
            arrivals.append(self._shipment(number, part, at + timedelta(days=3.2 * (number - 1))))
        if all(arrivals):
            delivered = max(arrival for arrival in arrivals if arrival)
            self.order.update(status="delivered", delivered_at=delivered)
            self.book.event(self.order, "delivered", delivered)

    def _shipment(self, number: int, lines: list[Row], at: datetime) -> datetime | None:
        """One parcel; returns when it arrived, or None."""
        method, country = self.order["shipping_method"], self.order["ship_to"]["country"]
        least, most = self.book.policies.shipping_days(country, method) or (2, 5)
        arrives = at + timedelta(days=self.random.uniform(least, most) * 1.2)
        shipped, lost = at < self.book.today, self.fate == "lost"
        delivered = shipped and not lost and arrives < self.book.today
        status = "packed" if not shipped else "in_transit"
        if delivered:
            status = "delivered"
        elif shipped and lost and at + timedelta(days=most + 7) < self.book.today:
            status = "lost"
        elif shipped and arrives - self.book.today < timedelta(hours=14):
            status = "out_for_delivery"
        if not shipped and number > 1 and self.order["status"] == "processing":
            return None
        self.book.rows["shipments"].append(
            {
                "id": f"{self.order['id']}-s{number}",
                "order_id": self.order["id"],
                "carrier": self.random.choice(CARRIERS[method]),
                "tracking": f"{self.random.randint(10**11, 10**12 - 1)}",
                "status": status,
                "line_ids": [line["id"] for line in lines],
                "shipped_at": at if shipped else None,
                "eta": at + timedelta(days=most * 1.4),
                "delivered_at": arrives if delivered else None,
            }
        )
        if shipped:
            self.order["status"] = "shipped"
            self.book.event(self.order, "shipped", at, shipment=number)
        return arrives if delivered else None

    # coming back

    def _bring_back(self) -> None:
        sized = any("size" in line["options"] for line in self.lines)
        chance = (0.11 if sized else 0.05) if self.plan.returns is None else 1.0
        if self.plan.returns == "none" or self.random.random() > chance:
            return
        at = self.order["delivered_at"] + timedelta(days=self.random.uniform(0.5, 26))
        if at >= self.book.today:
            at = self.order["delivered_at"] + (self.book.today - self.order["delivered_at"]) * 0.5
        kind = self.plan.returns or ("exchange" if sized and self.random.random() < 0.35 else "return")
        line = next((line for line in self.lines if "size" in line["options"]), self.lines[0])
        self._return(kind, line, at)

    def _return(self, kind: str, line: Row, at: datetime) -> None:
        returns, days = self.book.rows["returns"], (self.book.today - at).total_seconds() / 86400
        done = "refunded" if kind == "return" else "exchanged"
        status = self.plan.return_status or (
            "requested"
            if days < 0.6
            else "label_sent"
            if days < 5
            else "received"
            if days < 9
            else "refused"
            if self.random.random() < 0.03
            else done
        )
        entry = {"line_id": line["id"], "quantity": line["quantity"]}
        if kind == "exchange":
            entry["new_sku"] = self._other_variant(line)
        reason = "wrong_size" if kind == "exchange" else self.random.choice(RETURN_REASONS)
        fee = 0 if kind == "exchange" or reason == "damaged" else self.book.policies.integer("return_fee_minor")
        amount = max(line["price_minor"] * line["quantity"] - fee, 0) if kind == "return" else 0
        row = {
            "id": f"r{len(returns):05d}",
            "number": None,
            "order_id": self.order["id"],
            "kind": kind,
            "lines": [entry],
            "reason": reason,
            "status": status,
            "refund_minor": amount,
            "payment_method_id": self.method["id"],
            "risk_id": None,
            "requested_at": at,
            "refunded_at": None,
        }
        returns.append(row)
        self.book.event(self.order, f"{kind}_requested", at, f"customer:{self.person.id}", reason=reason)
        if status == "refunded":
            started = min(at + timedelta(days=8), self.book.today - timedelta(hours=1))
            row["refunded_at"] = self._refund(amount, started) or started
            self.book.event(self.order, "refunded", started, amount_minor=amount)

    def _other_variant(self, line: Row) -> str:
        purchase = self.basket[line["position"] - 1]
        others = [variant["sku"] for variant in purchase.item.variants if variant["sku"] != line["sku"]]
        return str(self.random.choice(others or [line["sku"]]))
