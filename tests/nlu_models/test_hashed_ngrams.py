"""Hashed n-grams: the same n-grams that scikit-learn takes, in buckets that do not collide more than chance has it."""

from collections import Counter

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from nlu_models.dataset import normalise
from nlu_models.hashed_ngrams import BUCKETS, LONGEST, counted
from nlu_models.members import NGrams

TEXTS = ["Where is my order K-100002?", "我的订单在哪里", "a", "退款 refund, refund!", "🦊 is a fox", "it's  a\ttest"]


def by_text(texts):
    found = [Counter() for _ in texts]
    for row, bucket, count in zip(*counted(texts), strict=True):
        found[row][int(bucket)] = int(count)
    return found


@pytest.mark.parametrize("text", TEXTS)
def test_it_counts_what_scikit_learn_counts(text):
    # scikit-learn also takes a word that is shorter than n once for every n up to its length and one more
    theirs = CountVectorizer(analyzer="char_wb", ngram_range=(1, LONGEST), lowercase=False).build_analyzer()
    expected = Counter(Counter(each for each in theirs(normalise(text)) if each).values())
    assert Counter(by_text([text])[0].values()) == expected


def test_a_text_has_the_same_buckets_alone_and_among_others():
    assert by_text(TEXTS) == [by_text([text])[0] for text in TEXTS]


def test_the_order_of_letters_and_the_length_count():
    ab, ba, aab = by_text(["ab", "ba", "aab"])
    assert len({frozenset(each) for each in (ab, ba, aab)}) == 3


def test_buckets_are_used_evenly():
    words = [f"{one}{chr(other)}" for one in "abcdefghijklmnopqrstuvwxyz" for other in range(0x4E00, 0x4E00 + 400)]
    buckets = np.concatenate([np.array(list(found)) for found in by_text(words)])
    different = len(set(buckets.tolist()))
    grams = len({gram for word in words for n in range(1, 6) for gram in windows(f" {word} ", n)})
    by_chance = BUCKETS * (1 - (1 - 1 / BUCKETS) ** grams)
    assert different == pytest.approx(by_chance, rel=0.02)


def windows(text, length):
    return [text[start : start + length] for start in range(len(text) - length + 1)]


@pytest.mark.parametrize("texts", [[], [""], ["", "  ", "?!"]])
def test_texts_without_letters_have_none(texts):
    assert [len(part) for part in counted(texts)] == [0, 0, 0]


def test_half_an_emoji_is_a_character_like_others():
    assert len(counted(["\ud83e"])[1]) == 5  # a space, it, two pairs, all three


def test_a_member_without_a_single_known_ngram_still_answers():
    member = NGrams.fit(["red shoes", "blue shoes", "send money", "money back"], np.array([0, 0, 1, 1]), 2)
    chances = member(["", "red shoes", "my money"])
    assert chances.sum(axis=1) == pytest.approx([1, 1, 1])
    assert chances[1:].argmax(axis=1).tolist() == [0, 1]
    assert member([]).shape == (0, 2)
