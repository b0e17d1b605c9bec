"""The demo shop: the same for the same day, consistent, alive, and never in the way of a shop's own data."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from bot.database.base import Base
from bot.database.demo_fraud import KINDS as FRAUD_KINDS
from bot.database.demo_kinds import CATEGORIES
from bot.database.demo_showcase import DEMO_CUSTOMERS
from bot.database.engine import open_engine, open_sessions
from bot.database.policies import defaults
from bot.database.seed import Rows, SeedError, Size, demo_rows, fingerprint, remove, seed
from bot.database.shop import Interaction, Order, Product, ShopFact

TODAY = datetime(2026, 6, 1, tzinfo=UTC)
SMALL = Size(customers=60, orders=150, fraud_each=1)


@pytest.fixture(scope="module")
def rows() -> Rows:
    """The whole demo shop, as rows."""
    return demo_rows(TODAY)


def test_the_same_day_gives_the_same_rows_and_another_day_others() -> None:
    first, second = demo_rows(TODAY, size=SMALL), demo_rows(TODAY, size=SMALL)
    assert fingerprint(first) == fingerprint(second)
    assert fingerprint(demo_rows(TODAY + timedelta(days=1), size=SMALL)) != fingerprint(first)


def test_the_rows_do_not_depend_on_the_machine() -> None:
    # Computed once and written down: another Python, processor or hash seed must come to the same products.
    products = demo_rows(TODAY, size=SMALL)["products"]
    assert products[1]["name"] == "Nordhang Kvist 2-person trekking tent"
    assert products[-1]["name"] == "Kyoto House Quell tablecloth"


def test_the_shop_is_as_large_as_promised(rows: Rows) -> None:
    assert len(rows["products"]) >= 400
    assert {row["category"] for row in rows["products"]} == set(CATEGORIES)
    assert len(CATEGORIES) == 15
    assert (len(rows["customers"]), len(rows["orders"])) == (2000, 12000)
    assert Counter(row["language"] for row in rows["documents"]) == {"en": 41, "zh": 41}
    placed = [row["placed_at"] for row in rows["orders"]]
    assert max(placed) < TODAY
    assert timedelta(days=530) < TODAY - min(placed) < timedelta(days=560)


def test_every_state_is_there_and_some_orders_are_on_their_way(rows: Rows) -> None:
    states = Counter(row["status"] for row in rows["orders"])
    assert all(states[state] >= 10 for state in ("pending", "processing", "shipped", "delivered", "cancelled"))
    assert {row["status"] for row in rows["shipments"]} >= {
        "packed",
        "in_transit",
        "out_for_delivery",
        "delivered",
        "lost",
    }
    assert {row["status"] for row in rows["returns"]} == {
        "requested",
        "label_sent",
        "received",
        "refunded",
        "exchanged",
        "refused",
    }
    assert {(row["kind"], row["status"]) for row in rows["payments"]} == {
        ("payment", "captured"), ("payment", "failed"), ("refund", "done"), ("refund", "pending")
    }  # fmt: skip


def test_names_and_texts_are_in_both_languages(rows: Rows) -> None:
    for row in rows["products"]:
        assert all(row[name] for name in ("name", "name_zh", "description", "description_zh"))
        assert any("\u4e00" <= letter <= "\u9fff" for letter in row["description_zh"])
    assert len({row["name"] for row in rows["products"]}) == len(rows["products"])
    assert 0.15 < sum(row["language"] == "zh" for row in rows["customers"]) / 2000 < 0.35


def test_amounts_and_times_of_every_order_agree(rows: Rows) -> None:
    lines, parcels, paid = defaultdict(list), defaultdict(list), defaultdict(int)
    for row in rows["order_lines"]:
        lines[row["order_id"]].append(row)
    for row in rows["shipments"]:
        parcels[row["order_id"]].append(row)
    for row in rows["payments"]:
        if row["status"] == "captured":
            paid[row["order_id"]] += row["amount_minor"]
    for order in rows["orders"]:
        own = lines[order["id"]]
        assert sum(line["price_minor"] * line["quantity"] for line in own) == order["subtotal_minor"]
        assert order["subtotal_minor"] + order["shipping_minor"] == order["total_minor"] == paid[order["id"]]
        if order["status"] == "delivered":
            arrived = [parcel["delivered_at"] for parcel in parcels[order["id"]]]
            assert max(arrived) == order["delivered_at"] < TODAY
            assert sorted(id for parcel in parcels[order["id"]] for id in parcel["line_ids"]) == sorted(
                line["id"] for line in own
            )
        if order["status"] == "cancelled":
            assert order["placed_at"] < order["cancelled_at"] < TODAY
            assert not parcels[order["id"]]


def test_fraud_of_each_kind_is_planted_among_many_honest_orders(rows: Rows) -> None:
    kinds = Counter(row["fraud_kind"] for row in rows["orders"])
    assert all(kinds[kind] >= 32 for kind in FRAUD_KINDS)
    assert 0.01 < 1 - kinds[None] / 12000 < 0.02  # a review of 2 % can find them all
    numbers = [int(row["number"][2:]) for row in rows["orders"] if row["fraud_kind"]]
    assert max(numbers) - min(numbers) > 8000  # nothing in the number gives them away


def test_a_taken_over_account_shows_its_signals_before_the_order(rows: Rows) -> None:
    events = defaultdict(list)
    for row in rows["customer_events"]:
        events[row["customer_id"]].append(row)
    for order in rows["orders"]:
        if order["fraud_kind"] == "account_takeover":
            before = {
                e["kind"] for e in events[order["customer_id"]] if order["placed_at"] - e["at"] < timedelta(hours=5)
            }
            assert {"signed_in", "address_added"} <= before


def test_behaviour_has_tastes_seasons_and_things_that_go_together(rows: Rows) -> None:
    category = {row["id"]: row["category"] for row in rows["products"]}
    bought = defaultdict(list)
    months: dict[str, Counter[int]] = defaultdict(Counter)
    for row in rows["interactions"]:
        if row["kind"] == "purchase":
            bought[row["customer_id"]].append(row)
            months[category[row["product_id"]]][row["at"].month] += 1
    shares = [
        Counter(category[row["product_id"]] for row in own).most_common(1)[0][1] / len(own)
        for own in bought.values()
        if len(own) >= 10
    ]
    assert sum(shares) / len(shares) > 0.25  # chance: 0.07 for 15 categories
    summer, winter = (
        sum(months["tents"][m] for m in season) / sum(count[m] for count in months.values() for m in season)
        for season in ((5, 6, 7, 8), (11, 12, 1, 2))
    )
    assert summer > 1.5 * winter  # share of tents in what is bought
    together = Counter()
    for own in bought.values():
        baskets = defaultdict(set)
        for row in own:
            baskets[row["at"]].add(row["product_id"].rpartition("-")[0])
        together.update(pair for basket in baskets.values() for pair in ((a, b) for a in basket for b in basket))
    assert together["gas-stove", "gas-canister"] > 10 * together["gas-stove", "skillet"]


def test_views_come_before_the_purchase(rows: Rows) -> None:
    seen = {
        (row["customer_id"], row["product_id"], row["context"]["session"]): row["at"]
        for row in rows["interactions"]
        if row["kind"] == "view"
    }
    for row in rows["interactions"]:
        if row["kind"] == "purchase":
            assert seen[row["customer_id"], row["product_id"], row["context"]["session"]] < row["at"]


def test_demo_customers_have_an_order_in_each_state_they_name(rows: Rows) -> None:
    orders = {row["number"]: row for row in rows["orders"]}
    returns = {row["order_id"]: row for row in rows["returns"]}
    emails = {row["email"]: row["id"] for row in rows["customers"]}
    for customer in DEMO_CUSTOMERS:
        assert emails[customer.email] == customer.id
        for state, number in customer.orders.items():
            order = orders[number]
            assert order["customer_id"] == customer.id
            if state in ("pending", "processing", "shipped", "cancelled"):
                assert order["status"] == state
            if state == "delivered":
                assert TODAY - order["delivered_at"] < timedelta(days=defaults().integer("return_window_days"))
            if state == "delivered_long_ago":
                assert TODAY - order["delivered_at"] > timedelta(days=defaults().integer("exchange_window_days"))
            if state in ("refunded", "exchanged"):
                assert returns[order["id"]]["status"] == state


# in the database


@pytest.fixture
def empty(database_url: str):  # type: ignore[no-untyped-def]
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def count(engine: Engine, table: type[Base]) -> int:
    with open_sessions(engine)() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_seeding_twice_does_nothing_the_second_time(empty: Engine) -> None:
    assert seed(empty, TODAY, size=SMALL).counts["orders"] == 150
    again = seed(empty, TODAY + timedelta(days=1), size=SMALL)
    assert (again.counts, "nothing to do" in again.sentence) == ({}, True)
    assert count(empty, Order) == 150


def test_force_replaces_and_remove_takes_out_the_demo_shop(empty: Engine) -> None:
    seed(empty, TODAY, size=SMALL)
    assert seed(empty, TODAY, size=SMALL, force=True).counts["orders"] == 150
    assert count(empty, Order) == 150
    remove(empty)
    assert (count(empty, Order), count(empty, Product), count(empty, Interaction), count(empty, ShopFact)) == (
        0,
        0,
        0,
        0,
    )


def test_a_shop_with_its_own_data_is_never_touched(empty: Engine) -> None:
    with open_sessions(empty).begin() as session:
        session.add(Product(id="own", name="Own", description="", category="own"))
    assert "own data" in seed(empty, TODAY, size=SMALL).sentence
    for refused in (lambda: seed(empty, TODAY, size=SMALL, force=True), lambda: remove(empty)):
        with pytest.raises(SeedError, match="own data"):
            refused()
    assert (count(empty, Product), count(empty, Order)) == (1, 0)


def test_a_seeding_that_dies_leaves_nothing_behind(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'kefu.db'}")
    Base.metadata.create_all(engine)

    def die(stage: str, done: int, total: int) -> None:
        if stage == "payments":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seed(engine, TODAY, size=SMALL, progressed=die)
    assert (count(engine, Product), count(engine, ShopFact)) == (0, 0)
    engine.dispose()
