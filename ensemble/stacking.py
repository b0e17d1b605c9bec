"""Learning how to combine: out-of-fold predictions, fitted weights, meta-learners.

The one rule: whatever learns from members' predictions never sees a prediction made on a row that member was trained
on. `out_of_fold` makes such predictions; the fits refuse rows that overlap with what the members saw.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression

from ensemble.calibration import SMALLEST, log_sum_exp, softmax
from ensemble.combine import EnsembleError, Scores, weighted

Rows = NDArray[np.int64]


class OverlappingSplits(EnsembleError):
    """A row is in two splits that must be disjoint; `rows` holds some of them."""

    def __init__(self, first: str, second: str, rows: Sequence[Hashable]) -> None:
        super().__init__(f"{len(rows)} rows are in {first} and in {second}, e.g. {rows[0]!r}; splits must be disjoint")
        self.rows = rows


def check_disjoint(**splits: Iterable[Hashable]) -> None:
    """Refuse splits (name=row keys) that share a key.

    Raises:
        OverlappingSplits: names both splits.
    """
    keys = {name: set(rows) for name, rows in splits.items()}
    names = list(keys)
    for position, first in enumerate(names):
        for second in names[position + 1 :]:
            if shared := keys[first] & keys[second]:
                raise OverlappingSplits(first, second, sorted(shared, key=repr))


def folds(groups: Sequence[Hashable], count: int, *, seed: int = 0) -> list[tuple[Rows, Rows]]:
    """`count` pairs (train rows, held-out rows); rows of one group are always held out together.

    Groups are dealt in a seeded order, largest first, each to the fold that is smallest so far.

    Raises:
        ValueError: fewer groups than folds, or fewer than two folds.
    """
    members: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    if not 2 <= count <= len(members):
        raise ValueError(f"{count} folds of {len(members)} groups: at least two folds and a group for each")
    order = list(members.values())
    np.random.default_rng(seed).shuffle(order)
    order.sort(key=len, reverse=True)
    held: list[list[int]] = [[] for _ in range(count)]
    for rows in order:
        min(held, key=len).extend(rows)
    everything = np.arange(len(groups))
    return [(np.setdiff1d(everything, out), np.sort(np.asarray(out, dtype=np.int64))) for out in held]


def out_of_fold(
    fit_predict: Callable[[Rows, Rows], ArrayLike], splits: Sequence[tuple[Rows, Rows]], rows: int
) -> Scores:
    """Predictions for every row by a model that never saw it: (rows, columns).

    Args:
        fit_predict: (train rows, held-out rows) -> (held-out rows, columns); fits anew each time.
        splits: from `folds`.

    Raises:
        OverlappingSplits: a held-out row is among the rows trained on.
        ValueError: a row is held out never or twice.
    """
    times = np.zeros(rows, dtype=int)
    for train, held in splits:
        check_disjoint(train=train.tolist(), held_out=held.tolist())
        times[held] += 1
    if (times != 1).any():
        row = int(np.argwhere(times != 1)[0][0])
        raise ValueError(f"row {row} is held out {times[row]} times, must be once")
    predictions: Scores | None = None
    for train, held in splits:
        part = np.asarray(fit_predict(train, held), dtype=float)
        if predictions is None:
            predictions = np.full((rows, part.shape[1]), np.nan)
        predictions[held] = part
    return np.empty((0, 0)) if predictions is None else predictions


def fit_weights(
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    rows: Iterable[Hashable] = (),
    trained_on: Iterable[Hashable] = (),
    steps: int = 200,
) -> Scores:
    """Weights on the simplex (>= 0, sum 1) with the largest likelihood of the labels under the weighted mean.

    Expectation-maximisation for the weights of a mixture; each step can only raise the likelihood. Members that abstain
    on a row take no part in it.

    Args:
        scores: (members, rows, columns) probabilities on rows the members were not trained on.
        labels: (rows,) column numbers.
        rows, trained_on: keys of these rows and of the rows the members were trained on; checked when given.

    Raises:
        OverlappingSplits: a row was trained on.
    """
    check_disjoint(rows=rows, trained_on=trained_on)
    stacked, wanted = np.asarray(scores, dtype=float), np.asarray(labels)
    right = stacked[:, np.arange(len(wanted)), wanted]  # (members, rows): probability of the right column
    speaks = ~np.isnan(right)
    right = np.where(speaks, np.clip(right, SMALLEST, None), 0.0)
    weights = np.full(len(stacked), 1.0 / len(stacked))
    for _ in range(steps):
        share = weights[:, None] * speaks
        share = share / np.clip(share.sum(axis=0), SMALLEST, None)
        credit = share * right
        credit = credit / np.clip(credit.sum(axis=0), SMALLEST, None)
        weights = credit.sum(axis=1) / np.clip(speaks.sum(axis=1), 1, None)
        weights = weights / weights.sum()
    return weights


def search_weights(
    scores: ArrayLike, measure: Callable[[Scores], float], *, rounds: int = 4, steps: int = 10
) -> Scores:
    """Weights on the simplex that maximise any measure of the fused scores (nDCG, accuracy): coordinate ascent.

    Args:
        scores: (members, rows, columns) on held-out rows.
        measure: (rows, columns) -> higher is better.
        rounds: passes over the members; the grid around the best point is halved each pass.

    Returns:
        (members,), sum 1. Never worse on these rows than the plain average or the best single member.
    """
    stacked = np.asarray(scores, dtype=float)
    members = len(stacked)
    starts = [np.full(members, 1.0 / members), *np.eye(members)]
    values = [_measured(stacked, start, measure) for start in starts]
    best, value = starts[int(np.argmax(values))], max(values)
    reach = 1.0
    for _ in range(rounds):
        for member in range(members):
            for weight in np.clip(best[member] + np.linspace(-reach, reach, 2 * steps + 1), 0.0, 1.0):
                rest = np.delete(best, member).sum()
                trial = (
                    best * ((1 - weight) / rest) if rest > 0 else np.full(members, (1 - weight) / max(members - 1, 1))
                )
                trial[member] = weight
                reached = _measured(stacked, trial, measure)
                if reached > value:
                    best, value = trial, reached
        reach /= 2
    return np.asarray(best / best.sum())


def _with_weight(weights: Scores, member: int, weight: float) -> Scores:
    """The others keep their proportions (or share alike if they had nothing) and give way."""
    rest = np.delete(weights, member).sum()
    flat = np.ones(len(weights)) / max(len(weights) - 1, 1)
    changed = (weights / rest if rest > 0 else flat) * (1 - weight)
    changed[member] = weight
    return np.asarray(changed)


def _measured(scores: Scores, weights: Scores, measure: Callable[[Scores], float]) -> float:
    try:
        return float(measure(weighted(scores, weights)))
    except EnsembleError:  # those weights leave a row to members that abstain there
        return -np.inf


@dataclass(frozen=True)
class PooledLogistic:
    """Meta-learner over columns that mean the same for every member (intents): a conditional logit.

    Probability of column c is softmax over c of  sum_m slopes[m] * log p_m(c) + gains[m] * p_m(c). Two numbers a
    member, so it can be fitted on a few hundred rows, and it also calibrates.
    """

    slopes: tuple[float, ...]
    gains: tuple[float, ...]

    def __call__(self, scores: ArrayLike) -> Scores:
        """(members, rows, columns) probabilities, NaN allowed -> (rows, columns) probabilities."""
        return softmax(_pool_features(scores) @ np.asarray([*self.slopes, *self.gains]))

    @classmethod
    def fit(
        cls,
        scores: ArrayLike,
        labels: ArrayLike,
        *,
        rows: Iterable[Hashable] = (),
        trained_on: Iterable[Hashable] = (),
        penalty: float = 1.0,
    ) -> "PooledLogistic":
        """Newton's method on the convex penalised log loss.

        Raises:
            OverlappingSplits: a row was trained on.
        """
        check_disjoint(rows=rows, trained_on=trained_on)
        features, wanted = _pool_features(scores), np.asarray(labels)  # (rows, columns, 2 * members)
        size = features.shape[2]
        start = np.concatenate([np.full(size // 2, 2.0 / size), np.zeros(size // 2)])  # the geometric mean
        beta, loss = start.copy(), _pool_loss(features, wanted, start, start, penalty)
        right = features[np.arange(len(wanted)), wanted]
        for _ in range(50):
            chances = softmax(features @ beta)
            mean = np.einsum("rc,rcf->rf", chances, features)
            gradient = (mean - right).sum(axis=0) + penalty * (beta - start)
            spread = np.einsum("rc,rcf,rcg->fg", chances, features, features) - mean.T @ mean
            step = np.linalg.solve(spread + penalty * np.eye(size), gradient)
            length = 1.0
            while length > 1e-4:
                trial = beta - length * step
                if (trial_loss := _pool_loss(features, wanted, trial, start, penalty)) <= loss:
                    break
                length /= 2
            if length <= 1e-4 or loss - trial_loss < 1e-9:
                break
            beta, loss = trial, trial_loss
        return cls(tuple(map(float, beta[: size // 2])), tuple(map(float, beta[size // 2 :])))

    def to_json(self) -> dict[str, Any]:
        return {"slopes": list(self.slopes), "gains": list(self.gains)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PooledLogistic":
        return cls(tuple(data["slopes"]), tuple(data["gains"]))


def _pool_loss(features: Scores, labels: NDArray[Any], beta: Scores, start: Scores, penalty: float) -> float:
    pooled = features @ beta
    loss = (log_sum_exp(pooled) - pooled[np.arange(len(labels)), labels]).sum()
    return float(loss + penalty / 2 * ((beta - start) ** 2).sum())


def _pool_features(scores: ArrayLike) -> Scores:
    """(members, rows, columns) -> (rows, columns, 2 * members): logs, then the probabilities; abstaining is flat."""
    given = np.moveaxis(np.asarray(scores, dtype=float), 0, 2)
    silent = np.isnan(given)
    logs = np.log(np.clip(np.where(silent, 1.0, given), 1e-6, None))
    return np.concatenate([logs, np.where(silent, 0.0, given)], axis=2)


@dataclass(frozen=True)
class ColumnLogistic:
    """Meta-learner for one column (risk, scope): logistic regression over the members' scores.

    A member that abstains contributes its `silent` weight instead of its score. Scores are centred and scaled first.
    """

    intercept: float
    weights: tuple[float, ...]
    silent: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]

    def __call__(self, scores: ArrayLike) -> Scores:
        """(members, rows) or (members, rows, 1), any scale, NaN allowed -> (rows,) probabilities."""
        features = _column_features(scores, np.asarray(self.means), np.asarray(self.scales))
        logit = self.intercept + features @ np.asarray([*self.weights, *self.silent])
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -500, 500))))

    @classmethod
    def fit(
        cls,
        scores: ArrayLike,
        happened: ArrayLike,
        *,
        rows: Iterable[Hashable] = (),
        trained_on: Iterable[Hashable] = (),
        penalty: float = 1.0,
        sample_weight: ArrayLike | None = None,
    ) -> "ColumnLogistic":
        """Fit on rows the members were not trained on.

        Raises:
            OverlappingSplits: a row was trained on.
            ValueError: all rows have the same outcome.
        """
        check_disjoint(rows=rows, trained_on=trained_on)
        given = _two_axes(scores)
        known = ~np.isnan(given)
        counts = np.clip(known.sum(axis=1), 1, None)
        means = np.where(known, given, 0.0).sum(axis=1) / counts
        spread = np.where(known, (given - means[:, None]) ** 2, 0.0).sum(axis=1) / counts
        scales = np.where(spread > 0, np.sqrt(spread), 1.0)
        features = _column_features(given, means, scales)
        model = LogisticRegression(C=1.0 / penalty, max_iter=1000).fit(
            features, np.asarray(happened), sample_weight=sample_weight
        )
        learnt = model.coef_[0].tolist()
        return cls(
            float(model.intercept_[0]),
            tuple(learnt[: len(given)]),
            tuple(learnt[len(given) :]),
            tuple(map(float, means)),
            tuple(map(float, scales)),
        )

    def to_json(self) -> dict[str, Any]:
        names = ("weights", "silent", "means", "scales")
        return {"intercept": self.intercept, **{name: list(getattr(self, name)) for name in names}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ColumnLogistic":
        names = ("weights", "silent", "means", "scales")
        return cls(float(data["intercept"]), *(tuple(data[name]) for name in names))


def _two_axes(scores: ArrayLike) -> Scores:
    given = np.asarray(scores, dtype=float)
    if given.ndim == 3 and given.shape[2] == 1:
        given = given[:, :, 0]
    if given.ndim != 2:
        raise ValueError(f"scores must be (members, rows) or (members, rows, 1), got shape {given.shape}")
    return given


def _column_features(scores: ArrayLike, means: Scores, scales: Scores) -> Scores:
    given = _two_axes(scores)
    silent = np.isnan(given)
    scaled = np.where(silent, 0.0, (given - means[:, None]) / scales[:, None])
    return np.concatenate([scaled, silent.astype(float)]).T
