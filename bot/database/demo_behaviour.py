"""How the demo shop's customers shop: sessions of views, carts and purchases that come from their tastes.

Structure for recommenders to find: tastes by category, price level, brand and colour; seasons; things that go
together, in one basket or a few weeks later; consumables that run out; looking first and buying at the next visit.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from bot.database.demo_catalogue import Item
from bot.database.demo_customers import MONTHS, Person

PEAKS = {"spring": 4, "summer": 6.5, "autumn": 10, "winter": 12}  # month in which a season's things sell best
HOURS = [1, 1, 1, 1, 1, 2, 4, 6, 8, 10, 10, 11, 12, 11, 10, 10, 11, 13, 16, 20, 22, 18, 10, 4]


@dataclass(frozen=True)
class Purchase:
    item: Item
    variant: Mapping[str, Any]
    quantity: int


@dataclass
class Visit:
    """One session; an order when the basket is not empty."""

    person: Person
    at: datetime
    seen: list[Item] = field(default_factory=list)
    carted: list[Item] = field(default_factory=list)
    basket: list[Purchase] = field(default_factory=list)


class Catalogue:
    """Items by kind, and what the season makes of each kind."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.kinds: dict[str, list[Item]] = defaultdict(list)
        for item in items:
            self.kinds[item.kind.slug].append(item)
        self.slugs = list(self.kinds)
        self.index = {slug: number for number, slug in enumerate(self.slugs)}
        self.by_category: dict[str, list[str]] = defaultdict(list)
        for slug, members in self.kinds.items():
            self.by_category[members[0].kind.category].append(slug)
        self._season = {month: [self._season_weight(slug, month) for slug in self.slugs] for month in range(1, 13)}

    def season(self, month: int) -> list[float]:
        return self._season[month]

    def _season_weight(self, slug: str, month: int) -> float:
        season = self.kinds[slug][0].kind.season
        if season == "all":
            return 1.0
        distance = abs((month - PEAKS[season] + 6) % 12 - 6)  # months from the peak, 0..6
        return 2.4 - 0.36 * distance


def order_counts(random: Random, people: Sequence[Person], total: int, today: datetime) -> list[int]:
    """How many of `total` orders each person places: few order often, some never."""
    weights = [
        person.eagerness * min(1.0, (today - person.created_at).days / (30 * MONTHS) + 0.03) for person in people
    ]
    counts = [0] * len(people)
    for index in random.choices(range(len(people)), weights, k=total):
        counts[index] += 1
    return counts


def visits_of(random: Random, person: Person, orders: int, catalogue: Catalogue, today: datetime) -> Iterator[Visit]:
    """A person's sessions in time order; exactly `orders` of them end in an order."""
    start = max(person.created_at, today - timedelta(days=30 * MONTHS))
    browsing = random.randint(0, 3) + round(orders * random.uniform(0.8, 1.6))
    times = sorted((_time(random, start, today), kind) for kind in ["order"] * orders + ["browse"] * browsing)
    shopper = _Shopper(random, person, catalogue)
    for at, kind in times:
        yield shopper.order(at) if kind == "order" else shopper.browse(at)


def _time(random: Random, start: datetime, today: datetime) -> datetime:
    """A moment in between: the shop grows, December is busy, evenings are busier than nights."""
    span = (today - start).total_seconds()
    for _ in range(8):
        at = start + timedelta(seconds=span * random.random() ** 0.8)
        busy = 1.0 if at.month in (11, 12) else 0.75 if at.month in (5, 6, 7) else 0.6
        if random.random() < busy:
            break
    hour = random.choices(range(24), HOURS)[0]
    moved = at.replace(hour=hour, minute=random.randint(0, 59), second=random.randint(0, 59), microsecond=0)
    return moved if start < moved < today else at.replace(microsecond=0)


class _Shopper:
    def __init__(self, random: Random, person: Person, catalogue: Catalogue) -> None:
        self.random, self.person, self.catalogue = random, person, catalogue
        self.base = [
            person.tastes[catalogue.kinds[slug][0].kind.category] * random.lognormvariate(0, 0.6)
            for slug in catalogue.slugs
        ]
        self.bought: dict[str, datetime] = {}  # by kind
        self.owned: set[str] = set()
        self.wish: str | None = None  # looked at last time, not bought

    def browse(self, at: datetime) -> Visit:
        slug = self._kind(at)
        visit = Visit(self.person, at)
        self._look(visit, slug)
        if self.random.random() < 0.25 and visit.seen:
            visit.carted.append(visit.seen[-1])
        self.wish = slug
        return visit

    def order(self, at: datetime) -> Visit:
        visit = Visit(self.person, at)
        slug = self.wish if self.wish and self.random.random() < 0.5 else self._kind(at)
        self.wish = None
        self._buy(visit, slug)
        together = [near for near in self.catalogue.kinds[slug][0].kind.goes_with if near not in self.bought]
        for near in together:
            if self.random.random() < 0.18 + 0.25 * self.person.impulse:
                self._buy(visit, near)
        if self.random.random() < 0.15:
            self._buy(visit, self._kind(at))
        for purchase in visit.basket:
            self.bought[purchase.item.kind.slug] = at
        return visit

    def _kind(self, at: datetime) -> str:
        weights = [base * season for base, season in zip(self.base, self.catalogue.season(at.month), strict=True)]
        index = self.catalogue.index
        mean = sum(weights) / len(weights)
        for slug, then in self.bought.items():
            kind = self.catalogue.kinds[slug][0].kind
            days = (at - then).days
            if kind.repeatable:
                weights[index[slug]] += mean * (14 if days > 25 else 2)
            else:
                weights[index[slug]] *= 0.08 if days < 400 else 0.5
            if days < 60:
                for near in kind.goes_with:
                    if near not in self.bought:
                        weights[index[near]] += mean * 10
        return self.random.choices(self.catalogue.slugs, weights)[0]

    def _item(self, slug: str, at: datetime) -> Item:
        fresh = [item for item in self.catalogue.kinds[slug] if item.created_at < at]
        members = fresh or self.catalogue.kinds[slug]
        weights = []
        for item in members:
            weight = item.popularity * 2.0 ** -(2 * abs(item.grade - self.person.level))
            weight *= 2.5 if item.brand in self.person.brands else 1.0
            weight *= 0.05 if item.id in self.owned and not item.kind.repeatable else 1.0
            weights.append(weight)
        return self.random.choices(members, weights)[0]

    def _look(self, visit: Visit, slug: str) -> Item:
        """Look around in the kind, and perhaps next door, before settling on one."""
        near = self.catalogue.by_category[self.catalogue.kinds[slug][0].kind.category]
        for _ in range(self.random.choice((0, 1, 1, 2, 2, 3))):
            other = slug if self.random.random() < 0.7 else self.random.choice(near)
            item = self._item(other, visit.at)
            if item not in visit.seen:
                visit.seen.append(item)
        settled = self._item(slug, visit.at)
        if settled in visit.seen:
            visit.seen.remove(settled)
        visit.seen.append(settled)
        return settled

    def _buy(self, visit: Visit, slug: str) -> None:
        item = self._look(visit, slug)
        if any(purchase.item is item for purchase in visit.basket):
            return
        visit.carted.append(item)
        quantity = (
            self.random.choice((1, 2, 2, 3))
            if item.kind.repeatable
            else 2
            if "chair" in slug and self.random.random() < 0.6
            else 1
        )
        visit.basket.append(Purchase(item, self._variant(item), quantity))
        self.owned.add(item.id)

    def _variant(self, item: Item) -> Mapping[str, Any]:
        """The customer's colour where there is one; sizes as they come."""
        liked = [variant for variant in item.variants if variant["options"].get("color") == self.person.color]
        return self.random.choice(liked or list(item.variants))


def interactions_of(visit: Visit, number: int, random: Random) -> Iterator[dict[str, Any]]:
    """Rows of table `interactions` of one session, in time order; `number` names the session."""
    context = {"session": number}
    at = visit.at - timedelta(seconds=60 * (len(visit.seen) + len(visit.carted)) + 30)
    carted = {item.id for item in visit.carted}
    for item in visit.seen:
        at += timedelta(seconds=random.randint(15, 58))
        yield _interaction(visit.person.id, item.id, "view", at, context)
        if item.id in carted:
            at += timedelta(seconds=random.randint(5, 40))
            yield _interaction(visit.person.id, item.id, "cart", at, context)
    for purchase in visit.basket:
        yield _interaction(visit.person.id, purchase.item.id, "purchase", visit.at, context)


def _interaction(customer_id: str, product_id: str, kind: str, at: datetime, context: dict[str, Any]) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "visitor_id": None,
        "product_id": product_id,
        "kind": kind,
        "at": at,
        "context": context,
    }
