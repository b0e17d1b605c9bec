"""The re-ranker: one setting trades accuracy for coverage, novelty and an evener catalogue.

What many have done gives way, by a strength times how many: 0 ranks by score alone.
"""

from typing import Any

import numpy as np

from actions.recommendation.interactions import Interactions

Array = np.ndarray[Any, np.dtype[Any]]


def weight_of_many(data: Interactions) -> Array:
    """(items,) the logarithm of how often each was taken, in standard deviations."""
    seen = np.log1p(np.bincount(data.item, minlength=len(data.items)))
    out: Array = seen / max(float(seen.std()), 1e-9)
    return out


def spread_out(scores: Array, many: Array, strength: float) -> Array:
    """
    Args:
        scores: (askers, items) or (items,); -inf stays.
        many: (items,) of `weight_of_many`.
    """
    return scores if strength == 0 else scores - strength * many
