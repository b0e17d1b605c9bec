"""The shop as the recommender sees it: behaviour, pasts and products from the database; `LiveShop` keeps them fresh."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session, selectinload

from actions.recommendation.campaign_source import campaign_counts
from actions.recommendation.catalogue import Campaign, Facts, Past
from actions.recommendation.interactions import Event
from bot.database import shop
from bot.database.engine import Sessions

DAY_SECONDS = 86_400
PAST_EVENTS = 400  # of one customer; older ones say little and cost time
LOOK_AGAIN_SECONDS = 1.0
CAMPAIGNS_KEPT_SECONDS = 30.0
COUNTED_ORDERS = ("pending", "processing", "shipped", "delivered")
IN_RETURN = ("requested", "in_review", "label_sent", "received", "refunded")


def read_events(session: Session) -> Iterator[Event]:
    """Everything the members learn from: behaviour by time, then purchases from orders nobody recorded as behaviour."""
    seen: set[tuple[str, str, int]] = set()
    query = select(
        shop.Interaction.customer_id,
        shop.Interaction.visitor_id,
        shop.Interaction.product_id,
        shop.Interaction.kind,
        shop.Interaction.at,
    ).order_by(shop.Interaction.at)
    for customer, visitor, product, kind, at in session.execute(query.execution_options(yield_per=5000)):
        who = customer or f"visitor:{visitor}"
        if kind == "purchase":
            seen.add((who, product, int(at.timestamp()) // DAY_SECONDS))
        yield Event(who, product, kind, at.timestamp())
    for customer, product, at in session.execute(_bought()):
        if (customer, product, int(at.timestamp()) // DAY_SECONDS) not in seen:
            yield Event(customer, product, "purchase", at.timestamp())


def read_facts(session: Session, ids: Iterable[str] | None = None) -> dict[str, Facts]:
    """Active products, or those of `ids`."""
    query = select(shop.Product).where(shop.Product.active).options(selectinload(shop.Product.variants))
    if ids is not None:
        query = query.where(shop.Product.id.in_(list(ids)))
    return {row.id: facts_of(row) for row in session.scalars(query.order_by(shop.Product.id))}


def facts_of(row: shop.Product) -> Facts:
    stocked = [variant for variant in row.variants if variant.active and variant.stock > 0]
    return Facts(
        id=row.id,
        names={"en": row.name, **({"zh": row.name_zh} if row.name_zh else {})},
        category=row.category,
        brand=row.brand,
        prices_minor=tuple(variant.price_minor for variant in stocked),
        options=tuple({name: str(value) for name, value in (v.options or {}).items()} for v in stocked),
        repeatable=row.repeatable,
        attributes=dict(row.attributes or {}),
        added_at=row.created_at.timestamp(),
    )


class LiveShop:
    """`recommender.Shop` over the database; products are re-read when something changed, looked for once a second."""

    def __init__(self, readers: Sessions, *, look_again_seconds: float = LOOK_AGAIN_SECONDS) -> None:
        self._readers = readers
        self._look_again_seconds = look_again_seconds
        self._lock = threading.Lock()
        self._facts: dict[str, Facts] = {}
        self._mark: tuple[object, ...] | None = None
        self._looked = -1e9
        self._campaigns: tuple[datetime, Sequence[Campaign]] | None = None

    def products(self) -> Mapping[str, Facts]:
        with self._lock:
            if time.monotonic() - self._looked >= self._look_again_seconds:
                self._refresh()
                self._looked = time.monotonic()
            return self._facts

    def past(self, customer_id: str | None, visitor_id: str | None) -> Past:
        if customer_id is None and visitor_id is None:
            return Past()
        with self._readers() as session:
            return _past(session, customer_id, visitor_id)

    def campaigns(self, now: datetime) -> Sequence[Campaign]:
        with self._lock:
            if self._campaigns is None or abs((now - self._campaigns[0]).total_seconds()) > CAMPAIGNS_KEPT_SECONDS:
                self._campaigns = (now, self._running(now))
            return self._campaigns[1]

    def _running(self, now: datetime) -> Sequence[Campaign]:
        with self._readers() as session:
            rows = session.scalars(
                select(shop.Promotion)
                .where(shop.Promotion.starts_at <= now, shop.Promotion.ends_at > now)
                .where(shop.Promotion.category.is_not(None) | shop.Promotion.product_id.is_not(None))
                .order_by(shop.Promotion.id)
            ).all()
            counts = campaign_counts(session) if any(row.budget_minor is not None for row in rows) else {}
            return [
                Campaign(
                    id=row.id,
                    titles={"en": row.title, **({"zh": row.title_zh} if row.title_zh else {})},
                    products=frozenset([row.product_id]) if row.product_id else None,
                    category=row.category,
                    audience=dict(row.audience or {}),
                    budget_minor=row.budget_minor,
                    spent_minor=counts[row.id].spent_minor if row.id in counts else 0,
                    frequency_cap=row.frequency_cap,
                )
                for row in rows
            ]

    def in_stock(self, ids: Sequence[str]) -> frozenset[str]:
        with self._readers() as session:
            rows = session.scalars(
                select(shop.Variant.product_id)
                .where(shop.Variant.product_id.in_(list(ids)), shop.Variant.active, shop.Variant.stock > 0)
                .distinct()
            )
            return frozenset(rows)

    def _refresh(self) -> None:
        with self._readers() as session:
            mark = (
                session.scalar(select(func.max(shop.Product.updated_at))),
                session.scalar(select(func.max(shop.Variant.updated_at))),
                session.scalar(select(func.count()).select_from(shop.Product)),
                session.scalar(select(func.sum(shop.Variant.stock))),
            )
            if mark != self._mark:
                self._facts = read_facts(session)
                self._mark = mark


class FreshEvents:
    """`online.NewEvents` from the database: interactions by their growing number."""

    def __init__(self, readers: Sessions) -> None:
        self._readers = readers
        with readers() as session:
            self._last = session.scalar(select(func.max(shop.Interaction.id))) or 0

    def look(self) -> list[Event]:
        with self._readers() as session:
            rows = session.execute(
                select(
                    shop.Interaction.id,
                    shop.Interaction.customer_id,
                    shop.Interaction.visitor_id,
                    shop.Interaction.product_id,
                    shop.Interaction.kind,
                    shop.Interaction.at,
                )
                .where(shop.Interaction.id > self._last)
                .order_by(shop.Interaction.id)
            ).all()
        self._last = max([self._last, *(row[0] for row in rows)])
        return [
            Event(customer or f"visitor:{visitor}", product, kind, at.timestamp())
            for _, customer, visitor, product, kind, at in rows
        ]


def _past(session: Session, customer_id: str | None, visitor_id: str | None) -> Past:
    who = []
    if customer_id is not None:
        who.append(shop.Interaction.customer_id == customer_id)
    if visitor_id is not None:
        who.append(shop.Interaction.visitor_id == visitor_id)
    condition = who[0] if len(who) == 1 else who[0] | who[1]
    rows = session.execute(
        select(shop.Interaction.product_id, shop.Interaction.kind, shop.Interaction.at, shop.Interaction.context)
        .where(condition)
        .order_by(shop.Interaction.at.desc())
        .limit(PAST_EVENTS)
    ).all()
    name = customer_id or f"visitor:{visitor_id}"
    events = [Event(name, product, kind, at.timestamp()) for product, kind, at, _ in rows]
    refused = frozenset(product for product, kind, _, _ in rows if kind == "not_for_me")
    opted_out = session.scalar(select(exists().where(condition, shop.Interaction.kind == "no_promotions")))
    shown = Counter(context.get("campaign") for _, kind, _, context in rows if kind == "shown" and context)
    campaigns = {str(id): times for id, times in shown.items() if id}
    if customer_id is None:
        return Past(tuple(reversed(events)), refused=refused, campaigns_shown=campaigns, no_promotions=bool(opted_out))
    bought = session.execute(_bought().where(shop.Order.customer_id == customer_id)).all()
    known = {(event.product, int(event.at) // DAY_SECONDS) for event in events if event.kind == "purchase"}
    events += [
        Event(name, product, "purchase", at.timestamp())
        for _, product, at in bought
        if (product, int(at.timestamp()) // DAY_SECONDS) not in known
    ]
    owned = frozenset(product for _, product, _ in bought)
    returned = _returned(session, customer_id)
    orders = session.scalar(
        select(func.count())
        .select_from(shop.Order)
        .where(shop.Order.customer_id == customer_id, shop.Order.status.in_(COUNTED_ORDERS))
    )
    newsletter = session.scalar(select(shop.Customer.newsletter).where(shop.Customer.id == customer_id))
    return Past(
        tuple(sorted(events, key=lambda event: event.at)),
        owned=owned - returned,
        returned=returned,
        refused=refused,
        orders=orders or 0,
        newsletter=bool(newsletter),
        campaigns_shown=campaigns,
        no_promotions=bool(opted_out),
    )


def _bought() -> Select[str, str, datetime]:
    return (
        select(shop.Order.customer_id, shop.OrderLine.product_id, shop.Order.placed_at)
        .join(shop.Order, shop.OrderLine.order_id == shop.Order.id)
        .where(shop.Order.status.in_(COUNTED_ORDERS))
        .order_by(shop.Order.placed_at)
    )


def _returned(session: Session, customer_id: str) -> frozenset[str]:
    requests = session.scalars(
        select(shop.ReturnRequest)
        .join(shop.Order, shop.ReturnRequest.order_id == shop.Order.id)
        .where(
            shop.Order.customer_id == customer_id,
            shop.ReturnRequest.kind == "return",
            shop.ReturnRequest.status.in_(IN_RETURN),
        )
    ).all()
    lines = [line["line_id"] for request in requests for line in request.lines]
    if not lines:
        return frozenset()
    return frozenset(session.scalars(select(shop.OrderLine.product_id).where(shop.OrderLine.id.in_(lines))))
