"""Train the recommender of the shop: `python -m actions.recommendation.train`.

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

from actions.recommendation.catalogue import Facts
from actions.recommendation.evaluate import Cases, cases_of, ndcg_of, report
from actions.recommendation.factors import Ease, Factors
from actions.recommendation.fusion import GROUPS, KINDS, Array, Weights, fitted, fuse, standardised
from actions.recommendation.interactions import Event, Interactions, interactions, split_by_time
from actions.recommendation.members import Content, Member, Neighbours, Popularity, ShelfPopularity, Together
from actions.recommendation.model import KIND, Model, score_all
from actions.recommendation.shop_source import read_events, read_facts
from bot import settings as bot_settings
from bot.database.engine import open_engine, open_readers
from ensemble import artifact
from ensemble.artifact import ArtifactError
from retrieval.index import VectorIndex

VALIDATION_SHARE = 0.12
FITTED_ON = 1500  # cases the weights are fitted on at most
FORMAT = "1"

Step = Callable[[str], None]


@dataclass(frozen=True)
class Training:
    """What one training made."""

    model: Model
    metrics: Mapping[str, Any]


def members_for(items: Sequence[str], facts: Mapping[str, Facts], rows: Array | None) -> list[Member]:
    """Unfitted members for a catalogue of this size."""
    shelves = {slug: number for number, slug in enumerate(sorted({fact.category for fact in facts.values()} | {""}))}
    shelf_of = np.array([shelves[facts[id].category if id in facts else ""] for id in items])
    members: list[Member] = [Popularity(), ShelfPopularity(shelf_of), Neighbours(), Factors(), Together()]
    if len(items) <= 6000:
        members.append(Ease())
    if rows is not None:
        members.append(Content(rows))
    return members


def train(
    events: Sequence[Event], facts: Mapping[str, Facts], rows: Array | None, *, step: Step = lambda _: None
) -> Training:
    """Fit weights on the last part of time, then the members on everything.

    Args:
        rows: (products in the order of sorted ids, dimension) text rows, or None.
    """
    items = sorted(facts)
    everything = interactions(events, items)
    past, later = split_by_time(everything, VALIDATION_SHARE)
    repeatable = [facts[id].repeatable for id in items]
    members = members_for(items, facts, rows)
    for member in members:
        step(f"fit {member.name} on the past")
        member.fit(past)
    cases = cases_of(past, later, repeatable=repeatable, most=FITTED_ON)
    step("weights")
    weights, measured = _weights(members, cases, past, rows)
    members = members_for(items, facts, rows)
    for member in members:
        step(f"fit {member.name}")
        member.fit(everything)
    return Training(Model(tuple(items), tuple(members), weights), measured)


def _weights(
    members: Sequence[Member], cases: Cases, past: Interactions, rows: Array | None
) -> tuple[Weights, dict[str, Any]]:
    names = tuple(member.name for member in members)
    if not cases.askers:
        return Weights(names, {}, KINDS), {}
    even = standardised(score_all(members, cases.askers))
    groups = {group: cases.of(group) for group in GROUPS if cases.of(group)}
    parts = {group: _only(cases, chosen) for group, chosen in groups.items()}
    by_group = fitted(
        {group: even[:, chosen] for group, chosen in groups.items()},
        lambda group, fused: float(ndcg_of(fused, parts[group]).mean()),
        names,
    )
    weights = Weights(names, by_group, KINDS)
    popularity = _known_share(past)
    measured = {
        name: report(fuse("average", even[position : position + 1]), cases, popularity=popularity, rows=rows)
        for position, name in enumerate(names)
    }
    fused = np.zeros(even.shape[1:])
    for group, chosen in groups.items():
        fused[chosen] = fuse("weighted", even[:, chosen], weights.of(group))
    measured["kefu"] = report(fused, cases, popularity=popularity, rows=rows)
    return weights, measured


def _only(cases: Cases, chosen: Sequence[int]) -> Cases:
    def pick(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[row] for row in chosen)

    return Cases(pick(cases.askers), pick(cases.targets), pick(cases.blocked), pick(cases.groups))


def _known_share(past: Interactions) -> dict[int, float]:
    """Share of customers who know each item."""
    known = np.asarray((past.matrix(binary=True)).sum(axis=0)).ravel() / max(1, len(past.customers))
    return {number: float(share) for number, share in enumerate(known)}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m actions.recommendation.train", description=__doc__.split("\n")[0])
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
            f"the database cannot be read ({type(error).__name__}); run `python -m bot.database.migrate` and "
            "`python -m bot.database.seed` first",
            file=sys.stderr,
        )
        return 1
    sha256 = data_sha256(events, facts)
    if not options.force and artifact.is_current(folder, KIND, sha256):
        console.print(f"recommendation: {folder} is up to date")
        return 0
    rows = rows_from_index(settings.models / "index", sorted(facts), console)
    started = time.monotonic()
    with Progress(TextColumn("recommendation"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
                  console=console) as progress:  # fmt: skip
        task = progress.add_task("read", total=2 * len(members_for(sorted(facts), facts, rows)) + 1)

        def step(what: str) -> None:
            progress.update(task, description=what, advance=1)

        made = train(events, facts, rows, step=step)
    made.model.save(folder, data_sha256=sha256, metrics=made.metrics)
    ours = made.metrics.get("kefu", {})
    console.print(
        f"recommendation: {len(made.model.members)} members over {len(facts)} products and {len(events)} events in "
        f"{time.monotonic() - started:.0f} s, NDCG@10 {ours.get('ndcg@10', 0):.3f} on later purchases, in {folder}"
    )
    return 0


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
