"""What happens between "may I?" and "done": step-up, review, and an assessor that fails."""

import pytest
from sqlalchemy import select, text

from actions.order_desk import addresses, cancelling
from bot.database.shop import OrderEvent, RiskDecision
from tests.actions.order_desk.conftest import HAMBURG


def test_review_asks_for_a_code_and_with_it_goes_through(shop) -> None:
    shop.band = "review"
    first = shop.do(addresses.change_address, "K-1001", HAMBURG)
    assert (first.kind, shop.order("K-1001").ship_to["city"]) == ("step_up", "Berlin")
    second = shop.do(addresses.change_address, "K-1001", HAMBURG, request_id="m2", stepped_up=True)
    assert second.kind == "done"


def test_a_high_value_review_is_for_a_person_code_or_not(shop) -> None:
    shop.band = "review"
    shop.policy("high_value_minor", 10000)
    outcome = shop.do(addresses.change_address, "K-1001", HAMBURG, stepped_up=True)
    assert outcome.kind == "review"


def test_high_opens_one_review_with_reasons_and_tells_the_customer_none(shop) -> None:
    shop.band = "high"
    outcome = shop.do(cancelling.cancel, "K-1001", "other", request_id="m1")
    again = shop.do(cancelling.cancel, "K-1001", "other", request_id="m1")
    assert (outcome.kind, again.kind) == ("review", "review")
    assert outcome.for_agent["reasons"] == [{"en": "a planted reason", "zh": "预设的原因"}]
    assert "planted" not in str(outcome.facts)
    with shop.sessions() as session:
        kinds = session.scalars(select(OrderEvent.kind)).all()
        decisions = session.scalars(select(RiskDecision)).all()
    assert kinds == ["review_opened"]
    assert [each.band for each in decisions] == ["high"]
    assert shop.order("K-1001").status == "pending"


@pytest.mark.parametrize("error", [RuntimeError("boom"), ValueError("nan"), KeyError("x")])
def test_an_assessor_that_raises_means_a_second_look_never_a_silent_yes(shop, error: Exception) -> None:
    def broken(session, request):
        raise error

    outcome = shop.do(cancelling.cancel, "K-1001", "other", assess=broken)
    assert outcome.kind == "step_up"
    assert shop.order("K-1001").status == "pending"


def test_an_assessors_failed_query_does_not_poison_the_change(shop) -> None:
    def broken(session, request):
        session.execute(text("SELECT * FROM no_such_table"))

    assert shop.do(cancelling.cancel, "K-1001", "other", assess=broken).kind == "step_up"
    assert shop.do(cancelling.cancel, "K-1001", "other", request_id="m2").kind == "done"


def test_an_agents_decision_is_not_assessed(shop) -> None:
    shop.band = "high"
    outcome = shop.do(cancelling.cancel, "K-1001", "other", actor="agent:eve")
    assert (outcome.kind, shop.asked) == ("done", [])


def test_the_assessor_hears_where_the_goods_would_go(shop) -> None:
    shop.do(addresses.change_address, "K-1001", HAMBURG, text="quick please")
    request = shop.asked[0]
    assert (request.action, request.amount_minor, request.new_address["city"], request.text) == (
        "change_address", 11000, "Hamburg", "quick please",
    )  # fmt: skip
