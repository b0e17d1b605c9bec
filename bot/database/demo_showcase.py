"""The few customers to try the demo with: their orders stand in a known state on the day of seeding.

`kefu seed` prints them; tests use DEMO_CUSTOMERS.
"""
# ruff: noqa: E501  (a row of data reads better in one line)

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from bot.database.demo_behaviour import Catalogue, Purchase
from bot.database.demo_customers import Person, person
from bot.database.demo_orders import Book, Plan


@dataclass(frozen=True)
class DemoCustomer:
    """Sign-in data of a demo customer; `orders` maps a state to the number of an order in it."""

    id: str
    name: str
    email: str
    language: str
    country: str
    orders: Mapping[str, str] = field(default_factory=dict)
    gift_card_minor: int = 0


def _states(first: int) -> dict[str, str]:
    return {state: f"K-{first + offset}" for offset, state in enumerate(STATES)}


# state: (days ago it was placed, plan, products (kind, grade, options))
STATES: dict[str, tuple[float, Mapping[str, Any], tuple[tuple[str, int, Mapping[str, str]], ...]]] = {
    "pending": (0.08, {"fate": "deliver"}, (("hiking_boots", 1, {"size": "42"}), ("hiking_socks", 1, {}))),
    "processing": (1.0, {"fate": "deliver"}, (("trekking_tent", 1, {"color": "forest"}),)),
    "shipped": (2.6, {"fate": "deliver", "shipping": "standard"}, (("rain_jacket", 2, {"size": "M"}), ("fleece", 1, {"size": "M"}))),
    "partly_shipped": (3.0, {"fate": "partial", "shipping": "standard"}, (("gas_stove", 1, {}), ("air_mat", 2, {}))),
    "delivered": (9, {"fate": "deliver", "returns": "none"}, (("down_jacket", 1, {"size": "M"}), ("beanie", 2, {}))),
    "delivered_long_ago": (120, {"fate": "deliver", "returns": "none"}, (("headlamp", 2, {}), ("batteries", 0, {}))),
    "cancelled": (20, {"fate": "cancel"}, (("camp_chair", 1, {}),)),
    "return_requested": (14, {"fate": "deliver", "returns": "return", "return_status": "requested"}, (("day_pack", 1, {}),)),
    "refund_pending": (24, {"fate": "deliver", "returns": "return", "return_status": "received"}, (("skillet", 1, {}), ("mug", 1, {}))),
    "refunded": (70, {"fate": "deliver", "returns": "return", "return_status": "refunded"}, (("binoculars", 1, {}),)),
    "exchanged": (50, {"fate": "deliver", "returns": "exchange", "return_status": "exchanged"}, (("trail_shoes", 1, {"size": "41"}),)),
}  # fmt: skip

DEMO_CUSTOMERS = (
    DemoCustomer("demo-emma", "Emma Clarke", "emma.clarke@mail.example", "en", "DE", _states(104201), 5000),
    DemoCustomer("demo-li", "李雪", "li.xue@mail.example", "zh", "CN", _states(104221), 5000),
    DemoCustomer("demo-tom", "Tom Novak", "tom.novak@post.example", "en", "GB", {"pending": "K-104241", "delivered": "K-104242"}, 20000),
    DemoCustomer("demo-chen", "陈伟", "chen.wei@post.example", "zh", "SG", {"processing": "K-104243", "shipped": "K-104244"}, 10000),
    DemoCustomer("demo-sara", "Sara Lindgren", "sara.lindgren@inbox.example", "en", "SE"),
    DemoCustomer("demo-lin", "林晓", "lin.xiao@inbox.example", "zh", "DE"),
)  # fmt: skip
BY_ID = {customer.id: customer for customer in DEMO_CUSTOMERS}


def place_showcase(seed: int, book: Book, catalogue: Catalogue) -> list[Person]:
    """Write the demo customers' orders; returns their accounts."""
    return [_account(seed, number, customer, book, catalogue) for number, customer in enumerate(DEMO_CUSTOMERS)]


def _account(seed: int, number: int, customer: DemoCustomer, book: Book, catalogue: Catalogue) -> Person:
    random = Random(f"{seed}/showcase/{customer.id}")
    made = _person(random, number, customer, book.today)
    for state, order_number in customer.orders.items():
        days, fixed, products = STATES[state]
        basket = [_purchase(catalogue, *product) for product in products]
        placed_at = book.today - timedelta(days=days)
        while True:  # other draws of the small delays, until the order stands where it should
            mark = {table: len(rows) for table, rows in book.rows.items()}
            order = book.place(
                random, made, placed_at, basket, Plan(number=order_number, ship_to=made.row["addresses"][0], **fixed)
            )
            if _stands(order, state, book):
                break
            book.visits.pop()
            for table, rows in book.rows.items():
                del rows[mark.get(table, 0) :]
    return made


def _stands(order: Mapping[str, Any], state: str, book: Book) -> bool:
    parcels = [row["shipped_at"] is not None for row in book.rows["shipments"] if row["order_id"] == order["id"]]
    if state == "partly_shipped":
        return order["status"] == "shipped" and parcels in ([True], [True, False])
    if state in ("pending", "processing", "shipped", "cancelled"):
        return bool(order["status"] == state)
    return bool(order["status"] == "delivered")


def _person(random: Random, number: int, customer: DemoCustomer, today: datetime) -> Person:
    made = person(random, 90000 + number, today, created_at=today - timedelta(days=400 + 30 * number))
    home = _ADDRESSES[customer.id]
    made.row.update(id=customer.id, name=customer.name, email=customer.email, language=customer.language,
                    addresses=[{**home, "name": customer.name}], phone=_PHONES[customer.id])  # fmt: skip
    made.country = customer.country
    kinds = ("alipay", "wechat_pay") if customer.country == "CN" else ("card", "paypal")
    made.methods[:] = [_method(customer.id, f"{customer.id}-m{n}", kind, today, n) for n, kind in enumerate(kinds, 1)]
    if customer.gift_card_minor:
        card = _method(customer.id, f"{customer.id}-g1", "gift_card", today, 9)
        made.methods.append({**card, "balance_minor": customer.gift_card_minor})
    return made


def _method(customer_id: str, id: str, kind: str, today: datetime, number: int) -> dict[str, Any]:
    digits = f"{4200 + number * 11:04d}" if kind in ("card", "gift_card") else None
    return {
        "id": id, "customer_id": customer_id, "kind": kind, "brand": "Visa" if kind == "card" else None, "last_four": digits,
        "balance_minor": None, "fingerprint": None if kind == "gift_card" else f"fp-{id}", "added_at": today - timedelta(days=300),
    }  # fmt: skip


def _purchase(catalogue: Catalogue, kind: str, grade: int, options: Mapping[str, str]) -> Purchase:
    item = catalogue.kinds[kind][grade]
    fitting = [v for v in item.variants if all(v["options"].get(name) == value for name, value in options.items())]
    return Purchase(item, fitting[0], 1)


def _home(line1: str, city: str, region: str, postcode: str, country: str) -> dict[str, Any]:
    return {"line1": line1, "line2": "", "city": city, "region": region, "postcode": postcode, "country": country}


_ADDRESSES = {
    "demo-emma": _home("Lindenstraße 24", "Berlin", "BE", "10115", "DE"),
    "demo-li": _home("中山路 88 号", "上海", "上海", "200001", "CN"),
    "demo-tom": _home("12 Mill Lane", "Bristol", "ENG", "BS1 4ST", "GB"),
    "demo-chen": _home("7 Orchard Road", "Singapore", "SG", "238801", "SG"),
    "demo-sara": _home("Storgatan 5", "Göteborg", "O", "411 03", "SE"),
    "demo-lin": _home("Gartenweg 3", "Hamburg", "HH", "20095", "DE"),
}
_PHONES = {
    "demo-emma": "+49 30 5550 0101", "demo-li": "+86 10 5555 0102", "demo-tom": "+44 20 7946 0103",
    "demo-chen": "+65 6555 0104", "demo-sara": "+46 8 555 0105", "demo-lin": "+49 40 5550 0106",
}  # fmt: skip
