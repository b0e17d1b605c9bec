"""From a probability to a band, by what decisions cost: the band whose expected cost is least.

low      the fraud's loss:                              p x loss
review   the review, and an honest customer asked:      review + (1 - p) x insult
high     an honest customer refused for now:            (1 - p) x block
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actions.risk.types import Band


@dataclass(frozen=True)
class Costs:
    """The cost table, minor units; `loss_percent` of the amount is lost to a fraud that goes through."""

    loss_percent: float
    review: float
    insult: float
    block: float

    def of(self, band: Band, probability: float, amount_minor: float) -> float:
        """Expected cost of a band."""
        if band == "low":
            return probability * amount_minor * self.loss_percent / 100
        if band == "review":
            return self.review + (1 - probability) * self.insult
        return (1 - probability) * self.block

    def band(self, probability: float, amount_minor: float) -> Band:
        """The cheapest band; a tie goes to the milder one."""
        bands: tuple[Band, ...] = ("low", "review", "high")
        # high stops a customer for a person anyway, so it has to be worth it for this amount at all
        costs = {band: self.of(band, probability, amount_minor) for band in bands}
        if costs["low"] <= min(costs["review"], costs["high"]):
            return "low"
        return "review" if costs["review"] <= costs["high"] else "high"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Costs":
        return cls(*(float(data[name]) for name in ("loss_percent", "review", "insult", "block")))


STRICTNESS: Mapping[Band, int] = {"low": 0, "review": 1, "high": 2}


def stricter(one: Band, other: Band) -> Band:
    return one if STRICTNESS[one] >= STRICTNESS[other] else other
