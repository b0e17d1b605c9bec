"""Questions about the shop, small talk, not understanding, people, languages."""

import pytest

from bot.database.shop import HelpDocument
from tests.dialogue.conftest import Desk


@pytest.mark.parametrize(
    ("text", "intent"),
    [("what is your return policy?", "refund_policy"), ("can I return worn shoes?", "ask_faq")],
)
def test_policies_come_from_the_documents_with_their_source(desk: Desk, text: str, intent: str) -> None:
    talk = desk.talk()
    assert talk(text, intent) == "You can send unused items back within 30 days of delivery."
    assert talk.cards[0]["url"] == "https://shop.example/help/returns"
    assert talk.replies[0]["custom"]["source"]["title"] == "Returns and refunds"


def test_what_was_asked_is_answered_before_what_the_policy_opens_with(desk: Desk) -> None:
    with desk.sessions.begin() as session:
        body = "Your money is back within five days."
        session.add(HelpDocument(topic="refunds", kind="policy", language="en", title="Refunds", body=body))
    said = desk.talk()("when do I get my money back?", "refund_policy")
    assert said == f"{body}\n\nYou can send unused items back within 30 days of delivery."


def test_a_button_finds_the_document_of_its_topic(desk: Desk) -> None:
    assert "2 到 3 个工作日" in desk.talk(language="zh")("/delivery_time", "delivery_time", 1.0)


def test_what_the_documents_do_not_say_is_not_answered(desk: Desk) -> None:
    talk = desk.talk()
    assert talk("do you sponsor football clubs?", "ask_faq").startswith("I don't know that, and I'd rather not guess.")
    assert "Talk to a person" in [button["title"] for button in talk.buttons]
    talk("yes please", "affirm")
    assert talk.handoff is not None


def test_twice_not_understood_hands_over_with_a_summary(desk: Desk) -> None:
    talk = desk.talk()
    assert talk("blub", "nlu_fallback", 0.1).startswith("I'm not sure I understood that.")
    assert "utter_handoff_not_understood" not in talk.responses
    talk("blub blub", "nlu_fallback", 0.1)
    assert talk.handoff is not None
    assert talk.handoff["reason"] == "not_understood"
    assert talk.handoff["summary"]["last_message"] == "blub blub"
    assert talk.handoff["summary"]["language"] == "en"


def test_what_may_have_been_meant_is_offered_to_press(desk: Desk) -> None:
    talk = desk.talk()
    unsure = {"track_order": 0.4, "delivery_time": 0.38, "chitchat": 0.2, "complaint": 0.02}
    talk("will it come on Friday?", "nlu_fallback", 0.4, ranking=unsure)
    assert talk.responses == ["utter_did_you_mean"]
    titles = [button["title"] for button in talk.buttons]
    assert titles == ["Where is my order?", "How long delivery takes", "Talk to a person"]
    assert "working days" in talk.press("How long delivery takes")
    talk("will it come on Friday?", "nlu_fallback", 0.4, ranking=unsure)
    talk.press("Where is my order?")
    assert talk.active_loop == "track_order_form"
    talk("forget it", "never_mind")
    talk("hm", "nlu_fallback", 0.1, ranking={"complaint": 0.24, "invoice": 0.2})  # a guess about nothing
    assert "utter_did_you_mean" not in talk.responses


def test_a_guess_keeps_the_order_that_was_named_and_the_next_miss_goes_to_a_person(desk: Desk) -> None:
    talk = desk.talk(language="zh")
    talk("K-104203 那个", "nlu_fallback", 0.4, ranking={"return_order": 0.3}, order_number="K-104203")
    assert talk.buttons[0] == {"title": "退货", "payload": '/return_order{"order_number": "K-104203"}'}
    talk("不知道", "nlu_fallback", 0.4, ranking={"return_order": 0.3})
    assert talk.handoff is not None


def test_a_yes_to_the_only_guess_starts_it_and_to_several_asks_which(desk: Desk) -> None:
    talk = desk.talk()
    talk("a thing with an order", "nlu_fallback", 0.4, ranking={"cancel_order": 0.4})
    talk("yes", "affirm")
    assert talk.active_loop == "cancel_order_form"
    talk("forget it", "never_mind")
    talk("will it come?", "nlu_fallback", 0.4, ranking={"track_order": 0.4, "delivery_time": 0.3})
    talk("yes", "affirm")
    assert talk.responses == ["utter_did_you_mean"]
    assert len(talk.buttons) == 3


@pytest.mark.parametrize("first", ["out_of_scope", "nlu_fallback"])
def test_twice_off_topic_is_looked_at_by_a_person_too(desk: Desk, first: str) -> None:
    talk = desk.talk()
    talk("blub", first, 0.9 if first == "out_of_scope" else 0.1)
    assert talk.handoff is None
    assert "Talk to a person" in [button["title"] for button in talk.buttons]
    talk("blub blub", "out_of_scope")
    assert talk.handoff is not None
    assert talk.handoff["reason"] == "not_understood"


def test_understood_in_between_starts_the_count_again(desk: Desk) -> None:
    talk = desk.talk()
    talk("blub", "nlu_fallback", 0.1)
    talk("hello", "greet")
    talk("blub", "nlu_fallback", 0.1)
    assert talk.handoff is None


def test_a_question_nobody_classified_may_still_be_in_the_documents(desk: Desk) -> None:
    assert "30 days" in desk.talk()("how does a refund work?", "nlu_fallback", 0.3)


def test_a_complaint_offers_a_person_and_yes_means_it(desk: Desk) -> None:
    talk = desk.talk()
    assert "I'm sorry this went wrong" in talk("this is a scandal", "complaint")
    talk("yes", "affirm")
    assert talk.handoff is not None
    talk = desk.talk()
    talk("this is a scandal", "complaint")
    talk("and nobody cares", "complaint")
    assert talk.handoff is not None
    assert talk.handoff["reason"] == "complaint"


@pytest.mark.parametrize(
    "intent",
    [
        "greet",
        "thanks",
        "goodbye",
        "chitchat",
        "bot_challenge",
        "help",
        "out_of_scope",
        "deny",
        "never_mind",
        "resend_code",
    ],
)
def test_small_words_are_answered_in_both_languages(desk: Desk, intent: str) -> None:
    english = desk.talk()("hm", intent)
    chinese = desk.talk(language="zh")("嗯", intent)
    assert english.isascii() or "’" in english
    assert any("\u4e00" <= sign <= "\u9fff" for sign in chinese)


def test_the_language_can_be_changed(desk: Desk) -> None:
    talk = desk.talk()
    assert talk("please speak Chinese", "change_language", language="zh") == "\n好的，我们用中文。请问有什么可以帮您？"
    assert [reply["custom"]["language"] for reply in talk.replies if reply.get("custom")] == ["zh"]
    talk.language = "zh"
    assert "Sure, English it is." in talk("说英文", "change_language", language="en")


def test_a_command_of_rasa_typed_by_a_customer_is_not_obeyed(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("cancel K-100001", "cancel_order", order_number="K-100001")
    talk("/restart", "restart")
    assert talk.active_loop == "cancel_order_form"
