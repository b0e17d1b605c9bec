"""Train the risk ensemble on the shop's own orders: `kefu train risk`.

Writes `<home>/models/risk`, skips when the orders are those it was trained on. Orders without any known fraud cannot
teach anything: then nothing is written, money-moving changes go to review, and the command says so.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.exc import SQLAlchemyError

from actions.risk import drift, features, model, reading, sequence
from actions.risk.assessor import KIND
from actions.risk.history import History
from actions.risk.members import FITS, Table
from actions.risk.reading import Labelled
from bot import settings as bot_settings
from bot.database import policies
from bot.database.engine import open_engine, open_readers
from ensemble import artifact
from ensemble.calibration import expected_calibration_error

SEED = 7
FEWEST_FRAUDS = 20  # with fewer, every fold would learn from a handful
STEPS = len(FITS) + 2
BLOCK = 500
Floats = NDArray[np.float64]


class TooLittle(Exception):
    """The shop has too few known frauds to learn from; the message says how many and what happens instead."""


@dataclass(frozen=True)
class Prepared:
    """Everything the fit needs, orders by time."""

    table: Table
    happened: NDArray[np.bool_]
    groups: tuple[str, ...]
    kinds: tuple[str | None, ...]
    times: Floats


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="kefu train risk", description=__doc__)
    parser.add_argument("--force", action="store_true", help="train even when nothing has changed")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        settings = bot_settings.load()
        return _train(Path(settings.models) / "risk", str(settings.database_url), console, force=options.force)
    except bot_settings.SettingError as error:
        print(f"risk: {error}", file=sys.stderr)
        return 2
    except SQLAlchemyError as error:
        print(
            f"risk: the database cannot be read ({type(error).__name__}); run `kefu migrate` and `kefu seed` first",
            file=sys.stderr,
        )
        return 1
    except TooLittle as error:
        console.print(f"risk: {error}")
        return 0


def _train(folder: Path, database_url: str, console: Console, *, force: bool) -> int:
    started = time.monotonic()
    engine = open_engine(database_url)
    with open_readers(engine)() as session:
        labelled = reading.everything(session)
        numbers = policies.load(session)
    costs, share = numbers.mapping("risk_costs_minor"), numbers.integer("risk_review_percent")
    checksum = data_sha256(labelled, dict(costs))
    if not force and artifact.is_current(folder, KIND, checksum):
        console.print(f"risk: {folder} is up to date")
        return 0
    columns = (TextColumn("risk"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        blocks = len(labelled.seen.orders) // BLOCK + 1
        task = progress.add_task("features", total=blocks + STEPS)
        prepared = prepare(labelled, lambda: progress.advance(task))

        def told(text: str) -> None:
            progress.update(task, description=text, advance=1)

        fitted = fit(prepared, told)
        progress.update(task, completed=blocks + STEPS, description="written")
    metrics = measured(prepared, fitted, share / 100)
    settings = {"costs": dict(costs), "usual": float(prepared.happened.mean())}
    files: dict[str, artifact.Content] = {**fitted.model.files(), "settings.json": json.dumps(settings).encode()}
    files["report.json"] = json.dumps(report(prepared, fitted)).encode()
    manifest = artifact.save(folder, KIND, files, data_sha256=checksum, metrics=metrics)
    console.print(
        f"risk: {folder}, version {manifest.version}: {len(prepared.happened)} orders, "
        f"{int(prepared.happened.sum())} frauds, {metrics['fusion']}, average precision {metrics['auc_pr']:.3f}, "
        f"recall at {share} % reviewed {metrics['recall_at_review']:.3f}, calibration error {metrics['ece']:.4f}, "
        f"{time.monotonic() - started:.0f} s"
    )
    return 0


def prepare(labelled: Labelled, advance: Any = lambda: None) -> Prepared:
    """Features and sequences of every order, each with what was known before it.

    Raises:
        TooLittle: too few known frauds.
    """
    frauds = sum(kind is not None for kind in labelled.kinds)
    if frauds < FEWEST_FRAUDS:
        raise TooLittle(
            f"{frauds} orders are known as fraud, at least {FEWEST_FRAUDS} are needed; no model is made, "
            "and changes that move money are reviewed"
        )
    orders, history = labelled.seen.orders, History(labelled.seen)
    rows, sequences = [], []
    for start in range(0, len(orders), BLOCK):
        part = orders[start : start + BLOCK]
        rows.append(features.matrix(part, history))
        sequences += [sequence.tokens(order, history) for order in part]
        advance()
    return Prepared(
        table=Table(np.concatenate(rows), sequences),
        happened=np.array([kind is not None for kind in labelled.kinds]),
        groups=tuple(order.customer_id for order in orders),
        kinds=labelled.kinds,
        times=np.array([order.at.timestamp() for order in orders]),
    )


def fit(prepared: Prepared, told: model.Told = lambda _: None) -> model.Fitted:
    return model.fit(prepared.table, prepared.happened, prepared.groups, features.NAMES, seed=SEED, told=told)


def measured(prepared: Prepared, fitted: model.Fitted, share: float) -> dict[str, Any]:
    """What the manifest says: all on rows held out by customer."""
    scores, happened = fitted.out_of_fold, prepared.happened
    reviewed = np.argsort(-scores, kind="stable")[: int(len(scores) * share)]
    recall = {
        kind: float(np.mean([row in set(reviewed.tolist()) for row in _rows(prepared.kinds, kind)]))
        for kind in sorted({kind for kind in prepared.kinds if kind})
    }
    return {
        "rows": len(happened),
        "frauds": int(happened.sum()),
        "fusion": fitted.model.fusion.name,
        "auc_pr": fitted.precision[fitted.model.fusion.name],
        "auc_pr_by_system": dict(fitted.precision),
        "ece": expected_calibration_error(scores, happened),
        "review_share": share,
        "recall_at_review": float(happened[reviewed].sum() / happened.sum()),
        "recall_by_kind": recall,
    }


def report(prepared: Prepared, fitted: model.Fitted) -> dict[str, Any]:
    """Drift of every feature, the last month against the month before it."""
    month, end = timedelta(days=30).total_seconds(), float(prepared.times.max())
    after = prepared.times > end - month
    before = (prepared.times > end - 2 * month) & ~after
    if min(int(before.sum()), int(after.sum())) < drift.FEWEST:
        return {"drift": None}
    found = drift.between(prepared.table.features[before], prepared.table.features[after], features.NAMES)
    return {
        "drift": {
            "psi": dict(found.psi),
            "alarms": list(found.alarms),
            "watched": list(found.watched),
            "rows": [found.before, found.after],
        }
    }


def data_sha256(labelled: Labelled, costs: dict[str, Any]) -> str:
    """Changes with any event, label or cost."""
    return artifact.sha256_of(repr(labelled), json.dumps(costs, sort_keys=True), ",".join(features.NAMES))


def _rows(kinds: tuple[str | None, ...], kind: str) -> list[int]:
    return [row for row, each in enumerate(kinds) if each == kind]


if __name__ == "__main__":
    sys.exit(main())
