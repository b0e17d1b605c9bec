"""How good lists are: accuracy by group of customers, and coverage, diversity, novelty and Gini beside it.

The test is what customers bought after a moment; members learn only from before it, and the code refuses anything else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from actions.recommendation.fusion import Array, best_first, group_of
from actions.recommendation.interactions import Asker, Interactions, refuse_shared
from retrieval import metrics

AT = 10


@dataclass(frozen=True)
class Cases:
    """Askers at the moment of the split and what each bought afterwards.

    `blocked`: what may not be recommended (owned before); `groups`: new, few or regular, by what was known of each.
    """

    askers: tuple[Asker, ...]
    targets: tuple[frozenset[int], ...]
    blocked: tuple[frozenset[int], ...]
    groups: tuple[str, ...]

    def of(self, group: str) -> list[int]:
        return [row for row, name in enumerate(self.groups) if name == group]


def cases_of(
    train: Interactions, test: Interactions, *, repeatable: Sequence[bool] | None = None, most: int | None = None
) -> Cases:
    """One case a customer with a purchase in `test` of something not owned yet.

    Somebody nobody knows is asked about from the first product they looked at, as a conversation would give it: new
    customers, and known ones once more as if they had not signed in.

    Raises:
        SharedRows: rows of `test` are in `train`.
    """
    refuse_shared(train, test)
    before = dict(zip(train.customers, train.askers(), strict=True))
    again = np.zeros(len(train.items), dtype=bool) if repeatable is None else np.asarray(repeatable, dtype=bool)
    made = []
    ends = np.searchsorted(test.customer, np.arange(len(test.customers) + 1))
    for row, id in enumerate(test.customers):
        inside = slice(int(ends[row]), int(ends[row + 1]))
        if inside.stop == inside.start:
            continue
        known = before.get(id, Asker())
        case = _case(test, inside, known, again)
        if case is not None:
            made.append(case)
        # the same visit, come without signing in: what a visitor nobody can name would be shown
        if len(known.items) and (anonymous := _case(test, inside, Asker(), again)) is not None:
            made.append(anonymous)
    chosen = made if most is None else made[:: max(1, len(made) // most)][:most]
    return Cases(*(tuple(part) for part in zip(*chosen, strict=True))) if chosen else Cases((), (), (), ())


def _case(
    test: Interactions, inside: slice, asker: Asker, again: Array
) -> tuple[Asker, frozenset[int], frozenset[int], str] | None:
    items, bought, at = test.item[inside], test.bought[inside], test.at[inside]
    owned = frozenset(int(item) for item in asker.items[asker.bought] if not again[item])
    group = group_of(len(asker.items))
    now = float(at[0])
    seeds: tuple[int, ...] = ()
    if group == "new":
        if bought[0]:
            return None
        seeds = (int(items[0]),)
    targets = frozenset(int(item) for item in items[bought]) - owned - set(seeds)
    if not targets:
        return None
    asked = Asker(asker.items, asker.weights, asker.at, now, asker.bought, seeds)
    return asked, targets, owned | set(seeds), group


def lists(scores: Array, cases: Cases, *, at: int = AT) -> list[list[int]]:
    """The `at` best of each case without what is blocked."""
    held = scores.copy()
    for row, blocked in enumerate(cases.blocked):
        if blocked:
            held[row, list(blocked)] = -np.inf
    return [row.tolist() for row in best_first(np.nan_to_num(held, nan=-np.inf), at)]


def ndcg_of(scores: Array, cases: Cases) -> Array:
    """(cases,) NDCG@10 of each."""
    ranked = lists(scores, cases)
    discounts = 1 / np.log2(np.arange(2, AT + 2))
    values = np.zeros(len(ranked))
    for row, (items, targets) in enumerate(zip(ranked, cases.targets, strict=True)):
        got = sum(discount for discount, item in zip(discounts, items, strict=False) if item in targets)
        values[row] = got / discounts[: len(targets)].sum()
    return values


def report(
    scores: Array, cases: Cases, *, popularity: Mapping[int, float], rows: Array | None = None
) -> dict[str, Any]:
    """Everything side by side for one system; `rows` (items, dimension) measure diversity."""
    ranked = lists(scores, cases)
    values = ndcg_of(scores, cases)
    hits = [float(bool(set(items) & targets)) for items, targets in zip(ranked, cases.targets, strict=True)]
    out: dict[str, Any] = {
        "ndcg@10": float(values.mean()) if len(values) else 0.0,
        "hr@10": float(np.mean(hits)) if hits else 0.0,
        "coverage@10": metrics.coverage(ranked, scores.shape[1]) if ranked else 0.0,
        "gini@10": metrics.gini(ranked, scores.shape[1]) if ranked else 0.0,
        "novelty@10": metrics.novelty(ranked, popularity),
    }
    for group in sorted(set(cases.groups)):
        out[f"ndcg@10_{group}"] = float(values[cases.of(group)].mean())
    if rows is not None and ranked:
        out["diversity@10"] = float(np.mean([metrics.intra_list_diversity(rows[items]) for items in ranked]))
    return out
