"""Services over the small shop: the real order desk and identity on a real database, fakes at our own seams only.

`python -m tests.dialogue.small_services URL PORT` serves them as an action server.
"""

import itertools
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.rasa_actions.services import Services
from actions.risk.types import Reason, RiskAssessment, RiskRequest, both
from bot.database.engine import Sessions, open_engine, open_readers, open_sessions
from bot.database.shop import HelpDocument, Product
from retrieval.documents import Product as FoundProduct
from retrieval.filters import Filters, Vocabulary, understand
from retrieval.search import Answer, Hit, ProductHit, ProductHits
from retrieval.shop_source import product_of
from tests.dialogue.small_shop import NOW

WORDS = {
    "returns": ("return", "refund", "退货", "退款"),
    "refunds": ("money back",),
    "delivery": ("deliver", "shipping", "配送"),
}


@dataclass
class WordSearch:
    """Finds by plain words; what it finds is known to the test's reader."""

    sessions: Sessions

    def _all(self) -> list[FoundProduct]:
        with self.sessions() as session:
            return [product_of(row) for row in session.scalars(select(Product).order_by(Product.id))]

    def products(
        self,
        text: str,
        *,
        language: str,
        filters: Any = None,
        previous: Filters | None = None,
        limit: int = 5,
        suggest: bool = False,
    ) -> ProductHits:
        asked = understand(text, Vocabulary(), previous)
        everything = self._all()
        hits = [
            product
            for product in everything
            if any(word in asked.query.lower() for name in product.names.values() for word in _parts(name))
        ]
        if previous is not None and not hits:
            hits = [product for product in everything if product.id in previous.shown]
            hits.sort(key=lambda product: product.price_minor)
        found = tuple(ProductHit(product, 0.9, product.variants) for product in hits[:limit])
        return ProductHits(found, replace(asked, shown=tuple(product.id for product in hits)))

    def passages(self, text: str, *, language: str, limit: int = 3) -> list[Hit]:
        said = text.lower()
        topics = [topic for topic, words in WORDS.items() if any(word in said for word in words)]
        with self.sessions() as session:
            rows = session.scalars(
                select(HelpDocument).where(HelpDocument.topic.in_(topics), HelpDocument.language == language)
            ).all()
        return [
            Hit(
                id=f"{row.id}#0", score=0.9, title=row.title, text=row.body, answer=row.body, language=row.language,
                document_id=row.id, topic=row.topic, kind=row.kind, url=f"https://shop.example/help/{row.topic}",
            )
            for row in rows
        ][:limit]  # fmt: skip

    def product_question(self, product_id: str, text: str, language: str) -> Answer | None:
        product = self.product(product_id)
        if product is None or not any(word in text.lower() for word in ("waterproof", "防水")):
            return None
        yes = bool(product.attributes.get("waterproof"))
        words = (
            ("是的，防水。" if yes else "不防水。")
            if language == "zh"
            else ("Yes, it is waterproof." if yes else "No.")
        )
        return Answer(words, product_id, "attributes.waterproof")

    def product(self, product_id: str) -> FoundProduct | None:
        return next((each for each in self._all() if each.id == product_id), None)

    def product_named(self, text: str, language: str) -> FoundProduct | None:
        hits = self.products(text, language=language).hits
        return hits[0].product if len(hits) == 1 else None


def _parts(name: str) -> list[str]:
    return [part for part in name.lower().split() if len(part) > 3] if name.isascii() else [name[-2:]]


@dataclass(frozen=True)
class Pick:
    product_id: str
    score: float
    sources: Mapping[str, float]
    reason: str
    label: str | None = None
    campaign: str | None = None
    noted: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class FirstProducts:
    """Recommends what is allowed, in the order of ids."""

    asked: list[Any] = field(default_factory=list)
    visitors: list[str | None] = field(default_factory=list)
    campaign: str | None = None  # of the first card

    def recommend(
        self, *, customer_id: str | None, visitor_id: str | None, context: Any, limit: int, now: datetime
    ) -> list[Pick]:
        self.asked.append(context)
        self.visitors.append(visitor_id)
        ids = context.allowed if context.allowed is not None else ("jacket", "stove", "tent")
        found = [
            Pick(id, 1.0, {"popularity": 1.0}, "often bought this month") for id in ids if id not in context.exclude
        ]
        if self.campaign and found:
            noted = {"campaign": self.campaign, "arm": "fitted", "propensity": 1.0}
            found[0] = replace(found[0], label="Promotion", campaign=self.campaign, noted=noted)
        return found[:limit]


class NoDrafts:
    def draft(
        self, *, text: str, intent: str, language: str, facts: Mapping[str, Any], passages: Sequence[Any]
    ) -> Mapping[str, Any] | None:
        return None


@dataclass
class Risk:
    """Says what it is told to: `band` of the next assessments."""

    band: str = "low"
    asked: list[RiskRequest] = field(default_factory=list)

    def __call__(self, session: Session, request: RiskRequest) -> RiskAssessment:
        self.asked.append(request)
        reasons = (Reason("planted", both("a planted reason", "预设的原因"), "rule"),)
        return RiskAssessment(0.1, self.band, reasons, {"logistic": 0.1}, "test-1", {})  # type: ignore[arg-type]


def small_services(url: str, *, risk: Risk | None = None, budget_seconds: float = 8.0) -> Services:
    engine = open_engine(url)
    readers, ticks = open_readers(engine), itertools.count()
    return Services(
        sessions=open_sessions(engine),
        readers=readers,
        search=WordSearch(readers),
        recommender=FirstProducts(),
        assess=risk or Risk(),
        drafts=NoDrafts(),
        threads=ThreadPoolExecutor(4),
        clock=lambda: NOW + timedelta(milliseconds=next(ticks)),  # two things never happen at one moment
        budget_seconds=budget_seconds,
    )


if __name__ == "__main__":
    from actions.rasa_actions.catalog import all_actions
    from actions.rasa_actions.server import serve

    serve(all_actions(small_services(sys.argv[1])), int(sys.argv[2]))
