"""The hybrid: gradient-boosted trees (LambdaMART) over what the members say and what is known of customer and product.

It re-ranks the fusion's best; its training cases are never those the fusion's weights are fitted on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from actions.recommendation.fusion import Array
from actions.recommendation.interactions import DAY, Asker

CANDIDATES = 120  # of the fusion; the trees see no others


@dataclass(frozen=True)
class Products:
    """What the trees know of each product, all (items,): lowest price, category number, days since it was added."""

    price: Array
    shelf: Array
    repeatable: Array


class Ranker:
    """`fit` on cases, `rescored` when asked."""

    name: ClassVar[str] = "ranker"

    def __init__(self, products: Products, *, rounds: int = 120) -> None:
        self.products = products
        self.rounds = rounds

    def fit(self, even: Array, fused: Array, askers: Sequence[Asker], targets: Sequence[frozenset[int]]) -> "Ranker":
        """
        Args:
            even: (members, askers, items) standardised scores; fused: (askers, items).
        """
        return self.fit_cases((even[:, row], fused[row], *case) for row, case in enumerate(_pairs(askers, targets)))

    def fit_cases(self, cases: Iterable[tuple[Array, Array, Asker, frozenset[int]]]) -> "Ranker":
        """As `fit`, one case at a time: (members, items) scores, (items,) fused, who asks, what they took."""
        import lightgbm

        rows, labels, groups = [], [], []
        for even, fused, asker, wanted in cases:
            chosen = candidates(fused)
            hit = np.isin(chosen, list(wanted))
            if not hit.any():
                continue
            rows.append(self.features(even, fused, asker, chosen))
            labels.append(hit.astype(int))
            groups.append(len(chosen))
        self.booster_ = None
        if len(groups) < 50:
            return self  # too few cases to learn an order from; the fusion stands
        self.booster_ = lightgbm.train(
            {
                "objective": "lambdarank",
                "num_leaves": 15,
                "learning_rate": 0.06,
                "min_data_in_leaf": 60,
                "feature_fraction": 0.8,
                "lambda_l2": 5.0,
                "lambdarank_truncation_level": 15,
                "verbosity": -1,
                "num_threads": 1,
                "seed": 0,
                "deterministic": True,
            },
            lightgbm.Dataset(np.concatenate(rows), np.concatenate(labels), group=groups),
            num_boost_round=self.rounds,
        )
        return self

    def rescored(self, even: Array, fused: Array, asker: Asker) -> Array:
        """(items,) the trees' scores of the fusion's candidates, NaN elsewhere.

        Args:
            even: (members, items); fused: (items,).
        """
        out = np.full(len(fused), np.nan)
        if self.booster_ is not None:
            chosen = candidates(fused)
            known = chosen[chosen < len(self.products.price)]
            if len(known):
                out[known] = self.booster_.predict(self.features(even, fused, asker, known), num_threads=1)
        return out

    def features(self, even: Array, fused: Array, asker: Asker, chosen: Array) -> Array:
        """(chosen, features): members' scores, the fusion's, rank, price against the customer's, shelf, own past."""
        prices = self.products.price[asker.items]
        usual = np.log(np.median(prices[prices > 0])) if (prices > 0).any() else np.nan
        age = (asker.now - asker.at) / DAY
        own_shelf = np.bincount(self.products.shelf[asker.items], weights=0.5 ** (age / 30), minlength=1)
        shelf = self.products.shelf[chosen]
        share = np.where(shelf < len(own_shelf), own_shelf[np.minimum(shelf, len(own_shelf) - 1)], 0.0)
        own = chosen[:, None] == asker.items[None]  # (chosen, events)
        times = own.sum(axis=1)
        last = np.where(own, age[None], np.inf).min(axis=1, initial=np.inf)
        last = np.where(times > 0, last, np.nan)
        price = np.log(np.maximum(self.products.price[chosen], 1))
        return np.column_stack(
            [
                even[:, chosen].T,
                fused[chosen],
                np.arange(len(chosen)),
                price,
                price - usual,
                share / max(own_shelf.sum(), 1e-9),
                last,
                times,
                self.products.repeatable[chosen],
                np.full(len(chosen), len(asker.items)),
            ]
        )

    def text(self) -> str:
        """The trees as LightGBM's own text; empty when there are none."""
        return str(self.booster_.model_to_string()) if self.booster_ is not None else ""

    def arrays(self) -> dict[str, Any]:
        return {
            "trees": np.frombuffer(self.text().encode(), dtype=np.uint8),
            "price": self.products.price,
            "shelf": self.products.shelf,
            "repeatable": self.products.repeatable,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "Ranker":
        ranker = cls(Products(arrays["price"], arrays["shelf"], arrays["repeatable"]))
        text = arrays["trees"].tobytes().decode()
        ranker.booster_ = None
        if text:
            import lightgbm

            ranker.booster_ = lightgbm.Booster(model_str=text)
        return ranker


def _pairs(askers: Sequence[Asker], targets: Sequence[frozenset[int]]) -> Iterable[tuple[Asker, frozenset[int]]]:
    return zip(askers, targets, strict=True)


def candidates(fused: Array) -> Array:
    """Numbers of the best CANDIDATES, best first; what may not be shown (-inf) is none."""
    count = min(CANDIDATES, int(np.isfinite(fused).sum()))
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    top = np.argpartition(-fused, count - 1)[:count]
    return np.asarray(top[np.argsort(-fused[top], kind="stable")])


def blended(fused: Array, rescored: Array, weight: float) -> Array:
    """(items,) the fusion's scores moved by the trees'; only candidates gain, so the rest stays below them."""
    known = ~np.isnan(rescored)
    if not known.any() or weight == 0:
        return fused
    trees = rescored[known]
    trees = (trees - trees.mean()) / max(float(trees.std()), 1e-9)
    out = fused - 100.0  # below every candidate
    out[known] = fused[known] + weight * trees
    return out
