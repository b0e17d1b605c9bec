"""Picking one of several shown things."""

import pytest

from actions.rasa_actions.spoken import named, position


@pytest.mark.parametrize(
    ("ordinal", "text", "place"),
    [(2, "the second one", 1), ("2", "2", 1), ("second", "second", 1), ("last", "last", 2), (-1, "", 2), (None, "2", 1),
     (None, "the last one", 2), (None, "第二个", None), (4, "", None), (None, "K-100002", None), (None, "90", None)],
)  # fmt: skip
def test_a_position_among_three(ordinal: object, text: str, place: int | None) -> None:
    assert position(ordinal, text, 3) == place


def test_nothing_shown_has_no_positions() -> None:
    assert position(1, "first", 0) is None


def test_a_word_that_only_one_has_names_it() -> None:
    names = ["Fjell rain jacket 山岚雨衣", "Fjell tent 山岚帐篷", "Ember stoves"]
    assert named("the jacket please", names) == [0]
    assert named("the stove", names) == [2]
    assert named("雨衣", names) == [0]
    assert named("the Fjell", names) == []
    assert named("山岚", names) == []
