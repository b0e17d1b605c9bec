"""Members' scores into one ranking: average, weighted, rank fusion, vote; weights by who asks and where.

Members score on their own scales (log counts, cosines, logits), so each row is first brought to zero mean and unit
spread over the products the member has an opinion on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ensemble import combine

FUSIONS = ("average", "weighted", "rank", "vote")
GROUPS = ("new", "few", "regular")
FEW_EVENTS = 10  # below it a customer is "few"
HIGH = 60  # best of each member among which weights are searched
LED = 0.2  # weight of the others where the search starts from the best member
LOWEST = -4.0  # deviations
BENT = 2.0  # deviations above which scores grow as their logarithm

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Weights:
    """A weight a member, for each group of customers and, where it differs, each place."""

    members: tuple[str, ...]
    by_group: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    by_kind: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # kind -> member -> factor

    def of(self, group: str, kind: str = "chat") -> Array:
        """(members,)"""
        base: Array = np.array(self.by_group.get(group) or (1.0,) * len(self.members), dtype=float)
        factors = self.by_kind.get(kind, {})
        weights: Array = base * np.array([factors.get(name, 1.0) for name in self.members])
        return weights

    def to_json(self) -> dict[str, Any]:
        return {
            "members": list(self.members),
            "by_group": {group: list(weights) for group, weights in self.by_group.items()},
            "by_kind": {kind: dict(factors) for kind, factors in self.by_kind.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Weights":
        groups = {group: tuple(weights) for group, weights in data["by_group"].items()}
        return cls(tuple(data["members"]), groups, data.get("by_kind", {}))


# what a place asks for: "similar" is a question of likeness, "together" of what is bought with it
KINDS: Mapping[str, Mapping[str, float]] = {
    "similar": {"content": 8.0, "popularity": 0.1, "shelf": 0.5, "together": 0.0},
    "together": {
        "together": 10.0,
        "content": 0.0,
        "shelf": 0.0,
        "popularity": 0.2,
        "neighbours": 0.3,
        "ease": 0.3,
        "factors": 0.3,
    },
    "cart": {"together": 4.0, "content": 0.3},
    "after_purchase": {"together": 4.0, "content": 0.2, "shelf": 0.5},
}


def group_of(events: int) -> str:
    """new: nothing known; few: under ten events; regular."""
    return "new" if events == 0 else ("few" if events < FEW_EVENTS else "regular")


def standardised(scores: Array) -> Array:
    """(members, rows, items): zero mean and unit deviation of each row, above `BENT` the logarithm; NaN stays.

    Scores that are zero but for a few products put those many deviations up: the logarithm lets them lead without
    drowning the other members, and keeps their order, which a cut would not.
    """
    out = np.full(scores.shape, np.nan, dtype=np.float32)
    for member, block in enumerate(scores):
        silent = np.isnan(block)
        if silent.any():
            heard = ~silent.all(axis=1)
            if not heard.any():
                continue
            part = block[heard]
            mean = np.nanmean(part, axis=1, keepdims=True)
            spread = np.nanstd(part, axis=1, keepdims=True)
        else:
            heard, part = np.ones(len(block), dtype=bool), block
            mean = part.mean(axis=1, keepdims=True)
            # one pass instead of three: this is the busiest line of an answer
            squares = np.einsum("ij,ij->i", part, part)[:, None] / part.shape[1]
            spread = np.sqrt(np.maximum(squares - mean**2, 0))
        deviations = (part - mean) / np.maximum(spread, 1e-9)
        high = np.nonzero(deviations > BENT)
        deviations[high] = BENT * (1 + np.log(deviations[high] / BENT))
        out[member, heard] = np.maximum(deviations, LOWEST)
    return out


def fuse(kind: str, scores: Array, weights: Array | None = None) -> Array:
    """(members, rows, items) -> (rows, items); items nobody has an opinion on are -inf.

    Raises:
        ValueError: an unknown fusion.
    """
    if kind not in FUSIONS:
        raise ValueError(f"fusion {kind!r} is none of {', '.join(FUSIONS)}")
    given_weights = np.ones(len(scores)) if weights is None else np.asarray(weights)
    missing = np.isnan(scores)
    if not missing.any():
        return _FUSE[kind](scores, given_weights)
    silent: Any = missing.all(axis=0)
    fused = _FUSE[kind](scores if kind == "weighted" else np.where(silent[None], 0.0, scores), given_weights)
    return np.where(silent, -np.inf, fused)


def _weighted(scores: Array, weights: Array) -> Array:
    """As `combine.weighted`, in one product; what only members without weight speak of gets the lowest score."""
    share = (weights / max(float(weights.sum()), 1e-12)).astype(scores.dtype)
    missing = np.isnan(scores)
    if not missing.any():
        return np.asarray(np.tensordot(share, scores, 1))
    heard = np.tensordot(share, (~missing).astype(scores.dtype), 1)
    said = np.tensordot(share, np.where(missing, np.float32(0), scores), 1)
    return np.asarray(np.where(heard > 1e-9, said / np.maximum(heard, 1e-9), LOWEST))


def _vote(scores: Array, weights: Array) -> Array:
    """Each member approves its best twenty; ties are settled by the average."""
    approved = np.zeros(scores.shape[1:])
    for member, weight in zip(scores, weights, strict=True):
        ranks = (-np.nan_to_num(member, nan=-np.inf)).argsort(axis=1).argsort(axis=1)
        approved += weight * (ranks < 20) * ~np.isnan(member)
    return approved + 1e-3 * np.asarray(combine.average(scores))


_FUSE: Mapping[str, Callable[[Array, Array], Array]] = {
    "average": lambda scores, _: np.asarray(combine.average(scores)),
    "weighted": _weighted,
    "rank": lambda scores, weights: np.asarray(combine.rank_fusion(scores, weights, k=10.0)),
    "vote": _vote,
}


def best_first(scores: Array, count: int) -> Array:
    """(rows, count) numbers of the highest scores, best first."""
    count = min(count, scores.shape[1])
    top = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    order = np.take_along_axis(-scores, top, axis=1).argsort(axis=1, kind="stable")
    return np.take_along_axis(top, order, axis=1)


def fitted(
    scores: Mapping[str, Array],
    quality: Callable[[str, Array], float],
    members: Sequence[str],
    *,
    rounds: int = 3,
    steps: Sequence[float] = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0),
) -> dict[str, tuple[float, ...]]:
    """Weights a group by coordinate search on validation data, from even weights and from the best member's lead.

    Args:
        scores: group -> (members, rows, items), standardised.
        quality: (group, fused scores) -> what to maximise.
    """
    chosen: dict[str, tuple[float, ...]] = {}
    for group, whole in scores.items():
        held, places = _narrowed(whole)

        def value_of(
            weights: Array, group: str = group, held: Array = held, places: Array = places, whole: Array = whole
        ) -> float:
            fused = np.full(whole.shape[1:], -np.inf, dtype=np.float32)
            np.put_along_axis(fused, places, fuse("weighted", held, weights), axis=1)
            return quality(group, fused)

        alone = [value_of(row) for row in np.eye(len(members))]
        led = np.full(len(members), LED)  # by the best member
        led[int(np.argmax(alone))] = 1.0
        found = [_climbed(start, value_of, rounds, steps) for start in (np.ones(len(members)), led)]
        weights = max(found, key=lambda one: one[0])[1]
        chosen[group] = tuple(float(weight) for weight in weights / weights.sum())
    return chosen


def _narrowed(scores: Array) -> tuple[Array, Array]:
    """(members, rows, places) what some member puts high, and (rows, places) where it stands: the rest cannot win.

    A column two members put high is there twice, with the same scores.
    """
    count = scores.shape[2]
    if count <= len(scores) * HIGH * 1.5:
        return scores, np.broadcast_to(np.arange(count), scores.shape[1:])
    best = [best_first(np.nan_to_num(own, nan=LOWEST), HIGH) for own in scores]
    places = np.concatenate(best, axis=1)
    return np.take_along_axis(scores, places[None], axis=2), places


def _climbed(
    start: Array, value_of: Callable[[Array], float], rounds: int, steps: Sequence[float]
) -> tuple[float, Array]:
    """Each weight in turn by the step that helps most, until a round brings nothing; (value, weights)."""
    weights, best = start, value_of(start)
    for _ in range(rounds):
        before = best
        for member in range(len(weights)):
            base = weights
            for factor in steps:
                trial = base.copy()
                trial[member] = factor * (base[member] or base[base > 0].mean())
                if trial.sum() == 0:
                    continue
                value = value_of(trial)
                if value > best + 1e-6:
                    best, weights = value, trial
        if best == before:
            break
    return best, weights
