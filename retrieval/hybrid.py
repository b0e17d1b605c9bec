"""Dense and BM25 together: candidates of both, fused by rank and by fitted weights into one probability.

Cosines mean different things in different encoders (E5's live between 0.75 and 1), so they are first put on the scale
of what unrelated texts have, question and text in English or Chinese: `Weights.scales` is measured when the index is
built.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.artifact import Artifact, Content
from retrieval.accessories import goes_with
from retrieval.encoder import Rows
from retrieval.index import VectorIndex
from retrieval.lexical import K1, LexicalIndex, is_han, title_tokens

CANDIDATES = 60  # of each side
LANGUAGES = ("en", "zh")
PARTS = ("b", "h")
# Share of a question's words taken for a text that only the other language has: it can hold none of them. Over
# documents in the other language alone it answers 44 % of our Chinese and 9 % of our English questions (every second
# one measured; none at 0), and none of those without an answer.
FOREIGN_COVERED = 0.8
LEADERS = 20  # candidates whose common meaning the others are held against
RANK_CONSTANT = 60.0  # Cormack, Clarke and Buettcher 2009
FEATURES = ("dense", "heading", "lexical", "title", "ranks", "best", "covered")
ALIKE = 4.0  # on the scale of unrelated texts: a question put nearly like a known one
ELSEWHERE = 0.5  # of a logit, for each step that a known question of another topic is nearer
SAME = 0.9995  # cosine of a text with itself, in 8-bit encoders too
Scales = tuple[tuple[float, float], ...]

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Weights:
    """A fitted logistic model over the features of one candidate, and the probability below which nothing is shown."""

    floor: float = 0.78  # mean cosine of unrelated texts
    spread: float = 0.03  # their standard deviation
    scales: Scales = ()  # (floor, spread) of Chinese question and text: neither, text, question, both; () the above
    dense: float = 0.6  # of the text
    heading: float = 0.8  # of the title or name, which is put like a question
    lexical: float = 2.0
    title: float = 1.5
    ranks: float = 1.0
    best: float = 0.0  # the better of the two dense ones
    covered: float = 0.0  # share of the question's words, by their weight, that stand in the text
    doubt: float = 0.0  # of what known questions without an answer are nearer than those with one; below zero
    asked: tuple[float, ...] = ()  # of the question's own row: what kind of question has an answer; () no opinion
    agreed: float = 0.0  # of likeness to what the best candidates have in common; orders, decides nothing
    beside: float = 0.0  # taken from what only goes with the thing that is asked for; orders, decides nothing
    bias: float = -5.0
    threshold: float = 0.5

    def vector(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([getattr(self, name) for name in FEATURES])

    def scale(self, asked_han: bool, text_han: bool) -> tuple[float, float]:
        """(floor, spread) of cosines of unrelated texts."""
        return self.scales[2 * asked_han + text_han] if self.scales else (self.floor, self.spread)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Weights":
        plain = {name: float(value) for name, value in data.items() if name not in ("scales", "asked")}
        scales = tuple((float(floor), float(spread)) for floor, spread in data.get("scales", ()))
        return cls(**plain, scales=scales, asked=tuple(float(value) for value in data.get("asked", ())))


@dataclass(frozen=True)
class Candidate:
    """A found id with its probability of being what was asked for, and the two sides it came from.

    `place` orders: the probability, less where the candidate is unlike what the best ones have in common, or only goes
    with what is asked for.
    """

    id: str
    score: float
    cosine: float
    bm25: float
    place: float


@dataclass(frozen=True)
class Known:
    """Questions of which it is known whether help answers them, as they are searched: (questions, dimension), which are
    Chinese, and which have an answer."""

    rows: Rows
    han: np.ndarray[Any, np.dtype[np.bool_]]
    answered: np.ndarray[Any, np.dtype[np.bool_]]
    topics: tuple[str, ...] = ()  # "" without an answer

    def elsewhere(self, row: Rows, han: bool, weights: Weights, topics: Sequence[str]) -> Array:
        """(len(topics),) how much nearer a known question of another of these topics is than any of its own; 0 when
        nothing is near, and for topics that no known question is about."""
        scales = np.array([weights.scale(han, False), weights.scale(han, True)])[self.han.astype(int)]
        likeness = (self.rows @ row - scales[:, 0]) / scales[:, 1]
        names, order, starts = self._by_topic
        nearest = dict(zip(names, np.maximum.reduceat(likeness[order], starts).tolist(), strict=True))
        here = [nearest[topic] for topic in topics if topic and topic in nearest]
        most = max(here, default=0.0)
        if most < ALIKE:
            return np.zeros(len(topics))
        return np.array([max(0.0, most - nearest.get(topic, most)) if topic else 0.0 for topic in topics])

    @cached_property
    def _by_topic(self) -> tuple[list[str], np.ndarray[Any, np.dtype[np.intp]], np.ndarray[Any, np.dtype[np.intp]]]:
        """(topics, questions ordered by topic, where each topic begins in that order)."""
        names, numbers = np.unique(np.array(self.topics), return_inverse=True)
        order = np.argsort(numbers, kind="stable")
        return names.tolist(), order, np.searchsorted(numbers[order], np.arange(len(names)))

    def doubt(self, row: Rows, han: bool, weights: Weights, *, itself: bool = True) -> float:
        """How much nearer the nearest without an answer are than the nearest with one, on the scale of unrelated texts.

        Args:
            itself: whether a known question may vouch for itself; not while weights are fitted on them.
        """
        scales = np.array([weights.scale(han, False), weights.scale(han, True)])[self.han.astype(int)]
        cosines = self.rows @ row
        likeness = np.where((cosines > SAME) & (not itself), -np.inf, (cosines - scales[:, 0]) / scales[:, 1])
        return _nearest(likeness[~self.answered]) - _nearest(likeness[self.answered])

    @classmethod
    def load(cls, artifact: Artifact, name: str) -> "Known | None":
        with np.load(artifact.path(name), allow_pickle=False) as held:
            rows, topics = held["rows"].astype(np.float32), tuple(map(str, held["topics"]))
            return cls(rows, held["han"], held["answered"], topics) if len(rows) else None

    def write(self, path: Path) -> None:
        with path.open("wb") as out:
            np.savez(
                out,
                rows=self.rows.astype(np.float16),
                han=self.han,
                answered=self.answered,
                topics=np.array(self.topics),
            )


def _nearest(likeness: np.ndarray[Any, np.dtype[Any]]) -> float:
    """The mean of the nearest one and of the nearest three; 0, as unrelated texts have, where there are none."""
    near = np.sort(likeness[np.isfinite(likeness)])[::-1][:3]
    return float((near[0] + near.mean()) / 2) if len(near) else 0.0


class Hybrid:
    """One searchable kind (products or passages). Row ids of the dense side are made by `row_id`."""

    def __init__(
        self,
        dense: VectorIndex,
        lexical: LexicalIndex,
        weights: Weights,
        title_of: Callable[[str], str],
        known: Known | None = None,
        topic_of: Callable[[str], str] | None = None,
    ) -> None:
        self.dense = dense
        self.lexical = lexical
        self.weights = weights
        self._title_of = title_of
        self.known = known
        self.topic_of = topic_of

    def rank(
        self,
        text: str,
        row: Rows,
        *,
        candidates: int = CANDIDATES,
        allowed: Callable[[str], bool] | None = None,
        among: Sequence[str] | None = None,
    ) -> list[Candidate]:
        """Candidates of both sides, best first.

        Args:
            row: (dimension,) the encoded text.
            candidates: how many each side contributes before `allowed` is applied.
            allowed: ids that may be shown.
            among: weigh exactly these ids instead; a few that are known to fit need no search.
        """
        ids, features, cosines, said = self.weighed(text, row, candidates=candidates, allowed=allowed, among=among)
        if not ids:
            return []
        logits = features @ self.weights.vector() + self.weights.bias + self._answerable(text, row)
        logits = logits - ELSEWHERE * self._elsewhere(ids, text, row)
        ordered = logits + self._agreement(ids, logits, text) - self.weights.beside * self._beside(ids, text)
        scores, places = (1 / (1 + np.exp(-each)) for each in (logits, ordered))
        found = [
            Candidate(id, float(score), float(cosine), said.get(id, 0.0), float(place))
            for id, score, cosine, place in zip(ids, scores, cosines, places, strict=True)
        ]
        return sorted(found, key=lambda candidate: (-candidate.place, candidate.id))

    def weighed(
        self,
        text: str,
        row: Rows,
        *,
        candidates: int = CANDIDATES,
        allowed: Callable[[str], bool] | None = None,
        among: Sequence[str] | None = None,
    ) -> tuple[list[str], Array, Array, dict[str, float]]:
        """(ids, their features (ids, FEATURES), their best cosines (ids,), BM25 scores) of what `rank` weighs."""
        query = self.lexical.query(text)
        said = dict(self.lexical.search_terms(query, len(self.lexical) if among else candidates)) if query else {}
        if among is None:
            near = self.dense.search(row[None, :], candidates * 2)[0]
            found = {**{item_of(row_id): None for row_id, _ in near}, **said}
            ids = [id for id in found if allowed is None or allowed(id)]
        else:
            ids = list(among)
        if not ids:
            return [], np.zeros((0, len(FEATURES))), np.zeros(0), said
        body, heading, best, own = self._likeness(ids, row, is_han(text))
        missing = self.lexical.unknown(text) * float(np.log(1 + len(self.lexical)))
        features = self._features(ids, query, body, heading, said, missing)
        features[self._untranslated(ids, own), FEATURES.index("covered")] = FOREIGN_COVERED
        return ids, features, best, said

    def _untranslated(self, ids: Sequence[str], own: np.ndarray[Any, np.dtype[np.bool_]]) -> Any:
        """(ids,) passages whose topic only the other language has: they cannot share a word with the question."""
        if self.topic_of is None:
            return np.zeros(len(ids), dtype=bool)
        topics = [self.topic_of(id) for id in ids]
        translated = {topic for topic, there in zip(topics, own, strict=True) if there and topic}
        return ~own & np.array([topic not in translated for topic in topics], dtype=bool)

    def _beside(self, ids: Sequence[str], text: str) -> Array:
        if not self.weights.beside:
            return np.zeros(len(ids))
        return np.array([goes_with(self._title_of(id), text) for id in ids], dtype=np.float64)

    def _agreement(self, ids: Sequence[str], logits: Array, text: str) -> Array:
        """(ids,) to be added to the logits, 0 for the best: pseudo-relevance feedback (Rocchio 1971) on what was found.

        "Mouse" finds mice and mouse pads; most of the best are mice, so pads step back. The best candidates count by
        their probability of being the best of them.
        """
        nothing = np.zeros(len(ids))
        if not self.weights.agreed or len(ids) < 2:
            return nothing
        best = np.argsort(-logits, kind="stable")[:LEADERS]
        han = is_han(text)
        for language in ("zh", "en") if han else ("en", "zh"):
            names = [row_id(id, language) for id in ids]
            nowhere = np.zeros(self.dense.dimension, np.float32)
            there = ~np.isnan(self.dense.scores_of([names[at] for at in best], nowhere))
            leaders = best[there]
            if not len(leaders):
                continue
            rows = self.dense.rows_of([names[at] for at in leaders])
            shared = np.exp(logits[leaders] - logits[leaders[0]]) @ rows
            # as long as a question is, where an encoder scales them (`encoder.as_headings`)
            shared /= max(float(np.linalg.norm(shared) * np.linalg.norm(rows, axis=1).mean()), 1e-12)
            alike = self.dense.scores_of(names, shared.astype(np.float32))
            spread = self.weights.scale(language == "zh", language == "zh")[1]
            added: Array = self.weights.agreed * np.nan_to_num((alike - alike[leaders[0]]) / spread)
            return added
        return nothing

    def _elsewhere(self, ids: Sequence[str], text: str, row: Rows) -> Array:
        if self.known is None or self.topic_of is None or not self.weights.doubt:
            return np.zeros(len(ids))
        return self.known.elsewhere(row, is_han(text), self.weights, [self.topic_of(id) for id in ids])

    def _answerable(self, text: str, row: Rows) -> float:
        """What the question alone says of having an answer: "what is your profit" has none in any help centre."""
        asked, known = self.weights.asked, self.known
        said = float(row @ np.array(asked, dtype=np.float32)) if len(asked) == len(row) else 0.0
        if known is None or not self.weights.doubt:
            return said
        return said + self.weights.doubt * known.doubt(row, is_han(text), self.weights)

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
    def load(
        cls,
        artifact: Artifact,
        prefix: str,
        weights: Weights,
        title_of: Callable[[str], str],
        known: Known | None = None,
        topic_of: Callable[[str], str] | None = None,
    ) -> "Hybrid":
        dense, lexical = VectorIndex.load(artifact, prefix), LexicalIndex.load(artifact, prefix)
        return cls(dense, lexical, weights, title_of, known, topic_of)

    def _likeness(self, ids: Sequence[str], row: Rows, han: bool) -> tuple[Array, Array, Array, Any]:
        """(ids,) of the text and of the heading, on the scale of unrelated texts, each the best of the languages the
        item is written in; the best cosine; and whether it is written in the question's language."""
        wanted = [row_id(id, language, part) for id in ids for part in PARTS for language in LANGUAGES]
        cosines = self.dense.scores_of(wanted, row).reshape(len(ids), len(PARTS), len(LANGUAGES))
        scales = np.array([self.weights.scale(han, language == "zh") for language in LANGUAGES])
        best = np.fmax.reduce((cosines - scales[:, 0]) / scales[:, 1], axis=2)
        nearest = np.fmax.reduce(cosines.reshape(len(ids), -1), axis=1)
        own = ~np.isnan(cosines[:, 0, int(han)])
        return np.nan_to_num(best[:, 0]), np.nan_to_num(best[:, 1]), np.nan_to_num(nearest), own

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
        out[:, 0], out[:, 1], out[:, 5] = body, heading, np.maximum(body, heading)
        out[:, 6] = self.lexical.covered(ids, weight) / total
        titles = (title_tokens(self._title_of(id)) for id in ids)
        out[:, 2] = np.array([said.get(id, 0.0) for id in ids]) / (total * (K1 + 1))
        out[:, 3] = [sum(weight[term] for term in weight.keys() & title) / total for title in titles]
        lexical_rank = np.array([spoken.get(id, np.inf) for id in ids])
        out[:, 4] = (1 / (RANK_CONSTANT + dense_rank) + 1 / (RANK_CONSTANT + lexical_rank)) * RANK_CONSTANT / 2
        return out


def row_id(id: str, language: str, part: str = "b") -> str:
    """Name of one row of an item: its text ("b") or its heading ("h") in one language."""
    return f"{id}|{language}|{part}"


def item_of(row: str) -> str:
    return row.rsplit("|", 2)[0]
