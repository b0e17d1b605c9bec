"""What a recommender must know about the shop right now, as plain data; `shop_source` reads it from the database."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from actions.recommendation.interactions import Event


@dataclass(frozen=True)
class Facts:
    """A product as far as recommending goes: what filters and reasons need."""

    id: str
    names: Mapping[str, str]
    category: str = ""
    brand: str | None = None
    prices_minor: tuple[int, ...] = ()  # of the variants in stock
    options: tuple[Mapping[str, str], ...] = ()  # of the same variants
    repeatable: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    added_at: float = 0.0

    @property
    def in_stock(self) -> bool:
        return bool(self.prices_minor)

    @property
    def price_minor(self) -> int:
        return min(self.prices_minor, default=0)

    def name(self, language: str) -> str:
        return self.names.get(language) or next(iter(self.names.values()), self.id)


@dataclass(frozen=True)
class Past:
    """What one customer or visitor did. `owned`: bought and kept; `returned`: sent back; `refused`: "not for me"."""

    events: tuple[Event, ...] = ()
    owned: frozenset[str] = frozenset()
    returned: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    orders: int = 0
    newsletter: bool = False
    campaigns_shown: Mapping[str, int] = field(default_factory=dict)  # campaign -> times this customer saw it
    no_promotions: bool = False  # asked not to be shown any


@dataclass(frozen=True)
class Campaign:
    """A promotion that may place one labelled card. `spent_minor` is what its conversions have cost so far."""

    id: str
    titles: Mapping[str, str]
    products: frozenset[str] | None = None  # None: by category
    category: str | None = None
    audience: Mapping[str, Any] = field(default_factory=dict)
    budget_minor: int | None = None
    spent_minor: int = 0
    frequency_cap: int | None = None


class Wish(Protocol):
    """What the customer asked of the product; `retrieval.filters.Filters` is one."""

    @property
    def category(self) -> str | None: ...
    @property
    def brand(self) -> str | None: ...
    @property
    def color(self) -> str | None: ...
    @property
    def size(self) -> str | None: ...
    @property
    def price_min_minor(self) -> int | None: ...
    @property
    def price_max_minor(self) -> int | None: ...
    @property
    def persons(self) -> int | None: ...
    @property
    def weight_max_g(self) -> int | None: ...

    def suits(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a product of these attributes has room for so many and is as light as that."""
        ...


@dataclass(frozen=True)
class Context:
    """Where the recommendation is shown and what it is about.

    Args:
        kind: chat | similar ("something like this") | together ("what goes with it?") | cart | after_purchase.
        seed_products: the products talked about, in the cart, or just bought.
        allowed: only these may be shown (what a search found); None for all.
        relevance: how well each product fits the words of the wish, 0..1 (scores of a search).
        wish: price, category and options to respect; a filter for everything, campaigns included.
        exclude: shown a moment ago.
        campaigns: False where no promotion may stand; a customer's own opt-out is in their past.
        for_somebody: a present; what the customer likes says nothing of who gets it.
    """

    kind: str = "chat"
    seed_products: Sequence[str] = ()
    allowed: Collection[str] | None = None
    wish: Wish | None = None
    relevance: Mapping[str, float] = field(default_factory=dict)
    exclude: Collection[str] = ()
    language: str = "en"
    campaigns: bool = True
    for_somebody: bool = False


class Shop(Protocol):
    """The live side of the shop."""

    def products(self) -> Mapping[str, Facts]:
        """Every active product by id."""
        ...

    def past(self, customer_id: str | None, visitor_id: str | None) -> Past: ...

    def campaigns(self, now: datetime) -> Sequence[Campaign]: ...

    def in_stock(self, ids: Sequence[str]) -> frozenset[str]:
        """Which of these can be bought, asked of the database now."""
        ...


def fits(facts: Facts, wish: Wish | None, families: Mapping[str, str]) -> bool:
    """True when some variant in stock fulfils the whole wish.

    Args:
        families: the shop's own colour names -> canonical colour ("forest" -> "green").
    """
    if wish is None:
        return True
    if wish.category and facts.category != wish.category:
        return False
    if wish.brand and (facts.brand or "").lower() != wish.brand.lower():
        return False
    if not wish.suits(facts.attributes):
        return False
    for price, options in zip(facts.prices_minor, facts.options, strict=True):
        if wish.price_min_minor is not None and price < wish.price_min_minor:
            continue
        if wish.price_max_minor is not None and price > wish.price_max_minor:
            continue
        color = str(options.get("color", "")).lower()
        if wish.color and wish.color.lower() not in (color, families.get(color, color)):
            continue
        if wish.size and str(options.get("size", "")).lower() != wish.size.lower():
            continue
        return True
    return False
