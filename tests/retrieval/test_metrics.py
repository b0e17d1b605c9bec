"""Measures against tables small enough to work out by hand."""

import math

import numpy as np
import pytest

from retrieval import metrics


def test_ndcg_of_a_known_ranking():
    gains = {"a": 3.0, "b": 2.0}
    dcg = 2 / math.log2(2) + 3 / math.log2(4)
    ideal = 3 / math.log2(2) + 2 / math.log2(3)
    assert metrics.ndcg(["b", "x", "a"], gains, 10) == pytest.approx(dcg / ideal)
    assert metrics.ndcg(["a", "b"], gains, 10) == 1.0
    assert metrics.ndcg(["x"], {}, 10) == 0.0


def test_rank_measures_of_a_known_ranking():
    ranked, relevant = ["x", "a", "y", "b"], {"a", "b", "c"}
    assert metrics.reciprocal_rank(ranked, relevant) == 0.5
    assert metrics.recall(ranked, relevant, 4) == pytest.approx(2 / 3)
    assert metrics.precision(ranked, relevant, 4) == 0.5
    assert metrics.hit(ranked, relevant, 1) == 0.0
    assert metrics.average_precision(ranked, relevant) == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert metrics.judged_only(ranked, {"x", "b"}) == ["x", "b"]


def test_beyond_accuracy_measures_of_known_lists():
    lists = [["a", "b"], ["a", "c"]]
    assert metrics.coverage(lists, 6) == 0.5
    assert metrics.gini([["a"], ["b"]], 2) == 0.0
    assert metrics.gini([["a"], ["a"]], 4) == 0.75
    assert metrics.novelty([["a", "b"]], {"a": 0.5, "b": 0.25}) == 1.5
    assert metrics.intra_list_diversity(np.eye(3)) == 1.0
    assert metrics.intra_list_diversity(np.ones((2, 1))) == 0.0


def test_an_interval_holds_its_mean_and_narrows_with_more_data():
    mean, low, high = metrics.interval([0, 1] * 50)
    assert low < mean == 0.5 < high
    _, closer_low, closer_high = metrics.interval([0, 1] * 5000)
    assert closer_high - closer_low < high - low
