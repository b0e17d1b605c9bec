"""The members beside BERT that need no training loop: character n-grams, a linear model and neighbours on embeddings.

Each maps texts or unit vectors to class probabilities (rows, classes) and stores itself as plain arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from ensemble.calibration import softmax
from nlu_models.hashed_ngrams import BUCKETS, HASH, counted

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]
# Of many examples only so many are compared in full width, those that are nearest in the few directions the examples
# differ most in. BANKING77, 10,000 examples of 512: 99.8 % of the twenty nearest are among them.
SHORTLIST, SHORT_WIDTH = 128, 96
AT_ONCE = 64  # texts whose shortlists are in memory together


@dataclass(frozen=True)
class NGrams:
    """Logistic regression on hashed character n-grams: knows product names and order numbers by their look.

    Works on Chinese as on English, since it never needs words. Arrays: `inverse` (buckets,) inverse document
    frequencies, `weights` (buckets, classes), `bias` (classes,).
    """

    inverse: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __call__(self, texts: Sequence[str]) -> Floats:
        rows, buckets, values = _weighted(texts, self.inverse)
        ends = np.searchsorted(rows, np.arange(len(texts) + 1))
        logits = np.zeros((len(texts), len(self.bias)), np.float32)
        # a product for each text, of the rows it needs; one sparse product of all took 0.80 ms for one text, this 0.35
        for row, (start, end) in enumerate(pairwise(ends.tolist())):
            logits[row] = values[start:end] @ self.weights[buckets[start:end]]
        return softmax(logits + self.bias)

    @classmethod
    def fit(cls, texts: Sequence[str], labels: NDArray[np.int64], classes: int, *, strength: float = 30.0) -> "NGrams":
        """`strength` is the inverse of the penalty (C)."""
        seen = np.bincount(counted(texts)[1], minlength=BUCKETS)
        inverse = (np.log((1 + len(texts)) / (1 + seen)) + 1).astype(np.float32)
        rows, buckets, values = _weighted(texts, inverse)
        used, columns = np.unique(buckets, return_inverse=True)  # the solver sees only buckets that occur
        features = csr_matrix((values, (rows, columns)), shape=(len(texts), len(used)))
        weights, bias = np.zeros((BUCKETS, classes), np.float32), np.full(classes, -20.0, np.float32)
        fitted_weights, fitted_bias, known = _logistic(features, labels, strength)
        weights[np.ix_(used, known)], bias[known] = fitted_weights.T, fitted_bias
        return cls(inverse, weights, bias)

    def arrays(self) -> dict[str, NDArray[Any]]:
        used = np.flatnonzero(np.abs(self.weights).max(axis=1) > 1e-4)
        return {
            "inverse": self.inverse.astype(np.float16),
            "used": used.astype(np.int32),
            "weights": self.weights[used].astype(np.float16),
            "bias": self.bias,
            "hash": np.array(HASH),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "NGrams":
        """
        Raises:
            ValueError: the weights are of buckets that mean something else.
        """
        if "hash" not in arrays or int(arrays["hash"]) != HASH:
            raise ValueError("its n-grams are hashed in another way")
        weights = np.zeros((BUCKETS, len(arrays["bias"])), np.float32)
        weights[arrays["used"]] = arrays["weights"]
        return cls(arrays["inverse"].astype(np.float32), weights, arrays["bias"])


def _weighted(
    texts: Sequence[str], inverse: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """(text numbers, buckets, values): sublinear TF-IDF, of length 1 for each text."""
    rows, buckets, counts = counted(texts)
    values = (1 + np.log(counts)) * inverse[buckets]
    lengths = np.sqrt(np.bincount(rows, values * values, minlength=len(texts)))
    return rows, buckets, (values / lengths[rows]).astype(np.float32)


@dataclass(frozen=True)
class LinearOnVectors:
    """Logistic regression on pretrained unit vectors. `weights` (classes, width), `bias` (classes,)."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __call__(self, vectors: NDArray[np.float32]) -> Floats:
        return softmax(vectors @ self.weights.T + self.bias)

    @classmethod
    def fit(
        cls, vectors: NDArray[np.float32], labels: NDArray[np.int64], classes: int, *, strength: float = 30.0
    ) -> "LinearOnVectors":
        """Vectors are centred first: E5's all point the same way, which slows the solver down."""
        centre = vectors.mean(axis=0)
        weights, bias = np.zeros((classes, vectors.shape[1]), np.float32), np.full(classes, -20.0, np.float32)
        fitted_weights, fitted_bias, known = _logistic(vectors - centre, labels, strength)
        weights[known], bias[known] = fitted_weights, fitted_bias
        return cls(weights, (bias - weights @ centre).astype(np.float32))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"weights": self.weights, "bias": self.bias}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "LinearOnVectors":
        return cls(arrays["weights"], arrays["bias"])


def _logistic(features: Any, labels: NDArray[np.int64], strength: float) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """(weights (known, features), bias (known,), known class numbers); two classes are one row in scikit-learn."""
    model = LogisticRegression(C=strength, max_iter=200, tol=1e-3).fit(features, labels)
    if len(model.classes_) == 2:
        half = model.coef_[0] / 2, model.intercept_[0] / 2
        return np.stack([-half[0], half[0]]), np.array([-half[1], half[1]]), model.classes_
    return model.coef_, model.intercept_, model.classes_


@dataclass(frozen=True)
class Neighbours:
    """The nearest training texts vote, each with weight exp(similarity / temperature).

    `vectors` (examples, width) unit, `labels` (examples,).
    """

    vectors: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: int
    count: int = 10
    temperature: float = 0.02

    def __call__(self, vectors: NDArray[np.float32]) -> Floats:
        return self.scored(vectors)[0]

    def scored(self, vectors: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """What it says and `nearest`, from one comparison."""
        likeness, places = self._shortlisted(vectors)
        count = min(self.count, likeness.shape[1])
        near = np.argpartition(-likeness, count - 1, axis=1)[:, :count]  # (rows, count)
        close = np.take_along_axis(likeness, near, axis=1).astype(float)
        weights = np.exp((close - close.max(axis=1, keepdims=True)) / self.temperature)
        scores = np.zeros((len(vectors), self.classes))
        voters = self.labels[np.take_along_axis(places, near, axis=1)]
        np.add.at(scores, (np.arange(len(vectors))[:, None], voters), weights)
        return np.asarray(scores / scores.sum(axis=1, keepdims=True)), close.max(axis=1)

    def nearest(self, vectors: NDArray[np.float32], *, beside: NDArray[np.int64] | None = None) -> Floats:
        """Similarity of the closest training text: (rows,).

        Args:
            beside: (rows,) labels; the closest text of another label is meant, -1 where there is none.
        """
        if beside is None:
            return np.asarray(self._shortlisted(vectors)[0].max(axis=1), dtype=float)
        likeness = np.where(self.labels[:, None] == beside, -1.0, self._likeness(vectors))
        return np.asarray(likeness.max(axis=0), dtype=float)

    def _shortlisted(self, vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """((rows, candidates) similarities, (rows, candidates) numbers of the examples they are of)."""
        if len(self.vectors) < 4 * SHORTLIST:
            return self._likeness(vectors).T, np.tile(np.arange(len(self.vectors)), (len(vectors), 1))
        directions, short = self._short
        parts = []
        for start in range(0, len(vectors), AT_ONCE):
            some = vectors[start : start + AT_ONCE]
            rough = (some @ directions) @ short.T  # (rows, examples)
            places = np.argpartition(rough, -SHORTLIST, axis=1)[:, -SHORTLIST:]
            parts.append(((np.take(self.vectors, places, axis=0) @ some[:, :, None])[:, :, 0], places))
        likeness, places = (np.concatenate(part) if len(parts) > 1 else part[0] for part in zip(*parts, strict=True))
        return likeness, places

    @cached_property
    def _short(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """((width, few) directions the examples differ most in, (examples, few) the examples in them)."""
        _, found = np.linalg.eigh(self.vectors.T @ self.vectors)  # ascending
        directions = np.ascontiguousarray(found[:, -SHORT_WIDTH:])
        return directions, self.vectors @ directions

    def _likeness(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(examples, rows): with the many first, BLAS copies the few (2.4 times as fast for four rows)."""
        return self.vectors @ vectors.T

    @classmethod
    def fit(
        cls,
        vectors: NDArray[np.float32],
        labels: NDArray[np.int64],
        classes: int,
        *,
        held: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None,
    ) -> "Neighbours":
        """The number of neighbours and the temperature with the smallest log loss on held-out rows, if given."""
        plain = cls(vectors, labels, classes)
        if held is None or not len(held[1]):
            return plain
        grid = [(count, heat) for count in (5, 10, 20) for heat in (0.005, 0.01, 0.02, 0.05, 0.1)]

        def loss(choice: tuple[int, float]) -> float:
            scores = cls(vectors, labels, classes, *choice)(held[0])
            return float(-np.log(np.clip(scores[np.arange(len(held[1])), held[1]], 1e-3, None)).mean())

        return cls(vectors, labels, classes, *min(grid, key=loss))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "vectors": self.vectors.astype(np.float16),
            "labels": self.labels.astype(np.int32),
            "settings": np.array([self.classes, self.count, self.temperature]),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Neighbours":
        classes, count, temperature = arrays["settings"]
        vectors, labels = arrays["vectors"].astype(np.float32), arrays["labels"].astype(np.int64)
        return cls(vectors, labels, int(classes), int(count), float(temperature))
