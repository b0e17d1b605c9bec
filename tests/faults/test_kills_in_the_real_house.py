"""A thousand messages through the real house, orders cancelled among them, while every process is killed."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.channels import shop_token
from bot.database.engine import open_engine
from bot.database.shop import Order, OrderEvent
from tests.conftest import fresh_postgres
from tests.faults.run import Plan, Result, open_sessions_at, run
from tests.house import House, copy_home, fill_shop, prepared, running_house  # noqa: F401  (a fixture)

PLAN = Plan(conversations=50, messages=20, kills=5, pause_seconds=(0.5, 2.0), timeout_seconds=1500)
CHAT = (
    "what is your return policy?",
    "how long does delivery take?",
    "do you have waterproof tents?",
    "thanks",
    "which payment methods do you take?",
    "show me hiking backpacks",
)


def cancellable(house: House, count: int) -> list[tuple[str, str]]:
    """(customer id, order number) of orders nobody has packed yet, a customer each."""
    engine = open_engine(house.settings.database_url)
    query = (
        select(Order.customer_id, func.min(Order.number))
        .where(Order.status == "pending")
        .group_by(Order.customer_id)
        .limit(count)
    )
    with engine.connect() as connection:
        found = [(str(customer), str(number)) for customer, number in connection.execute(query)]
    engine.dispose()
    return found


def play(house: House, plan: Plan) -> tuple[Result, dict[str, int]]:
    """The run, and for each order that was cancelled how often."""
    engine = open_engine(house.settings.database_url)
    orders = cancellable(house, plan.conversations)
    began = time.time()

    def texts(number: int) -> Sequence[str]:
        opening = ["hello"]
        if number < len(orders):
            opening += [f"please cancel order {orders[number][1]}, I ordered it by mistake", "yes"]
        return (opening + [CHAT[(number + index) % len(CHAT)] for index in range(plan.messages)])[: plan.messages]

    bodies = [{"language": "en"} for _ in range(plan.conversations)]
    for number, (customer_id, _) in enumerate(orders):
        token = shop_token.sign(customer_id, house.settings.shop_secret, expires_at=began + 3600)
        bodies[number]["customer_token"] = token
    tokens = open_sessions_at(house.url, bodies)
    result = run(house.group, house.url, engine, plan, texts, tokens)
    cancelled = (
        select(Order.number, func.count())
        .join(OrderEvent, OrderEvent.order_id == Order.id)
        .where(Order.number.in_([number for _, number in orders]), OrderEvent.kind == "cancelled")
        .group_by(Order.number)
    )
    with engine.connect() as connection:
        counts = {str(number): int(count) for number, count in connection.execute(cancelled)}
    engine.dispose()
    return result, counts


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of an empty PostgreSQL database; empty: SQLite in the home."""
    if request.param == "sqlite":
        yield ""
    else:
        yield from fresh_postgres()


@pytest.mark.timeout(1800)
def test_a_thousand_messages_and_every_process_killed_five_times(
    prepared: Path,  # noqa: F811
    tmp_path: Path,
    database: str,
):
    home = tmp_path / "home"
    copy_home(prepared, home)
    if database:
        fill_shop(home, database)
    with running_house(home, sender_per_minute="0", address_per_minute="0", database_url=database) as house:
        result, cancelled = play(house, PLAN)
    assert result.problems == []
    complaints = [line for line in house.lines if "error" in line.lower() or "took over" in line]
    assert (result.answered, result.silent, result.apologies) == (PLAN.total, 0, 0), "\n".join(complaints[-40:])
    assert result.deliveries == 2 * PLAN.total
    assert len(result.kills) == 6
    assert min(result.kills.values()) >= PLAN.kills
    assert cancelled, "no order was cancelled at all"
    assert set(cancelled.values()) == {1}
