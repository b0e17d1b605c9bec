"""What the recommender reads of the shop, from a real database."""

from datetime import UTC, datetime, timedelta

import pytest

from actions.recommendation.shop_source import FreshEvents, LiveShop, read_events
from bot.database import shop
from bot.database.engine import open_engine, open_sessions

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def sessions(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    shop.Base.metadata.create_all(engine)
    made = open_sessions(engine)
    with made.begin() as session:
        session.add(shop.Customer(id="ann", name="Ann", email="ann@mail.example", newsletter=True))
        for id in ("tent", "mug", "gas", "lamp"):
            session.add(shop.Product(id=id, name=id, description=id, category="tents"))
        session.flush()
        for id in ("tent", "mug", "gas", "lamp"):
            session.add(shop.Variant(sku=f"{id}-1", product_id=id, price_minor=1000, stock=3))
        session.flush()
        bought = (("delivered", "tent"), ("delivered", "mug"), ("cancelled", "gas"))
        for number, (status, product) in enumerate(bought):
            order = shop.Order(id=f"o{number}", number=f"K-10000{number}", customer_id="ann", status=status,
                               placed_at=NOW - timedelta(days=9), subtotal_minor=1000, total_minor=1000,
                               ship_to={})  # fmt: skip
            session.add(order)
            session.flush()
            session.add(shop.OrderLine(id=f"l{number}", order_id=order.id, position=1, product_id=product,
                                       sku=f"{product}-1", name=product, price_minor=1000))  # fmt: skip
            session.flush()
        session.add(shop.ReturnRequest(number="R-1", order_id="o1", kind="return", status="refunded",
                                       lines=[{"line_id": "l1", "quantity": 1}]))  # fmt: skip
        session.add(shop.Interaction(customer_id="ann", product_id="lamp", kind="not_for_me", at=NOW))
    yield made
    engine.dispose()


def test_a_past_says_what_is_owned_returned_and_refused(sessions):
    past = LiveShop(sessions).past("ann", None)
    assert past.owned == {"tent"}
    assert past.returned == {"mug"}
    assert past.refused == {"lamp"}
    assert (past.orders, past.newsletter) == (2, True)
    assert LiveShop(sessions).past(None, None).events == ()


def test_orders_count_as_purchases_though_nobody_recorded_them_and_cancelled_ones_do_not(sessions):
    with sessions() as session:
        bought = [event.product for event in read_events(session) if event.kind == "purchase"]
    assert sorted(bought) == ["mug", "tent"]


def test_a_purchase_that_is_recorded_and_ordered_counts_once(sessions):
    with sessions.begin() as session:
        session.add(shop.Interaction(customer_id="ann", product_id="tent", kind="purchase", at=NOW - timedelta(days=9)))
    with sessions() as session:
        assert [e.product for e in read_events(session) if e.kind == "purchase"].count("tent") == 1


def test_products_and_stock_are_those_of_now(sessions):
    live = LiveShop(sessions, look_again_seconds=0.0)
    assert live.products()["tent"].price_minor == 1000
    with sessions.begin() as session:
        session.get(shop.Variant, "tent-1").stock = 0
    assert not live.products()["tent"].in_stock
    assert live.in_stock(["tent", "mug"]) == {"mug"}


def test_only_campaigns_that_run_now_and_name_products_are_shown(sessions):
    with sessions.begin() as session:
        for id, category, starts in (("now", "tents", -1), ("later", "tents", 5), ("code", None, -1)):
            session.add(shop.Promotion(id=id, title=id, category=category, starts_at=NOW + timedelta(days=starts),
                                       ends_at=NOW + timedelta(days=9)))  # fmt: skip
    assert [campaign.id for campaign in LiveShop(sessions).campaigns(NOW)] == ["now"]


def test_fresh_events_come_once(sessions):
    fresh = FreshEvents(sessions)
    assert fresh.look() == []
    with sessions.begin() as session:
        session.add(shop.Interaction(visitor_id="v1", product_id="mug", kind="click", at=NOW))
    [event] = fresh.look()
    assert (event.customer, event.product, event.kind) == ("visitor:v1", "mug", "click")
    assert fresh.look() == []
