"""`kefu bench risk`: every member, every fusion, LightGBM alone on the same features, on public data and the demo shop.

fraud_ecommerce is cut at 70 % twice: by time, and at random. Features are the point-in-time ones of the shop, as far as
its columns go (sign-up, purchase, value, device, network address); sex and age are no features, only the report by
group reads them. The demo shop is scored out of fold by customer.
"""

import csv
import gzip
import hashlib
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.risk import features, model, reading, sequence, train
from actions.risk.assessor import Assessor
from actions.risk.events import OrderSeen, Seen
from actions.risk.history import History
from actions.risk.members import Table
from actions.risk.types import RiskRequest
from bot import settings as bot_settings
from bot.database.engine import open_engine, open_readers
from bot.database.shop import Order
from ensemble.calibration import expected_calibration_error
from tests.benchmarks import report, risk_curves
from tests.benchmarks.report import Row

Floats = NDArray[np.float64]
TRAIN_SHARE = 0.7
EXTRA = ("source", "browser", "account_seconds", "month")
REVIEW = 0.02
ASKED, WARM = 320, 20  # live assessments timed; the first ones only warm up


def main(argv: Sequence[str] | None = None) -> int:
    parser = report.parser("risk", "Order risk: members and fusions on public data and the demo shop")
    parser.add_argument("--only", choices=("fraud_ecommerce", "demo_shop"), help="one data set")
    arguments = parser.parse_args(argv)
    rows: list[Row] = []
    drawn: list[risk_curves.Scored] = []
    with report.progress() as bar:
        if arguments.only != "demo_shop":
            rows += public(arguments.data / "fraud_ecommerce", bar, drawn)
        if arguments.only != "fraud_ecommerce":
            rows += demo_shop(bar, drawn)
    report.write(rows, title="risk", json_file=arguments.json, plots=arguments.plots)
    folder = arguments.plots or (arguments.json.parent if arguments.json else None)
    for scored in drawn if folder else ():
        print(f"plot: {risk_curves.draw(scored, folder)}")
    return 0


def public(folder: Path, bar: object, drawn: list[risk_curves.Scored]) -> list[Row]:
    file = folder / "fraud_data_70.csv.gz"
    if not file.exists():
        print(f"risk: {file} is not there; its rows are left out", file=sys.stderr)
        return []
    table, happened, times, customers, names, groups = read_public(file)
    by_time = np.argsort(times, kind="stable")
    at_random = np.random.default_rng(7).permutation(len(happened))
    rows: list[Row] = []
    for data, order in (("fraud_ecommerce_time", by_time), ("fraud_ecommerce", at_random)):
        cut = int(len(order) * TRAIN_SHARE)
        train_rows, test_rows = order[:cut], order[cut:]
        found, systems = compared(data, table, happened, customers, names, train_rows, test_rows, bar)
        rows += found
        scores = systems["kefu"]
        drawn.append(risk_curves.Scored(data, happened[test_rows], systems, scores))
        for kind in range(2):
            rows += by_group(data, happened[test_rows], scores, [groups[row][kind] for row in test_rows])
    return rows


def read_public(
    file: Path,
) -> tuple[Table, NDArray[np.bool_], Floats, list[str], tuple[str, ...], list[tuple[str, str]]]:
    """Features, outcomes, times, customers (the device: its purchases stay on one side of a fold), feature names, and
    the groups of the report."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        raw = list(csv.DictReader(lines))
    orders = [_order(row) for row in raw]
    history = History(Seen(orders=tuple(orders)))
    extra = np.array([_extra(row, order) for row, order in zip(raw, orders, strict=True)])
    rows = np.concatenate([features.matrix(orders, history), extra], axis=1)
    chains = [_chain(order, history) for order in orders]
    happened = np.array([row["class"] == "1" for row in raw])
    times = np.array([order.at.timestamp() for order in orders])
    devices = [row["device_id"] for row in raw]
    return Table(rows, chains), happened, times, devices, (*features.NAMES, *EXTRA), list(map(group_of, raw))


def _order(row: dict[str, str]) -> OrderSeen:
    return OrderSeen(
        id=row["row_id"],
        customer_id=row["user_id"],
        at=_time(row["purchase_time"]),
        amount_minor=round(float(row["purchase_value"]) * 100),
        account_created_at=_time(row["signup_time"]),
        device=row["device_id"],
        ip=row["ip_address"] or None,
    )


def _extra(row: dict[str, str], order: OrderSeen) -> list[float]:
    signed_up = (order.at - _time(row["signup_time"])).total_seconds()
    return [_code(row["source"]), _code(row["browser"]), float(signed_up < 120), float(order.at.month)]


def _chain(order: OrderSeen, history: History) -> tuple[int, ...]:
    """The purchases of the device: here a person has one purchase, a device may have many."""
    alike = history.by_device.before(order.device, order.at)[-sequence.LAST :]
    found, last = [], order.account_created_at
    for each in [*alike, order]:
        found.append(sequence.token(sequence.kind_of(each), (each.at - last).total_seconds() if last else None))
        last = each.at
    return (0, *found)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _code(text: str) -> float:
    return float(int(hashlib.sha256(text.encode()).hexdigest()[:4], 16) % 97)


def compared(
    data: str,
    table: Table,
    happened: NDArray[np.bool_],
    groups: Sequence[str],
    names: tuple[str, ...],
    train_rows: NDArray[np.int64],
    test_rows: NDArray[np.int64],
    bar: object,
) -> tuple[list[Row], dict[str, Floats]]:
    """Fit on the train rows, score the test rows with every member, every fusion, and what would be shipped (`kefu`);
    with the scores of each."""
    task = bar.add_task(data, total=train.STEPS)  # type: ignore[attr-defined]
    learnt = table.take(train_rows)
    fitted = model.fit(
        learnt,
        happened[train_rows],
        [groups[row] for row in train_rows],
        names,
        told=lambda _: bar.advance(task),  # type: ignore[attr-defined]
    )
    tested, truth = table.take(test_rows), happened[test_rows]
    raw = fitted.model.member_scores(tested)
    systems = dict(zip(fitted.model.members, raw, strict=True))
    systems |= {name: fusion(raw) for name, fusion in fitted.fusions.items()}
    systems["kefu"] = fitted.model.calibrated(fitted.model.fusion(raw))
    rows = [row for name, scores in systems.items() for row in measures(data, name, truth, scores)]
    rows.append(Row(data, "kefu", "auc_pr_over_lightgbm", *over(truth, systems["kefu"], systems["lightgbm"])))
    rows.append(Row(data, "kefu", "ece", expected_calibration_error(systems["kefu"], truth)))
    return rows, systems


def measures(data: str, system: str, truth: NDArray[np.bool_], scores: Floats) -> list[Row]:
    filled = np.nan_to_num(scores, nan=float(np.nanmin(scores)))
    pairs = np.column_stack([truth, filled])
    value, low, high = report.interval(pairs, lambda sample: _precision(sample[:, 0] > 0, sample[:, 1]), rounds=200)
    return [
        Row(data, system, "auc_pr", value, low, high),
        Row(data, system, "auc_roc", float(roc_auc_score(truth, filled))),
        Row(data, system, "recall_at_1pct_fpr", recall_at_fpr(truth, filled, 0.01)),
    ]


def over(truth: NDArray[np.bool_], ours: Floats, theirs: Floats) -> tuple[float, float, float]:
    """How much more average precision, with a paired interval: both are scored on the same drawn rows."""
    columns = np.column_stack([truth, ours, theirs])
    return report.interval(
        columns, lambda sample: _precision(sample[:, 0] > 0, sample[:, 1]) - _precision(sample[:, 0] > 0, sample[:, 2])
    )


def by_group(data: str, truth: NDArray[np.bool_], scores: Floats, groups: Sequence[str]) -> list[Row]:
    """What honest customers of each group meet when 1 % of them all is stopped: the share of each group stopped.

    The groups (sex, age) are read by nothing else; a share far from the others' asks for a look at the features.
    """
    honest = ~truth
    limit = float(np.quantile(scores[honest], 0.99))
    rows = []
    for group in sorted(set(groups)):
        own = honest & np.array([each == group for each in groups])
        if own.sum() >= 100:
            stopped = (scores[own] > limit).astype(float)
            rows.append(Row(data, "kefu", f"honest_stopped_{group}", *report.interval(stopped, rounds=200)))
    return rows


def group_of(row: dict[str, str]) -> tuple[str, str]:
    """Sex, and age by tens."""
    return f"sex_{row['sex']}", f"age_{int(row['age']) // 10 * 10}s"


def recall_at_fpr(truth: NDArray[np.bool_], scores: Floats, most: float) -> float:
    """The largest recall whose false-positive rate is at most `most`."""
    false, true, _ = roc_curve(truth, scores)
    return float(true[false <= most].max())


def demo_shop(bar: object, drawn: list[risk_curves.Scored]) -> list[Row]:
    """The shop of the settings' database, out of fold by customer; recall of each planted kind at 2 % reviewed."""
    settings = bot_settings.load()
    with open_readers(open_engine(str(settings.database_url)))() as session:
        labelled = reading.everything(session)
        live = answer_times(session, Assessor.load(Path(settings.models) / "risk"))
    try:
        prepared = train.prepare(labelled)
    except train.TooLittle as error:
        print(f"risk: {error}", file=sys.stderr)
        return []
    rows = [Row("demo_shop", "kefu", "answered p95 ms", *live)] if live else []
    task = bar.add_task("demo_shop", total=train.STEPS)  # type: ignore[attr-defined]
    fitted = train.fit(prepared, lambda _: bar.advance(task))  # type: ignore[attr-defined]
    drawn.append(risk_curves.Scored("demo_shop", prepared.happened, {"kefu": fitted.out_of_fold}, fitted.out_of_fold))
    metrics = train.measured(prepared, fitted, REVIEW)
    rows += [Row("demo_shop", name, "auc_pr", value) for name, value in fitted.precision.items()]
    rows.append(Row("demo_shop", "kefu", "auc_pr", metrics["auc_pr"]))
    rows.append(Row("demo_shop", "kefu", "recall_at_2pct_review", metrics["recall_at_review"]))
    rows += [Row("demo_shop", "kefu", f"recall_{kind}", value) for kind, value in metrics["recall_by_kind"].items()]
    rows.append(Row("demo_shop", "kefu", "ece", metrics["ece"]))
    found = train.report(prepared, fitted)["drift"] or {"psi": {}}
    rows += [Row("demo_shop", "kefu", f"psi_{name}", value) for name, value in found["psi"].items()]
    return rows


def answer_times(session: Session, assessor: Assessor) -> tuple[float, float, float] | None:
    """p95 in milliseconds of the live assessor over the newest orders, reasons included; None without a model."""
    if not assessor.ready:
        return None
    taken = []
    for order in session.scalars(select(Order).order_by(Order.placed_at.desc()).limit(ASKED)):
        request = RiskRequest(
            "change_address", order.customer_id, order.id, order.total_minor, order.placed_at, "bench"
        )
        began = time.perf_counter()
        assessor.assess(session, request)
        taken.append((time.perf_counter() - began) * 1000)
    return report.interval(taken[WARM:], lambda sample: float(np.percentile(sample, 95)))


def _precision(truth: NDArray[np.bool_], scores: Floats) -> float:
    return float(average_precision_score(truth, scores)) if truth.any() else float("nan")


if __name__ == "__main__":
    sys.exit(main())
