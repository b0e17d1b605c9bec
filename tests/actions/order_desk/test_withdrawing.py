"""Keeping what was to go back: until its parcel is here, once, with everything as it was before."""

import pytest
from sqlalchemy import select

from actions.order_desk import accounts, lookup, receiving, refunds, returning, withdrawing
from actions.order_desk.outcomes import OrderNotFound, Refusal, Terms
from actions.order_desk.views import LineChange
from actions.risk import reading
from bot.database.shop import Mail, OrderEvent
from tests.actions.order_desk.conftest import NOW

BOOT = LineChange("K-1003-1")
DEARER = LineChange("K-1003-1", None, "boot-43")


def test_a_withdrawn_return_leaves_the_order_as_it_was(shop) -> None:
    before = shop.look(lookup.find, "K-1003")
    number = shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size", request_id="m1").facts["return_number"]
    assert "cancel_return" in shop.look(lookup.find, "K-1003").can
    terms = shop.look(withdrawing.check_withdraw, "K-1003")
    assert isinstance(terms, Terms)
    assert (terms.facts["return_number"], terms.facts["refund_minor"]) == (number, 0)
    outcome = shop.do(withdrawing.withdraw, "K-1003", number, request_id="m2")
    again = shop.do(withdrawing.withdraw, "K-1003", number, request_id="m2")
    assert (outcome.kind, again.kind) == ("done", "already_done")
    assert again.facts == outcome.facts
    assert outcome.order.can == before.can
    assert [line.returned for line in outcome.order.lines] == [0, 0]
    assert shop.look(refunds.refund_status, "K-1003") == []
    with shop.sessions() as session:
        mails = session.scalars(select(Mail).order_by(Mail.created_at)).all()
        kinds = session.scalars(select(OrderEvent.kind).where(OrderEvent.actor == "customer:ada")).all()
    assert [number in mail.subject for mail in mails] == [True, True]
    assert sorted(kinds) == ["return_requested", "return_withdrawn"]


def test_nobody_is_assessed_for_keeping_something(shop) -> None:
    shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size")
    asked, shop.band = len(shop.asked), "high"
    assert shop.do(withdrawing.withdraw, "K-1003", request_id="m2").kind == "done"
    assert len(shop.asked) == asked


def test_what_was_withdrawn_can_be_asked_for_again(shop) -> None:
    shop.policy("returns_per_order", 1)
    shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size", request_id="m1")
    assert shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size", request_id="m2").code == "one_per_order"
    shop.do(withdrawing.withdraw, "K-1003", request_id="m3")
    assert shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size", request_id="m4").kind == "done"


def test_who_asks_twice_hears_of_the_return_that_counts_not_of_a_withdrawn_one(shop) -> None:
    shop.policy("returns_per_order", 5)
    shop.policy("returns_and_exchanges_per_order", 5)
    shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size", request_id="m1")
    shop.do(withdrawing.withdraw, "K-1003", request_id="m2")
    number = shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size", request_id="m3").facts["return_number"]
    outcome = shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size", request_id="m4")
    assert (outcome.code, outcome.facts["returns"]) == ("already_returned", [number])


def test_a_withdrawn_exchange_gives_back_what_it_charged_and_what_it_set_aside(shop) -> None:
    paid, stock, balance = shop.order("K-1003").total_minor, shop.stock("boot-43"), shop.balance("ada-gift")
    outcome = shop.do(returning.exchange_lines, "K-1003", [DEARER], "ada-gift", request_id="m1")
    charged = outcome.facts["difference_minor"]
    assert charged > 0
    assert (shop.stock("boot-43"), shop.balance("ada-gift")) == (stock - 1, balance - charged)
    back = shop.do(withdrawing.withdraw, "K-1003", request_id="m2")
    assert back.facts["refund_minor"] == charged
    assert (shop.stock("boot-43"), shop.balance("ada-gift")) == (stock, balance)
    assert shop.order("K-1003").total_minor == paid


def test_a_parcel_that_is_here_or_was_withdrawn_cannot_be_withdrawn(shop) -> None:
    refusal = shop.look(withdrawing.check_withdraw, "K-1003")
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.facts["returns"]) == ("no_open_return", [])
    number = shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size").facts["return_number"]
    with shop.sessions.begin() as session:
        receiving.receive(session, number, **shop.by("a1", actor="agent:eve"))
    assert shop.do(withdrawing.withdraw, "K-1003", number, request_id="m2").code == "no_open_return"
    assert "cancel_return" not in shop.look(lookup.find, "K-1003").can


def test_a_withdrawn_return_cannot_be_received(shop) -> None:
    number = shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size").facts["return_number"]
    shop.do(withdrawing.withdraw, "K-1003", request_id="m2")
    with shop.sessions.begin() as session:
        assert receiving.receive(session, number, **shop.by("a1", actor="agent:eve")).code == "nothing_changes"
    assert shop.order("K-1003").payments[-1].kind == "payment"


def test_somebody_elses_return_is_not_there(shop) -> None:
    shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size")
    with pytest.raises(OrderNotFound):
        shop.do(withdrawing.withdraw, "K-1003", customer="bob", request_id="m2")


def test_a_withdrawn_return_counts_for_nothing(shop) -> None:
    def open_things():
        answer = shop.look(accounts.check_delete_account, now=NOW)
        return answer.facts["orders"] if not isinstance(answer, dict) else []

    number = shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size").facts["return_number"]
    assert number in open_things()
    shop.do(withdrawing.withdraw, "K-1003", request_id="m2")
    assert number not in open_things()
    with shop.sessions() as session:
        assert reading.everything(session).seen.returns == ()
