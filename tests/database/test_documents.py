"""The help texts: both languages of every topic, numbers from the policies, nothing left unfilled."""

import re
from datetime import UTC, datetime

import pytest

from bot.database.demo_documents import FOLDER, PLACEHOLDER, document_rows, fill, split
from bot.database.policies import Policies, PolicyError, defaults

TODAY = datetime(2026, 6, 1, tzinfo=UTC)
ROWS = list(document_rows(defaults(), TODAY))


def test_every_topic_is_there_in_both_languages_with_the_same_numbers() -> None:
    english = {file.stem: split(file) for file in (FOLDER / "en").glob("*.md")}
    chinese = {file.stem: split(file) for file in (FOLDER / "zh").glob("*.md")}
    assert len(english) == 41
    assert set(english) == set(chinese)
    for topic, (head, body) in english.items():
        assert head["kind"] == chinese[topic][0]["kind"]
        keys = [{match[1] for match in PLACEHOLDER.finditer(text)} for text in (body, chinese[topic][1])]
        assert keys[0] == keys[1], topic


def test_no_placeholder_is_left_and_every_text_has_headings() -> None:
    for row in ROWS:
        assert "[[" not in row["title"] + row["body"]
        assert len(re.findall(r"^## ", row["body"], re.MULTILINE)) >= 1 or row["topic"] == "returns", row["id"]


def test_a_changed_policy_changes_the_text() -> None:
    numbers = Policies({**defaults().values, "return_window_days": 77, "return_fee_minor": 1234})
    text = next(row["body"] for row in document_rows(numbers, TODAY) if row["id"] == "returns-en")
    assert "within 77 days" in text
    assert "€12.34" in text


@pytest.mark.parametrize(
    ("language", "expected"), [("en", "from €10 to €500, DE, AT"), ("zh", "from 10 欧元 to 500 欧元, DE、AT")]
)
def test_amounts_and_lists_are_spelt_as_readers_expect(language: str, expected: str) -> None:
    numbers = Policies({"a": 1000, "b": {"c": [50000]}, "d": ["DE", "AT"]})
    assert fill("from [[a | money]] to [[b.c.0|money]], [[d | list]]", numbers, language) == expected


def test_a_text_that_names_an_unknown_policy_is_refused() -> None:
    with pytest.raises(PolicyError, match="'nothing'"):
        fill("[[nothing]]", defaults(), "en")
    with pytest.raises(PolicyError, match="no entry 'mars'"):
        fill("[[shipping_fees_minor.mars]]", defaults(), "en")
