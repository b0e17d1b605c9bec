"""Bringing back what arrived: windows, reasons, where the money goes, once."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from actions.order_desk import problems, receiving, refunds, returning
from actions.order_desk.outcomes import OrderNotFound, Refusal, Terms
from actions.order_desk.views import LineChange
from bot.database.shop import Mail, Shipment
from tests.actions.order_desk.conftest import NOW

BOOT, MUG = LineChange("K-1003-1"), LineChange("K-1003-2", quantity=1)


def agent(shop, call, *args, **more):
    by = shop.by(more.pop("request_id", "a1"), actor="agent:eve")
    with shop.sessions.begin() as session:
        return call(session, *args, **more, **by)


def test_a_return_takes_the_label_off_and_refunds_what_paid(shop) -> None:
    terms = shop.look(returning.check_return_lines, "K-1003", [MUG], "changed_mind", now=NOW)
    assert isinstance(terms, Terms)
    assert (terms.facts["goods_minor"], terms.facts["fee_minor"], terms.facts["refund_minor"]) == (1000, 395, 605)
    assert terms.facts["refunds"][0]["last_four"] == "4242"
    assert terms.facts["last_day"] == "2026-07-08"


def test_a_damaged_item_comes_back_free(shop) -> None:
    terms = shop.look(returning.check_return_lines, "K-1003", [BOOT], "damaged", now=NOW)
    assert (terms.facts["fee_minor"], terms.facts["refund_minor"]) == (0, 9000)


def test_a_return_sends_one_label_and_no_money_yet(shop) -> None:
    outcome = shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size", request_id="m5")
    again = shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size", request_id="m5")
    assert (outcome.kind, again.kind) == ("done", "already_done")
    assert again.facts["return_number"] == outcome.facts["return_number"]
    with shop.sessions() as session:
        mail = session.scalars(select(Mail)).one()
    assert mail.to_address == "ada@mail.example"
    assert outcome.facts["return_number"] in mail.subject
    assert outcome.order.refunded_minor == 0


def test_money_moves_when_the_parcel_is_here_once(shop) -> None:
    number = shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size").facts["return_number"]
    state = shop.look(refunds.refund_status, "K-1003")[0]
    assert (state.state, state.amount_minor) == ("waiting_for_parcel", 8605)
    assert agent(shop, receiving.receive, number).order.refunded_minor == 8605
    assert agent(shop, receiving.receive, number, request_id="a2").code == "nothing_changes"
    assert shop.stock("boot-42") == 6
    assert shop.look(refunds.refund_status, "K-1003")[0].state == "on_its_way"


def test_a_customer_cannot_receive_their_own_return(shop) -> None:
    number = shop.do(returning.return_lines, "K-1003", [BOOT], "wrong_size").facts["return_number"]
    with shop.sessions.begin() as session, pytest.raises(ValueError, match="by the shop"):
        receiving.receive(session, number, **shop.by("m9"))


def test_the_window_ends_with_its_last_day(shop) -> None:
    last = NOW.replace(month=7, day=8, hour=20)
    assert isinstance(shop.look(returning.check_return_lines, "K-1003", [BOOT], "other", now=last), Terms)
    refusal = shop.look(returning.check_return_lines, "K-1003", [BOOT], "other", now=last + timedelta(days=1))
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.facts["last_day"]) == ("window_over", "2026-07-08")


@pytest.mark.parametrize("number", ["K-1001", "K-1002"])
def test_what_has_not_arrived_cannot_come_back(shop, number: str) -> None:
    assert shop.look(returning.check_return_lines, number, now=NOW).code == "not_delivered"
    assert shop.look(returning.check_exchange_lines, number, now=NOW).code == "not_delivered"


def test_a_refund_goes_to_the_original_or_a_gift_card_of_ones_own(shop) -> None:
    def code(method: str) -> str | None:
        answer = shop.look(returning.check_return_lines, "K-1003", [BOOT], "other", method, now=NOW)
        return answer.code if isinstance(answer, Refusal) else None

    assert code("ada-gift") is None
    assert code("ada-card") is None
    assert code("ada-paypal") == "refund_target_not_allowed"
    assert code("bob-gift") == "payment_method_unknown"


def test_a_gift_card_has_its_refund_when_the_parcel_is_here(shop) -> None:
    outcome = shop.do(returning.return_lines, "K-1003", [BOOT], "damaged", "ada-gift")
    agent(shop, receiving.receive, outcome.facts["return_number"])
    assert shop.balance("ada-gift") == 14000
    assert shop.look(refunds.refund_status, "K-1003")[0].state == "paid_out"


def test_a_used_item_is_refused_unless_it_came_broken(shop) -> None:
    def check(reason: str):
        return shop.look(returning.check_return_lines, "K-1003", [BOOT], reason, None, "used", now=NOW)

    assert check("changed_mind").code == "condition"
    assert isinstance(check("damaged"), Terms)


def test_one_line_is_not_returned_twice(shop) -> None:
    shop.do(returning.return_lines, "K-1003", [BOOT], "other")
    outcome = shop.do(returning.return_lines, "K-1003", [BOOT], "other", request_id="m2")
    assert outcome.code == "already_returned"
    assert shop.do(returning.return_lines, "K-1003", [MUG], "other", request_id="m3").kind == "done"


def test_a_shop_that_allows_one_return_or_exchange_allows_no_second(shop) -> None:
    shop.policy("returns_and_exchanges_per_order", 1)
    shop.do(returning.return_lines, "K-1003", [BOOT], "other")
    outcome = shop.do(returning.exchange_lines, "K-1003", [LineChange("K-1003-2", new_sku="mug-l")], request_id="m2")
    assert outcome.code == "one_per_order"


def test_an_exchange_sets_the_new_one_aside_and_charges_the_difference(shop) -> None:
    wish = [LineChange("K-1003-1", new_sku="boot-43")]
    outcome = shop.do(returning.exchange_lines, "K-1003", wish)
    assert (outcome.kind, outcome.facts["difference_minor"], shop.stock("boot-43")) == ("done", 900, 0)
    assert agent(shop, receiving.receive, outcome.facts["return_number"]).kind == "done"
    assert shop.stock("boot-42") == 6


def test_a_second_exchange_is_refused(shop) -> None:
    shop.do(returning.exchange_lines, "K-1003", [LineChange("K-1003-1", new_sku="boot-41")])
    outcome = shop.do(returning.exchange_lines, "K-1003", [LineChange("K-1003-2", new_sku="mug-l")], request_id="m2")
    assert (outcome.code, outcome.facts["limit"]) == ("one_per_order", 1)


def test_a_refused_exchange_gives_back_what_it_charged(shop) -> None:
    number = shop.do(returning.exchange_lines, "K-1003", [LineChange("K-1003-1", new_sku="boot-43")]).facts[
        "return_number"
    ]
    outcome = agent(shop, receiving.receive, number, accepted=False)
    assert outcome.order.refunded_minor == 900
    assert shop.stock("boot-43") == 1


def test_a_part_that_arrived_can_come_back_before_the_rest(shop) -> None:
    with shop.sessions.begin() as session:
        parcel = session.scalars(select(Shipment).where(Shipment.order_id == "K-1002")).one()
        parcel.line_ids = ["K-1002-1"]
        session.add(
            Shipment(
                order_id="K-1002", carrier="DHL", tracking="T2", status="delivered", line_ids=["K-1002-2"],
                shipped_at=NOW, delivered_at=NOW,
            )
        )  # fmt: skip
    mug, boot = [LineChange("K-1002-2")], [LineChange("K-1002-1")]
    assert isinstance(shop.look(returning.check_return_lines, "K-1002", mug, "other", now=NOW), Terms)
    assert shop.look(returning.check_return_lines, "K-1002", boot, "other", now=NOW).code == "not_delivered"


def test_somebody_elses_order_cannot_be_returned(shop) -> None:
    with pytest.raises(OrderNotFound):
        shop.do(returning.return_lines, "K-1003", [BOOT], "other", customer="bob")


def test_a_small_damage_is_refunded_at_once_and_a_large_one_by_a_person(shop) -> None:
    early = NOW - timedelta(days=2)
    shop.now = early
    small = shop.do(problems.report, "K-1003", "damaged", [MUG])
    large = shop.do(problems.report, "K-1003", "damaged", [BOOT], request_id="m2")
    assert (small.kind, small.order.refunded_minor) == ("done", 1000)
    assert (large.kind, large.for_agent["amount_minor"]) == ("review", 9000)


def test_a_parcel_is_lost_only_after_its_time(shop) -> None:
    lines = [LineChange("K-1002-2")]
    assert shop.look(problems.check_report, "K-1002", "lost", lines, now=NOW).code == "parcel_not_lost"
    later = NOW + timedelta(days=9)
    assert isinstance(shop.look(problems.check_report, "K-1002", "lost", lines, now=later), Terms)
