"""Making a confidence mean what it says: temperature and isotonic scaling, expected calibration error."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.isotonic import IsotonicRegression

Floats = NDArray[np.float64]
SMALLEST = 1e-12  # a probability of 0 would be an infinite loss


@dataclass(frozen=True)
class Temperature:
    """One number that sharpens (< 1) or softens (> 1) probabilities without changing which one is largest.

    Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """

    temperature: float = 1.0

    def __call__(self, probabilities: ArrayLike) -> Floats:
        """(rows, columns) probabilities -> the same, scaled; rows sum to 1."""
        return softmax(np.log(np.clip(np.asarray(probabilities, dtype=float), SMALLEST, None)) / self.temperature)

    @classmethod
    def fit(cls, probabilities: ArrayLike, labels: ArrayLike) -> "Temperature":
        """The temperature with the smallest log loss on held-out rows (golden section over its logarithm).

        Args:
            probabilities: (rows, columns), on rows the model was not trained on.
            labels: (rows,) column numbers; -1 rows belong to no column and are left out.
        """
        given, wanted = np.asarray(probabilities, dtype=float), np.asarray(labels)
        logs, wanted = np.log(np.clip(given[wanted >= 0], SMALLEST, None)), wanted[wanted >= 0]
        if not len(wanted):
            return cls(1.0)

        def loss(log_temperature: float) -> float:
            scaled = logs / np.exp(log_temperature)
            return float(np.mean(log_sum_exp(scaled) - scaled[np.arange(len(wanted)), wanted]))

        return cls(float(np.exp(_golden(loss, np.log(0.05), np.log(20.0)))))


@dataclass(frozen=True)
class Isotonic:
    """A rising curve from a score (any scale) to a probability, linear between `scores` and flat outside them."""

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __call__(self, scores: ArrayLike) -> Floats:
        """Scores of any shape -> probabilities of the same shape; NaN stays NaN."""
        given = np.asarray(scores, dtype=float)
        curve = np.interp(given, self.scores, self.probabilities)
        return np.asarray(np.where(np.isnan(given), np.nan, curve))

    @classmethod
    def fit(
        cls, scores: ArrayLike, happened: ArrayLike, *, floor: float = 0.0, weight: ArrayLike | None = None
    ) -> "Isotonic":
        """Pool-adjacent-violators on held-out rows.

        Args:
            scores: (rows,), higher means more likely.
            happened: (rows,) 0 or 1.
            weight: (rows,), how much each counts; none: all alike.
            floor: keeps probabilities within [floor, 1 - floor]: a curve fitted on a few hundred rows knows no 0 or 1.

        Raises:
            ValueError: no rows, or all of one outcome.
        """
        given, outcome = np.asarray(scores, dtype=float), np.asarray(happened, dtype=float)
        known = ~np.isnan(given)
        given, outcome = given[known], outcome[known]
        counts = None if weight is None else np.asarray(weight, dtype=float)[known]
        if len(given) == 0 or outcome.min() == outcome.max():
            raise ValueError("isotonic calibration needs rows of both outcomes")
        model = IsotonicRegression(y_min=floor, y_max=1 - floor, out_of_bounds="clip").fit(given, outcome, counts)
        return cls(tuple(map(float, model.X_thresholds_)), tuple(map(float, model.y_thresholds_)))

    def to_json(self) -> dict[str, Any]:
        return {"scores": list(self.scores), "probabilities": list(self.probabilities)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Isotonic":
        return cls(tuple(data["scores"]), tuple(data["probabilities"]))


@dataclass(frozen=True)
class Reliability:
    """One bar of a reliability diagram: `rows` predictions of mean `confidence`, right in a share of `accuracy`."""

    confidence: float
    accuracy: float
    rows: int


def reliability(confidences: ArrayLike, correct: ArrayLike, *, bins: int = 15) -> list[Reliability]:
    """Bars of equal width over [0, 1]; empty ones are left out."""
    confidence, right = np.asarray(confidences, dtype=float), np.asarray(correct, dtype=float)
    if confidence.shape != right.shape:
        raise ValueError(f"{confidence.size} confidences for {right.size} outcomes")
    bar = np.clip((confidence * bins).astype(int), 0, bins - 1)
    groups = (bar == number for number in range(bins))
    return [
        Reliability(float(confidence[group].mean()), float(right[group].mean()), int(group.sum()))
        for group in groups
        if group.any()
    ]


def expected_calibration_error(confidences: ArrayLike, correct: ArrayLike, *, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over the bars, weighted by rows; 0 is perfect (Naeini 2015)."""
    bars = reliability(confidences, correct, bins=bins)
    total = sum(bar.rows for bar in bars)
    return sum(bar.rows * abs(bar.confidence - bar.accuracy) for bar in bars) / total if total else 0.0


def softmax(scores: ArrayLike) -> Floats:
    """Over the last axis; -inf columns get 0."""
    given = np.asarray(scores, dtype=float)
    raised = np.exp(given - given.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def log_sum_exp(scores: ArrayLike) -> Floats:
    """log(sum(exp)) over the last axis without overflow."""
    given = np.asarray(scores, dtype=float)
    top = given.max(axis=-1, keepdims=True)
    return np.asarray((top + np.log(np.exp(given - top).sum(axis=-1, keepdims=True)))[..., 0])


def _golden(function: Any, low: float, high: float, steps: int = 60) -> float:
    """Minimum of a function with one valley (golden section)."""
    ratio = (np.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(steps):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2
