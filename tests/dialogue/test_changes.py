"""Changing an order that has not left: asked, read back, confirmed, done; and every way out."""

import pytest

from bot.database.shop import Variant
from tests.dialogue.conftest import Desk, Talk


def cancel_until_read_back(talk: Talk) -> str:
    talk("cancel K-100001 please", "cancel_order", order_number="K-100001")
    return talk("I ordered it by mistake", "inform")


def test_cancelling_is_read_back_and_done_only_after_yes(desk: Desk) -> None:
    talk = desk.talk("anna")
    assert talk("cancel K-100001 please", "cancel_order", order_number="K-100001") == "Why would you like to cancel it?"
    said = talk.press("Ordered by mistake")
    assert "I'd cancel order K-100001" in said
    assert "€207.00 to Visa •••• 4242" in said
    assert talk.order("K-100001").status == "pending"
    assert talk("yes", "affirm").startswith("Done: order K-100001 is cancelled.")
    assert talk.order("K-100001").status == "cancelled"
    assert talk.order("K-100001").cancel_reason == "ordered_by_mistake"
    assert talk.active_loop is None


def test_cancelling_in_chinese(desk: Desk) -> None:
    talk = desk.talk("anna", language="zh")
    assert talk("取消订单 K-100001", "cancel_order", order_number="K-100001") == "请问取消的原因是？"
    assert "确认取消吗" in talk("我不想要了", "inform")
    assert "已为您取消订单 K-100001" in talk("好的", "affirm")
    assert talk.order("K-100001").cancel_reason == "no_longer_needed"


def test_a_no_at_the_read_back_changes_nothing(desk: Desk) -> None:
    talk = desk.talk("anna")
    cancel_until_read_back(talk)
    assert talk("no", "deny") == "OK, I'll leave everything as it is. Nothing was changed."
    assert talk.order("K-100001").status == "pending"
    assert talk.active_loop is None


def test_never_mind_leaves_at_any_step(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("cancel K-100001", "cancel_order", order_number="K-100001")
    assert talk("never mind", "never_mind") == "All right, I've stopped the cancellation. Nothing was changed."
    assert talk.active_loop is None
    cancel_until_read_back(talk)
    assert "Nothing was changed" in talk("oh, never mind", "never_mind")
    assert talk.order("K-100001").status == "pending"


def test_a_reason_in_the_first_message_is_not_asked_again(desk: Desk) -> None:
    talk = desk.talk("anna")
    said = talk("please cancel K-100001, I ordered by mistake", "cancel_order", order_number="K-100001")
    assert "I'd cancel order K-100001" in said


def test_an_order_that_has_left_is_refused_with_another_way(desk: Desk) -> None:
    talk = desk.talk("anna")
    assert "already left our warehouse" in talk("cancel K-100002", "cancel_order", order_number="K-100002")
    assert "Return it when it arrives" in [button["title"] for button in talk.buttons]
    assert talk.active_loop is None


def test_another_order_named_at_the_read_back_is_read_back_instead(desk: Desk) -> None:
    talk = desk.talk("anna")
    cancel_until_read_back(talk)
    said = talk("no, I meant K-100002", "correct", order_number="K-100002")
    assert "K-100002" in said
    assert "already left" in said
    assert talk.order("K-100001").status == "pending"


def test_a_reason_can_be_corrected(desk: Desk) -> None:
    talk = desk.talk("anna")
    cancel_until_read_back(talk)
    assert "I'd cancel" in talk("actually because I found it cheaper elsewhere", "correct")
    talk("yes", "affirm")
    assert talk.order("K-100001").cancel_reason == "found_cheaper"


def test_a_question_in_between_is_answered_and_the_form_goes_on(desk: Desk) -> None:
    talk = desk.talk("anna")
    cancel_until_read_back(talk)
    said = talk("how do refunds work?", "refund_policy")
    assert "within 30 days" in said
    assert "I'd cancel order K-100001" in said
    assert talk.active_loop == "cancel_order_form"
    talk("yes", "affirm")
    assert talk.order("K-100001").status == "cancelled"


def test_small_talk_in_between_does_not_lose_the_question(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("cancel K-100001", "cancel_order", order_number="K-100001")
    said = talk("are you a robot?", "bot_challenge")
    assert "a program" in said
    assert said.endswith("Why would you like to cancel it?")


def test_a_change_of_mind_leaves_the_form_says_so_and_starts_the_other(desk: Desk) -> None:
    talk = desk.talk("anna")
    cancel_until_read_back(talk)
    said = talk("actually change the address instead", "change_address")
    assert said.startswith("OK, I've left the cancellation as it was; nothing was changed.")
    assert "Where should it go instead?" in said
    assert talk.active_loop == "change_address_form"
    assert talk.order("K-100001").status == "pending"


def test_looking_for_a_product_leaves_the_form_too(desk: Desk) -> None:
    talk = desk.talk("anna")
    cancel_until_read_back(talk)
    said = talk("show me tents", "product_search")
    assert "I've left the cancellation" in said
    assert "Here is what I found" in said
    assert talk.active_loop is None
    assert talk("yes", "affirm") == "All right. What can I do for you?"
    assert talk.order("K-100001").status == "pending"


def test_a_person_can_be_asked_for_in_the_middle(desk: Desk) -> None:
    talk = desk.talk("anna")
    cancel_until_read_back(talk)
    talk("a human please", "talk_to_person")
    assert talk.handoff is not None
    assert talk.handoff["reason"] == "asked"
    assert talk.handoff["summary"]["wish"] == "cancel_order"
    assert talk.handoff["summary"]["known"]["reason"] == "ordered_by_mistake"
    assert talk.active_loop is None


def test_an_answer_not_understood_is_asked_again_then_handed_over_with_a_summary(desk: Desk) -> None:
    talk = desk.talk("anna")
    cancel_until_read_back(talk)
    said = talk("blue banana", "nlu_fallback", 0.2)
    assert said.startswith("Sorry, I didn't get that.")
    assert "I'd cancel order" in said
    assert "Talk to a person" in [button["title"] for button in talk.buttons]
    talk("banana blue", "nlu_fallback", 0.2)
    assert talk.handoff is not None
    assert talk.handoff["reason"] == "not_understood"
    assert talk.order("K-100001").status == "pending"


def test_the_address_is_taken_apart_read_back_and_changed(desk: Desk) -> None:
    talk = desk.talk("anna")
    assert "Where should it go instead?" in talk(
        "change the address of K-100001", "change_address", order_number="K-100001"
    )
    said = talk("Hafenstr. 9, 20095 Hamburg", "inform")
    assert "would go to: Anna Berg, Hafenstr. 9, 20095 Hamburg" in said
    talk("yes please", "affirm")
    assert talk.order("K-100001").ship_to["line1"] == "Hafenstr. 9"
    assert talk.order("K-100001").ship_to["postcode"] == "20095"


def test_what_is_missing_of_an_address_is_asked_for(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("change the address of K-100001", "change_address", order_number="K-100001")
    assert "I still need: postcode" in talk("Hafenstr. 9, Hamburg", "inform")
    assert "Hafenstr. 9, 20095 Hamburg" in talk("20095 Hamburg", "inform")


def test_an_address_can_be_corrected_at_the_read_back(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("send K-100001 to Hafenstr. 9, 20095 Hamburg", "change_address", order_number="K-100001")
    assert "Hafenstr. 90, 20095" in talk("no, Hafenstr. 90, 20095 Hamburg", "correct")


def test_another_size_is_found_priced_and_changed_once(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("can I have the jacket of K-100001 in another size", "change_items", order_number="K-100001")
    assert talk.responses[-1] == "utter_ask_variant"
    said = talk("L please", "inform", size="L")
    assert "M / red → L / red" in said
    assert "The price stays the same." in said
    assert "It costs €10.00 more." in talk("actually in blue", "correct", color="blue")
    said = talk("my visa", "inform")
    assert "M / red → L / blue" in said
    assert "€10.00 more, charged to Visa •••• 4242" in said
    talk("yes", "affirm")
    assert talk.order("K-100001").lines[0].sku == "jacket-l-blue"
    assert "changed before" in talk("change the items of K-100001", "change_items", order_number="K-100001")


def test_another_size_in_chinese(desk: Desk) -> None:
    talk = desk.talk("anna", language="zh")
    said = talk("订单 K-100001 里的雨衣换成 L 码", "change_items", order_number="K-100001", size="L")
    assert "山岚雨衣: M / 红色 → L / 红色" in said
    assert "价格不变" in said
    said = talk("不对，换成蓝色的", "correct", color="blue")
    assert "需要补差价 €10.00" in said
    assert "从PayPal支付" in talk("贝宝", "inform")
    talk("确认", "affirm")
    assert talk.order("K-100001").lines[0].sku == "jacket-l-blue"


def test_everything_but_one_thing_in_chinese(desk: Desk) -> None:
    talk = desk.talk("anna", language="zh")
    talk("K-100003 全部退货，除了余烬炉，商品坏了", "return_order", order_number="K-100003")
    said = talk("原付款方式", "inform")
    assert "山岚雨衣" in said
    assert "余烬炉" not in said


def test_only_the_whole_order_can_be_cancelled_and_that_is_said(desk: Desk) -> None:
    talk = desk.talk("anna")
    said = talk("cancel only the stove of K-100001, keep the rest", "cancel_order", order_number="K-100001")
    assert said.startswith("An order can only be cancelled as a whole")
    talk("I ordered it by mistake", "inform")
    talk("no", "deny")
    assert talk.order("K-100001").status == "pending"


def test_a_change_asked_for_as_an_exchange_is_made_as_a_change(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("exchange the jacket of K-100001 for size L", "exchange_order", order_number="K-100001", size="L")
    assert talk.active_loop == "change_items_form"
    assert talk.responses[-1] == "utter_confirm_change_items"
    talk("yes", "affirm")
    assert talk.order("K-100001").lines[0].sku == "jacket-l-red"


def test_a_thing_added_at_the_read_back_is_read_back_with_the_rest(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("return the jacket of K-100003, it is damaged", "return_order", order_number="K-100003")
    assert "Ember stove" not in talk("original payment", "inform")
    said = talk("no, also the stove please", "deny")
    assert talk.active_loop == "return_order_form"
    assert "Where should the money go?" in said  # another amount: asked again, the reason stays
    said = talk.press("The way I paid")
    assert "Fjell rain jacket" in said
    assert "Ember stove" in said


def test_another_payment_method_is_picked_by_name(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("pay K-100001 differently", "change_payment", order_number="K-100001")
    assert "PayPal" in [button["title"] for button in talk.buttons]
    said = talk("paypal", "inform")
    assert "would be paid with PayPal" in said
    assert "€207.00 to Visa •••• 4242" in said
    talk("yes", "affirm")
    paid = [(row.kind, row.payment_method_id, row.amount_minor) for row in talk.order("K-100001").payments]
    assert ("payment", "anna-paypal", 20700) in paid
    assert ("refund", "anna-card", 20700) in paid


def test_a_gift_card_that_holds_too_little_is_refused_with_the_numbers(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("pay K-100001 differently", "change_payment", order_number="K-100001")
    assert "holds €50.00, and €207.00" in talk("with my gift card", "inform")


def test_express_shipping_is_priced_and_changed(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("ship K-100001 another way", "change_shipping", order_number="K-100001")
    said = talk("express", "inform", shipping_method="express")
    assert "by express" in said
    assert "more" in said
    talk("go ahead", "affirm")
    assert talk.order("K-100001").shipping_method == "express"


def test_the_order_talked_about_is_meant_when_none_is_named(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("where is K-100001", "track_order", order_number="K-100001")
    assert talk("then cancel it", "cancel_order") == "Why would you like to cancel it?"
    assert "I'd cancel order K-100001" in talk("mistake", "inform")


def test_the_same_again_is_read_back_with_todays_total(desk: Desk) -> None:
    talk = desk.talk("anna")
    said = talk("order K-100003 again", "reorder", order_number="K-100003")
    assert "€207.00" in said
    assert "Lindenweg 3" in said
    assert "your new order is K-" in talk("yes", "affirm")


@pytest.mark.parametrize(
    "intent",
    ["cancel_order", "change_address", "change_items", "change_payment", "change_shipping", "return_order",
     "exchange_order", "track_order", "refund_status", "invoice", "reorder"],
)  # fmt: skip
def test_nobody_elses_order_is_ever_seen_or_changed(desk: Desk, intent: str) -> None:
    talk = desk.talk("anna")
    said = talk("it is K-200001", intent, order_number="K-200001")
    unknown = desk.talk("anna")("it is K-999999", intent, order_number="K-999999")
    assert "I can't find order K-200001 in your account." in said
    assert said.replace("K-200001", "K-999999") == unknown
    assert "K-2000" not in str(talk.cards)
    assert "Ben" not in said
    assert talk.order("K-200001").status == "pending"


def test_a_cancelled_order_is_not_revived_but_ordered_again(desk: Desk) -> None:
    talk = desk.talk("anna")
    said = talk("I cancelled my order by mistake, can you restore it?", "reorder")
    assert said.startswith("A cancelled order cannot be brought back, but I can order the same again.\n")
    assert "order again what order K-100004 held" in said
    assert "cannot be brought back" not in talk("yes", "affirm")
    assert talk.order("K-100004").status == "cancelled"


def test_buying_again_what_was_not_cancelled_says_nothing_of_that(desk: Desk) -> None:
    talk = desk.talk("anna", language="zh")
    assert "无法恢复" not in talk("K-100003 再买一次", "reorder", order_number="K-100003")


def test_what_cannot_be_bought_again_is_called_what_the_customer_calls_it(desk: Desk) -> None:
    with desk.sessions.begin() as session:
        session.get_one(Variant, "stove").stock = 0
    talk = desk.talk("anna", language="zh")
    assert "目前都无法购买：余烬炉" in talk("K-100004 再买一次", "reorder", order_number="K-100004")


@pytest.mark.parametrize(
    ("wish", "text", "heard"),
    [
        ("cancel_order", "no wait, don't cancel it", "cancel_order"),
        ("cancel_order", "先别取消", "cancel_order"),
        ("return_order", "不退了", "cancel_return"),
        ("return_order", "actually no, keep it", "correct"),
        ("return_order", "不用退了", "cancel_order"),
    ],
)
def test_not_doing_it_sounds_like_the_wish_and_is_a_no(desk: Desk, wish: str, text: str, heard: str) -> None:
    talk = desk.talk("anna")
    if wish == "cancel_order":
        talk("cancel K-100001, I ordered by mistake", wish, order_number="K-100001")
    else:
        talk("return the jacket of K-100003, it is damaged", wish, order_number="K-100003")
        talk("original payment", "inform")
    assert talk.active_loop == f"{wish}_form"
    assert "othing" in talk(text, heard)
    assert talk.active_loop is None
    assert talk.order("K-100001").status == "pending"


def test_the_wish_said_again_is_no_misunderstanding(desk: Desk) -> None:
    talk = desk.talk("anna")
    first = talk("cancel K-100001, I ordered by mistake", "cancel_order", order_number="K-100001")
    assert talk("cancel my order please", "cancel_order") == first
    assert talk("please cancel it", "cancel_order") == first
    assert "is cancelled" in talk("yes", "affirm")


def test_an_answer_that_only_sounds_like_the_wish_still_leads_to_a_person(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("I want to return something of K-100003", "return_order", order_number="K-100003")
    assert "didn't get that" in talk("well, the broken thing goes back", "return_order")
    talk("the broken thing, send it back", "return_order")
    assert talk.handoff["reason"] == "not_understood"
