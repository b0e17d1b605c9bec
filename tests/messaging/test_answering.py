import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from bot.messaging import words
from bot.messaging.answering import Failed, Played, Wish, answer, outbound, payload_parse
from bot.messaging.turns import Finish, Turn
from tests.messaging.conversation_data import NOON


def turn(text: str = "hello", **more: Any) -> Turn:
    values = {
        "inbox_id": "m1",
        "conversation_id": "c1",
        "lease_token": "t",
        "position": 1,
        "attempts": 1,
        "received_at": NOON,
        "channel": "web",
        "customer_id": None,
        "language": "en",
        "text": text,
        "payload": None,
        "waiting_wishes": (),
        "context": {},
    }
    return Turn(**{**values, **more})


def wish(text: str, intent: str) -> dict[str, Any]:
    return {"text": text, "intent": {"name": intent, "confidence": 0.9}, "entities": []}


def parse(*wishes: dict[str, Any], intent: str | None = None, language: str | None = None) -> dict[str, Any]:
    name = intent or wishes[0]["intent"]["name"]
    return {
        "text": " ".join(one["text"] for one in wishes),
        "intent": {"name": name, "confidence": 0.9},
        "entities": [],
        "language": language,
        "wishes": list(wishes),
    }


class Scripted:
    """Answers by hand: the parse given, and for each wish the replies of its intent."""

    def __init__(self, read: Mapping[str, Any], plays: Mapping[str, Played]) -> None:
        self.read, self.plays = read, plays
        self.asked: list[tuple[str, str, str]] = []  # message id, intent, language
        self.parsed: list[str] = []

    async def parse(self, turn: Turn) -> Mapping[str, Any]:
        self.parsed.append(turn.text)
        return self.read

    async def play(self, turn: Turn, message_id: str, wish: Wish, language: str) -> Played:
        intent = wish.parse["intent"]["name"]
        self.asked.append((message_id, intent, language))
        return self.plays[intent]


def says(text: str, loop: str | None = None, **custom: Any) -> Played:
    return Played(({"text": text, **({"custom": custom} if custom else {})},), loop)


def run(turn: Turn, asks: Scripted) -> Finish:
    return asyncio.run(answer(turn, asks))


def test_two_wishes_are_played_in_their_order_under_ids_of_their_own():
    asks = Scripted(
        parse(wish("track K-1", "track_order"), wish("and tents", "product_search")),
        {"track_order": says("It is on its way."), "product_search": says("Here are tents.")},
    )
    finish = run(turn("track K-1 and tents"), asks)
    assert [reply.text for reply in finish.replies] == ["It is on its way.", "Here are tents."]
    assert [(id_, intent) for id_, intent, _ in asks.asked] == [("m1", "track_order"), ("m1.2", "product_search")]
    assert finish.waiting_wishes == ()


def test_what_two_wishes_end_in_is_said_once():
    asks = Scripted(
        parse(wish("is that covered", "warranty"), wish("and how much is it", "check_price")),
        {
            "warranty": says("Which product do you mean?", source={"request_id": "m1"}),
            "check_price": says("Which product do you mean?", source={"request_id": "m1.2"}),
        },
    )
    finish = run(turn("is that covered and how much is it"), asks)
    assert [reply.text for reply in finish.replies] == ["Which product do you mean?"]
    assert len(asks.asked) == 2


def test_a_form_stops_the_playing_and_the_second_wish_waits():
    asks = Scripted(
        parse(wish("cancel it", "cancel_order"), wish("and tents", "product_search")),
        {"cancel_order": says("Which order?", loop="cancel_form")},
    )
    finish = run(turn("cancel it and tents"), asks)
    assert [reply.text for reply in finish.replies] == ["Which order?"]
    assert [waiting["text"] for waiting in finish.waiting_wishes] == ["and tents"]
    assert finish.context["active_loop"] == "cancel_form"


def test_the_wish_that_waits_is_played_in_the_turn_in_which_the_form_ends():
    waiting = {"text": "and tents", "parse": parse(wish("and tents", "product_search"))}
    asks = Scripted(
        parse(wish("yes", "affirm")), {"affirm": says("Cancelled."), "product_search": says("Here are tents.")}
    )
    finish = run(turn("yes", waiting_wishes=(waiting,), context={"active_loop": "cancel_form"}), asks)
    assert [reply.text for reply in finish.replies] == ["Cancelled.", "Here are tents."]
    assert finish.waiting_wishes == ()


@pytest.mark.parametrize("intent", ["nlu_fallback", "affirm", "deny", "inform"])
def test_an_answer_to_a_form_is_never_split(intent: str):
    read = parse(wish("12 Oak Street", "inform"), wish("and Springfield", "product_search"), intent=intent)
    asks = Scripted(read, {intent: says("Thank you.")})
    run(turn("12 Oak Street and Springfield", context={"active_loop": "address_form"}), asks)
    assert asks.asked == [("m1", intent, "en")]


def test_wishes_are_forgotten_when_a_person_takes_over():
    asks = Scripted(
        parse(wish("a person", "talk_to_person"), wish("and tents", "product_search")),
        {"talk_to_person": says("One moment.", handoff={"reason": "asked", "summary": {"topic": "order"}})},
    )
    finish = run(turn("a person and tents"), asks)
    assert finish.handoff is not None
    assert (finish.handoff.reason, finish.handoff.summary) == ("asked", {"topic": "order"})
    assert finish.waiting_wishes == ()


def test_no_reply_at_all_is_a_failure():
    with pytest.raises(Failed):
        run(turn(), Scripted(parse(wish("hello", "greet")), {"greet": Played((), None)}))


def test_the_language_follows_what_is_written_unless_it_is_too_short_to_tell():
    plays = {"greet": says("hi")}
    assert run(turn("你好"), Scripted(parse(wish("你好", "greet"), language="zh"), plays)).language == "zh"
    assert run(turn("ok", language="zh"), Scripted(parse(wish("ok", "greet")), plays)).language == "zh"


def test_a_language_the_customer_chose_stays():
    asks = Scripted(parse(wish("hello", "greet"), language="en"), {"greet": says("你好")})
    assert run(turn(language="zh", context={"language_chosen": True}), asks).language == "zh"


def test_a_reply_may_change_the_language():
    asks = Scripted(parse(wish("speak Chinese", "change_language")), {"change_language": says("好的", language="zh")})
    finish = run(turn("speak Chinese"), asks)
    assert (finish.language, finish.context["language_chosen"]) == ("zh", True)


def test_a_pressed_button_is_not_read_by_nlu():
    asks = Scripted({}, {"cancel_order": says("Cancelled.")})
    run(turn("Cancel", payload='/cancel_order{"order_number": "K-1"}'), asks)
    assert (asks.parsed, asks.asked) == ([], [("m1", "cancel_order", "en")])


def test_typed_text_that_looks_like_a_command_is_read_as_text():
    asks = Scripted(parse(wish("/restart", "nlu_fallback")), {"nlu_fallback": says("I did not understand.")})
    run(turn("/restart"), asks)
    assert asks.parsed == ["/restart"]


def test_a_message_without_text_is_answered_without_the_bot():
    asks = Scripted({}, {})
    finish = run(turn("  ", language="zh"), asks)
    assert finish.replies[0].text == words.cannot_read("zh")
    assert asks.parsed == []


def test_a_payload_names_an_intent_and_entities():
    read = payload_parse('/cancel_order{"order_number": "K-1", "size": ["M", "L"]}', "Cancel")
    assert read is not None
    assert read["intent"] == {"name": "cancel_order", "confidence": 1.0}
    assert [(entity["entity"], entity["value"]) for entity in read["entities"]] == [
        ("order_number", "K-1"),
        ("size", "M"),
        ("size", "L"),
    ]


@pytest.mark.parametrize("payload", ["hello", "/cancel{", "/cancel{]}", "/", '/a{"b": 1} more'])
def test_what_is_no_payload_is_none(payload: str):
    assert payload_parse(payload, "x") is None


def test_a_reply_brings_buttons_cards_and_picture():
    message = outbound(
        {
            "text": "Here",
            "image": "/pictures/p1.svg",
            "buttons": [{"title": "Yes", "payload": "/affirm"}],
            "custom": {"cards": [{"title": "Tent", "price": "€ 99.00", "buttons": [{"title": "Open", "url": "/p"}]}]},
        }
    )
    assert message.picture == "/pictures/p1.svg"
    assert message.buttons[0].payload == "/affirm"
    assert message.cards[0].buttons[0].url == "/p"
