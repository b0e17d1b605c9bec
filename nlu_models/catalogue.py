"""The names of the shop's catalogue, read from the database and kept up to date."""

from typing import Any

from bot.database.engine import Sessions
from bot.database.shop import Product
from nlu_models.gazetteer import Gazetteer, from_catalogue


class Catalogue:
    """`gazetteer()` reads the names again when a product has changed since the last call."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
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
        self._gazetteer, self._seen = from_catalogue(rows, slugs), seen
        return self._gazetteer
