"""An isolation forest as plain arrays: fitted by scikit-learn, kept and scored without it (no pickle to be trusted).

Liu, Ting and Zhou 2008, "Isolation Forest". A test holds the scores equal to scikit-learn's.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Forest:
    """All trees in one table of nodes. A leaf has feature -1; `depth` is its path length with the usual correction.

    feature, left, right: (nodes,) int; threshold, depth: (nodes,); roots: (trees,); normal: the average path length.
    """

    feature: NDArray[np.int64]
    threshold: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    depth: Floats
    roots: NDArray[np.int64]
    normal: float

    def score(self, rows: Floats) -> Floats:
        """(rows, features) without NaN -> (rows,) in (0, 1); higher is stranger."""
        at = np.tile(self.roots, (len(rows), 1))  # (rows, trees): the node each row stands on in each tree
        given = rows.astype(np.float32)  # scikit-learn compares in single precision
        lines = np.arange(len(rows))[:, None]
        while True:
            feature = self.feature[at]
            inner = feature >= 0
            if not inner.any():
                break
            value = given[lines, np.where(inner, feature, 0)]
            goes_left = value <= self.threshold[at]
            at = np.where(inner, np.where(goes_left, self.left[at], self.right[at]), at)
        return np.asarray(2.0 ** (-self.depth[at].mean(axis=1) / self.normal))

    @classmethod
    def fit(cls, rows: Floats, *, trees: int = 100, seed: int = 0) -> "Forest":
        return cls.of(IsolationForest(n_estimators=trees, max_samples=256, random_state=seed).fit(rows))

    @classmethod
    def of(cls, model: IsolationForest) -> "Forest":
        """The arrays of a fitted forest."""
        parts: dict[str, list[Any]] = {name: [] for name in ("feature", "threshold", "left", "right", "depth")}
        roots, start = [], 0
        for tree in (each.tree_ for each in model.estimators_):
            leaf = tree.children_left < 0
            parts["feature"].append(np.where(leaf, -1, tree.feature))
            parts["threshold"].append(tree.threshold)
            parts["left"].append(np.where(leaf, 0, tree.children_left + start))
            parts["right"].append(np.where(leaf, 0, tree.children_right + start))
            parts["depth"].append(_depths(tree) + _average_path(tree.n_node_samples))
            roots.append(start)
            start += tree.node_count
        joined = {name: np.concatenate(some) for name, some in parts.items()}
        normal = float(_average_path(np.array([model.max_samples_]))[0])
        return cls(**joined, roots=np.array(roots), normal=normal)

    def arrays(self) -> dict[str, NDArray[Any]]:
        names = ("feature", "threshold", "left", "right", "depth", "roots")
        return {**{name: getattr(self, name) for name in names}, "normal": np.array(self.normal)}

    @classmethod
    def of_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "Forest":
        return cls(**{**arrays, "normal": float(arrays["normal"])})  # type: ignore[arg-type]


def _depths(tree: Any) -> Floats:
    """Edges from the root to each node."""
    depths = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # children come after their parent
        for child in (tree.children_left[node], tree.children_right[node]):
            if child >= 0:
                depths[child] = depths[node] + 1
    return depths


def _average_path(samples: NDArray[Any]) -> Floats:
    """Average path length of an unsuccessful search among so many samples (equation 1 of the paper)."""
    n = np.asarray(samples, dtype=float)
    safe = np.clip(n - 1, 1, None)
    long = 2.0 * (np.log(safe) + np.euler_gamma) - 2.0 * (n - 1.0) / np.clip(n, 1, None)
    return np.asarray(np.where(n <= 1, 0.0, np.where(n == 2, 1.0, long)))
