"""Train the recommender of the shop: `kefu train recommend`.

Members are fitted on the past, the fusion's weights on what customers did after it; then everything is fitted again on
all of it. The new model goes live only if it is no worse than the one in place on purchases neither has seen.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.exc import SQLAlchemyError

from actions.recommendation import report as training_report
from actions.recommendation.catalogue import Facts
from actions.recommendation.evaluate import Cases, cases_of, ndcg_of, report
from actions.recommendation.factors import Ease, Factors
from actions.recommendation.fusion import GROUPS, KINDS, Array, Weights, fitted, fuse, standardised
from actions.recommendation.interactions import Event, Interactions, interactions, split_by_time
from actions.recommendation.members import (
    Content,
    FitError,
    Member,
    Neighbours,
    Popularity,
    ShelfPopularity,
    Together,
)
from actions.recommendation.model import KIND, Model, score_all
from actions.recommendation.ranker import Products, Ranker, blended
from actions.recommendation.sequence import NextItem
from actions.recommendation.shop_source import read_events, read_facts
from bot import settings as bot_settings
from bot.database.engine import open_engine, open_readers
from ensemble import artifact
from ensemble.artifact import ArtifactError
from retrieval.index import VectorIndex

VALIDATION_SHARE = 0.12
FITTED_ON = 1500  # cases the weights are fitted on at most
NEW_SHARE = 0.25  # new products or events from which a start trains again
FORMAT = "2"

Step = Callable[[str], None]


@dataclass(frozen=True)
class Training:
    """What one training made."""

    model: Model
    metrics: Mapping[str, Any]


def members_for(
    items: Sequence[str], facts: Mapping[str, Facts], rows: Array | None, *, device: str = "auto"
) -> list[Member]:
    """Unfitted members for a catalogue of this size."""
    shelves = {slug: number for number, slug in enumerate(sorted({fact.category for fact in facts.values()} | {""}))}
    shelf_of = np.array([shelves[facts[id].category if id in facts else ""] for id in items])
    members: list[Member] = [Popularity(), ShelfPopularity(shelf_of), Neighbours(), Factors(), Together()]
    if len(items) <= 6000:
        members.append(Ease())
    if rows is not None:
        members.append(Content(rows))
    members.append(NextItem(device=device))
    return members


def train(
    events: Sequence[Event],
    facts: Mapping[str, Facts],
    rows: Array | None,
    *,
    step: Step = lambda _: None,
    device: str = "auto",
) -> Training:
    """Fit weights and ranker on the last part of time, then the members on everything.

    Args:
        rows: (products in the order of sorted ids, dimension) text rows, or None.
    """
    items = sorted(facts)
    everything = interactions(events, items)
    past, later = split_by_time(everything, VALIDATION_SHARE)
    members = fit_members(items, facts, rows, past, step=step, device=device)
    cases = cases_of(past, later, repeatable=[facts[id].repeatable for id in items], most=FITTED_ON)
    step("weights")
    fusion = fuse_members(members, cases, past, facts, rows)
    members = fit_members(items, facts, rows, everything, step=step, device=device)
    model = Model(tuple(items), tuple(members), fusion.weights, "", fusion.ranker, fusion.ranker_weight)
    return Training(
        model,
        {**fusion.metrics, "products": len(items), "events": len(events), "until": max(e.at for e in events)},
    )


def fit_members(
    items: Sequence[str],
    facts: Mapping[str, Facts],
    rows: Array | None,
    data: Interactions,
    *,
    step: Step = lambda _: None,
    device: str = "auto",
) -> list[Member]:
    """Members of a catalogue, fitted; one that cannot be fitted to this shop is left out, with a line."""
    fitted_members = []
    for member in members_for(items, facts, rows, device=device):
        step(member.name)
        try:
            fitted_members.append(member.fit(data))
        except FitError as error:
            step(f"without {error}")
    return fitted_members


@dataclass(frozen=True)
class Fusion:
    """What the validation cases decide."""

    weights: Weights
    ranker: Ranker | None
    ranker_weight: Mapping[str, float]
    metrics: Mapping[str, Any]


def fuse_members(
    members: Sequence[Member], cases: Cases, past: Interactions, facts: Mapping[str, Facts], rows: Array | None
) -> Fusion:
    """Weights and trees from one half of the cases; how much the trees may say, and the figures, from the other."""
    names = tuple(member.name for member in members)
    if len(cases.askers) < 20:
        return Fusion(Weights(names, {}, KINDS), None, {}, {})
    learn, check = _only(cases, range(0, len(cases.askers), 2)), _only(cases, range(1, len(cases.askers), 2))
    even = standardised(score_all(members, learn.askers))
    weights = Weights(names, _weights(names, even, learn), KINDS)
    ranker = Ranker(_products(past.items, facts))
    ranker.fit(even, _unblocked(_fused(weights, even, learn), learn), learn.askers, learn.targets)
    even = standardised(score_all(members, check.askers))
    fused = _fused(weights, even, check)
    ranker_weight = _ranker_weight(ranker, even, fused, check)
    final = _blended(ranker, ranker_weight, even, fused, check)
    popularity = _known_share(past)
    metrics = {
        name: report(fuse("average", even[position : position + 1]), check, popularity=popularity, rows=rows)
        for position, name in enumerate(names)
    }
    for fusion in ("average", "rank", "vote"):
        metrics[fusion] = report(fuse(fusion, even), check, popularity=popularity, rows=rows)
    metrics["weighted"] = report(fused, check, popularity=popularity, rows=rows)
    metrics["kefu"] = report(final, check, popularity=popularity, rows=rows)
    return Fusion(weights, ranker, ranker_weight, {"systems": metrics})


def model_scores(model: Model, cases: Cases) -> Array:
    """(cases, items) what the model in use would rank by, for comparing models."""
    even = standardised(score_all(model.members, cases.askers))
    fused = _fused(model.weights, even, cases)
    if model.ranker is None:
        return fused
    return _blended(model.ranker, model.ranker_weight, even, fused, cases)


def _weights(names: Sequence[str], even: Array, cases: Cases) -> dict[str, tuple[float, ...]]:
    groups = {group: cases.of(group) for group in GROUPS if cases.of(group)}
    parts = {group: _only(cases, chosen) for group, chosen in groups.items()}
    return fitted(
        {group: even[:, chosen] for group, chosen in groups.items()},
        lambda group, fused: float(ndcg_of(fused, parts[group]).mean()),
        names,
    )


def _fused(weights: Weights, even: Array, cases: Cases) -> Array:
    fused = np.zeros(even.shape[1:])
    for group in GROUPS:
        if chosen := cases.of(group):
            fused[chosen] = fuse("weighted", even[:, chosen], weights.of(group))
    return fused


def _unblocked(fused: Array, cases: Cases) -> Array:
    out = fused.copy()
    for row, blocked in enumerate(cases.blocked):
        out[row, list(blocked)] = -np.inf
    return out


def _blended(ranker: Ranker, weight: Mapping[str, float], even: Array, fused: Array, cases: Cases) -> Array:
    held = _unblocked(fused, cases)
    out = held.copy()
    for row, asker in enumerate(cases.askers):
        share = weight.get(cases.groups[row], 0.0)
        if share:
            out[row] = blended(held[row], ranker.rescored(even[:, row], held[row], asker.with_seeds()), share)
    return out


def _ranker_weight(ranker: Ranker, even: Array, fused: Array, cases: Cases) -> dict[str, float]:
    """For each group the share of the trees that ranks best; none where they do not help."""
    chosen: dict[str, float] = {}
    for group in GROUPS:
        rows = cases.of(group)
        if not rows or ranker.booster_ is None:
            continue
        part, scores = _only(cases, rows), fused[rows]
        values = {
            weight: float(ndcg_of(_blended(ranker, {group: weight}, even[:, rows], scores, part), part).mean())
            for weight in (0.0, 0.1, 0.25, 0.5, 1.0)
        }
        chosen[group] = max(values, key=lambda weight: (values[weight], -weight))
    return chosen


def _products(items: Sequence[str], facts: Mapping[str, Facts]) -> Products:
    shelves = {slug: number for number, slug in enumerate(sorted({fact.category for fact in facts.values()} | {""}))}
    known = [facts.get(id) for id in items]
    return Products(
        price=np.array([fact.price_minor if fact else 0 for fact in known], dtype=np.float64),
        shelf=np.array([shelves[fact.category if fact else ""] for fact in known]),
        repeatable=np.array([bool(fact and fact.repeatable) for fact in known], dtype=np.float64),
    )


def _only(cases: Cases, chosen: Sequence[int]) -> Cases:
    def pick(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[row] for row in chosen)

    return Cases(pick(cases.askers), pick(cases.targets), pick(cases.blocked), pick(cases.groups))


def _known_share(past: Interactions) -> dict[int, float]:
    """Share of customers who know each item."""
    known = np.asarray((past.matrix(binary=True)).sum(axis=0)).ravel() / max(1, len(past.customers))
    return {number: float(share) for number, share in enumerate(known)}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="kefu train recommend", description=__doc__.split("\n")[0])
    parser.add_argument("--force", action="store_true", help="train although nothing changed, and skip the gate")
    options = parser.parse_args(arguments)
    console = Console()
    settings = bot_settings.load()
    folder = settings.models / KIND
    try:
        with open_readers(open_engine(settings.database_url))() as session:
            facts = read_facts(session)
            events = [event for event in read_events(session) if event.product in facts]
    except SQLAlchemyError as error:
        print(
            f"the database cannot be read ({type(error).__name__}); run `kefu migrate` and `kefu seed` first",
            file=sys.stderr,
        )
        return 1
    if not options.force and still_good(folder, facts, events):
        console.print(f"recommendation: {folder} is up to date")
        return 0
    rows = rows_from_index(settings.models / "index", sorted(facts), console)
    started = time.monotonic()
    with Progress(TextColumn("recommendation"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
                  console=console) as progress:  # fmt: skip
        task = progress.add_task("read", total=2 * len(members_for(sorted(facts), facts, rows)) + 1)

        def step(what: str) -> None:
            progress.update(task, description=what, advance=1)

        made = train(events, facts, rows, step=step, device=settings.device)
    page = keep(made, folder, Path(settings.home) / "reports", events, facts)
    ours = made.metrics.get("systems", {}).get("kefu", {})
    console.print(
        f"recommendation: {len(made.model.members)} members over {len(facts)} products and {len(events)} events in "
        f"{time.monotonic() - started:.0f} s, NDCG@10 {ours.get('ndcg@10', 0):.3f} on later purchases, in {folder}"
    )
    if page is not None:
        console.print(f"recommendation: report in {page}")
    return 0


def keep(
    made: Training, folder: Path, reports: Path, events: Sequence[Event], facts: Mapping[str, Facts]
) -> Path | None:
    """Put a training in place and write its page; None when it measured nothing."""
    manifest = made.model.save(folder, data_sha256=data_sha256(events, facts), metrics=made.metrics)
    systems = made.metrics.get("systems")
    if not systems:
        return None
    told = {"products": len(facts), "events": len(events)}
    return training_report.write(
        reports / f"recommendation-{manifest.version}", systems, title=f"Training {manifest.version}", facts=told
    )


def still_good(folder: Path, facts: Mapping[str, Facts], events: Sequence[Event]) -> bool:
    """True when the model in place knows most products and most of what happened; the rest is the daily training's."""
    try:
        held = artifact.load(folder, KIND)
        known = set(held.json("items.json"))
    except ArtifactError:
        return False
    new = sum(1 for id in facts if id not in known)
    return new <= NEW_SHARE * len(facts) and len(events) <= (1 + NEW_SHARE) * held.manifest.metrics.get("events", 0)


def rows_from_index(folder: Path, ids: Sequence[str], console: Console) -> Array | None:
    """(ids, dimension) rows of the search index; None, with a line, when there is no index."""
    try:
        index = VectorIndex.load(artifact.load(folder, "index"), "products", gpu=False)
    except ArtifactError as error:
        console.print(f"recommendation: without the content member ({error})")
        return None
    return text_rows(index, ids)


def text_rows(index: VectorIndex, ids: Sequence[str]) -> Array:
    """(ids, dimension) the English row of each product, else the Chinese one, else zeros."""
    rows = np.zeros((len(ids), index.dimension), dtype=np.float32)
    held = set(index.ids())
    for position, id in enumerate(ids):
        names = [f"{id}|{language}|b" for language in ("en", "zh")]  # the text rows of `retrieval.hybrid.row_id`
        name = next((name for name in names if name in held), None)
        if name is not None:
            rows[position] = index.rows_of([name])[0]
    return rows


def data_sha256(events: Sequence[Event], facts: Mapping[str, Facts]) -> str:
    behaviour = np.array([event.at for event in events]).tobytes()
    return artifact.sha256_of(FORMAT, behaviour, "\n".join(sorted(facts)))


if __name__ == "__main__":
    sys.exit(main())
