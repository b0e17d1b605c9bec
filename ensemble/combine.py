"""Several models, one answer: arrays of scores in, one array out.

Scores of all members are one array `(members, rows, columns)`: intents are columns for understanding, products for
recommendation, one column for risk. NaN is "no opinion": a member that has no data for a row abstains, and the others
share its weight, instead of it voting zero.

    EnsembleError
      NoOpinion        a row that no member scored
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

Scores = NDArray[np.float64]
Rows = NDArray[np.int64]


class EnsembleError(Exception):
    """Members cannot be combined as asked."""


class NoOpinion(EnsembleError):
    """Some row and column has no score from a member that counts; `row` is the first one."""

    def __init__(self, row: int) -> None:
        super().__init__(f"no member scored row {row}")
        self.row = row


def average(scores: ArrayLike) -> Scores:
    """Mean over the members that have an opinion: (members, rows, columns) -> (rows, columns).

    Raises:
        NoOpinion: a row and column without any score.
    """
    stacked = _three_axes(scores)
    return weighted(stacked, np.ones(len(stacked)))


def weighted(scores: ArrayLike, weights: ArrayLike) -> Scores:
    """Weighted mean over members; a member that abstains gives its weight to the others.

    Args:
        scores: (members, rows, columns); NaN where a member abstains.
        weights: (members,), each >= 0, not all zero.

    Returns:
        (rows, columns).

    Raises:
        ValueError: a weight is negative or not a number, or the counts differ.
        NoOpinion: some row and column has no score with a positive weight.
    """
    stacked = _three_axes(scores)
    share = _weights(weights, len(stacked))[:, None, None] * ~np.isnan(stacked)  # (members, rows, columns)
    total = share.sum(axis=0)  # (rows, columns)
    _all_scored(total > 0)
    return np.asarray((share * np.nan_to_num(stacked)).sum(axis=0) / total)


def vote(scores: ArrayLike, weights: ArrayLike | None = None) -> Scores:
    """Share of the (weighted) votes each column got; every member votes for its best column.

    A tie within a member goes to its first column. A member with NaN in every column of a row does not vote there.

    Raises:
        ValueError: as `weighted`.
        NoOpinion: a row in which nobody votes.
    """
    stacked = _three_axes(scores)
    members, rows, columns = stacked.shape
    each = _weights(np.ones(members) if weights is None else weights, members)
    silent = np.isnan(stacked).all(axis=2)  # (members, rows)
    choice = np.where(np.isnan(stacked), -np.inf, stacked).argmax(axis=2)  # (members, rows)
    ballots = np.where(silent, 0.0, each[:, None])  # (members, rows)
    counts = np.zeros((rows, columns))
    for member in range(members):
        counts[np.arange(rows), choice[member]] += ballots[member]
    total = counts.sum(axis=1, keepdims=True)
    _all_scored(total > 0)
    return np.asarray(counts / total)


def rank_fusion(scores: ArrayLike, weights: ArrayLike | None = None, *, k: float = 60.0) -> Scores:
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009): sum of weight / (k + rank), best rank 1.

    For members whose scores cannot be compared (BM25 and cosines). Columns a member has no opinion on get nothing from
    it; equal scores share the mean of their ranks. The result is 0 where nobody has an opinion, never NaN.
    """
    stacked = _three_axes(scores)
    each = _weights(np.ones(len(stacked)) if weights is None else weights, len(stacked))
    fused = np.zeros(stacked.shape[1:])
    for member, weight in zip(stacked, each, strict=True):
        fused += weight * np.nan_to_num(1.0 / (k + _ranks(member)))
    return fused


def cascade(
    stages: Sequence[Callable[[Rows], tuple[Scores, NDArray[np.bool_]]]],
    last: Callable[[Rows], Scores],
    rows: int,
    columns: int,
) -> Scores:
    """Serial cascade: each stage is asked only about the rows that earlier, cheaper ones left open.

    Args:
        stages: row numbers (n,) -> (scores (n, columns), which of the rows are settled with them (n,)).
        last: row numbers (n,) -> scores (n, columns) of what no stage settled.

    Returns:
        (rows, columns), each row as the stage has it that settled it.
    """
    fused, left = np.zeros((rows, columns)), np.arange(rows)
    for stage in stages:
        if not len(left):
            return fused
        scores, settled = stage(left)
        fused[left[settled]] = scores[settled]
        left = left[~settled]
    if len(left):
        fused[left] = last(left)
    return fused


def _three_axes(scores: ArrayLike) -> Scores:
    stacked = np.asarray(scores, dtype=float)
    if stacked.ndim != 3:
        raise ValueError(f"scores must be (members, rows, columns), got shape {stacked.shape}")
    return stacked


def _weights(weights: ArrayLike, members: int) -> Scores:
    each = np.asarray(weights, dtype=float)
    if each.shape != (members,):
        raise ValueError(f"{each.size} weights for {members} members")
    if not (each >= 0).all():
        raise ValueError(f"weights must be >= 0, got {each.tolist()}")
    return each


def _all_scored(has_score: NDArray[np.bool_]) -> None:
    missing = np.argwhere(~has_score)
    if len(missing):
        raise NoOpinion(int(missing[0][0]))


def _ranks(scores: Scores) -> Scores:
    """(rows, columns) -> ranks from 1 = best, ties share their mean, NaN stays NaN."""
    return np.asarray(rankdata(-scores, axis=1, nan_policy="omit"), dtype=float)
