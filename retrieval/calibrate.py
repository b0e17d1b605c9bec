"""Fit the hybrid's weights to an encoder and a shop, without anybody's labels.

The scale of cosines is measured on pairs that have nothing to do with each other; the threshold is set so that
questions whose own passage was taken out of the index are nearly never answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from retrieval.encoder import Rows
from retrieval.hybrid import Weights

PAIRS = 2000
ENOUGH = 40  # headings from which a random pair is nearly always unrelated
LEAST_SPREAD = 0.12  # of what lies between the floor and 1: an encoder never tells unrelated texts apart better

PRODUCTS = Weights(dense=0.5, heading=0.6, lexical=1.5, title=2.5, ranks=1.0, bias=-3.8, threshold=0.5)
# Fitted by `retrieval.fit` on calibration.jsonl (C = 0.03); the threshold is lower than the fitted 0.37: of held-out
# questions of the shop 56 % instead of 44 % find an answer, of questions without one 10 % instead of 6.5 %.
PASSAGES = Weights(
    dense=0.135, heading=0.752, lexical=0.291, title=0.369, ranks=0.317, best=0.518, bias=-4.71, threshold=0.3
)


@dataclass(frozen=True)
class Fitted:
    products: Weights
    passages: Weights
    metrics: dict[str, Any] = field(default_factory=dict)


def calibrated(product_rows: Mapping[str, Rows], passage_rows: Mapping[str, Rows]) -> Fitted:
    """Weights of both kinds on this encoder's scale."""
    products = _scaled(PRODUCTS, product_rows, passage_rows)
    passages = _scaled(PASSAGES, passage_rows, product_rows)
    return Fitted(products, passages, {"products": products.to_json(), "passages": passages.to_json()})


def _scaled(weights: Weights, rows: Mapping[str, Rows], others: Mapping[str, Rows]) -> Weights:
    """Headings, put like questions, against texts at random; of few items too many pairs would belong together, so
    their headings are held against the texts of the other kind."""
    headings = [row for name, row in rows.items() if name.endswith("|h")]
    against = rows if len(headings) >= ENOUGH else others
    texts = [row for name, row in against.items() if name.endswith("|b")]
    return on_scale(weights, np.stack(headings), np.stack(texts)) if headings and texts else weights


def on_scale(weights: Weights, queries: Rows, rows: Rows) -> Weights:
    """`weights` with the floor and spread of cosines between queries and rows drawn at random.

    The median and the quartiles are used: a few pairs of any sample do belong together.
    """
    if not len(queries) or not len(rows):
        return weights
    generator = np.random.default_rng(0)
    chosen = queries[generator.integers(0, len(queries), PAIRS)]
    cosines = (chosen * rows[generator.integers(0, len(rows), PAIRS)]).sum(axis=1)
    low, middle, high = np.percentile(cosines, [25, 50, 75])
    return replace(
        weights, floor=float(middle), spread=max(float(high - low) / 1.349, LEAST_SPREAD * (1 - float(middle)))
    )
