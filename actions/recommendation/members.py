"""The contract every recommender member keeps, and the light members.

A member is fitted on `Interactions` and asked with `Asker`s; it answers (askers, items), higher is better, NaN where it
has no opinion (a whole row for an asker it knows nothing of). It saves itself as arrays and comes back equal.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from scipy import sparse

from actions.recommendation.interactions import DAY, Asker, Floats, Interactions, history_matrix

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]
Scores = np.ndarray[Any, np.dtype[np.float32]]


class FitError(Exception):
    """A member could not be fitted; the message says which and why."""


class Member(Protocol):
    """One way to recommend."""

    name: ClassVar[str]

    def fit(self, data: Interactions) -> Self: ...

    def scores(self, askers: Sequence[Asker]) -> Scores:
        """(askers, items); NaN: no opinion."""
        ...

    def arrays(self) -> Arrays:
        """What was learnt, for an `npz`."""
        ...

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self: ...


class Popularity:
    """What was bought and looked at lately; the same for everybody."""

    name: ClassVar[str] = "popularity"

    def __init__(self, half_life_days: float = 30.0) -> None:
        self.half_life_days = half_life_days

    def fit(self, data: Interactions) -> Self:
        self.now_ = float(data.at.max()) if len(data) else 0.0
        age = (self.now_ - data.at) / DAY
        self.weights_ = np.bincount(
            data.item, weights=data.weight * 0.5 ** (age / self.half_life_days), minlength=len(data.items)
        )
        return self

    def scores(self, askers: Sequence[Asker]) -> Scores:
        row = np.log1p(self.weights_).astype(np.float32)
        return np.tile(row, (len(askers), 1))

    def update(self, item: int, weight: float, at: float) -> None:
        """Count one more event; older ones fade by the time that passed."""
        if at > self.now_:
            self.weights_ *= 0.5 ** ((at - self.now_) / DAY / self.half_life_days)
            self.now_ = at
        self.weights_[item] += weight

    def arrays(self) -> Arrays:
        return {"weights": self.weights_, "now": np.array(self.now_), "half_life_days": np.array(self.half_life_days)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        member = cls(float(arrays["half_life_days"]))
        member.weights_, member.now_ = np.array(arrays["weights"]), float(arrays["now"])
        return member


class ShelfPopularity:
    """What sells on the shelves this customer looks at; no opinion without a history.

    Args:
        shelves: (items,) number of each item's category.
    """

    name: ClassVar[str] = "shelf"

    def __init__(self, shelves: Any, *, half_life_days: float = 60.0, taste_days: float = 45.0) -> None:
        self.shelves = np.asarray(shelves, dtype=np.int64)
        self.popularity = Popularity(half_life_days)
        self.taste_days = taste_days

    def fit(self, data: Interactions) -> Self:
        self.popularity.fit(data)
        return self

    def scores(self, askers: Sequence[Asker]) -> Scores:
        weights = self.popularity.weights_
        shelf_total = np.bincount(self.shelves, weights=weights)
        share = weights / np.maximum(shelf_total[self.shelves], 1e-9)  # of its shelf's sales
        asked = [asker.with_seeds() for asker in askers]
        history = history_matrix(asked, len(self.shelves), half_life_days=self.taste_days)
        of_shelf = sparse.csr_matrix(
            (np.ones(len(self.shelves)), (np.arange(len(self.shelves)), self.shelves)),
            shape=(len(self.shelves), len(shelf_total)),
        )
        taste = np.asarray((history @ of_shelf).todense())  # (askers, shelves)
        taste = taste / np.maximum(taste.sum(axis=1, keepdims=True), 1e-9)
        scores: Scores = (taste[:, self.shelves] * share).astype(np.float32)
        return abstaining(scores, asked)

    def update(self, item: int, weight: float, at: float) -> None:
        self.popularity.update(item, weight, at)

    def arrays(self) -> Arrays:
        return {
            **self.popularity.arrays(),
            "shelves": self.shelves,
            "taste_days": np.array(self.taste_days),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        member = cls(arrays["shelves"], taste_days=float(arrays["taste_days"]))
        member.popularity = Popularity.from_arrays(arrays)
        return member


class Neighbours:
    """Items by the customers they share: shrunk cosine (Aiolli 2013's asymmetric form), the `keep` nearest of each."""

    name: ClassVar[str] = "neighbours"

    def __init__(
        self,
        *,
        keep: int = 100,
        shrink: float = 10.0,
        half_life_days: float | None = 60.0,
        power: float = 0.5,
        alpha: float = 0.5,
    ) -> None:
        self.keep = keep
        self.shrink = shrink
        self.half_life_days = half_life_days
        self.power = power
        self.alpha = alpha

    def fit(self, data: Interactions) -> Self:
        seen = data.matrix()
        seen.data = seen.data**self.power
        self.similar_ = similar_items(seen, keep=self.keep, shrink=self.shrink, alpha=self.alpha)
        return self

    def scores(self, askers: Sequence[Asker]) -> Scores:
        asked = [asker.with_seeds() for asker in askers]
        history = history_matrix(asked, self.similar_.shape[0], half_life_days=self.half_life_days, power=self.power)
        return abstaining(np.asarray((history @ self.similar_).todense(), dtype=np.float32), asked)

    def arrays(self) -> Arrays:
        settings = [self.keep, self.shrink, self.half_life_days or 0.0, self.power, self.alpha]
        return {**sparse_arrays("similar", self.similar_), "settings": np.array(settings)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        keep, shrink, half_life, power, alpha = arrays["settings"].tolist()
        member = cls(keep=int(keep), shrink=shrink, half_life_days=half_life or None, power=power, alpha=alpha)
        member.similar_ = sparse_from("similar", arrays)
        return member


class Content:
    """Products like those of the history, by their texts: works on a product's first day.

    Args:
        rows: (items, dimension) unit rows of the products' texts; a zero row has no opinion.
    """

    name: ClassVar[str] = "content"

    def __init__(self, rows: Any, *, half_life_days: float = 20.0) -> None:
        self.rows = np.asarray(rows, dtype=np.float32)
        self.half_life_days = half_life_days

    def fit(self, data: Interactions) -> Self:
        known = np.linalg.norm(self.rows, axis=1) > 0
        # E5 rows share a large common part; without it cosines tell products apart
        mean = self.rows[known].mean(axis=0) if known.any() else np.zeros(self.rows.shape[1], dtype=np.float32)
        centred = np.where(known[:, None], self.rows - mean, 0.0)
        norms = np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
        self.centred_ = (centred / norms).astype(np.float32)
        self.mean_ = mean
        self.silent_ = norms[:, 0] <= 1e-9
        return self

    def scores(self, askers: Sequence[Asker]) -> Scores:
        asked = [asker.with_seeds() for asker in askers]
        history = history_matrix(asked, len(self.rows), half_life_days=self.half_life_days, power=0.5)
        profile = _unit(np.asarray(history @ self.centred_))
        scores: Scores = (profile @ self.centred_.T).astype(np.float32)
        scores[:, self.silent_] = np.nan
        return abstaining(scores, asked)

    def scores_of(self, askers: Sequence[Asker], rows: Any) -> Scores:
        """(askers, rows): as `scores`, of products the member was not fitted on; a zero row has no opinion."""
        asked = [asker.with_seeds() for asker in askers]
        history = history_matrix(asked, len(self.rows), half_life_days=self.half_life_days, power=0.5)
        given = np.asarray(rows, dtype=np.float32)
        known = np.linalg.norm(given, axis=1) > 0
        scores: Scores = (_unit(np.asarray(history @ self.centred_)) @ _unit(given - self.mean_).T).astype(np.float32)
        scores[:, ~known] = np.nan
        return abstaining(scores, asked)

    def arrays(self) -> Arrays:
        return {"rows": self.rows.astype(np.float16), "half_life_days": np.array(self.half_life_days)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        member = cls(arrays["rows"].astype(np.float32), half_life_days=float(arrays["half_life_days"]))
        return member.fit(_NOTHING)


class Together:
    """What is bought together: pairs in one basket or within some days, in that order. Answers "what goes with it?".

    Scores by lift times support, so that a bestseller is not said to go with everything.
    """

    name: ClassVar[str] = "together"

    def __init__(
        self, *, within_days: float = 45.0, keep: int = 60, shrink: float = 5.0, half_life_days: float | None = None
    ) -> None:
        """
        Args:
            half_life_days: of the asker's purchases when scored; half of `within_days` when None.
        """
        self.within_days = within_days
        self.keep = keep
        self.shrink = shrink
        self.half_life_days = within_days / 2 if half_life_days is None else half_life_days

    def fit(self, data: Interactions) -> Self:
        bought = data.rows(data.bought) if data.bought.any() else data
        pairs = _pairs_within(bought, self.within_days * DAY)
        count = len(data.items)
        together = sparse.csr_matrix((pairs[2], (pairs[0], pairs[1])), shape=(count, count), dtype=np.float32)
        together.sum_duplicates()
        sales = np.bincount(bought.item, minlength=count).astype(np.float64)
        together = together.tocoo()
        expected = sales[together.row] * sales[together.col] / max(1.0, sales.sum())
        lift = together.data / (expected + self.shrink)
        value = lift * together.data / (sales[together.row] + self.shrink)
        self.pairs_ = keep_largest(sparse.csr_matrix((value, (together.row, together.col)), (count, count)), self.keep)
        return self

    def scores(self, askers: Sequence[Asker]) -> Scores:
        asked = [self._about(asker) for asker in askers]
        history = history_matrix(asked, self.pairs_.shape[0], half_life_days=self.half_life_days, power=0.5)
        return abstaining(np.asarray((history @ self.pairs_).todense(), dtype=np.float32), asked)

    @staticmethod
    def _about(asker: Asker) -> Asker:
        """The seeds when there are some, else what was bought."""
        if asker.seeds:
            return Asker(now=asker.now, seeds=asker.seeds).with_seeds()
        chosen = asker.bought
        return Asker(asker.items[chosen], asker.weights[chosen], asker.at[chosen], asker.now, asker.bought[chosen])

    def arrays(self) -> Arrays:
        settings = np.array([self.within_days, self.keep, self.shrink, self.half_life_days])
        return {**sparse_arrays("pairs", self.pairs_), "settings": settings}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        within, keep, shrink, *more = arrays["settings"].tolist()  # older models have no half-life
        member = cls(within_days=within, keep=int(keep), shrink=shrink, half_life_days=more[0] if more else None)
        member.pairs_ = sparse_from("pairs", arrays)
        return member


def similar_items(seen: sparse.csr_matrix, *, keep: int, shrink: float, alpha: float = 0.5) -> sparse.csr_matrix:
    """(items, items) shrunk asymmetric cosine of the columns, the `keep` largest of each row, the diagonal empty."""
    columns = seen.tocsc()
    norms = np.asarray(columns.multiply(columns).sum(axis=0)).ravel()
    blocks = []
    for start in range(0, seen.shape[1], 2000):
        block = (columns[:, start : start + 2000].T @ columns).tocoo()
        rows = block.row + start
        below = norms[rows] ** alpha * norms[block.col] ** (1 - alpha) + shrink
        value = np.where(rows == block.col, 0.0, block.data / below)
        blocks.append(keep_largest(sparse.csr_matrix((value, (block.row, block.col)), block.shape), keep))
    return sparse.vstack(blocks).tocsr() if blocks else sparse.csr_matrix((0, 0))


def keep_largest(matrix: sparse.csr_matrix, keep: int) -> sparse.csr_matrix:
    """Each row's `keep` largest values."""
    matrix = matrix.tocsr()
    matrix.eliminate_zeros()
    indices, data, starts = [], [], [0]
    for row in range(matrix.shape[0]):
        inside = slice(matrix.indptr[row], matrix.indptr[row + 1])
        values, columns = matrix.data[inside], matrix.indices[inside]
        if len(values) > keep:
            best = np.argpartition(-values, keep - 1)[:keep]
            values, columns = values[best], columns[best]
        indices.append(columns)
        data.append(values)
        starts.append(starts[-1] + len(values))
    return sparse.csr_matrix(
        (
            np.concatenate(data).astype(np.float32) if data else np.zeros(0, np.float32),
            np.concatenate(indices) if indices else np.zeros(0, np.int32),
            np.array(starts),
        ),
        shape=matrix.shape,
    )


def abstaining(scores: Scores, askers: Sequence[Asker]) -> Scores:
    """Rows of askers without a history become NaN, in place."""
    silent = np.array([len(asker.items) == 0 for asker in askers], dtype=bool)
    scores[silent] = np.nan
    return scores


def sparse_arrays(name: str, matrix: sparse.csr_matrix) -> Arrays:
    return {
        f"{name}_data": matrix.data,
        f"{name}_indices": matrix.indices,
        f"{name}_starts": matrix.indptr,
        f"{name}_shape": np.array(matrix.shape),
    }


def sparse_from(name: str, arrays: Mapping[str, Any]) -> sparse.csr_matrix:
    parts = (arrays[f"{name}_data"], arrays[f"{name}_indices"], arrays[f"{name}_starts"])
    return sparse.csr_matrix(parts, shape=tuple(arrays[f"{name}_shape"].tolist()))


def _unit(rows: Any) -> Any:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def _pairs_within(data: Interactions, seconds: float) -> tuple[Floats, Floats, Floats]:
    """(earlier item, later item, weight) of pairs one customer bought within `seconds`; one basket counts both ways."""
    earlier: list[np.ndarray[Any, Any]] = []
    later: list[np.ndarray[Any, Any]] = []
    weights: list[np.ndarray[Any, Any]] = []
    for step in range(1, 12):
        same = np.flatnonzero(data.customer[step:] == data.customer[:-step]) if len(data) > step else np.zeros(0, int)
        gap = data.at[same + step] - data.at[same]
        close = same[(gap <= seconds) & (data.item[same + step] != data.item[same])]
        if not len(close):
            continue
        weight = 0.5 ** ((data.at[close + step] - data.at[close]) / (seconds / 2))
        one_basket = (data.at[close + step] - data.at[close]) < 3600
        earlier += [data.item[close], data.item[close + step][one_basket]]
        later += [data.item[close + step], data.item[close][one_basket]]
        weights += [weight, weight[one_basket]]
    if not earlier:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    return np.concatenate(earlier), np.concatenate(later), np.concatenate(weights)


_NOTHING = Interactions(
    (), (), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0, bool)
)
