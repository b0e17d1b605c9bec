"""Measuring recommenders on public data: every member, every fusion, what ships, and what accuracy does not say.

Three parts of the validation users decide: one fits the fusion's weights, one the trees, one says how much
the trees may say and how far lists are spread. Test users only measure.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from actions.recommendation.fusion import LOWEST, best_first, fitted, fuse, standardised
from actions.recommendation.interactions import Asker, Interactions
from actions.recommendation.members import Member
from actions.recommendation.ranker import Products, Ranker, blended
from actions.recommendation.spread import spread_out, weight_of_many
from bot import settings as bot_settings
from retrieval import metrics
from tests.benchmarks.report import Row

FUSIONS = ("average", "rank", "vote")  # that need no fitting
CORES = 2
BLOCK = 500  # users scored at a time
POOLED = 60  # best of each member that compete while choosing
MOST_LOSS = 0.03  # of NDCG, for coverage
SPREADS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
SHARES = (0.0, 0.1, 0.25, 0.5, 1.0)  # of the trees
PARTS = (0.4, 0.8)  # of the validation users: weights | trees | choices
MOST_CHOSEN_ON = 7_500  # validation users


@dataclass(frozen=True)
class Asked:
    """Users to be asked about and what each did next."""

    askers: Sequence[Asker]
    targets: Sequence[frozenset[int]]

    def only(self, chosen: Sequence[int]) -> "Asked":
        return Asked([self.askers[n] for n in chosen], [self.targets[n] for n in chosen])

    def blocks(self) -> Iterator["Asked"]:
        for start in range(0, len(self.askers), BLOCK):
            yield Asked(self.askers[start : start + BLOCK], self.targets[start : start + BLOCK])


@dataclass(frozen=True)
class Pool:
    """For each user the products some member puts high: what is chosen on, a hundredth of all.

    Args:
        even: (members, users, products of the pool) standardised scores; -inf columns are repeats or already owned.
        items: (users, products of the pool) their numbers.
    """

    even: Any
    items: Any
    open: Any
    asked: Asked

    def only(self, chosen: Any) -> "Pool":
        return Pool(self.even[:, chosen], self.items[chosen], self.open[chosen], self.asked.only(chosen))

    def quality(self, fused: Any) -> float:
        """NDCG@10 of scores (users, products of the pool)."""
        best = best_first(np.where(self.open, fused, -np.inf), 10)
        return float(ndcg(np.take_along_axis(self.items, best, axis=1).tolist(), self.asked).mean())


@dataclass(frozen=True)
class Choice:
    """What validation users decided."""

    weights: Any
    ranker: Ranker
    share: float  # of the trees
    spread: float


def measured(
    data: str,
    make: Callable[[], Sequence[Member]],
    past: Interactions,
    asked: Asked,
    before: Interactions,
    tested: Asked,
    content: Any,
    *,
    ready: Sequence[Member] = (),
    speed: bool = False,
    step: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """Choices on `asked`, members fitted on `past`; figures from `tested`, members fitted on `before`."""
    step("members")
    members = [*(member.fit(past) for member in make()), *ready]
    names = [member.name for member in members]
    step("choices on validation")
    choice = chosen_on(pooled(members, sample(asked, MOST_CHOSEN_ON)), names, past)
    print(f"{data}: weights {dict(zip(names, choice.weights.round(3).tolist(), strict=True))}, "
          f"trees {choice.share}, spread {choice.spread}")  # fmt: skip
    if before is not past:
        members = [*(member.fit(before) for member in make()), *ready]
    step("test")
    many = weight_of_many(before)
    found: dict[str, list[list[int]]] = {}
    for block in tested.blocks():
        for system, ranked in answered(members, names, choice, many, block).items():
            found.setdefault(system, []).extend(ranked)
    rows: list[Row] = []
    for system, ranked in found.items():
        rows.append(Row(data, system, "ndcg@10", *metrics.interval(ndcg(ranked, tested))))
        hits = [float(bool(set(own) & wanted)) for own, wanted in zip(ranked, tested.targets, strict=True)]
        rows.append(Row(data, system, "hr@10", *metrics.interval(hits)))
        rows += beside(data, system, ranked, before, content)
    return [*rows, *(speed_rows(data, members, choice, many, tested.askers) if speed else [])]


def answered(
    members: Sequence[Member], names: Sequence[str], choice: Choice, many: Any, block: Asked
) -> dict[str, list[list[int]]]:
    """system -> the ten products it lists for each user; `kefu` is what ships."""
    even = scored(members, block.askers)
    out = {name: lists(own, block) for name, own in zip(names, even, strict=True)}
    out["average"] = lists(fuse("weighted", even, np.ones(len(even))), block)
    pool = _pool(even, block)
    for name in ("rank", "vote"):  # by places: only those that some member puts high can win
        best = best_first(np.where(pool.open, fuse(name, pool.even), -np.inf), 10)
        out[name] = np.take_along_axis(pool.items, best, axis=1).tolist()
    fused = fuse("weighted", even, choice.weights)
    out["weighted"] = lists(fused, block)
    stacked, final = fused.copy(), fused
    for row, asker in enumerate(block.askers):
        held = fused[row].copy()
        held[asker.items] = -np.inf
        trees = choice.ranker.rescored(even[:, row], held, asker)
        stacked[row] = np.where(np.isnan(trees), held - 100.0, trees)
        final[row] = blended(held, trees, choice.share)
    out["stacked"] = lists(stacked, block)
    out["unspread"] = lists(final, block)  # what ships, before the re-ranker: what its coverage costs
    out["kefu"] = lists(spread_out(final, many, choice.spread), block)
    return out


def pooled(members: Sequence[Member], asked: Asked) -> Pool:
    parts = [_pool(scored(members, block.askers), block) for block in asked.blocks()]
    return Pool(
        np.concatenate([part.even for part in parts], axis=1),
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.open for part in parts]),
        asked,
    )


def _pool(even: Any, block: Asked) -> Pool:
    held = np.nan_to_num(even, nan=LOWEST)
    for row, asker in enumerate(block.askers):
        held[:, row, asker.items] = LOWEST
    best = [best_first(own, POOLED) for own in held]
    items = np.sort(np.concatenate(best, axis=1), axis=1)
    repeated = np.zeros(items.shape, dtype=bool)
    repeated[:, 1:] = items[:, 1:] == items[:, :-1]
    owned = np.array([np.isin(own, asker.items) for own, asker in zip(items, block.askers, strict=True)])
    return Pool(np.take_along_axis(even, items[None], axis=2), items, ~repeated & ~owned, block)


def chosen_on(pool: Pool, names: Sequence[str], past: Interactions) -> Choice:
    order = np.random.default_rng(1).permutation(len(pool.asked.askers))
    ends = [int(share * len(order)) for share in PARTS]
    first, second, third = (pool.only(part) for part in np.split(order, ends))
    weights = np.array(fitted({"all": first.even}, lambda _, fused: first.quality(fused), names)["all"])
    count = len(past.items)
    ranker = Ranker(Products(np.zeros(count), np.zeros(count, dtype=np.int64), np.zeros(count)))
    fused = _closed(fuse("weighted", second.even, weights), second)
    ranker.fit_cases(_whole(second, fused, row, count) for row in range(len(fused)))
    fused = _closed(fuse("weighted", third.even, weights), third)
    trees = np.full(fused.shape, np.nan)
    for row in range(len(fused)):
        even, held, asker, _ = _whole(third, fused, row, count)
        trees[row] = ranker.rescored(even, held, asker)[third.items[row]]
    trees[~third.open] = np.nan

    def with_trees(share: float) -> Any:
        return np.stack([blended(own, said, share) for own, said in zip(fused, trees, strict=True)])

    share = max(SHARES, key=lambda share: (third.quality(with_trees(share)), -share))
    final, many = with_trees(share), weight_of_many(past)
    base, spread = third.quality(final), 0.0
    for strength in SPREADS:
        if third.quality(final - strength * many[third.items]) >= (1 - MOST_LOSS) * base:
            spread = strength
    return Choice(weights, ranker, share, spread)


def _closed(fused: Any, pool: Pool) -> Any:
    return np.where(pool.open, fused, -np.inf)


def _whole(pool: Pool, fused: Any, row: int, count: int) -> tuple[Any, Any, Asker, frozenset[int]]:
    """One user of a pool over all items again, as the trees are asked."""
    even = np.full((len(pool.even), count), np.nan, dtype=np.float32)
    held = np.full(count, -np.inf)
    open = pool.open[row]
    items = pool.items[row][open]
    even[:, items], held[items] = pool.even[:, row, open], fused[row][open]
    return even, held, pool.asked.askers[row], pool.asked.targets[row]


def speed_rows(data: str, members: Sequence[Member], choice: Choice, many: Any, askers: Sequence[Asker]) -> list[Row]:
    """Recommendations a second in batches, and the 95th percentile of one, as the action server makes them.

    Like there (`bot.processes`) each thread computes alone: BLAS threads of its own beside it would double the work.
    """

    def ask(chosen: Sequence[Asker]) -> None:
        even = scored(members, chosen)
        fused = fuse("weighted", even, choice.weights)
        for row, asker in enumerate(chosen):
            fused[row, asker.items] = -np.inf
            if choice.share:
                fused[row] = blended(fused[row], choice.ranker.rescored(even[:, row], fused[row], asker), choice.share)
        best_first(spread_out(fused, many, choice.spread), 10)

    ask(askers[:8])  # the first call loads code
    batches = [askers[start : start + 128] for start in range(0, 1024, 128)]
    with threadpool_limits(bot_settings.load().torch_threads):
        cpu, started = time.process_time(), time.perf_counter()
        with ThreadPoolExecutor(CORES) as threads:
            list(threads.map(ask, batches))
        batched = sum(map(len, batches)) / (time.perf_counter() - started)
        each = (time.process_time() - cpu) * 1000 / sum(map(len, batches))  # whatever else the machine does
        single = []
        for asker in askers[:200]:
            started = time.perf_counter()
            ask([asker])
            single.append((time.perf_counter() - started) * 1000)
    return [
        Row(data, "kefu", "per_second", batched),
        Row(data, "kefu", "cpu_ms", each),
        Row(data, "kefu", "p95_ms", float(np.percentile(single, 95))),
    ]


def beside(data: str, system: str, ranked: Sequence[Sequence[int]], before: Interactions, content: Any) -> list[Row]:
    """What accuracy does not say."""
    count = len(before.items)
    known = np.asarray(before.matrix(binary=True).sum(axis=0)).ravel() / max(1, len(before.customers))
    shares: Mapping[int, float] = {n: float(share) for n, share in enumerate(known)}
    rows = [
        Row(data, system, "coverage@10", metrics.coverage(ranked, count)),
        Row(data, system, "gini@10", metrics.gini(ranked, count)),
        Row(data, system, "novelty@10", metrics.novelty(ranked, shares)),
    ]
    if content is not None:
        some = ranked[:: max(1, len(ranked) // 1000)]
        spread = float(np.mean([metrics.intra_list_diversity(content[list(own)]) for own in some]))
        rows.append(Row(data, system, "diversity@10", spread))
    return rows


def scored(members: Sequence[Member], askers: Sequence[Asker]) -> Any:
    """(members, users, items) float32, brought to one scale."""
    return np.stack([standardised(member.scores(askers)[None])[0] for member in members])


def lists(scores: Any, asked: Asked) -> list[list[int]]:
    """The ten best of each without what the user already has."""
    held = np.where(np.isnan(scores), -np.inf, scores)
    for row, asker in enumerate(asked.askers):
        held[row, asker.items] = -np.inf
    return [row.tolist() for row in best_first(held, 10)]


def ndcg(ranked: Sequence[Sequence[int]], asked: Asked) -> Any:
    discounts = 1 / np.log2(np.arange(2, 12))
    return np.array(
        [
            sum(d for d, item in zip(discounts, own, strict=False) if item in wanted) / discounts[: len(wanted)].sum()
            for own, wanted in zip(ranked, asked.targets, strict=True)
        ]
    )


def sample(asked: Asked, most: int) -> Asked:
    return asked.only(np.random.default_rng(0).permutation(len(asked.askers))[:most].tolist())
