"""Measures of rankings and of recommendation lists: plain functions over ids, relevance by id.

Accuracy: `ndcg`, `reciprocal_rank`, `recall`, `precision`, `hit`, `average_precision`. Beside it: `coverage`,
`intra_list_diversity`, `novelty`, `gini`. A mean over queries comes with a bootstrap interval from `interval`.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def ndcg(ranked: Sequence[str], gains: Mapping[str, float], k: int, *, exponential: bool = False) -> float:
    """Normalised discounted cumulative gain at `k` (Järvelin and Kekäläinen 2002); 0 when nothing is relevant.

    Args:
        gains: graded relevance by id; absent ids have 0.
        exponential: gain 2^g - 1 instead of g.
    """
    of = {id: (2**gain - 1 if exponential else gain) for id, gain in gains.items()}
    discounts = 1 / np.log2(np.arange(2, k + 2))
    got = np.array([of.get(id, 0.0) for id in ranked[:k]])
    best = np.array(sorted(of.values(), reverse=True)[:k])
    ideal = float((best * discounts[: len(best)]).sum())
    return float((got * discounts[: len(got)]).sum()) / ideal if ideal > 0 else 0.0


def judged_only(ranked: Sequence[str], judged: Collection[str]) -> list[str]:
    """The ranking without ids nobody judged (condensed list, Sakai 2007)."""
    known = set(judged)
    return [id for id in ranked if id in known]


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str]) -> float:
    return next((1 / rank for rank, id in enumerate(ranked, 1) if id in relevant), 0.0)


def recall(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    return len(set(ranked[:k]) & set(relevant)) / len(relevant) if relevant else 0.0


def precision(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    return len(set(ranked[:k]) & set(relevant)) / k


def hit(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    return float(any(id in relevant for id in ranked[:k]))


def average_precision(ranked: Sequence[str], relevant: Collection[str]) -> float:
    found = 0
    total = 0.0
    for rank, id in enumerate(ranked, 1):
        if id in relevant:
            found += 1
            total += found / rank
    return total / len(relevant) if relevant else 0.0


def coverage(lists: Sequence[Sequence[Any]], catalogue_size: int) -> float:
    """Share of the catalogue that appears in at least one list."""
    return len({item for ranked in lists for item in ranked}) / catalogue_size


def intra_list_diversity(rows: Array) -> float:
    """Mean of 1 - cosine over the pairs of one list.

    Args:
        rows: (items, dimension) unit rows.
    """
    count = len(rows)
    if count < 2:
        return 0.0
    alike = rows @ rows.T
    return float(1 - (alike.sum() - np.trace(alike)) / (count * (count - 1)))


def novelty(lists: Sequence[Sequence[Any]], popularity: Mapping[Any, float]) -> float:
    """Mean self-information, -log2 of the share of customers who know an item (Castells et al. 2011)."""
    bits = [-np.log2(max(popularity.get(item, 0.0), 1e-9)) for ranked in lists for item in ranked]
    return float(np.mean(bits)) if bits else 0.0


def gini(lists: Sequence[Sequence[Any]], catalogue_size: int) -> float:
    """How unequally items are shown: 0 all alike, 1 one item only. Items never shown count."""
    shown = Counter(item for ranked in lists for item in ranked)
    counts = np.sort(np.array([0] * (catalogue_size - len(shown)) + list(shown.values()), dtype=float))
    if counts.sum() == 0:
        return 0.0
    ranks = np.arange(1, len(counts) + 1)
    return float((2 * ranks - len(counts) - 1) @ counts / (len(counts) * counts.sum()))


def interval(values: Sequence[float], *, seed: int = 0, rounds: int = 1000) -> tuple[float, float, float]:
    """(mean, low, high): a 95 % bootstrap interval over queries or customers."""
    array = np.asarray(values, dtype=float)
    if not len(array):
        return 0.0, 0.0, 0.0
    generator = np.random.default_rng(seed)
    means = np.array([array[generator.integers(0, len(array), len(array))].mean() for _ in range(rounds)])
    low, high = np.percentile(means, [2.5, 97.5])
    return float(array.mean()), float(low), float(high)
