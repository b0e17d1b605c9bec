"""Names of the catalogue as the models of language see them."""

from datetime import timedelta

from bot.database.engine import Sessions
from bot.database.shop import Product
from nlu_models.catalogue import Catalogue


def test_what_customers_call_the_goods_follows_the_catalogue(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.add(
            Product(id="p1", name="Aske fleece jacket", name_zh="Aske 抓绒衣", description="", category="jackets")
        )
    catalogue = Catalogue(sessions)
    first = catalogue.gazetteer()
    assert catalogue.gazetteer() is first
    assert {"jumper", "卫衣"} <= first.called
    assert "frying pan" not in first.called
    with sessions.begin() as session:
        jacket = session.get_one(Product, "p1")
        jacket.name = "Tarn skillet"
        jacket.updated_at += timedelta(seconds=1)
    assert "frying pan" in catalogue.gazetteer().called
    assert "jumper" not in catalogue.gazetteer().called
