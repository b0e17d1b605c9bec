"""The importer of the retail tasks' shop, the expected changes, and what the customer makes of its screen."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.order_desk import cancelling, returning
from actions.order_desk.views import LineChange
from actions.risk.types import RiskAssessment, RiskRequest
from bot.database import policies
from bot.database.engine import open_engine, open_sessions
from bot.database.migrate import migrate
from bot.database.shop import Order
from bot.widget_client import Line
from tests.benchmarks import retail_compare, retail_shop, retail_wishes
from tests.benchmarks.retail_customer import Customer, Outcome, Talk
from tests.benchmarks.retail_shop import Shop

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
HOME = {"address1": "1 Elm St", "address2": "", "city": "Denver", "state": "CO", "country": "USA", "zip": "80202"}


def item(item_id: str, name: str, price: float, **options: str) -> dict[str, Any]:
    return {"name": name, "product_id": name, "item_id": item_id, "price": price, "options": options}


def order(number: str, status: str, method: str, *items: dict[str, Any]) -> dict[str, Any]:
    total = sum(each["price"] for each in items)
    parcel = {"tracking_id": ["T1"], "item_ids": [each["item_id"] for each in items]}
    return {
        "order_id": number,
        "user_id": "ann_lee_1",
        "address": HOME,
        "items": list(items),
        "status": status,
        "fulfillments": [] if status == "pending" else [parcel],
        "payment_history": [{"transaction_type": "payment", "amount": total, "payment_method_id": method}],
    }


LAMP, LAMP_DEAR = item("11", "Desk Lamp", 50.0, color="red"), item("12", "Desk Lamp", 60.5, color="blue")
HOSE = item("21", "Garden Hose", 20.0, length="25ft")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    variants = [LAMP, LAMP_DEAR, HOSE]
    products = {
        name: {
            "name": name,
            "product_id": name,
            "variants": {
                each["item_id"]: {
                    "item_id": each["item_id"], "options": each["options"], "price": each["price"], "available": True
                }
                for each in variants
                if each["name"] == name
            },
        }
        for name in ("Desk Lamp", "Garden Hose")
    }  # fmt: skip
    user = {
        "user_id": "ann_lee_1",
        "name": {"first_name": "Ann", "last_name": "Lee"},
        "address": HOME,
        "email": "ann@mail.example",
        "payment_methods": {
            "gift_card_1": {"source": "gift_card", "id": "gift_card_1", "balance": 100.0},
            "credit_card_1": {"source": "credit_card", "id": "credit_card_1", "brand": "visa", "last_four": "4242"},
        },
        "orders": ["#W1000001", "#W1000002"],
    }
    orders = {
        "#W1000001": order("#W1000001", "pending", "gift_card_1", LAMP, HOSE),
        "#W1000002": order("#W1000002", "delivered", "credit_card_1", LAMP, LAMP),
    }
    data = {"products": products, "users": {"ann_lee_1": user}, "orders": orders}
    (tmp_path / "db.json").write_text(json.dumps(data))
    return retail_shop.read(tmp_path)


@pytest.fixture
def session(shop: Shop, tmp_path: Path) -> Iterator[Session]:
    engine = open_engine(f"sqlite:///{tmp_path / 'kefu.db'}")
    migrate(engine)
    with open_sessions(engine).begin() as session:
        retail_shop.fill(session, shop, NOW)
        yield session
    engine.dispose()


def action(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def low(session: Session, request: RiskRequest) -> RiskAssessment:
    return RiskAssessment(0.0, "low", (), {}, "test", {})


def by(request: str) -> Any:
    return {"request_id": request, "actor": "customer:ann_lee_1", "now": NOW, "assess": low}


def test_the_imported_shop_is_the_data_sets_and_its_policy_is_rows(shop: Shop, session: Session) -> None:
    start = retail_compare.at_start(shop, "ann_lee_1")
    assert retail_compare.actual(session, "ann_lee_1") == start
    assert start["#W1000002", "items"] == ("11", "11")
    assert policies.load(session).value("refund_targets") == ["original", "gift_card"]


def test_what_the_desk_does_is_what_the_task_expects(shop: Shop, session: Session) -> None:
    start = retail_compare.at_start(shop, "ann_lee_1")
    wanted = retail_compare.expected(
        shop,
        "ann_lee_1",
        [
            action("cancel_pending_order", order_id="#W1000001", reason="no longer needed"),
            action(
                "exchange_delivered_order_items", order_id="#W1000002", item_ids=["11"], new_item_ids=["12"],
                payment_method_id="gift_card_1",
            ),
        ],
    )  # fmt: skip
    cancelling.cancel(session, "ann_lee_1", "#W1000001", "no_longer_needed", **by("r1"))
    found = retail_compare.compare(start, wanted, retail_compare.actual(session, "ann_lee_1"))
    assert not found.wrong or all("gift_card_1" in each for each in found.wrong)
    assert any("sent back" in each for each in found.missing)
    line = session.scalars(select(Order).where(Order.number == "#W1000002")).one().lines[0]
    change = LineChange(line.id, None, "12")
    done = returning.exchange_lines(session, "ann_lee_1", "#W1000002", [change], "gift_card_1", None, **by("r2"))
    assert done.kind == "done"
    assert retail_compare.compare(start, wanted, retail_compare.actual(session, "ann_lee_1")).none
    assert retail_compare.actual(session, "ann_lee_1")["gift_card_1", "balance"] == 10000 + 7000 - 1050


def test_a_change_nobody_asked_for_is_wrong(shop: Shop, session: Session) -> None:
    start = retail_compare.at_start(shop, "ann_lee_1")
    cancelling.cancel(session, "ann_lee_1", "#W1000001", "ordered_by_mistake", **by("r1"))
    found = retail_compare.compare(start, start, retail_compare.actual(session, "ann_lee_1"))
    assert any("#W1000001 status" in each for each in found.wrong)
    retail_shop.restore(session, shop, "ann_lee_1", NOW)
    session.expire_all()
    assert retail_compare.actual(session, "ann_lee_1") == start


def test_an_action_that_is_not_known_is_not_passed_over() -> None:
    with pytest.raises(retail_compare.UnknownAction):
        retail_compare.changes_of({"evaluation_criteria": {"actions": [action("modify_the_weather")]}})


def test_the_customer_is_found_and_a_wish_against_the_policy_is_brought_forward_first(shop: Shop) -> None:
    task = {
        "id": "1",
        "user_scenario": {
            "instructions": {
                "reason_for_call": "You want to cancel just the hose in your pending order, or else all of it.",
                "known_info": "You are Ann Lee in zip code 80202.",
                "task_instructions": "",
            }
        },
        "evaluation_criteria": {
            "actions": [action("cancel_pending_order", order_id="#W1000001", reason="no longer needed")]
        },
    }
    assert retail_wishes.user_of(task, shop) == "ann_lee_1"
    wishes = retail_wishes.wishes_of(task, shop, "ann_lee_1")
    assert [(wish.kind, wish.refused) for wish in wishes] == [("part", True), ("cancel", False)]
    assert not wishes[1].knows_number


def test_a_read_back_that_says_something_else_is_not_agreed_to(shop: Shop) -> None:
    swap = action(
        "exchange_delivered_order_items", order_id="#W1000002", item_ids=["11"], new_item_ids=["12"],
        payment_method_id="credit_card_1",
    )  # fmt: skip
    task = {
        "id": "2",
        "user_scenario": {"instructions": {"reason_for_call": "", "known_info": "", "task_instructions": ""}},
        "evaluation_criteria": {"actions": [swap]},
    }
    wish = retail_wishes.wishes_of(task, shop, "ann_lee_1")[0]
    talk = Talk(Customer(None, 0, Random(1), lambda: ""), Outcome(wish))  # type: ignore[arg-type]
    assert talk.fault("I'd exchange 1 × Desk Lamp: red → blue. Shall I?") is None
    assert talk.fault("I'd exchange 1 × Desk Lamp: red → green. Shall I?") is not None
    assert talk.fault("I'd exchange 1 × Desk Lamp: red → blue of order #W1000001. Shall I?") is not None
    assert talk._asked([Line(1, "bot", "Which order is it?")]) == "order"
    assert talk._asked([Line(1, "bot", "Done: order 1 is cancelled.")]) is None
