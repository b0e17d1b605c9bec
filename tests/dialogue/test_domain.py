"""The domain holds together: every response used, in both languages; every action registered; every intent led on."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from actions.order_desk.outcomes import REFUSALS
from actions.rasa_actions import skills
from actions.rasa_actions.catalog import ACTIONS
from bot.processes import DIALOGUE
from bot.settings import PROJECT

CODE = PROJECT / "actions" / "rasa_actions"
NAMES = """greet thanks goodbye chitchat bot_challenge out_of_scope change_language help track_order order_history
    cancel_order change_address change_items change_payment change_shipping return_order exchange_order
    cancel_return refund_status refund_policy delivery_options delivery_time invoice payment_methods payment_problem
    complaint warranty gift_card create_account edit_account delete_account password newsletter review
    product_search product_refine product_question compare_products check_stock check_price promotions size_fit
    recommend more_results not_for_me reorder ask_faq talk_to_person affirm deny inform correct never_mind
    resend_code nlu_fallback"""
INTENTS = set(NAMES.split())


def read(folder: Path) -> list[dict[str, Any]]:
    return [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.yml"))]


@pytest.fixture(scope="module")
def domain() -> dict[str, Any]:
    """All files of the domain as one; a name that two files define is an error."""
    whole: dict[str, Any] = {"intents": [], "entities": [], "actions": [], "forms": {}, "responses": {}, "slots": {}}
    for part in read(DIALOGUE / "domain"):
        for kind, held in whole.items():
            more = part.get(kind) or type(held)()
            assert not set(held) & set(more), f"{kind} defined twice: {set(held) & set(more)}"
            if isinstance(held, dict):
                held.update(more)
            else:
                held.extend(more)
    return whole


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    return [rule for part in read(DIALOGUE / "data" / "rules") for rule in part["rules"]]


def test_the_intents_are_those_of_the_models(domain: dict[str, Any]) -> None:
    assert set(domain["intents"]) == INTENTS
    labels = {part["intent"] for file in read(DIALOGUE / "data" / "nlu") for part in file["nlu"] if "intent" in part}
    assert labels == INTENTS - {"nlu_fallback"}


def test_every_response_speaks_both_languages_with_the_same_facts_and_buttons(domain: dict[str, Any]) -> None:
    for name, variations in domain["responses"].items():
        chinese, english = variations
        assert chinese["condition"] == [{"type": "slot", "name": "language", "value": "zh"}], name
        assert "condition" not in english, name
        assert re.search(r"[\u4e00-\u9fff]", chinese["text"]) or name == "utter_comparison", name
        assert not re.search(r"[\u4e00-\u9fff]", english["text"]), name
        facts = [set(re.findall(r"{(\w+)}", variation["text"])) for variation in variations]
        assert facts[0] == facts[1], name
        payloads = [[button["payload"] for button in each.get("buttons", ())] for each in variations]
        assert payloads[0] == payloads[1], name


def test_every_response_is_used_and_every_used_one_exists(domain: dict[str, Any], rules: list[dict[str, Any]]) -> None:
    code = "\n".join(file.read_text(encoding="utf-8") for file in CODE.glob("*.py"))
    named = (set(re.findall(r"\"(utter_\w+)", code)) - {"utter_action"}) | {
        step["action"] for rule in rules for step in rule["steps"] if step.get("action", "").startswith("utter_")
    }
    made = {f"utter_refused_{code}" for code in REFUSALS}
    made |= {f"utter_{kind}_{intent}" for intent in skills.FORM_INTENTS for kind in ("confirm",)}
    made |= {f"utter_{intent}_done" for intent in skills.FORM_INTENTS}
    made |= {f"utter_refund_{state}" for state in REFUND_STATES}
    made |= {f"utter_confirm_newsletter_{wanted}" for wanted in ("on", "off")}
    unused = set(domain["responses"]) - named - made
    assert not unused
    stems = ("utter_confirm_", "utter_refused_", "utter_refund_", "utter_ask_", "utter_", "utter_confirm_newsletter_")
    missing = {name for name in named if name not in domain["responses"] and name not in stems}
    assert not missing
    assert {f"utter_refused_{code}" for code in REFUSALS} <= set(domain["responses"])


REFUND_STATES = ("paid_out", "on_its_way", "waiting_for_parcel", "checking", "in_review", "refused")


def test_the_registered_actions_are_those_of_the_domain(domain: dict[str, Any]) -> None:
    registered = {action.name(object.__new__(action)) for action in ACTIONS}
    assert registered == set(domain["actions"])
    assert {f"validate_{form}" for form in domain["forms"]} <= registered


def test_every_intent_is_led_on_by_exactly_one_rule(domain: dict[str, Any], rules: list[dict[str, Any]]) -> None:
    led = [step["intent"] for rule in rules for step in rule["steps"] if "intent" in step]
    assert sorted(led) == sorted(domain["intents"])


def test_what_the_forms_know_of_the_skills_is_what_the_rules_say(rules: list[dict[str, Any]]) -> None:
    starts = {rule["steps"][0]["intent"]: rule["steps"][1]["action"] for rule in rules if "intent" in rule["steps"][0]}
    for intent, action in skills.LEAVING.items():
        assert starts[intent] == action
    sorted_out = {*skills.LEAVING, *skills.ASIDES, *skills.VALUES, "never_mind", "talk_to_person"}
    assert sorted_out == INTENTS
    assert not set(skills.LEAVING) & set(skills.ASIDES)


def test_every_form_has_a_name_customers_understand() -> None:
    for intent in skills.FORM_INTENTS:
        assert skills.wish_label(intent, "en").isascii()
        assert re.search(r"[\u4e00-\u9fff]", skills.wish_label(intent, "zh"))
