"""To a person: when asked, when two messages in a row were not understood, when a complaint needs one."""

import re
from collections.abc import Mapping
from typing import Any

from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.documents import answer_from_documents, looks_like_question
from actions.rasa_actions.guesses import did_you_mean, guessed
from actions.rasa_actions.handoff_summary import summary_of
from actions.rasa_actions.several import POINTS, of_the_list, of_the_screen
from actions.rasa_actions.shop_action import ActionCall, ShopAction
from actions.rasa_actions.skills import FORM_INTENTS

# After one of these a second message that the bot cannot help with goes to a person.
NOT_KNOWING = ("utter_not_understood", "utter_did_you_mean", "utter_no_answer", "utter_out_of_scope")
# A draft that does not say so does not answer a complaint; the written response does.
SORRY = re.compile(r"\bsorry\b|\bapolog|抱歉|道歉|对不起|不好意思", re.I)
# After one of these a plain "yes" means the person we offered.
OFFERING = (
    "utter_not_understood",
    "utter_no_answer",
    "utter_complaint",
    "utter_complaint_offer",
    "utter_action_failed",
    "utter_email_by_person",
)


def last_responses(call: ActionCall) -> list[str]:
    """Names of the responses the bot gave to the message before this one."""
    names: list[str] = []
    users = 0
    for event in reversed(call.events):
        if event.get("event") == "user":
            users += 1
            if users == 2:
                break
        elif users == 1 and event.get("event") == "bot":
            names.append(str((event.get("metadata") or {}).get("utter_action") or ""))
    return names


def hand_over(call: ActionCall, response: str, reason: str, **more: Any) -> Answer:
    return Answer.response(response).custom(handoff={"reason": reason, "summary": summary_of(call, **more)})


def not_known(call: ActionCall, response: str) -> Answer:
    """Once: honest, and a person is offered. Twice in a row: the person, with a summary."""
    if any(name in NOT_KNOWING for name in last_responses(call)):
        return hand_over(call, "utter_handoff_not_understood", "not_understood", tried=response)
    person = button(call.pick("Talk to a person", "转人工"), "talk_to_person")
    if response == "utter_not_understood" and (guess := did_you_mean(call)) is not None:
        return guess.buttons(person)
    return Answer.response(response).buttons(person, button(call.pick("What can you do?", "你能做什么？"), "help"))


class TalkToPerson(ShopAction):
    def name(self) -> str:
        return "action_talk_to_person"

    def answer(self, call: ActionCall) -> Answer:
        return hand_over(call, "utter_handoff", "asked")


class NotUnderstood(ShopAction):
    """No intent was sure enough: perhaps the documents know, else offer what may have been meant, else say so."""

    def name(self) -> str:
        return "action_not_understood"

    def answer(self, call: ActionCall) -> Answer:
        found = of_the_screen(call)
        # of one's own order the documents know nothing: "will it be here on Friday?"
        if found is None and looks_like_question(call.text) and not set(guessed(call)[:1]) & set(FORM_INTENTS):
            found = answer_from_documents(call)
        return found or not_known(call, "utter_not_understood")


class OutOfScope(ShopAction):
    """Not a matter of the shop, as far as the models can tell; they may be wrong, so twice in a row a person looks."""

    def name(self) -> str:
        return "action_out_of_scope"

    def answer(self, call: ActionCall) -> Answer:
        several = of_the_list(call) if POINTS.search(call.text) else None  # not "which is the tallest mountain?"
        if several is not None:
            return several
        if any(name in NOT_KNOWING for name in last_responses(call)):
            return hand_over(call, "utter_handoff_not_understood", "not_understood", tried="utter_out_of_scope")
        return Answer.response("utter_out_of_scope")


class Complaint(ShopAction):
    """Take it seriously, offer what may help; a second complaint goes to a person at once."""

    def name(self) -> str:
        return "action_complaint"

    def answer(self, call: ActionCall) -> Answer:
        if {"utter_complaint", "utter_complaint_offer"} & set(last_responses(call)):
            return hand_over(call, "utter_handoff", "complaint")
        draft: Mapping[str, Any] | None = call.parse.get("reply_draft")
        answer = Answer.response("utter_complaint")
        if draft and SORRY.search(str(draft.get("text") or "")):
            offer = Answer.response("utter_complaint_offer")
            answer = Answer.said(str(draft["text"])).custom(source={"draft": dict(draft)}).then(offer)
        return answer.buttons(
            button(call.pick("Talk to a person", "转人工"), "talk_to_person"),
            button(call.pick("Return an item", "申请退货"), "return_order"),
            button(call.pick("Where is my order?", "查询订单"), "track_order"),
        )
