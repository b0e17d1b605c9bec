"""Keep the recommender learning: `kefu learn`.

Once a day, and at once with `--once`, a new model is trained and compared with the one in place on purchases neither
has seen; only the better one is live. The action server takes it up within seconds and meanwhile counts new behaviour
itself.
"""

import argparse
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from actions.recommendation.campaign_source import campaign_counts
from actions.recommendation.catalogue import Facts
from actions.recommendation.evaluate import cases_of, ndcg_of
from actions.recommendation.fusion import Array
from actions.recommendation.interactions import Event, interactions
from actions.recommendation.model import KIND, Model
from actions.recommendation.shop_source import read_events, read_facts
from actions.recommendation.train import (
    Step,
    fit_members,
    keep,
    model_scores,
    rows_from_index,
    train,
)
from bot import settings as bot_settings
from bot.database.engine import Sessions, open_engine, open_readers
from ensemble import artifact
from ensemble.artifact import ArtifactError

DAY_SECONDS = 86_400.0
ENOUGH_CASES = 50


@dataclass(frozen=True)
class Verdict:
    """What the comparison said. `live` is true when the new model may take the place of the old."""

    live: bool
    why: str
    old: float = 0.0
    new: float = 0.0


def judge(
    old: Model, seen_until: float, events: Sequence[Event], facts: Mapping[str, Facts], rows: Array | None
) -> Verdict:
    """Compare on the later half of what happened since `old` was trained; the new one learns the earlier half too.

    Args:
        seen_until: time of the last event `old` was trained on.
        rows: text rows of the products in the order of their sorted ids.
    """
    everything = interactions(events, sorted(facts))
    since = sorted(event.at for event in events if event.at > seen_until)
    if len(since) < ENOUGH_CASES:
        return Verdict(False, f"only {len(since)} events since the last training")
    middle = since[len(since) // 2]
    past, later = everything.rows(everything.at <= middle), everything.rows(everything.at > middle)
    cases = cases_of(past, later, repeatable=[facts[id].repeatable for id in everything.items])
    if len(cases.askers) < ENOUGH_CASES:
        return Verdict(False, f"only {len(cases.askers)} purchases that neither has seen")
    new = Model(everything.items, tuple(fit_members(everything.items, facts, rows, past)), old.weights)
    if [m.name for m in new.members] != [m.name for m in old.members] or old.items != new.items:
        return Verdict(True, "the catalogue or the members changed: the old one cannot be compared")
    new = Model(new.items, new.members, old.weights, "", old.ranker, old.ranker_weight)
    before, after = (float(ndcg_of(model_scores(model, cases), cases).mean()) for model in (old, new))
    return Verdict(after >= before, f"NDCG@10 {after:.4f} against {before:.4f}", before, after)


def learn_once(
    readers: Sessions,
    folder: Path,
    index_folder: Path,
    console: Console,
    *,
    reports: Path | None = None,
    step: Step = lambda _: None,
) -> Verdict:
    """One round: judge, and if the new one wins, train it on everything and put it live."""
    with readers() as session:
        facts = read_facts(session)
        events = [event for event in read_events(session) if event.product in facts]
    rows = rows_from_index(index_folder, sorted(facts), console)
    try:
        held = artifact.read_manifest(folder, KIND)
        verdict = judge(Model.load(folder), float(held.metrics.get("until", 0.0)), events, facts, rows)
    except ArtifactError as error:
        verdict = Verdict(True, f"no model to compare with ({error})")
    if verdict.live:
        made = train(events, facts, rows, step=step)
        keep(made, folder, reports or folder.parent / "reports", events, facts)
    return verdict


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="kefu learn", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--once", action="store_true", help="train and judge now, then end")
    options = parser.parse_args(arguments)
    console = Console()
    settings = bot_settings.load()
    readers = open_readers(open_engine(settings.database_url))
    wait = threading.Event()
    while True:
        try:
            verdict = learn_once(
                readers,
                settings.models / KIND,
                settings.models / "index",
                console,
                reports=Path(settings.home) / "reports",
            )
        except SQLAlchemyError as error:
            print(f"the database cannot be read ({type(error).__name__})", file=sys.stderr)
            if options.once:
                return 1
        else:
            console.print(f"learn: {'a new model is live' if verdict.live else 'the model stays'}: {verdict.why}")
            with readers() as session:
                for count in campaign_counts(session).values():
                    console.print(
                        f"campaign {count.campaign}: {count.shown} cards shown, {count.clicked} clicked, "
                        f"{count.converted} bought for {count.turnover_minor / 100:.2f}"
                    )
        if options.once:
            return 0
        wait.wait(DAY_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
