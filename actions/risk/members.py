"""The members: each is fitted on a `Table` and scores another; each keeps itself in plain arrays or text.

Scores are of any scale (log-odds, a strangeness, a ratio); the ensemble learns what they are worth. NaN: no opinion.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from actions.risk.scaling import Scaling
from actions.risk.sequence import Markov
from actions.risk.trees import Forest

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
THREADS = 1  # a table of this size is done before threads have met


@dataclass(frozen=True)
class Table:
    """Rows to learn from or to score. features: (rows, columns), NaN not known; sequences: one a row, or none."""

    features: Floats
    sequences: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: NDArray[Any]) -> "Table":
        return Table(self.features[rows], [self.sequences[row] for row in rows] if self.sequences else ())


class Member(Protocol):
    def score(self, table: Table) -> Floats:
        """(rows,), higher is riskier; NaN is no opinion."""
        ...

    def arrays(self) -> Arrays:
        """Everything `of_arrays` needs."""
        ...


@dataclass(frozen=True)
class Logistic:
    """Logistic regression on scaled features; scores are log-odds."""

    scaling: Scaling
    weights: Floats
    intercept: float

    def score(self, table: Table) -> Floats:
        return np.asarray(self.scaling(table.features) @ self.weights + self.intercept)

    def arrays(self) -> Arrays:
        return {**self.scaling.arrays(), "weights": self.weights, "intercept": np.array(self.intercept)}

    @classmethod
    def fit(cls, table: Table, happened: NDArray[np.bool_], seed: int) -> "Logistic":
        scaling = Scaling.fit(table.features)
        model = LogisticRegression(C=0.3, max_iter=500, random_state=seed).fit(scaling(table.features), happened)
        return cls(scaling, model.coef_[0].astype(float), float(model.intercept_[0]))

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> "Logistic":
        return cls(_scaling(arrays), arrays["weights"], float(arrays["intercept"]))


@dataclass(frozen=True)
class Boosted:
    """Gradient-boosted trees (LightGBM); scores are log-odds."""

    booster: Any

    def score(self, table: Table) -> Floats:
        return np.asarray(self.booster.predict(table.features, raw_score=True, num_threads=1), dtype=float)

    def explain(self, features: Floats) -> Floats:
        """(features + 1,): what each feature adds to the log-odds of one row (TreeSHAP), the base value last."""
        return np.asarray(self.booster.predict(features[None, :], pred_contrib=True, num_threads=1)[0], dtype=float)

    def arrays(self) -> Arrays:
        return {"model": np.frombuffer(self.booster.model_to_string().encode(), dtype=np.uint8)}

    @classmethod
    def fit(
        cls, table: Table, happened: NDArray[np.bool_], seed: int, params: Mapping[str, Any] | None = None
    ) -> "Boosted":
        settings = {
            "objective": "binary", "learning_rate": 0.08, "num_leaves": 15, "min_data_in_leaf": 15, "max_bin": 63,
            "feature_fraction": 0.6, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 5.0, "seed": seed,
            "deterministic": True, "force_row_wise": True, "num_threads": THREADS, "verbosity": -1, **(params or {}),
        }  # fmt: skip
        rounds = int(settings.pop("rounds", 110))
        data = lightgbm.Dataset(table.features, happened.astype(float), params={"verbosity": -1})
        return cls(lightgbm.train(settings, data, num_boost_round=rounds))

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> "Boosted":
        return cls(lightgbm.Booster(model_str=arrays["model"].tobytes().decode()))


@dataclass(frozen=True)
class Strange:
    """Isolation forest on scaled features: how unlike all others, whatever the label."""

    scaling: Scaling
    forest: Forest

    def score(self, table: Table) -> Floats:
        return self.forest.score(self.scaling(table.features))

    def arrays(self) -> Arrays:
        return {**self.scaling.arrays(), **{f"forest_{name}": some for name, some in self.forest.arrays().items()}}

    @classmethod
    def fit(cls, table: Table, happened: NDArray[np.bool_], seed: int) -> "Strange":
        scaling = Scaling.fit(table.features)
        return cls(scaling, Forest.fit(scaling(table.features), seed=seed))

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> "Strange":
        prefix = "forest_"
        forest = {name.removeprefix(prefix): some for name, some in arrays.items() if name.startswith(prefix)}
        return cls(_scaling(arrays), Forest.of_arrays(forest))


@dataclass(frozen=True)
class Neighbours:
    """Nearest neighbours in behaviour: the log-odds of fraud among the `near` most alike orders.

    All frauds are kept and a sample of the honest, which stand for `weight` orders each.
    """

    scaling: Scaling
    rows: NDArray[np.float32]
    frauds: int  # the first rows
    weight: float
    near: int = 25

    def score(self, table: Table) -> Floats:
        given = self.scaling(table.features).astype(np.float32)
        near = min(self.near, len(self.rows))
        scores = np.empty(len(given))
        norms = (self.rows**2).sum(axis=1)
        for start in range(0, len(given), 2000):  # a block of distances, not all of them, in memory
            part = given[start : start + 2000]
            distances = norms[None, :] - 2.0 * part @ self.rows.T
            closest = np.argpartition(distances, near - 1, axis=1)[:, :near]
            frauds = (closest < self.frauds).sum(axis=1)
            honest = (near - frauds) * self.weight
            scores[start : start + 2000] = np.log((frauds + 0.1) / (honest + 0.1 * self.weight))
        return scores

    def arrays(self) -> Arrays:
        numbers = {"frauds": np.array(self.frauds), "weight": np.array(self.weight), "near": np.array(self.near)}
        return {**self.scaling.arrays(), "rows": self.rows, **numbers}

    @classmethod
    def fit(cls, table: Table, happened: NDArray[np.bool_], seed: int) -> "Neighbours":
        scaling = Scaling.fit(table.features)
        frauds, honest = np.flatnonzero(happened), np.flatnonzero(~happened)
        kept = np.random.default_rng(seed).permutation(honest)[: max(3000, len(frauds))]
        rows = scaling(table.features[np.concatenate([frauds, kept])]).astype(np.float32)
        return cls(scaling, rows, len(frauds), len(honest) / max(len(kept), 1))

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> "Neighbours":
        frauds, weight, near = int(arrays["frauds"]), float(arrays["weight"]), int(arrays["near"])
        return cls(_scaling(arrays), arrays["rows"], frauds, weight, near)


@dataclass(frozen=True)
class Sequenced:
    """The Markov chains; no opinion where there are no events."""

    markov: Markov

    def score(self, table: Table) -> Floats:
        if not table.sequences:
            return np.full(len(table), np.nan)
        return self.markov.score(table.sequences)

    def arrays(self) -> Arrays:
        return {"ratio": self.markov.ratio}

    @classmethod
    def fit(cls, table: Table, happened: NDArray[np.bool_], seed: int) -> "Sequenced":
        return cls(Markov.fit(table.sequences, happened))

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> "Sequenced":
        return cls(Markov(arrays["ratio"]))


Fit = Callable[[Table, NDArray[np.bool_], int], Member]
FITS: dict[str, Fit] = {
    "logistic": Logistic.fit,
    "lightgbm": Boosted.fit,
    "isolation_forest": Strange.fit,
    "neighbours": Neighbours.fit,
    "sequence": Sequenced.fit,
}
KINDS: dict[str, Callable[[Arrays], Member]] = {
    "logistic": Logistic.of_arrays,
    "lightgbm": Boosted.of_arrays,
    "isolation_forest": Strange.of_arrays,
    "neighbours": Neighbours.of_arrays,
    "sequence": Sequenced.of_arrays,
}


def _scaling(arrays: Arrays) -> Scaling:
    return Scaling(arrays["means"], arrays["scales"], arrays["twins"])
