"""An encoder by construction: one axis a concept, whatever the language, so the right ranking is plain to see."""

from collections.abc import Sequence

import numpy as np

CONCEPTS = {
    "tent": ("tent", "帐篷"),
    "shoe": ("shoe", "shoes", "boot", "鞋"),
    "running": ("running", "runner", "跑"),
    "return": ("return", "send back", "退货"),
    "pay": ("pay", "payment", "支付", "付款"),
    "deliver": ("deliver", "delivery", "parcel", "配送"),
    "rack": ("rack", "架"),
    "warm": ("warm", "winter", "保暖", "冬"),
}


class KeywordEncoder:
    """Unit rows over the concepts a text names, and a last axis for texts that name none."""

    name = "keywords"
    dimension = len(CONCEPTS) + 1

    def __init__(self) -> None:
        self.encoded = 0

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self._rows(texts)

    def encode_passages(self, texts: Sequence[str]) -> np.ndarray:
        self.encoded += len(texts)
        return self._rows(texts)

    def _rows(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            said = text.lower()
            for axis, words in enumerate(CONCEPTS.values()):
                row[axis] = sum(said.count(word) for word in words)
            if not row.any():
                row[-1] = 1.0
            row /= np.linalg.norm(row)
        return rows
