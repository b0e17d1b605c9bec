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
from retrieval.lexical import K1, LexicalIndex, title_tokens

CANDIDATES = 60  # of each side
LANGUAGES = ("en", "zh")
PARTS = ("b", "h")
RANK_CONSTANT = 60.0  # Cormack, Clarke and Buettcher 2009
FEATURES = ("dense", "heading", "lexical", "title", "ranks", "best")

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Weights:
    """A fitted logistic model over the features of one candidate, and the probability below which nothing is shown."""

    floor: float = 0.78  # mean cosine of unrelated texts
    spread: float = 0.03  # their standard deviation
    dense: float = 0.6  # of the text
    heading: float = 0.8  # of the title or name, which is put like a question
    lexical: float = 2.0
    title: float = 1.5
    ranks: float = 1.0
    best: float = 0.0  # the better of the two dense ones
    bias: float = -5.0
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
    """One searchable kind (products or passages). Row ids of the dense side are made by `row_id`."""

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
        ids, features, cosines, said = self.weighed(text, row, candidates=candidates, allowed=allowed)
        if not ids:
            return []
        scores = 1 / (1 + np.exp(-(features @ self.weights.vector() + self.weights.bias)))
        found = [
            Candidate(id, float(score), float(cosine), said.get(id, 0.0))
            for id, score, cosine in zip(ids, scores, cosines, strict=True)
        ]
        return sorted(found, key=lambda candidate: (-candidate.score, candidate.id))

    def weighed(
        self,
        text: str,
        row: Rows,
        *,
        candidates: int = CANDIDATES,
        allowed: Callable[[str], bool] | None = None,
    ) -> tuple[list[str], Array, Array, dict[str, float]]:
        """(ids, their features (ids, FEATURES), their best cosines (ids,), BM25 scores) of what `rank` weighs."""
        query = self.lexical.query(text)
        near = self.dense.search(row[None, :], candidates * 2)[0]
        said = dict(self.lexical.search_terms(query, candidates)) if query else {}
        ids = [id for id in {**{item_of(row_id): None for row_id, _ in near}, **said} if allowed is None or allowed(id)]
        if not ids:
            return [], np.zeros((0, len(FEATURES))), np.zeros(0), said
        body, heading = self._cosines(ids, row)
        best = np.fmax(body, heading)
        missing = self.lexical.unknown(text) * float(np.log(1 + len(self.lexical)))
        return ids, self._features(ids, query, body, heading, said, missing), best, said

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

    def _cosines(self, ids: Sequence[str], row: Rows) -> tuple[Array, Array]:
        """(ids,) cosines of the text and of the heading, each the best of the languages the item is written in."""
        wanted = [row_id(id, language, part) for id in ids for part in PARTS for language in LANGUAGES]
        scores = self.dense.scores_of(wanted, row).reshape(len(ids), len(PARTS), len(LANGUAGES))
        best = np.fmax.reduce(scores, axis=2)
        return np.nan_to_num(best[:, 0], nan=self.weights.floor), np.nan_to_num(best[:, 1], nan=self.weights.floor)

    def _features(
        self,
        ids: Sequence[str],
        query: Mapping[str, float],
        body: Array,
        heading: Array,
        said: Mapping[str, float],
        missing: float,
    ) -> Array:
        weight = {term: share * max(self.lexical.idf(term), 0.1) for term, share in query.items()}
        total = sum(weight.values()) + missing or 1.0  # words that no text holds are wishes left open
        dense_rank = np.empty(len(ids))
        dense_rank[np.argsort(-np.fmax(body, heading), kind="stable")] = np.arange(len(ids))
        spoken = {id: rank for rank, id in enumerate(said)}
        out = np.zeros((len(ids), len(FEATURES)))
        out[:, 0] = (body - self.weights.floor) / self.weights.spread
        out[:, 1] = (heading - self.weights.floor) / self.weights.spread
        out[:, 5] = np.maximum(out[:, 0], out[:, 1])
        for position, id in enumerate(ids):
            title = title_tokens(self._title_of(id))
            out[position, 2] = said.get(id, 0.0) / (total * (K1 + 1))
            out[position, 3] = sum(share for term, share in weight.items() if term in title) / total
            by_rank = 1 / (RANK_CONSTANT + dense_rank[position])
            by_rank += 1 / (RANK_CONSTANT + spoken[id]) if id in spoken else 0.0
            out[position, 4] = by_rank * RANK_CONSTANT / 2
        return out


def row_id(id: str, language: str, part: str = "b") -> str:
    """Name of one row of an item: its text ("b") or its heading ("h") in one language."""
    return f"{id}|{language}|{part}"


def item_of(row: str) -> str:
    return row.rsplit("|", 2)[0]
