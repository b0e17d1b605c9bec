"""What the action server reads at its start."""

import pytest

from actions.wiring import NotPrepared, own_words


def test_the_owner_s_words_come_before_those_of_kefu(tmp_path):
    (tmp_path / "same_words.txt").write_text("pan, wok\n", encoding="utf-8")
    assert list(own_words(tmp_path).english["pan"])[:2] == ["wok", "skillet"]


def test_without_a_file_kefu_s_own_words_are_all(tmp_path):
    assert "sweater" in own_words(tmp_path).english["jumper"]


def test_a_broken_file_stops_the_start_with_its_name(tmp_path):
    (tmp_path / "same_words.txt").write_text("pan\n", encoding="utf-8")
    with pytest.raises(NotPrepared, match=r"same_words.txt, line 1: 'pan' has only one word"):
        own_words(tmp_path)
