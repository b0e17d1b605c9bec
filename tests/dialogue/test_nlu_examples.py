"""The customers' words: enough of each intent in both languages, no text with two meanings, gate set never trained."""

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
NLU = PROJECT / "bot" / "dialogue" / "data" / "nlu"
SETS = PROJECT / "tests" / "benchmarks" / "data"
NAMES = """
greet thanks goodbye chitchat bot_challenge out_of_scope change_language help track_order order_history
cancel_order change_address change_items change_payment change_shipping return_order exchange_order cancel_return
refund_status refund_policy delivery_options delivery_time invoice payment_methods payment_problem complaint
warranty gift_card create_account edit_account delete_account password newsletter review product_search product_refine
product_question compare_products check_stock check_price promotions size_fit recommend more_results not_for_me
reorder ask_faq talk_to_person affirm deny inform correct never_mind resend_code
"""
INTENTS = frozenset(NAMES.split())


def language(text: str) -> str:
    return "zh" if re.search("[一-鿿]", text) else "en"


def normal(text: str) -> str:
    """Letters and digits only, lower case; a text of signs alone stays as it is."""
    return re.sub(r"[\W_]+", "", text.lower()) or text


def training() -> Iterator[tuple[str, str]]:
    """(intent, text) of every example."""
    for file in sorted(NLU.glob("*.yml")):
        for block in yaml.safe_load(file.read_text(encoding="utf-8"))["nlu"]:
            for line in block["examples"].splitlines():
                assert line.startswith("- "), f"{file.name}: {line!r}"
                yield block["intent"], line[2:]


def gate(name: str) -> list[dict[str, str]]:
    with (SETS / f"intents_gate_{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_hold_exactly_the_intents_of_the_house_one_file_each():
    assert {intent for intent, _ in training()} == INTENTS
    assert {file.stem for file in NLU.glob("*.yml")} == INTENTS


def test_every_intent_has_at_least_45_english_and_25_chinese_examples():
    counts = Counter((intent, language(text)) for intent, text in training())
    short = {
        (intent, name): counts[intent, name]
        for intent in INTENTS
        for name, wanted in (("en", 45), ("zh", 25))
        if counts[intent, name] < wanted
    }
    assert short == {}


def test_out_of_scope_has_150_english_and_80_chinese_examples():
    counts = Counter(language(text) for intent, text in training() if intent == "out_of_scope")
    assert counts["en"] >= 150
    assert counts["zh"] >= 80


def test_no_text_belongs_to_two_intents():
    meanings = defaultdict(set)
    for intent, text in training():
        meanings[normal(text)].add(intent)
    assert {text: found for text, found in meanings.items() if len(found) > 1} == {}


def test_no_example_is_written_twice():
    counts = Counter(training())
    assert [example for example, count in counts.items() if count > 1] == []


@pytest.mark.parametrize(("name", "wanted"), [("en", 8), ("zh", 5)])
def test_the_gate_set_is_disjoint_from_training_and_covers_every_intent(name, wanted):
    trained = {normal(text) for _, text in training()}
    rows = gate(name)
    assert [row["text"] for row in rows if normal(row["text"]) in trained] == []
    assert len({normal(row["text"]) for row in rows}) == len(rows)
    counts = Counter(row["label"] for row in rows)
    assert set(counts) == INTENTS
    assert min(counts.values()) >= wanted
    assert {language(row["text"]) for row in rows} == {name}


def test_messages_with_two_wishes_name_known_intents_in_both_languages():
    rows = [json.loads(line) for line in (SETS / "two_wishes.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 60
    assert {intent for row in rows for intent in row["intents"]} <= INTENTS
    assert all(len(row["intents"]) == 2 for row in rows)
    assert {row["language"] for row in rows} == {"en", "zh"}
    trained = {normal(text) for _, text in training()}
    assert [row["text"] for row in rows if normal(row["text"]) in trained] == []


def test_order_numbers_are_written_in_the_forms_customers_use():
    text = "\n".join(text for _, text in training())
    for form in (r"\bK-\d{6}", r"\bk\d{6}", r"#K-\d{6}", r"\bR-\d{5}"):
        assert re.search(form, text), form
