"""Cancelling: before the parcel leaves, once, with all the money and all the stock back."""

import pytest
from sqlalchemy import select

from actions.order_desk import cancelling
from actions.order_desk.outcomes import OrderNotFound, Refusal, Terms
from bot.database.shop import OrderEvent, RiskDecision


def test_the_terms_say_how_much_goes_where_and_change_nothing(shop) -> None:
    terms = shop.look(cancelling.check_cancel, "K-1001")
    assert isinstance(terms, Terms)
    assert terms.facts["refund_minor"] == 11000
    assert terms.facts["refunds"][0]["last_four"] == "4242"
    assert terms.facts["refunds"][0]["working_days"] == 7
    assert shop.order("K-1001").status == "pending"


def test_a_cancelled_order_gives_money_and_stock_back(shop) -> None:
    outcome = shop.do(cancelling.cancel, "K-1001", "no_longer_needed")
    assert (outcome.kind, outcome.order.status, outcome.order.refunded_minor) == ("done", "cancelled", 11000)
    assert (shop.stock("boot-42"), shop.stock("mug-s")) == (6, 11)


def test_a_repeated_turn_is_told_the_same_and_refunds_once(shop) -> None:
    first = shop.do(cancelling.cancel, "K-1001", "no_longer_needed", request_id="m7")
    again = shop.do(cancelling.cancel, "K-1001", "no_longer_needed", request_id="m7")
    assert again.kind == "already_done"
    assert again.facts == first.facts
    assert shop.stock("mug-s") == 11


def test_another_request_for_the_same_is_refused_as_cancelled(shop) -> None:
    shop.do(cancelling.cancel, "K-1001", "no_longer_needed")
    outcome = shop.do(cancelling.cancel, "K-1001", "no_longer_needed", request_id="m8")
    assert (outcome.kind, outcome.code) == ("refused", "already_cancelled")


def test_what_has_left_is_refused_with_its_parcel(shop) -> None:
    refusal = shop.look(cancelling.check_cancel, "K-1002")
    assert isinstance(refusal, Refusal)
    assert refusal.code == "already_shipped"
    assert refusal.facts["tracking"] == ["TK-1002"]


@pytest.mark.parametrize("reason", [None, "because"])
def test_a_reason_the_shop_does_not_accept_is_refused_with_those_it_does(shop, reason: str | None) -> None:
    outcome = shop.do(cancelling.cancel, "K-1001", reason)
    assert outcome.code == "reason_not_accepted"
    assert "ordered_by_mistake" in outcome.facts["accepted"]


@pytest.mark.parametrize("number", ["K-2001", "K-9999", ""])
def test_somebody_elses_order_and_no_order_are_one_error(shop, number: str) -> None:
    with pytest.raises(OrderNotFound, match=r"^no such order$"):
        shop.do(cancelling.cancel, number, "no_longer_needed")
    assert shop.order("K-2001").status == "pending"


@pytest.mark.parametrize("typed", ["k-1001", "K1001", "#K-1001", " 1001 ", "#1001"])
def test_a_number_is_found_however_it_is_typed(shop, typed: str) -> None:
    assert isinstance(shop.look(cancelling.check_cancel, typed), Terms)


def test_the_audit_says_who_why_and_which_model(shop) -> None:
    shop.do(cancelling.cancel, "K-1001", "ordered_by_mistake", request_id="m3")
    with shop.sessions() as session:
        event = session.scalars(select(OrderEvent)).one()
        decision = session.scalars(select(RiskDecision)).one()
    assert (event.kind, event.actor, event.request_id) == ("cancelled", "customer:ada", "m3")
    assert event.detail["before"]["status"] == "pending"
    assert event.detail["after"]["status"] == "cancelled"
    assert event.detail["facts"]["reason"] == "ordered_by_mistake"
    assert event.detail["risk"]["model"] == "test-1"
    assert (decision.action, decision.band, decision.model_version) == ("cancel", "low", "test-1")


def test_calling_a_parcel_back_is_a_persons_decision_even_when_the_risk_is_low(shop) -> None:
    outcome = shop.do(cancelling.ask_to_call_back, "K-1002")
    assert outcome.kind == "review"
    assert outcome.for_agent["reasons"] == [{"en": "a planted reason", "zh": "预设的原因"}]
    assert shop.order("K-1002").status == "shipped"
