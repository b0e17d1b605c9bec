"""`kefu bench recommend`: all members, all fusions, one run; ranking over all items, choices on validation data only.

Every folder `amazon_*` with a sequence file is run leave-one-out (last: test, last but one: validation); MovieLens is
cut at 75 % of each user's time; the demo shop is what its customers bought in the last eighth of its time.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from actions.recommendation.evaluate import cases_of, ndcg_of
from actions.recommendation.factors import Ease, Factors
from actions.recommendation.fusion import best_first, fitted, fuse, standardised
from actions.recommendation.interactions import (
    DAY,
    Asker,
    Event,
    Interactions,
    interactions,
    leave_last_out,
    refuse_shared,
    split_by_time,
)
from actions.recommendation.members import Content, Member, Neighbours, Popularity
from actions.recommendation.model import Model
from actions.recommendation.sequence import NextItem, Shape
from actions.recommendation.shop_source import read_events, read_facts
from actions.recommendation.train import fit_members, fuse_members, model_scores, rows_from_index
from bot import settings as bot_settings
from bot.database.engine import open_engine, open_readers
from retrieval import metrics
from tests.benchmarks import report
from tests.benchmarks.report import Row

FUSIONS = ("average", "rank", "vote")
FITTED_ON = 1500  # validation users the fusion's weights are fitted on
MOST_LOSS = 0.03  # of NDCG, for coverage
SPREADS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class Asked:
    """Users to be asked about and what each did next."""

    askers: Sequence[Asker]
    targets: Sequence[frozenset[int]]


def main(argv: Sequence[str] | None = None) -> int:
    parser = report.parser("recommend", "Recommenders on public data and the demo shop")
    parser.add_argument("--only", action="append", help="a folder's name or demo_shop")
    parser.add_argument("--epochs", type=int, default=30, help="of the sequence model on amazon data")
    arguments = parser.parse_args(argv)
    wanted = [path.name for path in sorted(arguments.data.glob("amazon_*")) if path.is_dir()]
    wanted = arguments.only or ["demo_shop", "movielens_100k", *wanted]
    rows: list[Row] = []
    with report.progress() as bar:
        task = bar.add_task("recommend", total=len(wanted))
        for name in wanted:
            bar.update(task, description=name)
            try:
                if name == "demo_shop":
                    rows += demo_shop()
                elif name.startswith("movielens"):
                    rows += movielens(arguments.data / name)
                else:
                    rows += amazon(arguments.data / name, arguments.epochs, bar)
            except FileNotFoundError as error:
                print(f"recommend: {error.filename} is not there; {name} is left out", file=sys.stderr)
            bar.advance(task)
    report.write(rows, title="recommend", json_file=arguments.json, plots=arguments.plots)
    return 0


def demo_shop() -> list[Row]:
    """Trained on the first part of time, weights and trees fitted on the next, tested on the last."""
    settings = bot_settings.load()
    with open_readers(open_engine(settings.database_url))() as session:
        facts = read_facts(session)
        events = [event for event in read_events(session) if event.product in facts]
    items = sorted(facts)
    text = rows_from_index(settings.models / "index", items, Console(stderr=True))
    before, test = split_by_time(interactions(events, items), 0.12)
    past, later = split_by_time(before, 0.14)
    repeatable = [facts[id].repeatable for id in items]
    learnt = fit_members(items, facts, text, past)
    fusion = fuse_members(learnt, cases_of(past, later, repeatable=repeatable, most=2000), past, facts, text)
    members = fit_members(items, facts, text, before)
    cases = cases_of(before, test, repeatable=repeatable)
    model = Model(tuple(items), tuple(members), fusion.weights, "", fusion.ranker, fusion.ranker_weight)
    even = standardised(np.stack([member.scores(cases.askers) for member in members]))
    systems = {member.name: fuse("average", even[n : n + 1]) for n, member in enumerate(members)}
    systems |= {name: fuse(name, even) for name in FUSIONS}
    systems["kefu"] = model_scores(model, cases)
    rows: list[Row] = []
    for system, scores in systems.items():
        values = ndcg_of(scores, cases)
        for group in ("regular", "few", "new"):
            chosen = cases.of(group)
            if chosen:
                rows.append(Row(f"demo_shop_{group}", system, "ndcg@10", *metrics.interval(values[chosen])))
        rows += beside("demo_shop", system, best_first(np.nan_to_num(scores, nan=-np.inf), 10).tolist(), before, text)
    return rows


def movielens(folder: Path) -> list[Row]:
    ratings = np.loadtxt(folder / "ml-100k.inter", skiprows=1, delimiter="\t")
    with (folder / "ml-100k.item").open(encoding="utf-8") as held:
        kinds = {line.split("\t")[0]: line.rstrip("\n").split("\t")[3].split() for line in list(held)[1:]}
    items = sorted(kinds, key=int)
    events = [Event(f"{int(u):04}", str(int(i)), "view", float(t)) for u, i, _, t in ratings]
    data = interactions(events, items)
    before, test = cut_each(data, 0.75)
    past, later = cut_each(before, 0.8)
    content = hot_rows([kinds[id] for id in items])

    def made() -> list[Member]:
        return [
            Popularity(3650.0),
            Neighbours(keep=300, shrink=20, half_life_days=None, power=1.0),
            Ease(regularisation=300.0, half_life_days=None, power=1.0),
            Factors(size=48, regularisation=8.0, half_life_days=None, alpha=1.0),
            Content(content, half_life_days=3650.0),
            NextItem(Shape(width=48, length=100, epochs=25, batch=64, dropout=0.3)),
        ]

    return measured("movielens_100k", made, past, following(past, later), before, following(before, test), content)


def amazon(folder: Path, epochs: int, bar: Any) -> list[Row]:
    file = next(path for path in sorted(folder.glob("*.txt")))
    events = [
        Event(user.zfill(6), item, "view", place * DAY)
        for user, *own in map(str.split, file.read_text().splitlines())
        for place, item in enumerate(own)
    ]
    items = sorted({event.product for event in events}, key=int)
    data = interactions(events, items)
    before, customers, last = leave_last_out(data)
    past, earlier_customers, earlier = leave_last_out(before)
    asked = asked_last(past, earlier_customers, earlier)
    tested = asked_last(before, customers, last)
    attributes = next(iter(sorted(folder.glob("*item2attributes.json"))), None)
    content = hot_rows([json.loads(attributes.read_text()).get(id, []) for id in items]) if attributes else None
    task = bar.add_task(f"{folder.name}: sequence", total=epochs)
    shape = Shape(width=64, length=50, dropout=0.5, learning_rate=1e-3, epochs=epochs, batch=256, weight_decay=0.01)
    sequence = NextItem(shape, tick=lambda _: bar.advance(task))
    check = sample(asked, 2000)
    sequence.fit(past, lambda member: float(ndcg(lists(member.scores(check.askers), check), check).mean()))

    def made() -> list[Member]:
        members: list[Member] = [
            Popularity(3650.0),
            Neighbours(keep=200, shrink=5, half_life_days=3.0, power=1.0),
            Factors(size=64, regularisation=5.0, half_life_days=None, alpha=2.0),
            Ease(regularisation=100.0, half_life_days=3.0, power=1.0),
        ]
        return [*members, Content(content, half_life_days=2.0)] if content is not None else members

    return measured(folder.name, made, past, asked, past, tested, content, ready=[sequence], speed=True)


def measured(
    data: str,
    make: Any,
    past: Interactions,
    asked: Asked,
    before: Interactions,
    tested: Asked,
    content: Any,
    *,
    ready: Sequence[Member] = (),
    speed: bool = False,
) -> list[Row]:
    """Weights from `asked`, members fitted on `past`; figures from `tested`, members fitted on `before`."""
    members = [*(member.fit(past) for member in make()), *ready]
    part = sample(asked, FITTED_ON)
    even = scored(members, part)
    names = [member.name for member in members]
    weights = np.array(
        fitted({"all": even}, lambda _, fused: float(ndcg(lists(fused, part), part).mean()), names)["all"]
    )
    spread = chosen_spread(fuse("weighted", even, weights), part, past)
    del even
    if before is not past:
        members = [*(member.fit(before) for member in make()), *ready]
    found: dict[str, list[list[int]]] = {}
    for start in range(0, len(tested.askers), 500):
        block = Asked(tested.askers[start : start + 500], tested.targets[start : start + 500])
        even = scored(members, block)
        systems = {name: fuse("average", even[n : n + 1]) for n, name in enumerate(names)}
        systems |= {name: fuse(name, even) for name in FUSIONS}
        systems["weighted"] = fuse("weighted", even, weights)
        systems["kefu"] = spread_out(systems["weighted"], before, spread)
        for system, scores in systems.items():
            found.setdefault(system, []).extend(lists(scores, block))
    rows: list[Row] = []
    for system, ranked in found.items():
        rows.append(Row(data, system, "ndcg@10", *metrics.interval(ndcg(ranked, tested))))
        hits = [float(bool(set(own) & wanted)) for own, wanted in zip(ranked, tested.targets, strict=True)]
        rows.append(Row(data, system, "hr@10", *metrics.interval(hits)))
        rows += beside(data, system, ranked, before, content)
    return [*rows, *(speed_rows(data, members, weights, tested.askers) if speed else [])]


def speed_rows(data: str, members: Sequence[Member], weights: Any, askers: Sequence[Asker]) -> list[Row]:
    """Recommendations a second in batches, and the 95th percentile of one."""

    def ask(chosen: Sequence[Asker]) -> None:
        even = standardised(np.stack([member.scores(chosen) for member in members]))
        best_first(fuse("weighted", even, weights), 10)

    started = time.perf_counter()
    for start in range(0, 1024, 128):
        ask(askers[start : start + 128])
    batched = 1024 / (time.perf_counter() - started)
    single = []
    for asker in askers[:100]:
        started = time.perf_counter()
        ask([asker])
        single.append((time.perf_counter() - started) * 1000)
    return [Row(data, "kefu", "per_second", batched), Row(data, "kefu", "p95_ms", float(np.percentile(single, 95)))]


def beside(data: str, system: str, ranked: Sequence[Sequence[int]], before: Interactions, content: Any) -> list[Row]:
    """What accuracy does not say."""
    count = len(before.items)
    known = np.asarray(before.matrix(binary=True).sum(axis=0)).ravel() / max(1, len(before.customers))
    shares = {n: float(share) for n, share in enumerate(known)}
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


def scored(members: Sequence[Member], asked: Asked) -> Any:
    """(members, users, items) float32, brought to one scale."""
    return np.stack([standardised(member.scores(asked.askers)[None])[0].astype(np.float32) for member in members])


def lists(scores: Any, asked: Asked) -> list[list[int]]:
    """The ten best of each without what the user already has, unless it is wanted again."""
    held = np.nan_to_num(scores, nan=-np.inf)
    held = held.copy() if held is scores else held
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


def spread_out(scores: Any, before: Interactions, strength: float) -> Any:
    """The re-ranker: what many have done gives way, by `strength` times the logarithm of how often."""
    if strength == 0:
        return scores
    seen = np.bincount(before.item, minlength=len(before.items))
    return scores - strength * np.log1p(seen)[None] / np.log1p(seen).std()


def chosen_spread(scores: Any, asked: Asked, past: Interactions) -> float:
    """The most that costs no more than MOST_LOSS of NDCG on validation data."""
    base = float(ndcg(lists(scores, asked), asked).mean())
    kept = 0.0
    for strength in SPREADS:
        if float(ndcg(lists(spread_out(scores, past, strength), asked), asked).mean()) >= (1 - MOST_LOSS) * base:
            kept = strength
    return kept


def sample(asked: Asked, most: int) -> Asked:
    chosen = np.random.default_rng(0).permutation(len(asked.askers))[:most]
    return Asked([asked.askers[n] for n in chosen], [asked.targets[n] for n in chosen])


def asked_last(past: Interactions, customers: Any, last: Any) -> Asked:
    askers = past.askers()
    return Asked([askers[row] for row in customers], [frozenset([int(item)]) for item in last])


def following(past: Interactions, later: Interactions) -> Asked:
    """Each user with something in both parts, and everything new they took up in the later one."""
    refuse_shared(past, later)
    before, after = past.askers(), later.askers()
    pairs = [
        (one, frozenset(other.items.tolist()) - frozenset(one.items.tolist()))
        for one, other in zip(before, after, strict=True)
    ]
    pairs = [(asker, targets) for asker, targets in pairs if len(asker.items) and targets]
    return Asked([asker for asker, _ in pairs], [targets for _, targets in pairs])


def cut_each(data: Interactions, share: float) -> tuple[Interactions, Interactions]:
    """The first `share` of every user's events, and the rest."""
    ends = np.searchsorted(data.customer, np.arange(len(data.customers) + 1))
    place = np.arange(len(data)) - ends[data.customer]
    first = place < np.ceil(np.diff(ends)[data.customer] * share)
    return data.rows(first), data.rows(~first)


def hot_rows(labels: Sequence[Sequence[Any]]) -> Any:
    """(items, labels) unit rows: rarer labels weigh more."""
    number: Mapping[Any, int] = {label: n for n, label in enumerate(sorted({x for own in labels for x in own}))}
    rows = np.zeros((len(labels), len(number)), dtype=np.float32)
    for row, own in zip(rows, labels, strict=True):
        row[[number[label] for label in own]] = 1.0
    rows *= np.log(len(labels) / np.maximum(rows.sum(axis=0), 1))
    if rows.shape[1] > 256:  # as many directions as a text row has; cosines stay nearly the same
        rows = rows @ np.random.default_rng(0).normal(size=(rows.shape[1], 256)).astype(np.float32) / 16
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


if __name__ == "__main__":
    sys.exit(main())
