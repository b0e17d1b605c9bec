"""From the members' class probabilities to one calibrated answer; which way is chosen on validation data.

Ways: each member alone, average, fitted weights, vote, a stacked meta-learner. On top a serial cascade: when the cheap
members agree and are sure, the dear ones are not asked. A choice is judged by cross-validation within the validation
rows, because weights and meta-learner are fitted on them too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble import combine, stacking
from ensemble.calibration import SMALLEST, Temperature
from ensemble.combine import Scores

Labels = NDArray[np.int64]
WAYS = ("average", "weighted", "vote", "stacked")


@dataclass(frozen=True)
class Fusion:
    """One way to combine `members` (names, the order of the first axis), followed by a temperature.

    `way` is one of WAYS or a member's name. (members, rows, classes) -> (rows, classes).
    """

    way: str
    members: tuple[str, ...]
    temperature: float = 1.0
    weights: tuple[float, ...] = ()
    meta: stacking.PooledLogistic | None = None

    def __call__(self, scores: Scores) -> Scores:
        return Temperature(self.temperature)(self.raw(scores))

    def raw(self, scores: Scores) -> Scores:
        """Before the temperature."""
        if self.way in self.members:
            alone = scores[self.members.index(self.way)]
            return np.asarray(
                np.where(np.isnan(alone), 1.0 / alone.shape[1], alone)
            )  # where it was not asked it knows nothing
        if self.way == "weighted":
            return combine.weighted(scores, np.asarray(self.weights))
        if self.way == "vote":
            # votes alone say nothing about ties and sureness: a tenth of the average decides those
            return np.asarray(0.9 * combine.vote(scores) + 0.1 * combine.average(scores))
        if self.way == "stacked" and self.meta is not None:
            return self.meta(scores)
        return combine.average(scores)

    @classmethod
    def fit(cls, way: str, members: Sequence[str], scores: Scores, labels: Labels) -> "Fusion":
        """Fit one way on held-out rows, then its temperature."""
        weights = stacking.fit_weights(scores, labels) if way == "weighted" else ()
        meta = stacking.PooledLogistic.fit(scores, labels) if way == "stacked" else None
        plain = cls(way, tuple(members), 1.0, tuple(map(float, weights)), meta)
        heat = Temperature.fit(plain.raw(scores), labels).temperature
        return cls(way, plain.members, heat, plain.weights, meta)

    def to_json(self) -> dict[str, Any]:
        meta = self.meta.to_json() if self.meta else None
        return {
            "way": self.way,
            "members": list(self.members),
            "temperature": self.temperature,
            "weights": list(self.weights),
            "meta": meta,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Fusion":
        meta = stacking.PooledLogistic.from_json(data["meta"]) if data["meta"] else None
        return cls(data["way"], tuple(data["members"]), data["temperature"], tuple(data["weights"]), meta)


@dataclass(frozen=True)
class Trial:
    """How a way did on rows it was not fitted on."""

    way: str
    accuracy: float
    log_loss: float


def choose(
    members: Sequence[str], scores: Scores, labels: Labels, *, groups: Sequence[str] | None = None, seed: int = 0
) -> tuple[Fusion, list[Trial]]:
    """The way with the best accuracy in five folds of the validation rows (log loss decides what is within noise).

    "Within noise" is one row in two hundred: the finer measure is used there, since it sees how sure the right answers
    are. All trials are returned, best first.
    """
    keys = list(groups) if groups is not None else [str(row) for row in range(len(labels))]
    splits = stacking.folds(keys, min(5, len(set(keys))), seed=seed)
    trials = []
    for way in (*members, *WAYS):

        def fitted(train: Labels, held: Labels, way: str = way) -> Scores:
            return Fusion.fit(way, members, scores[:, train], labels[train])(scores[:, held])

        fused = stacking.out_of_fold(fitted, splits, len(labels))
        trials.append(_trial(way, fused, labels))
    top = max(trial.accuracy for trial in trials)
    close = [trial for trial in trials if trial.accuracy >= top - 0.005]
    best = min(close, key=lambda trial: trial.log_loss)
    trials.sort(key=lambda trial: (trial is not best, -trial.accuracy, trial.log_loss))
    return Fusion.fit(best.way, members, scores, labels), trials


def _trial(way: str, fused: Scores, labels: Labels) -> Trial:
    right = fused[np.arange(len(labels)), labels]
    loss = float(-np.log(np.clip(right, SMALLEST, None)).mean())
    return Trial(way, float((fused.argmax(axis=1) == labels).mean()), loss)


@dataclass(frozen=True)
class Cascade:
    """Cheap members first; a text is settled there when they agree and their fused confidence is >= `confidence`."""

    cheap: Fusion
    confidence: float

    def settled(self, scores: Scores) -> NDArray[np.bool_]:
        """(cheap members, rows, classes) -> (rows,)."""
        fused = self.cheap(scores)
        agree = (np.nan_to_num(scores, nan=-1.0).argmax(axis=2) == fused.argmax(axis=1)).all(axis=0)
        return np.asarray(agree & (fused.max(axis=1) >= self.confidence))

    @classmethod
    def fit(
        cls, members: Sequence[str], cheap: Sequence[str], scores: Scores, labels: Labels, full: Fusion
    ) -> "Cascade":
        """The lowest confidence at which no more rows go wrong than with all members on every row."""
        inside = [list(members).index(name) for name in cheap]
        first = Fusion.fit("stacked" if len(cheap) > 1 else cheap[0], cheap, scores[inside], labels)
        wrong_of_all = int((full(scores).argmax(axis=1) != labels).sum())
        fast, slow = first(scores[inside]).argmax(axis=1), full(scores).argmax(axis=1)
        for confidence in (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995):
            trial = cls(first, confidence)
            answer = np.where(trial.settled(scores[inside]), fast, slow)
            if int((answer != labels).sum()) <= wrong_of_all:
                return trial
        return cls(first, 1.01)  # never settled early

    def to_json(self) -> dict[str, Any]:
        return {"cheap": self.cheap.to_json(), "confidence": self.confidence}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Cascade":
        return cls(Fusion.from_json(data["cheap"]), data["confidence"])
