"""From the members' class probabilities to one calibrated answer; which way is chosen on validation data.

Ways: each member alone, average, fitted weights, vote, a stacked meta-learner, and a blend: the mean of average, fitted
weights and meta-learner, each calibrated. On top a serial cascade: when the cheap members agree and are sure, the dear
ones are not asked. A choice is judged by cross-validation within the validation rows, because weights and meta-learner
are fitted on them too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble import combine, stacking
from ensemble.calibration import SMALLEST, Temperature
from ensemble.combine import Scores

Labels = NDArray[np.int64]
BLEND = "blend"
BLENDED = ("average", "weighted", "stacked")
WAYS = ("average", "weighted", "vote", "stacked", BLEND)
# that a stage may ask for
CONFIDENCES = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995)
NOISE = 2.0  # standard errors
WORTH = 300  # texts settled early for one more that goes wrong; BANKING77 beside a third encoder: 985 for two
UNSURE = 0.01  # share by which the log loss may grow for what does not go to the dearest encoder


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
    parts: tuple["Fusion", ...] = ()  # what a blend is the mean of

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
        if self.way == BLEND:
            return np.asarray(np.mean([part(scores) for part in self.parts], axis=0))
        return combine.average(scores)

    @classmethod
    def fit(cls, way: str, members: Sequence[str], scores: Scores, labels: Labels) -> "Fusion":
        """Fit one way on held-out rows, then its temperature."""
        weights = stacking.fit_weights(scores, labels) if way == "weighted" else ()
        meta = stacking.PooledLogistic.fit(scores, labels) if way == "stacked" else None
        parts = tuple(cls.fit(part, members, scores, labels) for part in BLENDED) if way == BLEND else ()
        plain = cls(way, tuple(members), 1.0, tuple(map(float, weights)), meta, parts)
        return replace(plain, temperature=Temperature.fit(plain.raw(scores), labels).temperature)

    def to_json(self) -> dict[str, Any]:
        meta = self.meta.to_json() if self.meta else None
        return {
            "way": self.way,
            "members": list(self.members),
            "temperature": self.temperature,
            "weights": list(self.weights),
            "meta": meta,
            "parts": [part.to_json() for part in self.parts],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Fusion":
        meta = stacking.PooledLogistic.from_json(data["meta"]) if data["meta"] else None
        parts = tuple(cls.from_json(part) for part in data.get("parts", ()))
        return cls(data["way"], tuple(data["members"]), data["temperature"], tuple(data["weights"]), meta, parts)


@dataclass(frozen=True)
class Trial:
    """How a way did on rows it was not fitted on."""

    way: str
    accuracy: float
    log_loss: float


def choose(
    members: Sequence[str], scores: Scores, labels: Labels, *, groups: Sequence[str] | None = None, seed: int = 0
) -> tuple[Fusion, list[Trial]]:
    """The blend, unless another way is more accurate in five folds of the validation rows beyond noise (`better`).

    Within the noise a choice is luck, and the mean of the ways is never far from the best of them. All trials are
    returned, the chosen one first.
    """
    trials, right = [], {}
    for way in (*members, *WAYS):
        fused = held_out(way, members, scores, labels, groups=groups, seed=seed)
        right[way] = fused.argmax(axis=1) == labels
        trials.append(Trial(way, float(right[way].mean()), log_loss(fused, labels)))
    left = [trial for trial in trials if trial.way == BLEND or better(right[trial.way], right[BLEND])]
    best = max(left, key=lambda trial: (trial.accuracy, -trial.log_loss))
    trials.sort(key=lambda trial: (trial is not best, -trial.accuracy, trial.log_loss))
    return Fusion.fit(best.way, members, scores, labels), trials


def better(right: NDArray[np.bool_], than: NDArray[np.bool_]) -> bool:
    """Whether more rows are right, by more than `NOISE` standard errors of the difference on the same rows."""
    gain = right.astype(float) - than.astype(float)
    return bool(gain.mean() > NOISE * gain.std() / np.sqrt(len(gain)))


def held_out(
    way: str,
    members: Sequence[str],
    scores: Scores,
    labels: Labels,
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> Scores:
    """(rows, classes) of one way, each row by a fusion fitted on four other fifths of the rows, groups kept whole."""
    keys = list(groups) if groups is not None else [str(row) for row in range(len(labels))]

    def fitted(train: Labels, held: Labels) -> Scores:
        return Fusion.fit(way, members, scores[:, train], labels[train])(scores[:, held])

    return stacking.out_of_fold(fitted, stacking.folds(keys, min(5, len(set(keys))), seed=seed), len(labels))


def log_loss(chances: Scores, labels: Labels) -> float:
    """Mean over the rows, in nats."""
    right = chances[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(right, SMALLEST, None)).mean())


@dataclass(frozen=True)
class Cascade:
    """One stage of a serial cascade: a text is settled when the members `asked` in it agree with what the members so
    far come to by `fusion`, and the confidence is >= `confidence`."""

    fusion: Fusion
    confidence: float
    asked: tuple[str, ...]

    def settles(self, scores: Scores, fused: Scores) -> NDArray[np.bool_]:
        """(rows,) from (members so far, rows, classes) and what they come to, (rows, classes)."""
        new = [self.fusion.members.index(name) for name in self.asked]
        agree = (np.nan_to_num(scores[new], nan=-1.0).argmax(axis=2) == fused.argmax(axis=1)).all(axis=0)
        return np.asarray(agree & (fused.max(axis=1) >= self.confidence))

    @classmethod
    def fit(
        cls,
        members: Sequence[str],
        asked: Sequence[str],
        scores: Scores,
        labels: Labels,
        slow: Scores,
        *,
        before_dear: bool = False,
    ) -> "Cascade":
        """The stage that settles most rows while no more go wrong than with all members on every row; each row more
        that does is counted as `WORTH` that are not settled.

        Args:
            members: those asked so far, the first axis of `scores`; `asked` are the ones this stage adds.
            slow: (rows, classes) what all members come to.
            before_dear: what is left open goes to the dearest encoder. Then sureness alone may settle a row, whether
                the members agree or not, and rows may go wrong while the log loss is not `UNSURE` above that of all.
        """
        first = Fusion.fit("stacked" if len(members) > 1 else members[0], members, scores, labels)
        fused, wrong_of_all = first(scores), int((slow.argmax(axis=1) != labels).sum())
        most_unsure = (1 + UNSURE) * log_loss(slow, labels)
        best, gain = cls(first, 1.01, tuple(asked)), 0  # never settled early
        for agreeing in (tuple(asked), ()) if before_dear else (tuple(asked),):
            for confidence in CONFIDENCES:
                trial = cls(first, confidence, agreeing)
                settled = trial.settles(scores, fused)
                chances = np.where(settled[:, None], fused, slow)
                wrong = max(int((chances.argmax(axis=1) != labels).sum()) - wrong_of_all, 0)
                if before_dear and log_loss(chances, labels) <= most_unsure:
                    wrong = 0
                if (saved := int(settled.sum()) - WORTH * wrong) > gain:
                    best, gain = trial, saved
        return best

    def to_json(self) -> dict[str, Any]:
        return {"cheap": self.fusion.to_json(), "confidence": self.confidence, "asked": list(self.asked)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Cascade":
        fusion = Fusion.from_json(data["cheap"])
        # in models of earlier days all members so far had to agree
        return cls(fusion, data["confidence"], tuple(data.get("asked", fusion.members)))
