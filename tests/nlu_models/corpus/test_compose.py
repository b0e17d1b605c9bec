"""Reply-training pairs: enough of them, delexicalised, and nothing stated that is not a placeholder."""

import json
import re
from collections import Counter
from dataclasses import asdict

import pytest
import yaml

from nlu_models.corpus.compose import EXAMPLES, HERE, compose, delexicalised

PLACEHOLDER = re.compile(r"\{(\w+)\}")


def pairs(language: str) -> list[dict[str, object]]:
    lines = (HERE / f"replies_{language}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def parts(language: str) -> dict[str, object]:
    return yaml.safe_load((HERE / f"parts_{language}.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("language", "wanted"), [("en", 2500), ("zh", 1200)])
def test_there_are_enough_distinct_pairs(language, wanted):
    found = Counter((pair["case"], pair["question"], pair["reply"]) for pair in pairs(language))
    assert len(found) >= wanted


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_reply_uses_only_the_facts_of_its_case(language):
    for pair in pairs(language):
        assert set(PLACEHOLDER.findall(pair["reply"])) <= set(pair["facts"]), pair


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_reply_holds_no_number_link_or_address_of_its_own(language):
    for pair in pairs(language):
        assert not re.search(r"\d|https?://|www\.|@|€|%", pair["reply"]), pair


@pytest.mark.parametrize("language", ["en", "zh"])
def test_both_languages_cover_the_same_cases(language):
    other = "zh" if language == "en" else "en"
    cases = {(case["intent"], case["case"]): case["facts"] for case in parts(language)["cases"]}
    theirs = {(case["intent"], case["case"]): case["facts"] for case in parts(other)["cases"]}
    assert {key: facts for key, facts in cases.items() if theirs.get(key) != facts} == {}


def test_composing_twice_gives_the_same_pairs():
    first, second = (list(compose(parts("zh"), EXAMPLES)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_files_are_what_the_parts_and_examples_give(language):
    made = [json.loads(json.dumps(asdict(pair))) for pair in compose(parts(language), EXAMPLES)]
    assert made == pairs(language), "run: python -m nlu_models.corpus.compose"


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("where is #K-104233?", "where is {order_number}?"),
        ("订单k104233到哪了", "订单{order_number}到哪了"),
        ("R-20311 to anna.b@mailbox.org", "{return_number} to {email}"),
        ("status of K-102777 please", "status of {order_number} please"),
    ],
)
def test_values_of_a_question_become_placeholders(text, without):
    assert delexicalised(text) == without
