"""Stacking on members whose worth is built in: one knows the answer, one guesses, one lies."""

import numpy as np
import pytest

from ensemble.calibration import expected_calibration_error
from ensemble.stacking import (
    ColumnLogistic,
    OverlappingSplits,
    PooledLogistic,
    check_disjoint,
    fit_weights,
    folds,
    out_of_fold,
    search_weights,
)


def members(rows=600, columns=4, seed=0):
    """(3, rows, columns): right in 80 % / pure noise / confidently wrong in 60 %; and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(columns, size=rows)

    def says(share_right, sure):
        told = np.where(rng.random(rows) < share_right, labels, rng.integers(columns, size=rows))
        scores = np.full((rows, columns), (1 - sure) / (columns - 1))
        scores[np.arange(rows), told] = sure
        return scores

    return np.stack([says(0.8, 0.8), says(0.0, 0.4), says(0.4, 0.9)]), labels


def test_fitted_weights_find_the_member_that_knows():
    scores, labels = members()
    weights = fit_weights(scores, labels)
    assert weights.sum() == pytest.approx(1)
    assert weights.argmax() == 0
    assert weights[0] > 0.7
    assert weights.min() >= 0


def test_a_member_that_mostly_abstains_keeps_its_worth():
    scores, labels = members()
    scores[0, 100:] = np.nan
    weights = fit_weights(scores, labels)
    assert weights[0] > 0.3


def test_searched_weights_are_never_worse_than_the_best_member_or_the_mean():
    scores, labels = members()

    def accuracy(fused):
        return (fused.argmax(axis=1) == labels).mean()

    weights = search_weights(scores, accuracy)
    reached = accuracy(np.tensordot(weights, scores, 1))
    assert reached >= max(accuracy(member) for member in scores)
    assert reached >= accuracy(scores.mean(axis=0))
    assert weights.sum() == pytest.approx(1)


def test_the_pooled_meta_learner_beats_every_member_and_is_calibrated_on_new_rows():
    scores, labels = members(3000)
    meta = PooledLogistic.fit(scores[:, :1500], labels[:1500])
    fused, wanted = meta(scores[:, 1500:]), labels[1500:]
    accuracy = (fused.argmax(axis=1) == wanted).mean()
    assert accuracy >= max((member[1500:].argmax(axis=1) == wanted).mean() for member in scores)
    assert expected_calibration_error(fused.max(axis=1), fused.argmax(axis=1) == wanted) < 0.05
    assert PooledLogistic.from_json(meta.to_json()) == meta


def test_the_pooled_meta_learner_accepts_members_that_abstain():
    scores, labels = members()
    scores[0, ::2] = np.nan
    fused = PooledLogistic.fit(scores, labels)(scores)
    assert np.allclose(fused.sum(axis=1), 1)
    right = fused.argmax(axis=1) == labels
    assert right[1::2].mean() > right[::2].mean()


def test_the_column_meta_learner_learns_from_scores_and_from_silence():
    rng = np.random.default_rng(3)
    happened = rng.random(2000) < 0.3
    telling = happened + rng.normal(scale=0.8, size=2000)
    noise = rng.normal(size=2000) * 100 + 1000
    silent_when_bad = np.where(happened & (rng.random(2000) < 0.7), np.nan, 0.5)
    scores = np.stack([telling, noise, silent_when_bad])
    meta = ColumnLogistic.fit(scores[:, :1000], happened[:1000])
    fused = meta(scores[:, 1000:, None])
    assert meta.weights[0] > 5 * abs(meta.weights[1])
    assert meta.silent[2] > 1
    assert ((fused > 0.5) == happened[1000:]).mean() > 0.9
    assert ColumnLogistic.from_json(meta.to_json()) == meta


@pytest.mark.parametrize("fit", [fit_weights, PooledLogistic.fit])
def test_a_row_the_members_were_trained_on_is_refused(fit):
    scores, labels = members(10)
    with pytest.raises(OverlappingSplits, match="rows and in trained_on"):
        fit(scores, labels, rows=range(10), trained_on=[9, 10])


def test_the_column_meta_learner_refuses_rows_trained_on():
    with pytest.raises(OverlappingSplits):
        ColumnLogistic.fit(np.ones((1, 2)), [0, 1], rows=["a", "b"], trained_on=["b"])


def test_disjoint_splits_pass_and_overlapping_ones_are_named():
    check_disjoint(train=[1, 2], test=[3], validation=[4])
    with pytest.raises(OverlappingSplits, match="train and in validation") as error:
        check_disjoint(train=[1, 2], test=[3], validation=[2])
    assert error.value.rows == [2]


def test_folds_keep_groups_together_and_hold_every_row_out_once():
    groups = ["a", "a", "b", "c", "c", "c", "d", "e", "f", "g"]
    splits = folds(groups, 3, seed=4)
    held = np.concatenate([out for _, out in splits])
    assert sorted(held.tolist()) == list(range(10))
    for train, out in splits:
        assert not {groups[row] for row in train} & {groups[row] for row in out}
    assert all((one[1] == two[1]).all() for one, two in zip(splits, folds(groups, 3, seed=4), strict=True))


@pytest.mark.parametrize("count", [1, 4])
def test_impossible_folds_are_refused(count):
    with pytest.raises(ValueError, match="folds of 3 groups"):
        folds([1, 2, 3], count)


def test_out_of_fold_predictions_come_from_models_that_did_not_see_the_row():
    labels = np.arange(12) % 3
    splits = folds(list(range(12)), 4)

    def remembers(train, held):
        """1 in the column of the label for rows it was trained on, else 0: out of fold it must know nothing."""
        seen = set(train.tolist())
        return np.array([[float(row in seen and column == labels[row]) for column in range(3)] for row in held])

    assert out_of_fold(remembers, splits, 12).sum() == 0


def test_out_of_fold_refuses_overlap_and_rows_left_out():
    both = [(np.array([0, 1]), np.array([1])), (np.array([1]), np.array([0]))]
    with pytest.raises(OverlappingSplits):
        out_of_fold(lambda train, held: np.zeros((len(held), 1)), both, 2)
    with pytest.raises(ValueError, match="row 1 is held out 0 times"):
        out_of_fold(lambda train, held: np.zeros((len(held), 1)), [(np.array([1]), np.array([0]))], 2)
