"""A contextual bandit over fusion weights: Thompson sampling that learns from clicks. Off by default.

Arms are ways to lean the fitted weights. For each context (who asks, where) an arm's click rate has a Beta posterior;
the arm whose drawn rate is highest is used, and the probability that it was is logged beside the list, so that clicks
can be weighed back (inverse propensity, Horvitz and Thompson 1952) when another policy is judged on these logs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

# how an arm leans the weights: member -> factor; the first is what training fitted
ARMS: Mapping[str, Mapping[str, float]] = {
    "fitted": {},
    "alike": {"content": 2.0, "together": 2.0},
    "taste": {"sequence": 2.0, "neighbours": 2.0, "ease": 2.0, "factors": 2.0},
    "popular": {"popularity": 2.0, "shelf": 2.0},
}
PRIOR = (1.0, 9.0)  # clicks and shown without a click, before anything was seen
DRAWS = 2000  # for the propensity


@dataclass(frozen=True)
class Draw:
    """The arm of one list and how likely it was to be drawn."""

    arm: str
    propensity: float


@dataclass(frozen=True)
class Outcome:
    """Products shown with an arm in a context, and how many of them were clicked."""

    group: str
    kind: str
    arm: str
    shown: int
    clicked: int


NO_BANDIT = Draw("fitted", 1.0)


class Bandit:
    """`update` replaces what is known (a new dictionary, so asking threads never see half of it)."""

    def __init__(self, *, seed: int | None = None) -> None:
        self._generator = np.random.default_rng(seed)
        self._seen: Mapping[tuple[str, str, str], tuple[int, int]] = {}

    def update(self, outcomes: Iterable[Outcome]) -> None:
        self._seen = {(one.group, one.kind, one.arm): (one.shown, one.clicked) for one in outcomes}

    def draw(self, group: str, kind: str) -> Draw:
        """One arm, by Thompson sampling, with its probability."""
        names = list(ARMS)
        clicks, missed = np.array([self._posterior(group, kind, arm) for arm in names]).T
        rates = self._generator.beta(clicks, missed, size=(DRAWS + 1, len(names)))  # (draws, arms)
        best = rates.argmax(axis=1)
        chosen = int(best[0])
        # counted over all draws, the one taken included: never zero, so weights stay finite
        return Draw(names[chosen], float((best == chosen).mean()))

    def _posterior(self, group: str, kind: str, arm: str) -> tuple[float, float]:
        shown, clicked = self._seen.get((group, kind, arm), (0, 0))
        return PRIOR[0] + clicked, PRIOR[1] + max(0, shown - clicked)


def leaning(arm: str, members: Iterable[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(members,) the arm's factors."""
    factors = ARMS.get(arm, {})
    return np.array([factors.get(name, 1.0) for name in members])
