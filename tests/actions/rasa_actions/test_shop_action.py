"""Whatever happens inside an action, the customer hears something and nothing is raised outward."""

import logging
import time
from dataclasses import replace

import pytest

from actions.order_desk.outcomes import OrderNotFound
from actions.rasa_actions.answer import Answer, button
from actions.rasa_actions.forms import WishForm
from actions.rasa_actions.shop_action import ActionCall, ShopAction
from tests.actions.rasa_actions.conftest import Bench

HANG_SECONDS = 3


class Says(ShopAction):
    def name(self) -> str:
        return "action_says"

    def answer(self, call: ActionCall) -> Answer:
        cards = [{"title": "K-1"}]
        return Answer.response("utter_x", number="K-1").buttons(button("Yes", "affirm")).cards(cards).slots(shown=["a"])


class Fails(Says):
    def answer(self, call: ActionCall) -> Answer:
        raise KeyError("anna@mail.example")


class NotFound(Says):
    def answer(self, call: ActionCall) -> Answer:
        raise OrderNotFound("K-9")


class Hangs(Says):
    def answer(self, call: ActionCall) -> Answer:
        time.sleep(HANG_SECONDS)
        return Answer.response("utter_too_late")


class FailingForm(WishForm):
    intent = "cancel_order"

    def answer(self, call: ActionCall) -> Answer:
        raise ZeroDivisionError


def test_an_answer_becomes_a_message_and_events(bench: Bench) -> None:
    [message], events = bench.run(Says)
    assert message["response"] == "utter_x"
    assert message["number"] == "K-1"
    assert message["buttons"] == [{"title": "Yes", "payload": "/affirm"}]
    assert message["custom"] == {"cards": [{"title": "K-1"}]}
    assert events[0]["name"] == "shown"
    assert events[1] == {"event": "followup", "timestamp": None, "name": "action_listen"}


def test_inside_a_form_the_form_comes_again(bench: Bench) -> None:
    _, events = bench.run(Says, loop="cancel_order_form")
    assert [event["event"] for event in events] == ["slot"]


def test_an_error_is_an_apology_and_a_person_and_is_logged_by_id_without_the_text(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        [message], events = bench.run(Fails, "my secret wish", message_id="m-77")
    assert message["response"] == "utter_action_failed"
    assert message["custom"]["handoff"]["reason"] == "failure"
    assert events[-1]["name"] == "action_listen"
    assert "m-77" in caplog.text
    assert "my secret wish" not in caplog.text


def test_a_hanging_action_is_an_apology_within_its_budget(bench: Bench) -> None:
    started = time.monotonic()
    bench.services = replace(bench.services, budget_seconds=0.2)
    [message], _ = bench.run(Hangs)
    assert message["response"] == "utter_action_failed"
    assert message["custom"]["handoff"]["reason"] == "failure"
    assert time.monotonic() - started < HANG_SECONDS


def test_an_error_of_the_shop_has_its_own_words(bench: Bench) -> None:
    [message], _ = bench.run(NotFound)
    assert message["response"] == "utter_order_not_found"
    assert message["custom"] == {}


def test_a_form_that_fails_is_left(bench: Bench) -> None:
    [message], events = bench.run(FailingForm, loop="cancel_order_form", slots={"requested_slot": "step:order"})
    assert message["response"] == "utter_action_failed"
    assert {event["name"]: event["value"] for event in events if event["event"] == "slot"} == {
        "wish": None,
        "requested_slot": None,
    }


def test_a_button_carries_its_entities_as_json() -> None:
    assert button("这个", "inform", order_number="K-1") == {
        "title": "这个",
        "payload": '/inform{"order_number": "K-1"}',
    }
