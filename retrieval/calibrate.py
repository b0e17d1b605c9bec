"""Fit the hybrid's weights to an encoder and a shop, without anybody's labels.

The scale of cosines is measured on pairs that have nothing to do with each other; the threshold is set so that
questions whose own passage was taken out of the index are nearly never answered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from retrieval.documents import Passage, Product
from retrieval.encoder import Encoder, Rows
from retrieval.hybrid import Weights

PAIRS = 2000
LEAST_SPREAD = 0.01

PRODUCTS = Weights(dense=0.9, lexical=1.5, coverage=1.5, title=2.0, ranks=1.0, bias=-3.6, threshold=0.5)
PASSAGES = Weights(dense=1.0, lexical=2.0, coverage=1.0, title=1.5, ranks=1.0, bias=-4.4, threshold=0.5)


@dataclass(frozen=True)
class Fitted:
    products: Weights
    passages: Weights
    metrics: dict[str, Any] = field(default_factory=dict)


def calibrated(
    products: Sequence[Product],
    passages: Sequence[Passage],
    product_rows: Sequence[tuple[str, Rows]],
    passage_rows: Rows,
    encoder: Encoder,
) -> Fitted:
    """Weights of both kinds on this encoder's scale."""
    titles = list(dict.fromkeys(passage.title for passage in passages))[:200]
    names = [product.name("en") for product in products][:200]
    fitted_passages = on_scale(PASSAGES, encoder.encode_queries(titles), passage_rows)
    rows = np.stack([row for _, row in product_rows]) if product_rows else passage_rows[:0]
    fitted_products = on_scale(PRODUCTS, encoder.encode_queries(names), rows)
    return Fitted(
        fitted_products,
        fitted_passages,
        {"products": fitted_products.to_json(), "passages": fitted_passages.to_json()},
    )


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
    return replace(weights, floor=float(middle), spread=max(float(high - low) / 1.349, LEAST_SPREAD))
