"""Combining with answers that can be seen by eye."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.combine import NoOpinion, average, cascade, rank_fusion, vote, weighted

NAN = np.nan


def test_an_abstaining_member_gives_its_weight_to_the_others():
    scores = np.array([[[0.9, 0.1]], [[NAN, NAN]], [[0.5, 0.5]]])
    assert np.allclose(weighted(scores, [1, 8, 1]), [[0.7, 0.3]])


def test_dropping_a_member_equals_its_abstaining_everywhere():
    rng = np.random.default_rng(0)
    scores = rng.random((3, 5, 4))
    silent = scores.copy()
    silent[1] = NAN
    for fuse in (average, vote, rank_fusion):
        assert np.allclose(fuse(silent), fuse(scores[[0, 2]]))


def test_average_is_the_mean():
    assert np.allclose(average([[[1.0, 0.0]], [[0.0, 1.0]]]), [[0.5, 0.5]])


@pytest.mark.parametrize("fuse", [average, vote, lambda s: weighted(s, [1, 1])])
def test_a_row_nobody_scored_is_named(fuse):
    scores = np.array([[[1.0, 0.0], [NAN, NAN]], [[0.0, 1.0], [NAN, NAN]]])
    with pytest.raises(NoOpinion, match="row 1") as error:
        fuse(scores)
    assert error.value.row == 1


def test_a_row_scored_only_by_a_member_of_weight_zero_has_no_opinion():
    with pytest.raises(NoOpinion):
        weighted([[[1.0]], [[NAN]]], [0, 1])


@pytest.mark.parametrize(
    ("weights", "message"), [([1, -1], "must be >= 0"), ([1], "1 weights for 2"), ([1, NAN], "must be >= 0")]
)
def test_wrong_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        weighted(np.ones((2, 1, 1)), weights)


def test_scores_without_a_member_axis_are_refused():
    with pytest.raises(ValueError, match="members, rows, columns"):
        average(np.ones((2, 2)))


def test_two_votes_beat_one_sure_member():
    scores = [[[0.99, 0.01, 0]], [[0.4, 0.6, 0]], [[0.4, 0.6, 0]]]
    assert np.allclose(vote(scores), [[1 / 3, 2 / 3, 0]])
    assert np.allclose(vote(scores, [4, 1, 1]), [[2 / 3, 1 / 3, 0]])


def test_rank_fusion_ignores_the_scale_of_scores():
    scores = np.array([[[3.0, 2.0, 1.0]], [[1.0, 3.0, 2.0]]])
    scaled = scores * np.array([1000.0, 0.001])[:, None, None]
    assert np.allclose(rank_fusion(scores), rank_fusion(scaled))
    assert np.allclose(rank_fusion(scores), [[1 / 61 + 1 / 63, 1 / 62 + 1 / 61, 1 / 63 + 1 / 62]])


def test_rank_fusion_gives_nothing_for_a_column_without_opinion_and_ties_share():
    fused = rank_fusion([[[5.0, 5.0, NAN]]], k=0)
    assert np.allclose(fused, [[1 / 1.5, 1 / 1.5, 0]])


@given(st.integers(1, 4), st.integers(1, 5), st.integers(2, 6), st.integers(0, 10_000))
def test_averages_of_distributions_are_distributions(members, rows, columns, seed):
    scores = np.random.default_rng(seed).dirichlet(np.ones(columns), size=(members, rows))
    assert np.allclose(average(scores).sum(axis=1), 1)
    assert np.allclose(vote(scores).sum(axis=1), 1)


def test_a_cascade_asks_the_expensive_stage_only_for_what_the_cheap_one_left():
    cheap = np.array([[0.95, 0.05], [0.55, 0.45], [0.1, 0.9]])
    dear = np.array([[0.0, 1.0], [0.05, 0.95], [0.0, 1.0]])
    asked = []

    def last(rows):
        asked.extend(rows.tolist())
        return dear[rows]

    fused = cascade([lambda rows: (cheap[rows], cheap[rows].max(axis=1) > 0.8)], last, 3, 2)
    assert asked == [1]
    assert np.allclose(fused, [[0.95, 0.05], [0.05, 0.95], [0.1, 0.9]])


def test_nobody_is_asked_about_nothing():
    def never(rows):
        raise AssertionError(f"asked about {rows}")

    assert cascade([never], never, 0, 2).shape == (0, 2)
    everything = cascade([lambda rows: (np.ones((len(rows), 2)), np.ones(len(rows), dtype=bool)), never], never, 3, 2)
    assert (everything == 1).all()
