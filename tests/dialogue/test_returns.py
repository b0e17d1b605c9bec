"""Sending back what has arrived."""

from sqlalchemy import select

from bot.database.shop import ReturnRequest
from tests.dialogue.conftest import Desk


def returns(desk: Desk) -> list[ReturnRequest]:
    with desk.sessions() as session:
        return list(session.scalars(select(ReturnRequest)))


def test_a_return_asks_item_reason_and_target_reads_back_and_opens(desk: Desk) -> None:
    talk = desk.talk("anna")
    assert talk("I want to return something of K-100003", "return_order", order_number="K-100003").startswith(
        "Which item"
    )
    assert "reason" in talk("the jacket", "inform")
    assert "Where should the money go?" in talk("it is too small", "inform")
    said = talk.press("The way I paid")
    assert "1 × Fjell rain jacket" in said
    assert "Visa •••• 4242" in said
    assert returns(desk) == []
    said = talk("yes", "affirm")
    assert said.startswith("Your return R-")
    opened = returns(desk)
    assert [(row.kind, row.reason, row.lines[0]["line_id"]) for row in opened] == [
        ("return", "wrong_size", "K-100003-1")
    ]


def test_a_refund_can_go_to_a_gift_card(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("return the jacket of K-100003, it is damaged", "return_order", order_number="K-100003")
    assert "gift card" in talk("to my gift card", "inform")
    talk("yes", "affirm")
    assert returns(desk)[0].payment_method_id == "anna-gift"


def test_money_goes_to_no_other_method_and_that_is_said(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("return the jacket of K-100003, it is damaged", "return_order", order_number="K-100003")
    said = talk("to my paypal please", "inform")
    assert "original payment method or to a gift card" in said
    assert "Where should the money go?" in said
    assert "Visa •••• 4242" in talk("then the original one", "inform")


def test_everything_but_one_thing_is_returned(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("return everything from K-100003 except the stoves, it's damaged", "return_order", order_number="K-100003")
    said = talk("original payment", "inform")
    assert "Fjell rain jacket" in said
    assert "Ember stove" not in said


def test_two_of_two_items_are_returned_with_all_of_them(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("return K-100003", "return_order", order_number="K-100003")
    talk("all of them", "inform")
    talk("changed my mind", "inform")
    said = talk("original payment", "inform")
    assert "Fjell rain jacket" in said
    assert "2 × Ember stove" in said


def test_another_item_named_later_replaces_the_first(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("return the jacket of K-100003", "return_order", order_number="K-100003")
    said = talk("no, the stove", "correct")
    assert "reason" in said
    talk("changed my mind", "inform")
    assert "Ember stove" in talk("original payment", "inform")


def test_a_return_after_the_window_is_refused_with_the_day(desk: Desk) -> None:
    talk = desk.talk("anna")
    assert "30 days after delivery" in talk("return K-100005", "return_order", order_number="K-100005")
    assert returns(desk) == []


def test_what_has_not_arrived_cannot_be_returned_yet(desk: Desk) -> None:
    talk = desk.talk("anna")
    assert "hasn't arrived yet" in talk("return K-100002", "return_order", order_number="K-100002")


def test_an_exchange_for_another_size(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("exchange the jacket of K-100003", "exchange_order", order_number="K-100003")
    assert talk.responses[-1] == "utter_ask_variant"
    said = talk("size L", "inform", size="L")
    assert "M / red → L / red" in said
    assert talk("yes", "affirm").startswith("Your exchange R-")
    assert returns(desk)[0].lines[0]["new_sku"] == "jacket-l-red"


def test_a_dearer_exchange_asks_what_pays_the_difference(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk(
        "exchange the jacket of K-100003 for L blue", "exchange_order", order_number="K-100003", size="L", color="blue"
    )
    assert talk.responses[-1] == "utter_ask_difference_method"
    assert "€10.00 more" in talk("paypal", "inform")
    talk("yes", "affirm")
    assert returns(desk)[0].payment_method_id == "anna-paypal"


def test_a_return_in_chinese(desk: Desk) -> None:
    talk = desk.talk("anna", language="zh")
    assert "哪件商品" in talk("我要退货 K-100003", "return_order", order_number="K-100003")
    assert "原因" in talk("雨衣", "inform")
    assert "退到哪里" in talk("尺码不合适", "inform")
    read_back = talk.press("原付款方式")
    assert "确认申请吗" in read_back
    assert "山岚雨衣" in read_back, "goods are called what the customer calls them"
    assert "Fjell" not in read_back
    assert "退货申请 R-" in talk("确认", "affirm")


def test_an_exchange_in_chinese_names_goods_and_colours_in_chinese(desk: Desk) -> None:
    talk = desk.talk("anna", language="zh")
    talk("K-100003 的雨衣换成 L 码蓝色", "exchange_order", order_number="K-100003", size="L", color="blue")
    read_back = talk("PayPal", "inform")
    assert "山岚雨衣" in read_back
    assert "M / 红色 → L / 蓝色" in read_back


def test_a_return_is_withdrawn_after_a_read_back(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("return the jacket of K-100003, it is damaged", "return_order", order_number="K-100003")
    talk("original payment", "inform")
    assert "is set up" in talk("yes", "affirm")
    number = returns(desk)[0].number
    said = talk("I'd rather keep it, cancel the return", "cancel_return")
    assert f"I'd withdraw {number} of order K-100003 (1 × Fjell rain jacket): you keep it. Shall I?" in said
    assert returns(desk)[0].status == "label_sent"
    assert "is withdrawn and you keep 1 × Fjell rain jacket" in talk("yes", "affirm")
    assert returns(desk)[0].status == "withdrawn"
    assert talk("cancel the return", "cancel_return").startswith("You have no return")


def test_of_several_open_returns_the_customer_says_which(desk: Desk) -> None:
    talk = desk.talk("anna", language="zh")
    for goods in ("雨衣", "余烬炉"):
        talk(f"退 K-100003 的{goods}，坏了", "return_order", order_number="K-100003")
        talk.press("原付款方式")
        talk("确认", "affirm")
    first, second = returns(desk)
    said = talk("取消退货", "cancel_return")
    assert "哪一个" in said
    assert [button["title"].split(" · ")[0] for button in talk.buttons[:2]] == [first.number, second.number]
    assert f"退换货 {second.number}（" in talk("第二个", "inform", ordinal="2")
    talk("确认", "affirm")
    assert [row.status for row in returns(desk)] == ["label_sent", "withdrawn"]


def test_taking_back_a_return_that_is_being_asked_for_ends_it(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("return the jacket of K-100003", "return_order", order_number="K-100003")
    assert "nothing" in talk("cancel the return, I keep it", "cancel_return").lower()
    assert talk.active_loop is None
    assert returns(desk) == []


def test_a_return_that_is_refused_for_another_offers_to_withdraw_that_one(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("return everything of K-100003, it is damaged", "return_order", order_number="K-100003")
    talk("original payment", "inform")
    talk("yes", "affirm")
    talk("return the jacket of K-100003", "return_order", order_number="K-100003")
    assert talk.buttons[0] == {
        "title": "Withdraw what is open",
        "payload": '/cancel_return{"order_number": "K-100003"}',
    }
