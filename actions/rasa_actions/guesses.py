"""What a message that was not sure enough to act on may have meant: the likeliest wishes, to press.

The models often hesitate between two wishes that are both near ("will it be here on Friday": this order, or delivery in
general), or stop at what the scope has not seen. One press is less than another try.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.shop_action import ActionCall
from actions.rasa_actions.skills import LEAVING

# Wishes that need none of the message's words but an order's number, and what a customer would say to start them.
OFFERED = {
    "track_order": ("Where is my order?", "查询订单"),
    "order_history": ("My orders", "我的订单"),
    "cancel_order": ("Cancel an order", "取消订单"),
    "change_address": ("Another address for an order", "修改收货地址"),
    "change_items": ("Change what I ordered", "修改订单商品"),
    "change_payment": ("Another way to pay an order", "更改付款方式"),
    "change_shipping": ("Another delivery for an order", "更改配送方式"),
    "return_order": ("Return something", "退货"),
    "exchange_order": ("Exchange something", "换货"),
    "cancel_return": ("Withdraw a return", "撤销退换货"),
    "refund_status": ("Where is my refund?", "退款进度"),
    "refund_policy": ("Rules for returns", "退换货规则"),
    "invoice": ("An invoice", "发票"),
    "reorder": ("Order the same again", "再次购买"),
    "delivery_time": ("How long delivery takes", "配送时间"),
    "delivery_options": ("Ways and costs of delivery", "配送方式和费用"),
    "payment_methods": ("Ways to pay", "付款方式"),
    "payment_problem": ("A payment went wrong", "付款出了问题"),
    "warranty": ("Warranty and repair", "保修和维修"),
    "complaint": ("Something is wrong with it", "商品或服务有问题"),
    "promotions": ("Current offers", "优惠活动"),
    "gift_card": ("Gift cards", "礼品卡"),
    "password": ("My password", "重置密码"),
    "create_account": ("A new account", "注册账户"),
    "edit_account": ("My account's details", "修改资料"),
    "newsletter": ("The newsletter", "邮件订阅"),
}
LEAST = 0.15  # probability of a wish that is offered, ...
FIRST = 0.25  # ... of the first of them: less is a guess about nothing
MOST = 3


def likely(ranking: Iterable[Mapping[str, Any]]) -> list[str]:
    """Intents that a message of this `intent_ranking` may have meant, likeliest first; [] where none is likely."""
    chances = {str(each["name"]): float(each["confidence"]) for each in ranking}
    found = [name for name, chance in chances.items() if chance >= LEAST and name in OFFERED][:MOST]
    return found if any(chances[name] >= FIRST for name in found) else []


def guessed(call: ActionCall) -> list[str]:
    """As `likely`; nothing where a button was pressed."""
    return [] if call.pressed else likely(call.parse.get("intent_ranking") or ())


def did_you_mean(call: ActionCall) -> Answer | None:
    """The guesses as buttons, with the order that the message names; None where there are none."""
    number = call.one("order_number")
    about = {"order_number": number} if number else {}
    buttons = [button(call.pick(*OFFERED[intent]), intent, **about) for intent in guessed(call)]
    return Answer.response("utter_did_you_mean").buttons(*buttons) if buttons else None


def said_yes(call: ActionCall) -> Answer | None:
    """A yes to the guesses of the message before: the only one starts, of several the customer is asked again."""
    offer = next((event for event in reversed(call.events) if event.get("event") == "bot"), None)
    if offer is None or (offer.get("metadata") or {}).get("utter_action") != "utter_did_you_mean":
        return None
    buttons = (offer.get("data") or {}).get("buttons") or ()
    intents = [each["payload"].lstrip("/").split("{")[0] for each in buttons]
    guesses = [intent for intent in intents if intent in OFFERED]
    if len(guesses) == 1 and guesses[0] in LEAVING:
        return Answer().followed_by(LEAVING[guesses[0]])
    return Answer.response("utter_did_you_mean").buttons(*buttons)
