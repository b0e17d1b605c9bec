"""The products and variants of the demo shop: every kind in four grades, each with its own brand, numbers and words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from bot.database.demo_kinds import ATTRIBUTES, COLORS, WORDS_ZH, Kind
from bot.database.demo_kinds_home import KINDS as HOME_KINDS
from bot.database.demo_kinds_outdoor import KINDS as OUTDOOR_KINDS

KINDS = OUTDOOR_KINDS + HOME_KINDS
GRADES = 4  # plain, good, better, premium
HOME_CATEGORIES = {"furniture", "kitchen", "bedding", "decor", "garden"}

# name, Chinese name; by grade, outdoor and home
BRANDS = {
    "outdoor": (
        (("Tramp & Co", "行者"), ("Campo", "营地家")),
        (("Nordhang", "北坡"), ("Waldpfad", "林径")),
        (("Velden", "维登"), ("Kestrel Ridge", "隼岭")),
        (("Isfjell", "冰峰"), ("Hohe Wand", "高壁")),
    ),
    "home": (
        (("Alltag", "日常"), ("Good Corner", "好角落")),
        (("Lindenhof", "菩提院"), ("Marram", "沙草")),
        (("Ovesen", "奥维森"), ("Tidsro", "静时")),
        (("Atelier Brandt", "布兰特工坊"), ("Kyoto House", "京都屋")),
    ),
}
MODELS = (
    "Aske",
    "Birk",
    "Cairn",
    "Dale",
    "Elva",
    "Fjord",
    "Grane",
    "Hald",
    "Inga",
    "Jura",
    "Kvist",
    "Lund",
    "Mora",
    "Nova",
    "Orre",
    "Pilar",
    "Quell",
    "Rask",
    "Sola",
    "Tarn",
    "Ulve",
    "Vidda",
    "Wren",
    "Ymer",
    "Zephyr",
    "Alma",
    "Brise",
    "Crest",
    "Delta",
    "Ember",
    "Flint",
    "Glen",
    "Heath",
    "Isle",
    "Juniper",
    "Kite",
    "Larch",
    "Moss",
    "North",
    "Otter",
)
PRICED_SIZES = ("furniture", "bedding", "decor", "kitchen", "cooking", "tents")  # a larger size costs more


@dataclass(frozen=True)
class Item:
    """A product as the shopping simulation sees it."""

    id: str
    kind: Kind
    grade: int
    brand: str
    name: str
    variants: tuple[Mapping[str, Any], ...]  # rows of the table
    created_at: datetime
    popularity: float
    active: bool

    @property
    def price_minor(self) -> int:
        return int(self.variants[0]["price_minor"])


def items_of(seed: int, today: datetime) -> list[tuple[Item, dict[str, Any]]]:
    """Every item with its row of table `products`; variants are in the item."""
    made = []
    for index, kind in enumerate(KINDS):
        random = Random(f"{seed}/product/{kind.slug}")  # a kind added later leaves the others as they are
        models = random.sample(MODELS, GRADES)
        for grade in range(GRADES):
            made.append(_item(kind, grade, models[grade], random, today, fresh=(index * GRADES + grade) % 23 == 7))
    return made


def _item(
    kind: Kind, grade: int, model: str, random: Random, today: datetime, *, fresh: bool
) -> tuple[Item, dict[str, Any]]:
    product_id = f"{kind.slug.replace('_', '-')}-{grade + 1}"
    side = "home" if kind.category in HOME_CATEGORIES else "outdoor"
    brand, brand_zh = random.choice(BRANDS[side][grade])
    attributes = {key: _value(value, grade) for key, value in kind.attributes.items()}
    name, name_zh = f"{brand} {model} {_counted(kind.name, attributes)}", f"{brand_zh} {model} {kind.name_zh}"
    if persons := attributes.get("persons"):
        name_zh += f"（{persons} 人）"
    created = today - timedelta(days=random.randint(3, 25) if fresh else random.randint(560, 1400))
    low, high = kind.prices
    price = round((low + (high - low) * grade / (GRADES - 1)) * random.uniform(0.93, 1.07))
    active = random.random() > 0.02
    variants = _variants(kind, product_id, grade, price, random, today)
    colors = sorted({row["options"]["color"] for row in variants if "color" in row["options"]})
    row = {
        "id": product_id,
        "name": name,
        "name_zh": name_zh,
        "description": f"{kind.pitch} {_details(attributes, colors, 0)}",
        "description_zh": f"{kind.pitch_zh}{_details(attributes, colors, 1)}",
        "category": kind.category,
        "brand": brand,
        "attributes": {**attributes, "kind": kind.slug, "shape": kind.shape, "grade": grade + 1},
        "picture": f"/pictures/{product_id}.svg",
        "url": f"/products/{product_id}",
        "repeatable": kind.repeatable,
        "active": active,
        "created_at": created,
        "updated_at": created,
    }
    item = Item(product_id, kind, grade, brand, name, tuple(variants), created, random.paretovariate(1.6), active)
    return item, row


def _counted(name: str, attributes: Mapping[str, Any]) -> str:
    persons = attributes.get("persons")
    return f"{persons}-person {name}" if persons else name


def _value(spec: Any, grade: int) -> Any:
    """A constant, the grade's entry of a list, or a point between (plain, premium)."""
    if isinstance(spec, list):
        return spec[grade % len(spec)]
    if not isinstance(spec, tuple):
        return spec
    low, high = spec
    value = low + (high - low) * grade / (GRADES - 1)
    if isinstance(low, float) or isinstance(high, float):
        return round(value, 1)
    step = 10 if max(abs(low), abs(high)) >= 200 else 1
    return round(value / step) * step


def _variants(
    kind: Kind, product_id: str, grade: int, price: int, random: Random, today: datetime
) -> list[dict[str, Any]]:
    reduced = random.random() < 0.12
    sold_out = random.random() < 0.03
    rows = []
    for number, options in enumerate(_combinations(kind.options)):
        step = _size_step(kind, options)
        minor = _rounded(price * (1 + 0.22 * step))
        rows.append(
            {
                "sku": "-".join([product_id.upper(), *(_code(value) for value in options.values())]),
                "product_id": product_id,
                "options": options,
                "price_minor": _rounded(minor * 0.8 / 100) if reduced else minor,
                "list_price_minor": minor if reduced else None,
                "currency": "EUR",
                "stock": 0 if sold_out or random.random() < 0.09 else random.randint(1, 60 - 10 * grade),
                "active": True,
                "updated_at": today,
            }
        )
        if number >= 39:  # nobody needs more to choose from
            break
    return rows


def _rounded(euros: float) -> int:
    """A price as shops write it: 89.90, 249.00."""
    return round(euros) * 100 - 10 if euros < 100 else round(euros) * 100


def _combinations(options: Mapping[str, str]) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = [{}]
    for name, values in options.items():
        rows = [{**row, name: value} for row in rows for value in values.split()]
    return rows


def _size_step(kind: Kind, options: Mapping[str, str]) -> int:
    for name in ("capacity", "length", "size"):
        if name in options and (name != "size" or kind.category in PRICED_SIZES):
            return kind.options[name].split().index(options[name])
    return 0


def _code(value: str) -> str:
    return value.upper().replace("/", "").replace(".", "")


def _details(attributes: Mapping[str, Any], colors: list[str], language: int) -> str:
    """The attributes as sentences; language 0 is English, 1 Chinese."""
    parts = []
    for key, value in attributes.items():
        label, unit = ATTRIBUTES[key][language], ATTRIBUTES[key][2]
        parts.append(f"{label}: {_words(value, language)}{' ' + unit if unit else ''}")
    if colors:
        names = colors if language == 0 else [COLORS[color][0] for color in colors]
        parts.append(("Colours: " if language == 0 else "颜色：") + (", " if language == 0 else "、").join(names))
    if language == 0:
        return " ".join(f"{part}." for part in parts)
    return "".join(f"{part.replace(': ', '：')}。" for part in parts)


def _words(value: Any, language: int) -> str:
    if isinstance(value, bool):
        return (("no", "yes"), ("否", "是"))[language][value]
    if isinstance(value, int):
        return f"{value:,}" if language == 0 else str(value)
    return WORDS_ZH.get(str(value), str(value)) if language else str(value)
