"""Candidates unlike what the best ones have in common step back, and what is shown does not depend on it."""

from dataclasses import replace

import numpy as np

from retrieval.hybrid import Hybrid, Weights, row_id
from retrieval.index import VectorIndex
from retrieval.lexical import LexicalIndex

# axis 0 is the word of the query, axis 1 "mice", axis 2 "pads": the pad is nearest to the query itself
ROWS = {
    "mouse 1": (0.80, 0.60, 0.0),
    "mouse 2": (0.80, 0.60, 0.0),
    "mouse 3": (0.80, 0.60, 0.0),
    "pad": (0.81, 0.0, 0.586),
}
QUERY = np.array([1.0, 0.0, 0.0], np.float32)
WEIGHTS = Weights(floor=0.0, spread=0.1, dense=1.0, heading=0.0, lexical=0.0, title=0.0, ranks=0.0, bias=-6.0)


def side(weights: Weights) -> Hybrid:
    rows = np.array(list(ROWS.values()), np.float32)
    dense = VectorIndex.built([row_id(id, "en") for id in ROWS], rows, gpu=False)
    return Hybrid(dense, LexicalIndex.built((id, id) for id in ROWS), weights, str)


def test_without_feedback_the_nearest_comes_first():
    assert side(WEIGHTS).rank("thing", QUERY)[0].id == "pad"


def test_the_odd_one_out_steps_behind_those_that_agree():
    found = side(replace(WEIGHTS, agreed=0.8)).rank("thing", QUERY)
    assert [candidate.id for candidate in found] == ["mouse 1", "mouse 2", "mouse 3", "pad"]


def test_feedback_orders_but_leaves_the_probability_alone():
    plain = {candidate.id: candidate.score for candidate in side(WEIGHTS).rank("thing", QUERY)}
    ordered = {candidate.id: candidate.score for candidate in side(replace(WEIGHTS, agreed=0.8)).rank("thing", QUERY)}
    assert ordered == plain


def test_one_candidate_and_texts_in_another_language_are_no_trouble():
    only = side(replace(WEIGHTS, agreed=0.8))
    assert [c.id for c in only.rank("鼠标", QUERY, allowed=lambda id: id == "pad")] == ["pad"]
    assert len(only.rank("鼠标", QUERY)) == len(ROWS)


def test_a_text_that_only_the_other_language_has_is_not_held_to_words_it_cannot_share():
    rows = np.array([(0.9, 0.436, 0.0), (0.9, 0.0, 0.436)], np.float32)
    weights = replace(WEIGHTS, covered=5.0)
    texts = [("only", "steel"), ("both", "wool")]

    def score(topics: dict[str, str], names: list[str]) -> float:
        dense = VectorIndex.built(names, rows[: len(names)], gpu=False)
        held = Hybrid(dense, LexicalIndex.built(texts), weights, str, topic_of=topics.__getitem__)
        return {c.id: c.score for c in held.rank("问题", QUERY)}["only"]

    alone = score({"only": "a", "both": "b"}, [row_id("only", "en"), row_id("both", "zh")])
    translated = score({"only": "a", "both": "a"}, [row_id("only", "en"), row_id("both", "zh")])
    assert alone > translated
