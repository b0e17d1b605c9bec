"""The sentence of a passage that answers: nearest to the question in meaning and words, with its neighbour if short."""

import threading
from collections import OrderedDict

import numpy as np

from retrieval.documents import Passage, sentences
from retrieval.encoder import Encoder, Rows
from retrieval.hybrid import Weights
from retrieval.lexical import is_han, tokens

WHOLE_UP_TO = 220  # a text this short is an answer as it is
KEPT_ROWS = 4096
SHARED_WORDS = 0.15  # what sharing every word of the question is worth beside a cosine


class Extractor:
    """Keeps the rows of sentences it has seen: help documents are asked about again and again."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._rows: OrderedDict[str, Rows] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, passage: Passage, question: str, row: Rows) -> str:
        """One or two sentences of the passage, word for word."""
        parts = sentences(passage.text)
        whole = " ".join(parts) if passage.language != "zh" else "".join(parts)
        if len(whole) <= WHOLE_UP_TO or len(parts) < 3:
            return whole
        scores = self._scores(parts, question, row)
        best = int(scores.argmax())
        after = best + 1
        joined = parts[best]
        if after < len(parts) and len(joined) < WHOLE_UP_TO / 2:
            joined += ("" if passage.language == "zh" else " ") + parts[after]
        return joined

    def from_text(self, text: str, question: str, weights: Weights) -> str | None:
        """The sentence nearest to the question, or None when even that is as far as unrelated texts may be."""
        parts = sentences(text)
        if not parts:
            return None
        row = self.encoder.encode_queries([question])[0]
        near = self._sentence_rows(parts) @ row
        best = int(near.argmax())
        shared = set(tokens(question)) & set(tokens(parts[best]))
        floor, spread = weights.scale(is_han(question), is_han(parts[best]))
        far_enough = (near[best] - floor) / spread
        return parts[best] if shared and far_enough > 2.5 else None

    def _scores(self, parts: list[str], question: str, row: Rows) -> np.ndarray:
        asked = set(tokens(question))
        shared = np.array([len(asked & set(tokens(part))) / max(1, len(asked)) for part in parts])
        return self._sentence_rows(parts) @ row + SHARED_WORDS * shared

    def _sentence_rows(self, parts: list[str]) -> Rows:
        with self._lock:
            known = {part: self._rows[part] for part in parts if part in self._rows}
        missing = list(dict.fromkeys(part for part in parts if part not in known))
        fresh = dict(zip(missing, self.encoder.encode_passages(missing), strict=True))
        with self._lock:
            self._rows.update(fresh)
            while len(self._rows) > KEPT_ROWS:
                self._rows.popitem(last=False)
        rows = {**known, **fresh}
        return np.stack([rows[part] for part in parts])
