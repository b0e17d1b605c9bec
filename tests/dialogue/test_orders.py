"""Looking at orders: where is it, what did I order, refunds, the invoice."""

from sqlalchemy import select

from bot.database.shop import Mail
from tests.dialogue.conftest import Desk


def test_a_named_order_is_shown_with_its_parcel(desk: Desk) -> None:
    talk = desk.talk("anna")
    said = talk("where is K-100002?", "track_order", order_number="K-100002")
    assert "K-100002 is on its way" in said
    assert "DHL" in said
    assert "T100002" in said
    assert talk.cards[0]["kind"] == "order"
    assert talk.active_loop is None


def test_the_same_in_chinese(desk: Desk) -> None:
    talk = desk.talk("anna", language="zh")
    said = talk("K-100002 到哪了", "track_order", order_number="K-100002")
    assert "运输中" in said
    assert "运单号 T100002" in said
    assert "极光帐篷" in said


def test_without_a_number_the_orders_are_offered_once_and_one_is_picked_by_ordinal(desk: Desk) -> None:
    talk = desk.talk("anna")
    assert talk("where is my order", "track_order") == "Which order is it?"
    assert [card["title"] for card in talk.cards][:3] == ["K-100001", "K-100002", "K-100003"]
    assert "K-100002 is on its way" in talk("the second one", "inform", ordinal=2)


def test_an_order_is_picked_by_what_is_in_it(desk: Desk) -> None:
    talk = desk.talk("ben")
    talk("where is my order", "track_order")
    talk("never mind", "never_mind")
    talk = desk.talk("anna")
    talk("where is my order", "track_order")
    assert talk.press("This one").startswith("Order K-100001")


def test_the_latest_order_needs_no_number(desk: Desk) -> None:
    assert "K-100001" in desk.talk("anna")("where is my latest order", "track_order")


def test_a_waiting_delivered_or_cancelled_order_is_told_as_such(desk: Desk) -> None:
    talk = desk.talk("anna")
    assert "not packed yet" in talk("K-100001?", "track_order", order_number="K-100001")
    assert "was delivered on 5 Jun 2026" in talk("K-100003?", "track_order", order_number="K-100003")
    assert "was cancelled" in talk("K-100004?", "track_order", order_number="K-100004")


def test_a_bare_order_number_is_looked_up(desk: Desk) -> None:
    talk = desk.talk("anna")
    assert "K-100002 is on its way" in talk("K-100002", "inform", order_number="K-100002")


def test_the_history_shows_the_latest_orders_as_cards(desk: Desk) -> None:
    talk = desk.talk("anna")
    assert talk("my orders please", "order_history") == "Here are your latest orders."
    assert [card["title"] for card in talk.cards] == ["K-100001", "K-100002", "K-100003", "K-100004", "K-100005"]
    assert "not packed yet" in talk.press("Details")


def test_refunds_are_told_with_amount_and_method(desk: Desk) -> None:
    talk = desk.talk("anna")
    said = talk("where is my refund", "refund_status")
    assert "€39.00 for order K-100004 was paid back to Visa •••• 4242" in said


def test_no_refund_is_said_plainly(desk: Desk) -> None:
    assert (
        desk.talk("ben")("where is my refund", "refund_status") == "I don't see any return or refund for you right now."
    )


def test_an_invoice_goes_to_the_address_on_file_and_no_other(desk: Desk) -> None:
    talk = desk.talk("anna")
    said = talk(
        "send the invoice of K-100003 to eve@else.example", "invoice", order_number="K-100003", email="eve@else.example"
    )
    assert "on its way to the e-mail address of your account" in said
    with desk.sessions() as session:
        assert [mail.to_address for mail in session.scalars(select(Mail))] == ["anna@mail.example"]
