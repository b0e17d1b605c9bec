"""The demo shop's customers: who they are, how they pay, and what they like (tastes that behaviour comes from)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from bot.database.demo_kinds import CATEGORIES, COLORS
from bot.database.demo_people import (
    CARD_BRANDS,
    FAMILY_ZH,
    FIRST_EN,
    GIVEN_ZH,
    LAST_EN,
    MAIL_DOMAINS,
    PINYIN,
    PLACES,
    USER_AGENTS,
)

MONTHS = 18
# What people come for: category weights; a customer is a mixture of one or two of these.
PERSONAS: Mapping[str, Mapping[str, float]] = {
    "trekker": {
        "tents": 5,
        "sleeping_bags": 5,
        "backpacks": 5,
        "shoes": 4,
        "jackets": 4,
        "cooking": 3,
        "navigation": 2,
        "lighting": 2,
    },
    "climber": {"climbing": 12, "shoes": 3, "jackets": 3, "backpacks": 2, "lighting": 1},
    "cyclist": {"cycling": 11, "backpacks": 3, "lighting": 3, "jackets": 2, "navigation": 2},
    "family": {"tents": 4, "sleeping_bags": 3, "cooking": 3, "furniture": 3, "garden": 3, "bedding": 3, "lighting": 2},
    "cook": {"kitchen": 11, "decor": 2, "garden": 2, "cooking": 2, "furniture": 2},
    "nester": {"furniture": 4, "bedding": 5, "decor": 6, "kitchen": 3, "lighting": 2, "garden": 2},
    "gardener": {"garden": 11, "furniture": 2, "decor": 2, "kitchen": 2, "jackets": 1},
    "wanderer": {"jackets": 6, "shoes": 6, "backpacks": 4, "navigation": 2, "cooking": 1, "decor": 1},
}


@dataclass
class Person:
    """A customer and the simulation's knowledge of them; only `row` and `methods` are stored."""

    row: dict[str, Any]
    methods: list[dict[str, Any]]
    tastes: Mapping[str, float]  # by category
    level: float  # 0 buys plain, 3 buys premium
    brands: frozenset[str]
    color: str
    eagerness: float  # share of the shop's orders, relative
    impulse: float  # 0..1, how easily something else comes along
    country: str
    devices: list[str]
    ip: str

    @property
    def id(self) -> str:
        return str(self.row["id"])

    @property
    def created_at(self) -> datetime:
        value: datetime = self.row["created_at"]
        return value


def people_of(seed: int, today: datetime, numbers: Iterable[int]) -> list[Person]:
    """Customers with these numbers; a quarter speaks Chinese. Each is the same whoever else there is."""
    return [person(Random(f"{seed}/customer/{number}"), number, today) for number in numbers]


def person(random: Random, number: int, today: datetime, *, created_at: datetime | None = None) -> Person:
    language = "zh" if random.random() < 0.25 else "en"
    name, mailbox = _name(random, language, number)
    country = _country(random, language)
    age_days = random.uniform(30 * MONTHS, 1300) if random.random() < 0.55 else random.uniform(1, 30 * MONTHS)
    created = created_at or today - timedelta(days=age_days)
    home = address(random, name, country)
    addresses = [home] + ([address(random, name, country)] if random.random() < 0.15 else [])
    customer_id = f"c{number:05d}"
    row = {
        "id": customer_id,
        "name": name,
        "email": f"{mailbox}@{random.choice(MAIL_DOMAINS)}",
        "phone": f"{PLACES[country][4]} {random.randint(0, 9999):04d}",
        "language": language,
        "addresses": addresses,
        "newsletter": random.random() < 0.4,
        "created_at": created,
        "deleted_at": None,
    }
    return Person(
        row,
        methods_of(random, customer_id, country, created),
        _tastes(random),
        random.triangular(0, 3, 1.2),
        frozenset(
            random.sample(
                (
                    "Tramp & Co",
                    "Campo",
                    "Nordhang",
                    "Waldpfad",
                    "Velden",
                    "Kestrel Ridge",
                    "Isfjell",
                    "Hohe Wand",
                    "Alltag",
                    "Good Corner",
                    "Lindenhof",
                    "Marram",
                    "Ovesen",
                    "Tidsro",
                    "Atelier Brandt",
                    "Kyoto House",
                ),
                4,
            )
        ),
        random.choice(sorted(COLORS)),
        random.paretovariate(1.9) if random.random() > 0.08 else 0.0,
        random.random(),
        country,
        [_hex(random) for _ in range(random.choice((1, 1, 2)))],
        ip(random),
    )


PLAIN_LETTERS: dict[str, str | int | None] = {"ü": "ue", "ä": "ae", "ö": "oe", "ß": "ss", "é": "e"}


def _name(random: Random, language: str, number: int) -> tuple[str, str]:
    if language == "zh":
        family, given = random.choice(FAMILY_ZH), random.choice(GIVEN_ZH)
        return family + given, f"{PINYIN[family]}.{number:05d}"
    first, last = random.choice(FIRST_EN), random.choice(LAST_EN)
    plain = f"{first}.{last}".lower().translate(str.maketrans(PLAIN_LETTERS))
    return f"{first} {last}", f"{plain}{number}"


def _country(random: Random, language: str) -> str:
    column = 1 if language == "zh" else 0
    codes = list(PLACES)
    return random.choices(codes, [PLACES[code][column] for code in codes])[0]  # type: ignore[misc]


def address(random: Random, name: str, country: str) -> dict[str, Any]:
    city, region, postcode = random.choice(PLACES[country][2])
    street, house = random.choice(PLACES[country][3]), random.randint(1, 180)
    line1 = f"{street} {house} 号" if country in ("CN", "HK") else f"{street} {house}"
    if country in ("GB", "IE", "US", "SG"):
        line1 = f"{house} {street}"
    return {
        "name": name,
        "line1": line1,
        "line2": "",
        "city": city,
        "region": region,
        "postcode": postcode,
        "country": country,
    }


def methods_of(random: Random, customer_id: str, country: str, added_at: datetime) -> list[dict[str, Any]]:
    """One to three ways to pay; every sixth customer also holds a gift card."""
    kinds = ("alipay", "wechat_pay", "card") if country in ("CN", "HK") else ("card", "card", "paypal")
    chosen: Sequence[str] = list(dict.fromkeys(random.choices(kinds, k=random.choice((1, 1, 2, 3)))))
    rows = [
        method(random, f"{customer_id}-m{number}", customer_id, kind, added_at) for number, kind in enumerate(chosen, 1)
    ]
    if random.random() < 0.16:
        rows.append(method(random, f"{customer_id}-g1", customer_id, "gift_card", added_at))
    return rows


def method(random: Random, id: str, customer_id: str, kind: str, added_at: datetime) -> dict[str, Any]:
    card = kind == "card"
    return {
        "id": id,
        "customer_id": customer_id,
        "kind": kind,
        "brand": random.choice(CARD_BRANDS) if card else None,
        "last_four": f"{random.randint(0, 9999):04d}" if kind in ("card", "gift_card") else None,
        "balance_minor": random.choice((1500, 2500, 5000, 7500, 10000, 20000)) if kind == "gift_card" else None,
        "fingerprint": None if kind == "gift_card" else _hex(random),
        "added_at": added_at,
    }


def _tastes(random: Random) -> dict[str, float]:
    first, second = random.sample(sorted(PERSONAS), 2)
    share = random.choice((1.0, 0.8, 0.6))
    return {
        category: 0.15 + share * PERSONAS[first].get(category, 0) + (1 - share) * PERSONAS[second].get(category, 0)
        for category in CATEGORIES
    }


def ip(random: Random) -> str:
    return f"203.0.{random.randint(0, 255)}.{random.randint(1, 254)}"


def placed_with(
    random: Random, person: Person, *, device: str | None = None, address: str | None = None
) -> dict[str, Any]:
    """What the shop's server knows when the order comes in."""
    usual = random.random() < 0.94
    return {
        "device_id": device or (random.choice(person.devices) if usual else _hex(random)),
        "ip": address or (person.ip if random.random() < 0.8 else ip(random)),
        "user_agent": random.choice(USER_AGENTS),
        "session_seconds": int(random.lognormvariate(6.3, 0.7)),
        "pages_viewed": random.randint(4, 30),
    }


def _hex(random: Random) -> str:
    return f"{random.getrandbits(64):016x}"
