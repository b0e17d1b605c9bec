"""Questions about the shop, answered from its documents; and the small words between wishes."""

import re
from collections.abc import Mapping
from typing import Any

from actions.order_desk import lookup
from actions.rasa_actions import wording
from actions.rasa_actions.answer import Answer, Reply, button
from actions.rasa_actions.buying import of_buying_shown
from actions.rasa_actions.documents import answer_from_documents, policy_answer
from actions.rasa_actions.guesses import said_yes
from actions.rasa_actions.handoff import OFFERING, hand_over, last_responses, not_known
from actions.rasa_actions.shop_action import ActionCall, ShopAction
from actions.rasa_actions.skills import LEAVING
from actions.rasa_actions.spoken import FOR_SOMEBODY
from retrieval.filters import understand
from retrieval.lexicon import Vocabulary

# What an intent is about, in the words of the documents: the query when the customer's own words find nothing
# ("and how long?") or when a button was pressed.
TOPICS: Mapping[str, tuple[str, str]] = {
    "refund_policy": ("return and refund policy", "退货退款政策"),
    "delivery_options": ("delivery options and shipping costs", "配送方式和运费"),
    "delivery_time": ("delivery times", "配送时间"),
    "payment_methods": ("payment methods", "支付方式"),
    "payment_problem": ("payment failed, declined or charged twice", "支付失败"),
    "warranty": ("warranty", "保修"),
    "gift_card": ("gift cards", "礼品卡"),
}

# The documents that answer a policy intent, the policy's own first (topics of the help documents).
DOCUMENTS: Mapping[str, tuple[str, ...]] = {
    "refund_policy": ("returns", "refunds", "exchanges", "damaged_item"),
    "delivery_options": ("shipping_fees", "delivery_times", "pickup"),
    "delivery_time": ("delivery_times", "tracking", "pickup", "lost_parcel"),
    "payment_methods": ("payment_methods", "gift_cards", "invoice", "business_orders"),
    "payment_problem": ("failed_payment",),
    "warranty": ("warranty",),
    "gift_card": ("gift_cards",),
}


class AnswerQuestion(ShopAction):
    """`ask_faq` and the policy intents. Numbers come from the documents, never from a response."""

    def name(self) -> str:
        return "action_answer"

    def answer(self, call: ActionCall) -> Answer:
        if (wanted := of_buying_shown(call)) is not None:
            return wanted
        topic = TOPICS.get(call.intent)
        documents = DOCUMENTS.get(call.intent)
        found = policy_answer(call, documents) if documents else None
        if found is None:
            found = answer_from_documents(call, call.pick(*topic) if topic else "")
        if found is None:
            return not_known(call, "utter_no_answer")
        if call.intent == "payment_problem":
            return found.buttons(button(call.pick("Talk to a person", "转人工"), "talk_to_person"))
        return found


class SmallTalk(ShopAction):
    """Thanks and chat: the nlu process may have worded a reply (checked there); else the written one."""

    def name(self) -> str:
        return "action_small_talk"

    def answer(self, call: ActionCall) -> Answer:
        draft = call.parse.get("reply_draft")
        if draft and draft.get("text"):
            return Answer.said(str(draft["text"])).custom(source={"draft": dict(draft)})
        return Answer.response("utter_thanks" if call.intent == "thanks" else "utter_chitchat")


class GiftCard(ShopAction):
    """What the documents say, and the balance of a proven customer's own cards."""

    def name(self) -> str:
        return "action_gift_card"

    def answer(self, call: ActionCall) -> Answer:
        answer = policy_answer(call, DOCUMENTS["gift_card"]) or answer_from_documents(
            call, call.pick(*TOPICS["gift_card"])
        )
        answer = answer or not_known(call, "utter_no_answer")
        with call.services.readers() as session:
            customer = call.customer(session)
            methods = lookup.payment_methods(session, customer.id) if customer else []
        cards = [method for method in methods if method.kind == "gift_card" and method.balance_minor is not None]
        for card in cards:
            balance = wording.money(card.balance_minor or 0)
            answer = answer.then(
                Answer.response("utter_gift_card_balance", balance=balance, last_four=card.last_four or "–")
            )
        return answer


class ChangeLanguage(ShopAction):
    def name(self) -> str:
        return "action_change_language"

    def answer(self, call: ActionCall) -> Answer:
        wanted = _language(call)
        # The rule goes on with utter_language_changed, which then already speaks the new language.
        return Answer((Reply(custom={"language": wanted}),)).slots(language=wanted).followed_by("")


def _language(call: ActionCall) -> str:
    named = f"{call.one('language') or ''} {call.text}".lower()
    if any(word in named for word in ("zh", "chinese", "mandarin", "中文", "汉语", "普通话", "中国话")):
        return "zh"
    if any(word in named for word in ("english", "英文", "英语")) or call.one("language") == "en":
        return "en"
    return "en" if call.language == "zh" else "zh"


class Affirm(ShopAction):
    """A yes outside a form belongs to what was offered last."""

    def name(self) -> str:
        return "action_affirm"

    def answer(self, call: ActionCall) -> Answer:
        if any(name in OFFERING for name in last_responses(call)):
            return hand_over(call, "utter_handoff", "asked")
        return said_yes(call) or Answer.response("utter_what_now")


# outside a form these tell of something that was bought, "too big" only where no list is on the screen
NOT_RIGHT = re.compile(
    r"\b(?:does|do|did)(?:n'?t| not) (?:fit|work|match)\b|\b(?:broken?|damaged|faulty|defective|torn|scratched)\b|"
    r"\bwrong (?:size|colou?r|item|one)\b|不合(?:适|身|脚)|坏了|破了|碎了|发错|有瑕疵",
    re.I,
)
TOO_MUCH = re.compile(r"\btoo (?:small|big|large|tight|loose|short|long)\b|太(?:小|大|紧|松|短|长)", re.I)


class Inform(ShopAction):
    """A bare value outside a form: an order number is looked up, a product detail refines the search."""

    def name(self) -> str:
        return "action_inform"

    def answer(self, call: ActionCall) -> Answer:
        if call.one("order_number") is not None:
            return Answer().followed_by("track_order_form")
        if NOT_RIGHT.search(call.text) or (TOO_MUCH.search(call.text) and not call.slot("search")):
            return Answer.response("utter_not_right").buttons(
                button(call.pick("Return it", "申请退货"), "return_order"),
                button(call.pick("Exchange it", "申请换货"), "exchange_order"),
                button(call.pick("Talk to a person", "转人工"), "talk_to_person"),
            )
        if FOR_SOMEBODY.search(call.text):  # "for my mother, 60 €": an idea is asked for
            return Answer().followed_by("action_recommend")
        named = any(
            call.one(name) is not None for name in ("color", "size", "brand", "price_max", "price_min", "in_stock")
        )
        if call.slot("search") and (named or understand(call.text, Vocabulary()).narrows):  # also "under 3 kg"
            return Answer().followed_by("action_product_refine")
        if call.slot("shown") and (call.one("ordinal") is not None or call.one("product") is not None):
            return Answer().followed_by("action_product_question")
        if any(call.one(name) is not None for name in ("product", "category", "brand")):
            return Answer().followed_by("action_product_search")
        return Answer.response("utter_what_now")


class Correct(ShopAction):
    """A correction after the form is over: the last wish again, with what is said now."""

    def name(self) -> str:
        return "action_correct"

    def answer(self, call: ActionCall) -> Answer:
        last = _last_form(call.events)
        if last and last.removesuffix("_form") in LEAVING and call.one("order_number") is not None:
            return Answer().followed_by(last)
        if call.slot("search"):
            return Answer().followed_by("action_product_refine")
        return Answer.response("utter_what_now")


def _last_form(events: Any) -> str | None:
    names = (event.get("name") for event in reversed(events) if event.get("event") == "active_loop")
    return next((str(name) for name in names if name), None)
