"""The test-only sets: as many as promised, of every kind, in both languages, and false drafts that really are false."""

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bot.settings import PROJECT

SETS = PROJECT / "tests" / "benchmarks" / "data"
FAQ = Path("ecommerce_faq") / "Ecommerce_FAQ_Chatbot_dataset.json"
# Read now: the autouse fixture of conftest.py scrubs the environment of every test.
DATA = Path(os.environ.get("KEFU_BENCH_DATA", PROJECT.parent / "shared" / "data"))
KINDS = {"number", "price", "date", "link", "email", "name", "promise", "policy_term"}


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_200_questions_have_no_answer_130_in_english_and_70_in_chinese():
    questions = rows("unanswerable")
    assert Counter(row["language"] for row in questions) == {"en": 130, "zh": 70}
    assert len({row["question"] for row in questions}) == 200


def test_every_question_of_the_public_faq_is_put_in_other_words_twice():
    paraphrases = rows("ecommerce_faq_paraphrases")
    assert Counter(row["index"] for row in paraphrases) == dict.fromkeys(range(79), 2)
    assert all(row["index"] in row["accepted"] for row in paraphrases)
    assert len({row["question"] for row in paraphrases}) == len(paraphrases)


def test_no_paraphrase_is_a_question_of_the_public_faq():
    if not (DATA / FAQ).exists():
        pytest.skip(f"no benchmark data at {DATA}")
    theirs = {row["question"].lower() for row in json.loads((DATA / FAQ).read_text(encoding="utf-8"))["questions"]}
    assert [row["question"] for row in rows("ecommerce_faq_paraphrases") if row["question"].lower() in theirs] == []


def test_at_least_300_false_drafts_of_every_kind_in_both_languages():
    drafts = rows("false_drafts")
    counts = Counter((row["kind"], row["language"]) for row in drafts)
    assert len(drafts) >= 300
    assert {kind for kind, _ in counts} == KINDS
    assert min(counts[kind, language] for kind in KINDS for language in ("en", "zh")) >= 4
    assert len({(row["text"], row["draft"]) for row in drafts}) == len(drafts)


def test_no_false_draft_is_also_a_true_one():
    true = {row["draft"] for row in rows("true_drafts")}
    assert len(true) >= 45
    assert [row["draft"] for row in rows("false_drafts") if row["draft"] in true] == []


def test_a_true_draft_states_only_numbers_that_its_facts_or_passages_hold():
    for row in rows("true_drafts"):
        known = json.dumps([row["facts"], row["passages"]], ensure_ascii=False)
        for number in re.findall(r"\d[\d.,:]*\d|\d", row["draft"]):
            assert number in known, row
