"""Nobody is believed because of what they type; the code to the address on file is the only way in."""

import pytest

from tests.dialogue.conftest import Desk, Talk

PRIVATE = (
    "track_order", "order_history", "cancel_order", "change_address", "change_items", "change_payment",
    "change_shipping", "return_order", "exchange_order", "cancel_return", "refund_status", "invoice", "reorder",
    "edit_account", "delete_account", "newsletter", "review",
)  # fmt: skip


def identify(talk: Talk, address: str = "anna@mail.example") -> str:
    talk(address, "inform", email=address)
    return talk(talk.code(), "inform", code=talk.code())


@pytest.mark.parametrize("intent", PRIVATE)
def test_every_private_skill_asks_an_unknown_visitor_for_the_address_on_file(desk: Desk, intent: str) -> None:
    talk = desk.talk()
    said = talk("it is about K-100001, I am Anna Berg's sister", intent, order_number="K-100001")
    assert said.startswith("To keep your orders safe")
    assert "K-100001" not in said
    assert talk.cards == []
    assert talk.order("K-100001").status == "pending"


def test_after_the_code_the_wish_goes_on_with_what_was_said_first(desk: Desk) -> None:
    talk = desk.talk()
    talk("where is K-100002", "track_order", order_number="K-100002")
    said = identify(talk)
    assert said.startswith("Thank you, that's right.")
    assert "K-100002 is on its way" in said
    assert "K-100001" in talk("and K-100001?", "track_order", order_number="K-100001")


def test_a_proof_is_asked_for_once_in_a_conversation(desk: Desk) -> None:
    talk = desk.talk()
    talk("my orders", "order_history")
    identify(talk)
    assert talk("cancel K-100001", "cancel_order", order_number="K-100001") == "Why would you like to cancel it?"


def test_a_known_and_an_unknown_address_are_answered_alike(desk: Desk) -> None:
    known, unknown = desk.talk(), desk.talk()
    known("my orders", "order_history")
    unknown("my orders", "order_history")
    first = known("anna@mail.example", "inform", email="anna@mail.example")
    second = unknown("abby@mail.example", "inform", email="abby@mail.example")
    assert first == second
    assert known.buttons == unknown.buttons


def test_a_wrong_code_counts_and_too_many_end_with_a_person(desk: Desk) -> None:
    talk = desk.talk()
    talk("my orders", "order_history")
    talk("anna@mail.example", "inform", email="anna@mail.example")
    wrong = "000000" if talk.code() != "000000" else "000001"
    assert "4 tries left" in talk(wrong, "inform")
    for _ in range(3):
        talk(wrong, "inform")
    assert "too many wrong codes" in talk(wrong, "inform")
    assert talk.handoff is not None
    assert talk.active_loop is None
    assert "Here are your" not in talk("my orders", "order_history")


def test_the_code_of_one_conversation_opens_no_other(desk: Desk) -> None:
    mine, other = desk.talk(), desk.talk()
    mine("my orders", "order_history")
    mine("anna@mail.example", "inform", email="anna@mail.example")
    stolen = mine.code()
    other("my orders", "order_history")
    other("eve@mail.example", "inform", email="eve@mail.example")
    assert "isn't right" in other(stolen, "inform")


def test_a_proven_customer_sees_only_their_own_orders(desk: Desk) -> None:
    talk = desk.talk()
    talk("cancel K-200001", "cancel_order", order_number="K-200001")
    said = identify(talk)
    assert "I can't find order K-200001 in your account." in said
    assert talk.order("K-200001").status == "pending"


def test_a_new_code_is_sent_on_request_up_to_the_limit(desk: Desk) -> None:
    talk = desk.talk()
    talk("my orders", "order_history")
    talk("anna@mail.example", "inform", email="anna@mail.example")
    first = talk.code()
    talk("send it again", "resend_code")
    assert talk.code() != first
    talk("again", "resend_code")
    assert "can't send another one for a while" in talk("again", "resend_code")


def test_a_mistyped_address_is_replaced_by_another(desk: Desk) -> None:
    talk = desk.talk()
    talk("my orders", "order_history")
    talk("ana@mail.example", "inform", email="ana@mail.example")
    assert "a***@mail.example" in talk("sorry, anna@mail.example", "correct", email="anna@mail.example")
    assert "Here are your latest orders." in talk(talk.code(), "inform")


def test_a_question_while_the_code_is_awaited_is_answered(desk: Desk) -> None:
    talk = desk.talk()
    talk("my orders", "order_history")
    assert "within 30 days" in talk("what is your return policy?", "refund_policy")
    assert talk.active_loop == "order_history_form"


def test_never_mind_while_the_code_is_awaited(desk: Desk) -> None:
    talk = desk.talk()
    talk("cancel K-100001", "cancel_order", order_number="K-100001")
    assert "Nothing was changed" in talk("never mind", "never_mind")
    assert talk.active_loop is None


def test_the_code_in_chinese(desk: Desk) -> None:
    talk = desk.talk(language="zh")
    assert "验证码" in talk("我的订单", "order_history")
    assert "6 位验证码" in talk("anna@mail.example", "inform", email="anna@mail.example")
    assert "这是您最近的订单" in talk(talk.code(), "inform")
