"""Is this anything the shop can help with? Several weak signs, one calibrated probability.

Signs of a text (higher: more likely in scope): BERT's energy (Liu et al. 2020: log-sum-exp of the logits), similarity
of the nearest training text, fused confidence, agreement of the members, the share the classes of no scope got,
GPT-2's mean log-likelihood of the text, where there is a GPT-2, the members' mean probability of the answer, similarity
of the nearest training text before fine-tuning, energy and similarity of a second BERT, similarity of a third encoder,
similarity and energy of the light one.
NaN: not asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble.calibration import Isotonic, log_sum_exp
from ensemble.combine import Scores
from ensemble.stacking import ColumnLogistic

# signs members give as they stand
MORE = (
    "nearest_pretrained",
    "energy_2",
    "nearest_2",
    "nearest_pretrained_2",  # nobody gives it any more; a stored scope knows its signs by their places
    "nearest_pretrained_3",
    "nearest_pretrained_light",
    "energy_light",
)
# what the nearest one would be without the text's own intent; known where texts are held out
ELSEWHERE = {
    "nearest_pretrained": "elsewhere",
    "nearest_pretrained_3": "elsewhere_3",
    "nearest_pretrained_light": "elsewhere_light",
}
# Fine-tuning draws the texts of an intent together and away from all others, also those it never saw. To tell a text
# whose intent is taken away by these is too easy.
LEARNT = ("energy", "nearest", "energy_2", "nearest_2", "energy_light")
SIGNS = ("energy", "nearest", "confidence", "agreement", "on_topic", "likelihood", "support", *MORE)


def signs(
    *,
    logits: NDArray[Any],
    nearest: NDArray[Any],
    fused: Scores,
    scores: Scores,
    off_topic: int | None,
    likelihood: NDArray[Any] | None = None,
    more: Mapping[str, NDArray[Any]] | None = None,
) -> Scores:
    """(signs, rows) from what the members said.

    Args:
        logits: (rows, classes) of the fine-tuned BERT.
        nearest: (rows,) cosine of the closest training text.
        fused: (rows, classes); scores: (members, rows, classes), NaN where not asked.
        off_topic: the class of out-of-scope texts, if it is trained; it does not count as something the shop serves.
        likelihood: (rows,) mean log-probability a token of the text under GPT-2.
        more: (rows,) each, by their names in MORE.
    """
    rows = len(fused)
    given = more or {}
    best = fused.argmax(axis=1)
    says = np.nan_to_num(scores, nan=-1.0).argmax(axis=2)  # (members, rows)
    silent = np.isnan(scores).all(axis=2)
    agreement = np.where(silent, np.nan, says == best)
    said = np.take_along_axis(scores, best[None, :, None], axis=2)[:, :, 0]  # (members, rows)
    on_topic = 1.0 - fused[:, off_topic] if off_topic is not None else np.full(rows, np.nan)
    return np.stack(
        [
            energy(logits, off_topic),
            np.asarray(nearest, dtype=float),
            fused.max(axis=1),
            np.nanmean(agreement, axis=0),
            on_topic,
            np.full(rows, np.nan) if likelihood is None else np.asarray(likelihood, dtype=float),
            np.nanmean(said, axis=0),
            *(np.asarray(given.get(name, np.full(rows, np.nan)), dtype=float) for name in MORE),
        ]
    )


def energy(logits: NDArray[Any], off_topic: int | None) -> Scores:
    """Log-sum-exp of the logits (rows, classes) of what the shop serves: (rows,)."""
    served = np.delete(np.asarray(logits, dtype=float), off_topic, axis=1) if off_topic is not None else logits
    return log_sum_exp(served)


@dataclass(frozen=True)
class Scope:
    """signs (signs, rows) -> probability of being in scope (rows,); below `threshold` a text counts as out of scope."""

    meta: ColumnLogistic
    curve: Isotonic
    threshold: float

    def __call__(self, given: Scores) -> Scores:
        # signs are only ever added at the end: a model of earlier days knows the first ones
        raw = self.meta(given[: len(self.meta.means)])
        # the curve has flat pieces; a thousandth of the raw score keeps the order within them
        return np.asarray(0.999 * self.curve(raw) + 0.001 * raw)

    @classmethod
    def fit(cls, given: Scores, in_scope: NDArray[np.bool_], *, keep: float = 0.97, rarer: float = 1.0) -> "Scope":
        """Fit on held-out texts of both kinds.

        Args:
            rarer: how often an off-topic text comes for each that is given (they are held out more often than others).
            keep: at least this share of the in-scope texts stays above the threshold.

        Raises:
            ValueError: only one kind of text.
        """
        wanted = np.asarray(in_scope, dtype=bool)
        if wanted.all() or not wanted.any():
            raise ValueError("scope needs held-out texts of both kinds, in scope and off topic")
        # rare off-topic texts count as much as the many others, else the safest answer is always "in scope"
        balance = np.where(wanted, 0.5 / wanted.mean(), 0.5 / (1 - wanted.mean()))
        meta = ColumnLogistic.fit(given, wanted, sample_weight=balance)
        raw = meta(given)
        known = cls(meta, Isotonic.fit(raw, wanted, floor=0.005, weight=np.where(wanted, 1.0, rarer)), 0.5)
        return replace(known, threshold=float(_threshold(known(given), wanted, keep)))

    @classmethod
    def fit_without(cls, known: Scores, absent: Scores, worth: Callable[[NDArray[np.bool_]], float]) -> "Scope":
        """Fit where nobody gave a text that is out of scope: on held-out texts as they are, and the same ones as if
        their own intent did not exist.

        Args:
            known: (signs, rows); absent: the same.
            worth: what it is worth to answer these (2 * rows,) texts, known ones first; the threshold makes it largest.
        """
        given = np.concatenate([known, absent], axis=1)
        given[[SIGNS.index(name) for name in LEARNT]] = np.nan
        fitted = cls.fit(given, np.arange(given.shape[1]) < known.shape[1])
        chances = fitted(given)
        limits = np.unique(np.quantile(chances, np.linspace(0.0, 0.99, 100)))
        return replace(fitted, threshold=float(max(limits, key=lambda limit: worth(chances >= limit))))

    def to_json(self) -> dict[str, Any]:
        return {"meta": self.meta.to_json(), "curve": self.curve.to_json(), "threshold": self.threshold}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Scope":
        return cls(ColumnLogistic.from_json(data["meta"]), Isotonic.from_json(data["curve"]), float(data["threshold"]))


def _threshold(probabilities: Scores, in_scope: NDArray[np.bool_], keep: float) -> float:
    """The highest threshold (at most one half) that keeps the wanted share of in-scope texts."""
    inside = np.sort(probabilities[in_scope])
    place = int(np.floor((1 - keep) * len(inside)))
    return float(min(0.5, inside[place]))
