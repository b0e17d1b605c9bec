"""Dense and BM25 together: candidates of both, fused by rank and by fitted weights into one probability.

Cosines mean different things in different encoders (E5's live between 0.75 and 1), so they are first put on the scale
of what unrelated texts have: `Weights.floor` and `Weights.spread` are measured when the index is built.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ensemble.artifact import Artifact, Content
from retrieval.encoder import Rows
from retrieval.index import VectorIndex
from retrieval.lexical import CJK, K1, LexicalIndex, tokens

CANDIDATES = 60  # of each side
RANK_CONSTANT = 60.0  # Cormack, Clarke and Buettcher 2009
FEATURES = ("dense", "lexical", "coverage", "title", "ranks")


@dataclass(frozen=True)
class Weights:
    """A fitted logistic model over the features of one candidate, and the probability below which nothing is shown."""

    floor: float = 0.78  # mean cosine of unrelated texts
    spread: float = 0.03  # their standard deviation
    dense: float = 0.9
    lexical: float = 2.0
    coverage: float = 1.5
    title: float = 1.5
    ranks: float = 1.0
    bias: float = -4.6
    threshold: float = 0.5

    def vector(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([getattr(self, name) for name in FEATURES])

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Weights":
        return cls(**{name: float(value) for name, value in data.items()})


@dataclass(frozen=True)
class Candidate:
    """A found id with its probability of being what was asked for, and the two sides it came from."""

    id: str
    score: float
    cosine: float
    bm25: float


class Hybrid:
    """One searchable kind (products or passages). Row ids of the dense side are `id` or `id|language`."""

    def __init__(
        self,
        dense: VectorIndex,
        lexical: LexicalIndex,
        weights: Weights,
        title_of: Callable[[str], str],
    ) -> None:
        self.dense = dense
        self.lexical = lexical
        self.weights = weights
        self._title_of = title_of

    def rank(
        self,
        text: str,
        row: Rows,
        *,
        candidates: int = CANDIDATES,
        allowed: Callable[[str], bool] | None = None,
    ) -> list[Candidate]:
        """Candidates of both sides, best first.

        Args:
            row: (dimension,) the encoded text.
            candidates: how many each side contributes before `allowed` is applied.
            allowed: ids that may be shown.
        """
        query = self.lexical.query(text)
        near = _by_item(self.dense.search(row[None, :], candidates * 2)[0])
        said = dict(self.lexical.search_terms(query, candidates)) if query else {}
        ids = [id for id in {**near, **said} if allowed is None or allowed(id)]
        if not ids:
            return []
        cosines = {**near, **self._cosines([id for id in ids if id not in near], row)}
        features = self._features(ids, query, cosines, said)
        scores = 1 / (1 + np.exp(-(features @ self.weights.vector() + self.weights.bias)))
        found = [
            Candidate(id, float(score), cosines[id], said.get(id, 0.0)) for id, score in zip(ids, scores, strict=True)
        ]
        return sorted(found, key=lambda candidate: (-candidate.score, candidate.id))

    def features(self, text: str, row: Rows, ids: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """(len(ids), FEATURES) of the candidates `rank` would weigh; for fitting the weights."""
        query = self.lexical.query(text)
        near = _by_item(self.dense.search(row[None, :], CANDIDATES * 2)[0])
        said = dict(self.lexical.search_terms(query, CANDIDATES)) if query else {}
        cosines = {**near, **self._cosines([id for id in ids if id not in near], row)}
        return self._features(ids, query, cosines, said)

    def add(self, dense: Mapping[str, Rows], texts: Mapping[str, str]) -> None:
        """Add or replace: rows by row id, texts by id."""
        if dense:
            self.dense.add(list(dense), np.stack(list(dense.values())))
        self.lexical.add(texts.items())

    def remove(self, row_ids: Sequence[str], ids: Sequence[str]) -> None:
        self.dense.remove(row_ids)
        self.lexical.remove(ids)

    def rebuild(self) -> None:
        self.dense.rebuild()
        self.lexical.rebuild()

    def files(self, prefix: str) -> dict[str, Content]:
        return {**self.dense.files(prefix), **self.lexical.files(prefix)}

    @classmethod
    def load(cls, artifact: Artifact, prefix: str, weights: Weights, title_of: Callable[[str], str]) -> "Hybrid":
        return cls(VectorIndex.load(artifact, prefix), LexicalIndex.load(artifact, prefix), weights, title_of)

    def _cosines(self, ids: Sequence[str], row: Rows) -> dict[str, float]:
        """Cosines of what only the words found; the best of the languages an item is written in."""
        found: dict[str, float] = {}
        for id in ids:
            rows = [row_id for row_id in (id, f"{id}|en", f"{id}|zh") if self._has(row_id)]
            found[id] = float((self.dense.rows_of(rows) @ row).max()) if rows else self.weights.floor
        return found

    def _has(self, row_id: str) -> bool:
        try:
            self.dense.rows_of([row_id])
        except KeyError:
            return False
        return True

    def _features(
        self, ids: Sequence[str], query: Mapping[str, float], cosines: Mapping[str, float], said: Mapping[str, float]
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        weight = {term: share * max(self.lexical.idf(term), 0.1) for term, share in query.items()}
        total = sum(weight.values()) or 1.0
        best = {id: rank for rank, id in enumerate(sorted(cosines, key=lambda id: -cosines[id]))}
        spoken = {id: rank for rank, id in enumerate(said)}
        out = np.zeros((len(ids), len(FEATURES)))
        for position, id in enumerate(ids):
            title = set(tokens(self._title_of(id)))
            out[position] = (
                (cosines[id] - self.weights.floor) / self.weights.spread,
                said.get(id, 0.0) / (total * (K1 + 1)),
                min(1.0, 2 * said.get(id, 0.0) / total / (K1 + 1)),
                sum(share for term, share in weight.items() if term in title) / total,
                (1 / (RANK_CONSTANT + best[id]) + (1 / (RANK_CONSTANT + spoken[id]) if id in spoken else 0.0))
                * RANK_CONSTANT
                / 2,
            )
        return out


def is_chinese(text: str) -> bool:
    return bool(CJK.search(text))


def _by_item(hits: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Best cosine an item has in any language."""
    best: dict[str, float] = {}
    for row_id, score in hits:
        id = row_id.rsplit("|", 1)[0]
        best[id] = max(best.get(id, -1.0), score)
    return best
