"""The names of the shop's catalogue, read from the database and kept up to date."""

from dataclasses import replace
from typing import Any

from bot.database.engine import Sessions
from bot.database.shop import Product
from nlu_models.gazetteer import Gazetteer, from_catalogue
from retrieval.same_words import Groups, Names


class Catalogue:
    """`gazetteer()` reads the names again when a product has changed since the last call.

    Args:
        same_words: what customers call things, `retrieval.same_words.of_home`; None: what comes with Kefu.
    """

    def __init__(self, sessions: Sessions, same_words: Groups | None = None) -> None:
        self.sessions = sessions
        self._same_words = same_words
        self._seen: Any = None
        self._gazetteer = Gazetteer()

    def gazetteer(self) -> Gazetteer:
        """The current names; the same object while nothing has changed."""
        with self.sessions() as session:
            newest = session.query(Product.updated_at).order_by(Product.updated_at.desc()).limit(1).scalar()
            seen = (newest, session.query(Product.id).count())
            if seen == self._seen:
                return self._gazetteer
            active = session.query(Product).filter(Product.active)
            rows = [
                (id, name, chinese, brand)
                for id, name, chinese, brand in active.with_entities(
                    Product.id, Product.name, Product.name_zh, Product.brand
                )
            ]
            slugs = sorted({slug for (slug,) in active.with_entities(Product.category).distinct()})
        made, called = from_catalogue(rows, slugs), self._gazetteer.called
        if _of_products(made) != _of_products(self._gazetteer):  # prices and stock change far more often
            called = Names(_of_products(made), self._same_words).called()
        self._gazetteer, self._seen = replace(made, called=called), seen
        return self._gazetteer


def _of_products(gazetteer: Gazetteer) -> frozenset[str]:
    return frozenset(name for (kind, _), written in gazetteer.names.items() if kind == "product" for name in written)
