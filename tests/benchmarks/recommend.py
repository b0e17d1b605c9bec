"""`kefu bench recommend`: all members, all fusions, one run; ranking over all items, choices on validation data only.

Every folder `amazon_*` with a sequence file is run leave-one-out, as published: members learn from all but the last two
of each user, the last but one decides (weights, trees, epochs), the last is the test, asked with everything before it.
MovieLens is cut at 75 % of each user's time (`movielens_100k`), and at random as its published table is
(`movielens_100k_stratified`). The demo shop is what its customers bought in the last eighth of its time.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from scipy import sparse

from actions.recommendation.evaluate import cases_of, ndcg_of
from actions.recommendation.factors import Ease, Factors
from actions.recommendation.fusion import GROUPS, best_first, fuse, standardised
from actions.recommendation.interactions import (
    DAY,
    Event,
    Interactions,
    interactions,
    leave_last_out,
    refuse_shared,
    split_by_time,
)
from actions.recommendation.members import Content, Member, Neighbours, Popularity, Together
from actions.recommendation.model import Model
from actions.recommendation.sequence import NextItem, Shape
from actions.recommendation.shop_source import read_events, read_facts
from actions.recommendation.train import fit_members, fuse_members, model_scores, rows_from_index
from bot import settings as bot_settings
from bot.database.engine import open_engine, open_readers
from ensemble import artifact
from retrieval import metrics
from tests.benchmarks import report
from tests.benchmarks.recommend_measure import FUSIONS, Asked, beside, lists, measured, ndcg, sample
from tests.benchmarks.report import Row

Step = Callable[[str], None]
AT_RANDOM = "_stratified"
CHECKED_ON = 3000  # validation users that say when the sequence model has learnt enough


def main(argv: Sequence[str] | None = None) -> int:
    parser = report.parser("recommend", "Recommenders on public data and the demo shop")
    parser.add_argument("--only", action="append", help="a folder's name or demo_shop")
    parser.add_argument("--kept", type=Path, help="folder where trained sequence models are kept and found again")
    parser.add_argument("--epochs", type=int, default=30, help="of the sequence model on amazon data")
    arguments = parser.parse_args(argv)
    wanted = [path.name for path in sorted(arguments.data.glob("amazon_*")) if path.is_dir()]
    wanted = arguments.only or ["demo_shop", "movielens_100k", f"movielens_100k{AT_RANDOM}", *wanted]
    rows: list[Row] = []
    with report.progress() as bar:
        task = bar.add_task("recommend", total=len(wanted))

        def step(what: str) -> None:
            bar.update(task, description=what)

        for name in wanted:
            step(name)
            try:
                if name == "demo_shop":
                    rows += demo_shop()
                elif name.startswith("movielens"):
                    rows += movielens(name, arguments.data / name.removesuffix(AT_RANDOM), step)
                else:
                    rows += amazon(arguments.data / name, arguments.epochs, arguments.kept, step, bar)
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
    systems["weighted"] = model_scores(replace(model, ranker=None), cases)
    systems["stacked"] = model_scores(replace(model, ranker_weight=dict.fromkeys(GROUPS, 100.0)), cases)
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


def movielens(name: str, folder: Path, step: Step) -> list[Row]:
    """The last quarter of each user's time; a name that ends in `AT_RANDOM`: a quarter drawn."""
    ratings = np.loadtxt(folder / "ml-100k.inter", skiprows=1, delimiter="\t")
    with (folder / "ml-100k.item").open(encoding="utf-8") as held:
        kinds = {line.split("\t")[0]: line.rstrip("\n").split("\t")[3].split() for line in list(held)[1:]}
    items = sorted(kinds, key=int)
    events = [Event(f"{int(u):04}", str(int(i)), "purchase", float(t)) for u, i, _, t in ratings]
    data = interactions(events, items, weights={"purchase": 1.0})
    content = hot_rows([kinds[id] for id in items])
    cut = cut_at_random if name.endswith(AT_RANDOM) else cut_each
    before, test = cut(data, 0.75)
    past, later = cut(before, 0.8)
    return measured(
        name, lambda: movie_members(content), past, following(past, later), before, following(before, test), content,
        step=lambda what: step(f"{name}: {what}"),
    )  # fmt: skip


def movie_members(content: Any) -> list[Member]:
    return [
        Popularity(3650.0),
        Neighbours(keep=300, shrink=20, half_life_days=None, power=1.0),
        Ease(regularisation=300.0, half_life_days=None, power=1.0),
        Factors(size=48, regularisation=8.0, half_life_days=None, alpha=1.0),
        Together(within_days=0.5, keep=300, half_life_days=0.5),
        Content(content, half_life_days=3650.0),
        NextItem(Shape(width=48, length=50, epochs=15, batch=32, dropout=0.3)),
    ]


def amazon(folder: Path, epochs: int, kept: Path | None, step: Step, bar: Any) -> list[Row]:
    file = next(path for path in sorted(folder.glob("*.txt")))
    events = [
        Event(user.zfill(6), item, "purchase", place * DAY)
        for user, *own in map(str.split, file.read_text().splitlines())
        for place, item in enumerate(own)
    ]
    items = sorted({event.product for event in events}, key=int)
    data = interactions(events, items, weights={"purchase": 1.0})
    before, customers, last = leave_last_out(data)
    past, earlier_customers, earlier = leave_last_out(before)
    ends = np.searchsorted(data.customer, np.arange(1, len(data.customers) + 1))
    refuse_shared(before, data.rows(ends - 1))
    asked = asked_last(past, earlier_customers, earlier)
    tested = asked_last(before, customers, last)
    attributes = next(iter(sorted(folder.glob("*item2attributes.json"))), None)
    labels = json.loads(attributes.read_text()) if attributes else {}
    content = hot_rows([labels.get(id, []) for id in items]) if attributes else None
    traits = trait_matrix([labels.get(id, []) for id in items]) if attributes else None
    sequence = sequence_member(folder.name, past, asked, traits, epochs, kept, bar)

    def made() -> list[Member]:
        members: list[Member] = [
            Popularity(3650.0),
            Neighbours(keep=200, shrink=5, half_life_days=3.0, power=1.0),
            Factors(size=64, regularisation=5.0, half_life_days=None, alpha=2.0),
            Ease(regularisation=100.0, half_life_days=2.0, power=1.0),
            Together(within_days=5.0, keep=200, shrink=1.0, half_life_days=0.5),
        ]
        return [*members, Content(content, half_life_days=2.0)] if content is not None else members

    return measured(
        folder.name, made, past, asked, past, tested, content, ready=[sequence], speed=True,
        step=lambda what: step(f"{folder.name}: {what}"),
    )  # fmt: skip


def sequence_member(
    name: str, past: Interactions, asked: Asked, traits: Any, epochs: int, kept: Path | None, bar: Any
) -> NextItem:
    """Trained with a bar an epoch; taken from `kept` when it holds one of the same data and settings."""
    shape = Shape(
        width=64, length=50, dropout=0.5, learning_rate=1e-3, epochs=epochs, batch=64, weight_decay=0.01, check_every=3
    )
    key = artifact.sha256_of(name, repr(shape), past.item.tobytes(), past.customer.tobytes())[:16]
    file = kept / f"{name}-sequence-{key}.npz" if kept else None
    if file is not None and file.exists():
        with np.load(file, allow_pickle=False) as arrays:
            return NextItem.from_arrays({each: arrays[each] for each in arrays.files})
    task = bar.add_task(f"{name}: sequence", total=epochs)
    check = sample(asked, CHECKED_ON)
    member = NextItem(shape, traits=traits, tick=lambda _: bar.advance(task))
    member.fit(past, lambda held: float(ndcg(lists(held.scores(check.askers), check), check).mean()))
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **member.arrays())  # type: ignore[arg-type]
    return member


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


def cut_at_random(data: Interactions, share: float) -> tuple[Interactions, Interactions]:
    """`share` of every user's events, drawn, and the rest: the split of the published table."""
    drawn = np.random.default_rng(0).random(len(data))
    order = np.lexsort((drawn, data.customer))
    place = np.empty(len(data), dtype=np.int64)
    ends = np.searchsorted(data.customer, np.arange(len(data.customers) + 1))
    place[order] = np.arange(len(data)) - ends[data.customer[order]]
    first = place < np.ceil(np.diff(ends)[data.customer] * share)
    return data.rows(first), data.rows(~first)


def trait_matrix(labels: Sequence[Sequence[Any]]) -> Any:
    """(items, labels) ones."""
    number = {label: n for n, label in enumerate(sorted({x for own in labels for x in own}))}
    columns = np.array([number[label] for own in labels for label in own], dtype=np.int64)
    starts = np.cumsum([0, *map(len, labels)])
    shape = (len(labels), len(number))
    return sparse.csr_matrix((np.ones(len(columns), dtype=np.float32), columns, starts), shape=shape)


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
