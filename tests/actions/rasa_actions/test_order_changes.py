"""What a risk assessment means for a change: a second code, a person, or nothing but the change."""

from typing import Any

from sqlalchemy import select

from actions.rasa_actions.order_changes import CancelOrder
from bot.database.shop import Mail, Order, OrderEvent
from tests.actions.rasa_actions.conftest import Bench

WISH = {"form": "cancel_order_form", "order": "K-100001", "reason": "other"}
LOOP: dict[str, Any] = {"loop": "cancel_order_form"}


def confirm(bench: Bench, **more: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    slots = {"wish": {**WISH, **more.pop("wish", {})}, "requested_slot": more.pop("asked", "step:confirmed")}
    return bench.run(CancelOrder, more.pop("text", "yes"), more.pop("intent", "affirm"), slots=slots, **LOOP, **more)


def status(bench: Bench) -> str:
    with bench.services.readers() as session:
        return session.scalars(select(Order.status).where(Order.number == "K-100001")).one()


def test_low_risk_goes_through(bench: Bench) -> None:
    messages, _ = confirm(bench)
    assert messages[0]["response"] == "utter_cancel_order_done"
    assert status(bench) == "cancelled"
    assert bench.risk.asked[0].action == "cancel"


def test_the_same_message_played_twice_changes_nothing_twice(bench: Bench) -> None:
    confirm(bench)
    messages, _ = confirm(bench)
    assert messages[0]["response"] == "utter_cancel_order_done"
    with bench.services.readers() as session:
        assert len(session.scalars(select(OrderEvent).where(OrderEvent.kind == "cancelled")).all()) == 1


def test_review_asks_for_a_second_code_and_goes_on_after_it(bench: Bench) -> None:
    bench.risk.band = "review"
    messages, events = confirm(bench)
    assert messages[0]["response"] == "utter_ask_second_code"
    assert status(bench) == "pending"
    wish = next(event["value"] for event in events if event.get("name") == "wish")
    with bench.services.readers() as session:
        mail = session.scalars(select(Mail)).one()
    assert mail.to_address == "anna@mail.example"
    code = "".join(sign for sign in mail.subject if sign.isdigit())
    messages, _ = confirm(bench, wish=wish, asked="step:second_code", text=code, intent="inform", message_id="m2")
    assert messages[0]["response"] == "utter_cancel_order_done"
    assert status(bench) == "cancelled"


def test_a_wrong_second_code_changes_nothing(bench: Bench) -> None:
    bench.risk.band = "review"
    _, events = confirm(bench)
    wish = next(event["value"] for event in events if event.get("name") == "wish")
    messages, _ = confirm(bench, wish=wish, asked="step:second_code", text="000000", intent="inform", message_id="m2")
    assert messages[0]["response"] in ("utter_code_wrong", "utter_cancel_order_done")
    assert status(bench) == "pending"


def test_high_risk_goes_to_a_person_with_the_reasons_and_the_customer_hears_none(bench: Bench) -> None:
    bench.risk.band = "high"
    messages, _ = confirm(bench)
    assert messages[0]["response"] == "utter_under_review"
    handoff = messages[0]["custom"]["handoff"]
    assert handoff["reason"] == "risk_review"
    assert handoff["summary"]["review"]["reasons"] == [{"en": "a planted reason", "zh": "预设的原因"}]
    assert "planted" not in str({name: value for name, value in messages[0].items() if name != "custom"})
    assert status(bench) == "pending"


def test_a_proof_that_has_expired_asks_again_before_anything_is_done(bench: Bench) -> None:
    messages, _ = confirm(bench, conversation="c-nobody")
    assert messages[0]["response"] == "utter_ask_email"
    assert status(bench) == "pending"


def test_nothing_but_a_yes_confirms(bench: Bench) -> None:
    for text, intent in (("K-100001", "inform"), ("hm", "nlu_fallback"), ("cancel it", "cancel_order")):
        confirm(bench, text=text, intent=intent)
        assert status(bench) == "pending"


def test_the_summary_for_the_colleague_holds_no_code_and_no_address(bench: Bench) -> None:
    messages, _ = confirm(
        bench, text="a person", intent="talk_to_person", wish={"email": "x@y.example", "code": "right"}
    )
    summary = messages[0]["custom"]["handoff"]["summary"]
    assert summary["known"] == {"order": "K-100001", "reason": "other"}
