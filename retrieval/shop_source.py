"""The shop's products and help documents from the database, whole or only what changed since the last look."""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from bot.database import shop
from bot.database.engine import Sessions
from retrieval.documents import Document, Product, Variant
from retrieval.search import Change

# a row is stamped when it is written and seen when it is committed: rows this much older than the newest are read again
OVERLAP = timedelta(seconds=30)
BATCH = 500


def read_products(session: Session) -> Iterator[Product]:
    """Every active product, in batches: a large catalogue streams through."""
    query = select(shop.Product).where(shop.Product.active).order_by(shop.Product.id)
    query = query.options(selectinload(shop.Product.variants)).execution_options(yield_per=BATCH)
    for row in session.scalars(query):
        yield product_of(row)


def read_documents(session: Session) -> Iterator[Document]:
    query = select(shop.HelpDocument).where(shop.HelpDocument.active).order_by(shop.HelpDocument.id)
    for row in session.scalars(query.execution_options(yield_per=BATCH)):
        yield document_of(row)


def product_of(row: shop.Product) -> Product:
    variants = [variant for variant in row.variants if variant.active]
    return Product(
        id=row.id,
        names=_both(row.name, row.name_zh),
        descriptions=_both(row.description, row.description_zh),
        category=row.category,
        brand=row.brand,
        attributes=dict(row.attributes or {}),
        variants=tuple(
            Variant(
                sku=variant.sku,
                options={name: str(value) for name, value in (variant.options or {}).items()},
                price_minor=variant.price_minor,
                stock=variant.stock,
                list_price_minor=variant.list_price_minor,
            )
            for variant in variants
        ),
        currency=variants[0].currency if variants else "EUR",
        picture=row.picture,
        url=row.url,
    )


def document_of(row: shop.HelpDocument) -> Document:
    return Document(
        id=row.id, language=row.language, title=row.title, body=row.body, topic=row.topic, kind=row.kind, url=row.url
    )


class ShopChanges:
    """Asks the database what changed; `look` returns it once, and everything the first time (`Change.complete`).

    A row counts as changed when its `updated_at` is one not seen before; one that is committed up to `OVERLAP` after
    its stamp is found too. Rows deleted outright are noticed by number.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._stamps: dict[str, dict[str, datetime]] = {
            kind: {} for kind in _COLUMNS
        }  # kind -> id -> latest stamp seen
        self._newest: dict[str, datetime | None] = dict.fromkeys(_COLUMNS)
        self._moved: dict[str, float] = dict.fromkeys(_COLUMNS, 0.0)  # when `_newest` last did, on this clock
        self._owners: dict[str, str] = {}  # variant -> product, to know whose variant was deleted

    def start(self) -> None:
        """Raise now, not in the background, when the database cannot be read."""
        with self._sessions() as session:
            session.scalar(select(func.count()).select_from(shop.Product))

    def look(self) -> Change:
        first = not self._stamps["product"] and not self._stamps["document"]
        with self._sessions() as session:
            changed = {kind: self._changed(session, kind) for kind in _COLUMNS}
            gone = {kind: self._gone(session, kind) for kind in _COLUMNS}
            product_ids = changed["product"] | self._products_of(session, changed["variant"]) | gone["variant"]
            products, inactive = self._products(session, product_ids - gone["product"])
            documents, hidden = self._documents(session, changed["document"])
            return Change(
                products=tuple(products),
                products_gone=(*inactive, *gone["product"]),
                documents=tuple(documents),
                documents_gone=(*hidden, *gone["document"]),
                complete=first,
            )

    def _changed(self, session: Session, kind: str) -> set[str]:
        columns = _COLUMNS[kind]
        newest = self._newest[kind]
        query = select(*columns)
        if newest is not None:
            # what was stamped a little earlier may be committed later; not for ever, or an import is read at every look
            settled = time.monotonic() - self._moved[kind] > OVERLAP.total_seconds()
            query = query.where(columns[1] > newest if settled else columns[1] >= newest - OVERLAP)
        known = self._stamps[kind]
        fresh = {id: stamp for id, stamp in session.execute(query).all() if known.get(id) != stamp}
        known.update(fresh)
        latest = max([*fresh.values(), *([newest] if newest else [])], default=None)
        if latest != newest:
            self._newest[kind], self._moved[kind] = latest, time.monotonic()
        return set(fresh)

    def _gone(self, session: Session, kind: str) -> set[str]:
        """Ids that were deleted. For variants: the products that lost one."""
        column = _COLUMNS[kind][0]
        known = self._stamps[kind]
        if session.scalar(select(func.count()).select_from(column.class_)) == len(known):
            return set()
        there = set(session.scalars(select(column)))
        lost = set(known) - there
        owners = {self._owners[sku] for sku in lost if sku in self._owners} if kind == "variant" else lost
        for id in lost:
            del known[id]
        return owners

    def _products_of(self, session: Session, skus: set[str]) -> set[str]:
        if not skus:
            return set()
        found: set[str] = set()
        listed = sorted(skus)
        for start in range(0, len(listed), BATCH):
            chunk = listed[start : start + BATCH]
            rows = session.execute(
                select(shop.Variant.sku, shop.Variant.product_id).where(shop.Variant.sku.in_(chunk))
            ).all()
            self._owners.update((sku, product_id) for sku, product_id in rows)
            found.update(product_id for _, product_id in rows)
        return found

    @staticmethod
    def _products(session: Session, ids: set[str]) -> tuple[list[Product], list[str]]:
        active: list[Product] = []
        inactive: list[str] = []
        listed = sorted(ids)
        for start in range(0, len(listed), BATCH):
            query = select(shop.Product).where(shop.Product.id.in_(listed[start : start + BATCH]))
            for row in session.scalars(query.options(selectinload(shop.Product.variants))):
                if row.active:
                    active.append(product_of(row))
                else:
                    inactive.append(row.id)
        return active, inactive

    @staticmethod
    def _documents(session: Session, ids: set[str]) -> tuple[list[Document], list[str]]:
        if not ids:
            return [], []
        rows = session.scalars(select(shop.HelpDocument).where(shop.HelpDocument.id.in_(sorted(ids)))).all()
        return [document_of(row) for row in rows if row.active], [row.id for row in rows if not row.active]


_COLUMNS: Mapping[str, Any] = {
    "product": (shop.Product.id, shop.Product.updated_at),
    "variant": (shop.Variant.sku, shop.Variant.updated_at),
    "document": (shop.HelpDocument.id, shop.HelpDocument.updated_at),
}


def _both(english: str, chinese: str | None) -> dict[str, str]:
    return {"en": english, **({"zh": chinese} if chinese else {})}
