"""Fit the hybrid's weights to an encoder and a shop, without anybody's labels.

What fusing weighs was fitted on our own labelled questions (`retrieval.fit` writes fitted.json). The scale of cosines
is measured here, on pairs that have nothing to do with each other, for each pair of languages: for passages the
questions that no shop's help answers against the texts; for products their names against texts at random. (A help
centre's own headings may all be alike, "Can I return a product if ...": held against its own texts they made everything
look unrelated, and of paraphrases of a public FAQ 11 % were answered instead of 77 %.)
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.encoder import Encoder, Rows, as_headings
from retrieval.hybrid import Known, Scales, Weights
from retrieval.lexical import is_han

FITTED = Path(__file__).parent / "fitted.json"
QUESTIONS = Path(__file__).parent / "calibration.jsonl"
PAIRS = 2000
ENOUGH = 40  # headings from which a random pair is nearly always unrelated
LEAST_SPREAD = 0.02  # of what lies between the floor and 1: an encoder never tells unrelated texts apart better


@dataclass(frozen=True)
class Fitted:
    products: Weights
    passages: Weights
    metrics: dict[str, Any] = field(default_factory=dict)


def calibrated(
    product_rows: Mapping[str, Rows], passage_rows: Mapping[str, Rows], known: Known, encoder_name: str = ""
) -> Fitted:
    """Weights of both kinds on this encoder's scale."""
    products = _scaled(product_weights(), _by_language(product_rows, "h"), product_rows, passage_rows)
    passages = _scaled(passage_weights(encoder_name), _unanswered(known), passage_rows, product_rows)
    shown = {"products": replace(products, asked=()), "passages": replace(passages, asked=())}
    return Fitted(products, passages, {kind: weights.to_json() for kind, weights in shown.items()})


def product_weights() -> Weights:
    return Weights.from_json(json.loads(FITTED.read_text(encoding="utf-8"))["products"])


def passage_weights(encoder_name: str) -> Weights:
    """The fitted ones; what the question's own row says counts only with the encoder it was learnt on."""
    fitted = json.loads(FITTED.read_text(encoding="utf-8"))
    held = fitted["with_question"].get(encoder_name, fitted["any_encoder"])
    return Weights.from_json({name: value for name, value in held.items() if name != "out_of_fold"})


def known_questions(encoder: Encoder) -> Known:
    """Our own questions, encoded: those that no shop's help answers, and those that help usually does."""
    rows = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines() if line.strip()]
    texts = [row["question"] for row in rows]
    return Known(
        as_headings(encoder.encode_queries(texts)),
        np.array([is_han(text) for text in texts]),
        np.array([row["topic"] is not None for row in rows]),
        tuple(row["topic"] or "" for row in rows),
    )


def _scaled(
    weights: Weights, asked: Mapping[str, list[Rows]], rows: Mapping[str, Rows], others: Mapping[str, Rows]
) -> Weights:
    """What is asked, put like questions, against texts at random; of few items too many pairs would belong together, so
    their headings are held against the texts of the other kind."""
    texts = _by_language(rows, "b")
    if sum(map(len, asked.values())) < ENOUGH:
        texts = _by_language(others, "b")
    every = scale_of([r for held in asked.values() for r in held], [r for held in texts.values() for r in held])
    if every is None:
        return weights
    scales: Scales = tuple(scale_of(asked[a], texts[b]) or every for a in ("en", "zh") for b in ("en", "zh"))
    return replace(weights, floor=scales[0][0], spread=scales[0][1], scales=scales)


def _unanswered(known: Known) -> dict[str, list[Rows]]:
    """Rows of the known questions without an answer, by language."""
    return {name: list(known.rows[~known.answered & (known.han == han)]) for name, han in (("en", False), ("zh", True))}


def _by_language(rows: Mapping[str, Rows], part: str) -> dict[str, list[Rows]]:
    held: dict[str, list[Rows]] = {"en": [], "zh": []}
    for name, row in rows.items():
        _, language, own = name.rsplit("|", 2)
        if own == part:
            held["zh" if language == "zh" else "en"].append(row)
    return held


def scale_of(headings: Sequence[Rows], texts: Sequence[Rows]) -> tuple[float, float] | None:
    """(floor, spread) of the cosines of headings, as questions, and texts drawn at random; None when there are none.

    The median and the quartiles are used: a few pairs of any sample do belong together.
    """
    if not headings or not texts:
        return None
    generator = np.random.default_rng(0)
    asked = as_headings(np.stack([headings[n] for n in generator.integers(0, len(headings), PAIRS)]))
    held = np.stack([texts[n] for n in generator.integers(0, len(texts), PAIRS)])
    low, middle, high = np.percentile((asked * held).sum(axis=1), [25, 50, 75])
    return float(middle), max(float(high - low) / 1.349, LEAST_SPREAD * (1 - float(middle)))
