"""The word side of the hybrid: BM25 (Robertson and Zaragoza 2009) over English words and Chinese character pairs.

Like `retrieval.index`, a large part that never changes plus a small one for what came since; a change replaces the
small part, so searches never wait. A query word that no text holds is read as the nearest one that some text does
("sleping bag").
"""

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.artifact import Artifact, Content

K1, B = 1.2, 0.75
WORD = re.compile(r"[a-z0-9]+(?:[.'][a-z0-9]+)*|[\u3400-\u9fff]+")
CJK = re.compile(r"[\u3400-\u9fff]")
# fmt: off
STOPWORDS = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "can", "could", "d", "do", "does", "for", "from",
    "has", "have", "how", "i", "if", "in", "is", "it", "its", "me", "my", "of", "on", "or", "our", "s", "so",
    "t", "that", "the", "their", "them", "there", "they", "this", "to", "us", "was", "we", "were", "what",
    "when", "where", "which", "who", "will", "with", "would", "you", "your",
})
# fmt: on
ZH_STOP = frozenset("的了吗呢吧啊我你您们是有在和就都也要请把被么什怎")
SPELLING_FROM = 4  # shorter words have too many neighbours to guess among
OTHER_WORD_WEIGHT = 0.7  # a guessed word counts less than one that was written

# other words of customers for the same thing; `same_words` has many more, by which only products are asked for
SAME_THING = (
    ("hat", "beanie"),
    ("rucksack", "backpack"),
    ("bike", "bicycle"),
    ("cooker", "stove"),
    ("scissors", "secateurs", "pruner"),
    ("torch", "flashlight", "headlamp"),
    ("couch", "sofa", "settee"),
    ("pants", "trousers"),
    ("sheets", "linen"),
    ("quilt", "duvet", "comforter"),
    ("blanket", "throw"),
    ("coat", "jacket", "anorak", "parka"),
    ("boot", "shoe"),
    ("pan", "skillet"),
    ("cup", "mug"),
    ("rug", "carpet"),
)

Ints = np.ndarray[Any, np.dtype[np.int32]]
Floats = np.ndarray[Any, np.dtype[np.float32]]


def tokens(text: str) -> list[str]:
    """Index terms: English words without stop words, plural and -ing/-ed endings cut; Chinese characters by pairs.

    A run of Chinese also gives its single characters when it is one character long, so "灯" alone can be found.
    """
    terms: list[str] = []
    for run in WORD.findall(normalise(text)):
        if CJK.match(run):
            terms.extend(_pairs(run))
        elif run not in STOPWORDS:
            terms.append(stem(run))
    return terms


@lru_cache(maxsize=200_000)
def title_tokens(title: str) -> frozenset[str]:
    """`tokens` of a title or name, kept: each search compares its words with hundreds of them."""
    return frozenset(tokens(title))


@lru_cache(maxsize=10_000)
def same_thing(term: str) -> frozenset[str]:
    """The term and the terms of other words of customers for the same thing."""
    groups = (frozenset(map(stem, group)) for group in SAME_THING)
    return frozenset({term}).union(*(group for group in groups if term in group))


def normalise(text: str) -> str:
    """Lower case, full-width forms narrowed, accents dropped ("Café" -> "cafe")."""
    wide = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return "".join(char for char in unicodedata.normalize("NFD", wide) if not unicodedata.combining(char))


def is_han(text: str) -> bool:
    """True for a text that is read as Chinese: any Han character makes it so."""
    return CJK.search(text) is not None


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """A light stem: what plural, -ing, -ed and possessive add is cut, nothing that changes the word."""
    word = word.removesuffix("'s").replace("'", "")
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes", "zes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        root = word[: -len(ending)]
        if word.endswith(ending) and len(root) >= 3 and re.search(r"[aeiouy]", root):
            word = root[:-1] if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "lsz" else root
            break
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def _pairs(run: str) -> list[str]:
    if len(run) == 1:
        return [] if run in ZH_STOP else [run]
    pairs = [run[start : start + 2] for start in range(len(run) - 1)]
    singles = [char for char in run if char not in ZH_STOP]
    return [pair for pair in pairs if not (pair[0] in ZH_STOP and pair[1] in ZH_STOP)] + singles


@dataclass(frozen=True)
class _Part:
    """Postings of one set of texts: term t is in the texts `rows[starts[t]:starts[t + 1]]`, `counts` beside."""

    ids: np.ndarray[Any, np.dtype[Any]]
    terms: Mapping[str, int]
    starts: np.ndarray[Any, np.dtype[np.int64]]
    rows: Ints
    counts: Floats  # occurrences of the term in the text
    lengths: Floats  # (texts,) terms of each text

    @cached_property
    def order(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Rows in the order of their ids, to find the row of an id without a table of all."""
        return np.argsort(self.ids, kind="stable")

    def rows_of(self, ids: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """(len(ids),) rows; -1 for an id that is not here."""
        if not len(self.ids):
            return np.full(len(ids), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.ids, ids, sorter=self.order), len(self.ids) - 1)
        rows = self.order[at]
        return np.where(self.ids[rows] == ids, rows, -1)

    def postings(self, term: str) -> tuple[Ints, Floats]:
        number = self.terms.get(term)
        if number is None:
            return self.rows[:0], self.counts[:0]
        where = slice(int(self.starts[number]), int(self.starts[number + 1]))
        return self.rows[where], self.counts[where]


@dataclass(frozen=True)
class _State:
    large: _Part
    small: _Part
    small_texts: Mapping[str, Mapping[str, int]]  # id -> term counts
    gone: frozenset[int]
    where: Mapping[str, int]


class LexicalIndex:
    """add / remove / search / save / load over texts; safe for many readers and one writer at a time."""

    def __init__(self) -> None:
        self._write = threading.Lock()
        nothing = _part([])
        self._state = _State(nothing, nothing, {}, frozenset(), {})
        self._spelling: _Spelling | None = None

    def __len__(self) -> int:
        state = self._state
        return len(state.large.ids) - len(state.gone) + len(state.small_texts)

    @classmethod
    def built(cls, texts: Iterable[tuple[str, str]]) -> "LexicalIndex":
        """From (id, text); the texts themselves are not kept."""
        index = cls()
        index._state = replace(index._state, large=_part((id, Counter(tokens(text))) for id, text in texts))
        return index

    def add(self, texts: Iterable[tuple[str, str]]) -> None:
        fresh = {id: Counter(tokens(text)) for id, text in texts}
        with self._write:
            state = self._dropped(fresh)
            held = {**state.small_texts, **fresh}
            self._state = replace(state, small_texts=held, small=_part(held.items()))

    def remove(self, ids: Iterable[str]) -> None:
        with self._write:
            state = self._dropped(dict.fromkeys(ids))
            self._state = replace(state, small=_part(state.small_texts.items()))

    def search(self, text: str, limit: int) -> list[tuple[str, float]]:
        """The `limit` texts with the highest BM25 score above zero, best first."""
        return self.search_terms(self.query(text), limit)

    def query(self, text: str) -> dict[str, float]:
        """Weighted terms of a query: its own, and for unknown ones another word for it or the nearest spelling."""
        weighted: dict[str, float] = {}
        for term in tokens(text):
            if self.count(term) or CJK.match(term):
                weighted[term] = 1.0
            elif (known := self._other_word(term)) is not None:
                weighted[known] = max(weighted.get(known, 0.0), OTHER_WORD_WEIGHT)
        return weighted

    def unknown(self, text: str) -> int:
        """English words of a query that no text holds, however put: nothing here is quite what was asked for."""
        return sum(
            1
            for term in tokens(text)
            if not CJK.match(term) and not self.count(term) and self._other_word(term) is None
        )

    def _other_word(self, term: str) -> str | None:
        """The most common word for the same thing, else the nearest known spelling."""
        known = [other for other in sorted(same_thing(term)) if self.count(other)]
        return max(known, key=self.count) if known else self.respell(term)

    def search_terms(self, query: Mapping[str, float], limit: int) -> list[tuple[str, float]]:
        state = self._state
        idf = {term: self._idf(state, term) for term in query}
        mean = _mean_length(state)
        hits: list[tuple[str, float]] = []
        for part, gone in ((state.large, state.gone), (state.small, frozenset())):
            scores = _scores(part, {term: weight * idf[term] for term, weight in query.items()}, mean)
            hits += _best(part, scores, gone, limit)
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:limit]

    def covered(self, ids: Sequence[str], weights: Mapping[str, float]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """(len(ids),) sum of the weights of those terms that each text holds."""
        state = self._state
        named = np.array([id.encode() for id in ids])
        out = np.zeros(len(ids))
        gone = np.fromiter(state.gone, np.int64, len(state.gone))
        for part, removed in ((state.large, gone), (state.small, gone[:0])):
            rows = part.rows_of(named)
            here = np.flatnonzero((rows >= 0) & ~np.isin(rows, removed))
            for term, weight in weights.items():
                held, _ = part.postings(term)
                if len(held) and len(here):
                    out[here[np.isin(rows[here], held)]] += weight
        return out

    def idf(self, term: str) -> float:
        return self._idf(self._state, term)

    def count(self, term: str) -> int:
        """Texts that hold the term (removed ones may still count until a rebuild)."""
        state = self._state
        return len(state.large.postings(term)[0]) + len(state.small.postings(term)[0])

    def respell(self, term: str) -> str | None:
        """The most common known term at edit distance 1 (2 from eight letters on), or None."""
        if len(term) < SPELLING_FROM or any(char.isdigit() for char in term):
            return None
        state = self._state
        spelling = self._spelling
        if spelling is None or spelling.made_for is not state:
            spelling = self._spelling = _Spelling(state)
        near = spelling.near(term)
        return max(near, key=lambda known: (-_distance(term, known, 2), self.count(known))) if near else None

    def rebuild(self) -> None:
        """Fold pending changes into the large part; searches go on meanwhile."""
        with self._write:
            state = self._state
            if not state.small_texts and not state.gone:
                return
            part = _merged(state)
            self._state = _State(part, _part([]), {}, frozenset(), {})

    def files(self, prefix: str) -> dict[str, Content]:
        """Files for `ensemble.artifact.save`; pending changes are folded in first."""
        self.rebuild()
        part = self._state.large

        def write(path: Path) -> None:
            names = sorted(part.terms, key=part.terms.__getitem__)
            joined = np.frombuffer("\n".join(names).encode(), dtype=np.uint8)
            with path.open("wb") as out:
                np.savez(
                    out,
                    ids=part.ids,
                    terms=joined,
                    starts=part.starts,
                    rows=part.rows,
                    counts=part.counts,
                    lengths=part.lengths,
                )

        return {f"{prefix}.bm25.npz": write}

    @classmethod
    def load(cls, artifact: Artifact, prefix: str) -> "LexicalIndex":
        index = cls()
        with np.load(artifact.path(f"{prefix}.bm25.npz"), allow_pickle=False) as held:
            names = held["terms"].tobytes().decode().split("\n") if len(held["terms"]) else []
            part = _Part(
                ids=held["ids"],
                terms={name: number for number, name in enumerate(names)},
                starts=held["starts"],
                rows=held["rows"],
                counts=held["counts"],
                lengths=held["lengths"],
            )
        index._state = replace(index._state, large=part)
        return index

    def _dropped(self, ids: Mapping[str, Any]) -> _State:
        """The state without `ids`; its small part still has to be made again."""
        state = self._state
        where = state.where or {id.decode(): row for row, id in enumerate(state.large.ids.tolist())}
        gone = {where[id] for id in ids if id in where}
        held = {id: counts for id, counts in state.small_texts.items() if id not in ids}
        return replace(state, where=where, gone=state.gone | gone, small_texts=held)

    @staticmethod
    def _idf(state: _State, term: str) -> float:
        holding = len(state.large.postings(term)[0]) + len(state.small.postings(term)[0])
        total = len(state.large.ids) + len(state.small.ids)
        return float(np.log(1 + (total - holding + 0.5) / (holding + 0.5))) if holding else 0.0


class _Spelling:
    """Known words by their letter triples; candidates share most of them."""

    def __init__(self, state: _State) -> None:
        self.made_for = state
        known = {*state.large.terms, *state.small.terms}
        self._words = sorted(w for w in known if len(w) >= SPELLING_FROM - 1 and w.isascii() and w.isalpha())
        self._by_pair: dict[str, list[int]] = {}
        for number, word in enumerate(self._words):
            for pair in _letter_pairs(word):
                self._by_pair.setdefault(pair, []).append(number)

    def near(self, word: str) -> list[str]:
        allowed = 2 if len(word) >= 8 else 1
        pairs = _letter_pairs(word)
        shared = Counter(number for pair in pairs for number in self._by_pair.get(pair, ()))
        # one edit changes at most two of the pairs (a swap of neighbours three)
        candidates = (n for n, count in shared.items() if count >= max(1, len(pairs) - 3 * allowed))
        near = (self._words[n] for n in candidates)
        return [known for known in near if _plausible(word, known) and _distance(word, known, allowed) <= allowed]


def _plausible(word: str, known: str) -> bool:
    """Hardly anybody mistypes the first letter, but for a swap with the second; of the shortest words only swapped and
    missing letters are guessed. A rack is neither a back nor a Rask."""
    if len(word) == SPELLING_FROM and len(known) <= len(word) and sorted(word) != sorted(known):
        return False
    return word[0] == known[0] or word[:2] == known[1::-1]


def _letter_pairs(word: str) -> set[str]:
    framed = f"^{word}$"
    return {framed[start : start + 2] for start in range(len(framed) - 1)}


def _distance(one: str, other: str, limit: int) -> int:
    """Damerau-Levenshtein distance (a swap of neighbours is one edit); `limit + 1` when it is larger."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        line = [i]
        for j, b in enumerate(other, 1):
            cost = min(above[j] + 1, line[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            line.append(cost)
        if min(line) > limit:
            return limit + 1
        before, above = above, line
    return min(above[-1], limit + 1)


def _part(texts: Iterable[tuple[str, Mapping[str, int]]]) -> _Part:
    terms: dict[str, int] = {}
    ids: list[bytes] = []
    numbers, rows, counts, lengths = [], [], [], []
    for row, (id, found) in enumerate(texts):
        ids.append(id.encode())
        lengths.append(sum(found.values()))
        own = np.fromiter((terms.setdefault(term, len(terms)) for term in found), np.int32, len(found))
        numbers.append(own)
        rows.append(np.full(len(found), row, dtype=np.int32))
        counts.append(np.fromiter(found.values(), np.float32, len(found)))
    return _sorted_part(np.array(ids or [], dtype="S" if ids else "S1"), terms, numbers, rows, counts, lengths)


def _sorted_part(
    ids: Any, terms: Mapping[str, int], numbers: list[Any], rows: list[Any], counts: list[Any], lengths: Sequence[float]
) -> _Part:
    all_numbers = np.concatenate(numbers) if numbers else np.zeros(0, np.int32)
    order = np.argsort(all_numbers, kind="stable")
    starts = np.zeros(len(terms) + 1, dtype=np.int64)
    starts[1:] = np.cumsum(np.bincount(all_numbers, minlength=len(terms)))
    return _Part(
        ids=ids,
        terms=terms,
        starts=starts,
        rows=(np.concatenate(rows) if rows else np.zeros(0, np.int32))[order],
        counts=(np.concatenate(counts) if counts else np.zeros(0, np.float32))[order],
        lengths=np.asarray(lengths, dtype=np.float32),
    )


def _merged(state: _State) -> _Part:
    """One part of what is left of the large one and of the small one."""
    large = state.large
    keep = np.ones(len(large.ids), dtype=bool)
    keep[list(state.gone)] = False
    new_row = np.cumsum(keep) - 1
    number_of_row = np.repeat(np.arange(len(large.terms), dtype=np.int32), np.diff(large.starts))
    held = keep[large.rows]
    terms = dict(large.terms)
    numbers, rows, counts = [number_of_row[held]], [new_row[large.rows[held]].astype(np.int32)], [large.counts[held]]
    lengths = large.lengths[keep].tolist()
    ids = large.ids[keep].tolist()
    for id, found in state.small_texts.items():
        numbers.append(np.array([terms.setdefault(term, len(terms)) for term in found], np.int32))
        rows.append(np.full(len(found), len(ids), dtype=np.int32))
        counts.append(np.array(list(found.values()), np.float32))
        ids.append(id.encode())
        lengths.append(sum(found.values()))
    return _sorted_part(np.array(ids, dtype="S" if ids else "S1"), terms, numbers, rows, counts, lengths)


def _mean_length(state: _State) -> float:
    count = len(state.large.ids) + len(state.small.ids)
    return float(state.large.lengths.sum() + state.small.lengths.sum()) / max(1, count) or 1.0


def _scores(part: _Part, weights: Mapping[str, float], mean_length: float) -> Floats:
    scores = np.zeros(len(part.ids), dtype=np.float32)
    for term, weight in weights.items():
        rows, counts = part.postings(term)
        if len(rows) and weight > 0:
            norm = K1 * (1 - B + B * part.lengths[rows] / mean_length)
            scores[rows] += weight * counts * (K1 + 1) / (counts + norm)
    return scores


def _best(part: _Part, scores: Floats, gone: frozenset[int], limit: int) -> list[tuple[str, float]]:
    if gone:
        scores[list(gone)] = 0.0
    above = np.flatnonzero(scores)
    if len(above) > limit:
        above = above[np.argpartition(-scores[above], limit - 1)[:limit]]
    return [(part.ids[row].decode(), float(scores[row])) for row in above]
