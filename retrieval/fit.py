"""Fit the weights of the hybrid on labelled questions: a logistic model of question and candidate, and a threshold.

The questions lie beside this file (`calibration.jsonl`, written by us, about the demo shop's documents; `topic` null
marks those without an answer). None of them is in a benchmark.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from retrieval.encoder import Encoder
from retrieval.hybrid import FEATURES, Array, Hybrid, Weights

QUESTIONS = Path(__file__).parent / "calibration.jsonl"
MOST_ANSWERED = 0.02  # of the questions without an answer


@dataclass(frozen=True)
class Question:
    """`right`: the items that answer; none for a question without an answer."""

    text: str
    right: frozenset[str]


def read_questions(ids_of_topic: Mapping[str, Sequence[str]], path: Path = QUESTIONS) -> list[Question]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    known = [row for row in rows if row["topic"] is None or row["topic"] in ids_of_topic]
    return [Question(row["question"], frozenset(ids_of_topic.get(row["topic"], ()))) for row in known]


def fitted(side: Hybrid, questions: Sequence[Question], encoder: Encoder, *, strength: float = 1.0) -> Weights:
    """`side.weights` with fitted weights and threshold; weights are never negative (more likeness is never worse)."""
    blocks, labels = [], []
    for question in questions:
        ids, features, _, _ = side.weighed(question.text, encoder.encode_queries([question.text])[0])
        order = np.argsort(-features[:, FEATURES.index("ranks")])[:20]
        blocks.append(features[order])
        labels.append(np.array([ids[row] in question.right for row in order]))
    rows, truth = np.concatenate(blocks), np.concatenate(labels)
    weights = _not_negative(rows, truth, strength)
    made = replace(side.weights, **{name: float(w) for name, w in zip(FEATURES, weights[:-1], strict=True)})
    made = replace(made, bias=float(weights[-1]))
    return replace(made, threshold=threshold(made, blocks, [bool(q.right) for q in questions]))


def threshold(weights: Weights, blocks: Sequence[Array], answerable: Sequence[bool]) -> float:
    """The lowest that lets at most MOST_ANSWERED of the unanswerable through."""
    best = np.array([float((1 / (1 + np.exp(-(b @ weights.vector() + weights.bias)))).max()) for b in blocks])
    without = np.sort(best[~np.asarray(answerable)])[::-1]
    if not len(without):
        return weights.threshold
    allowed = int(MOST_ANSWERED * len(without))
    return float(min(0.95, without[allowed] + 0.01))


def _not_negative(rows: Array, truth: Any, strength: float) -> Array:
    """Logistic regression; features that come out negative are left out and the rest fitted again."""
    kept = list(range(rows.shape[1]))
    while True:
        model = LogisticRegression(C=strength, max_iter=1000).fit(rows[:, kept], truth)
        if (model.coef_[0] >= 0).all() or len(kept) == 1:
            break
        kept = [feature for feature, weight in zip(kept, model.coef_[0], strict=True) if weight >= 0]
    out = np.zeros(rows.shape[1] + 1)
    out[kept] = np.maximum(model.coef_[0], 0)
    out[-1] = float(model.intercept_[0])
    return out
