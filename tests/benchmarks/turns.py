"""`kefu bench turns`: the whole house against a stock Rasa bot of the same intents, on this machine, in one run.

Measured: messages a second and p95 with 50 customers at once, the time of turn 200 against turn 5, how fast a
webhook is acknowledged while the models work, resident memory. Kefu's turns do their real work (ensemble, search,
orders in the database); the stock bot says one sentence an intent.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from bot.processes import Group
from tests.benchmarks import report, stock_rasa
from tests.benchmarks.load import Customer, Measured, RestCustomer, WidgetCustomer, at_once, one_long
from tests.benchmarks.report import Row
from tests.house import copy_home, free_ports, prepare_source, running_house

TEXTS = (
    "hello",
    "what is your return policy?",
    "do you have waterproof tents under 200 euros?",
    "thanks",
    "how long does delivery take?",
    "which payment methods do you take?",
    "show me hiking backpacks",
    "are there any promotions right now?",
    "how are you?",
    "what does shipping cost?",
    "hi there",
    "thank you very much",
)
EARLY, LATE = range(12), range(192, 204)  # all twelve questions around turn 5, and the same twelve around turn 200
DATA = "own questions"


def main(argv: Sequence[str] | None = None) -> int:
    parser = report.parser("turns", __doc__ or "")
    parser.add_argument("--customers", type=int, default=50, help="customers at once")
    parser.add_argument("--each", type=int, default=10, help="messages of each customer a round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of load on each system")
    parser.add_argument("--long", type=int, default=3, help="conversations of 205 turns; 0 leaves them out")
    parser.add_argument(
        "--epochs", type=int, default=100, help="epochs of the stock bot (its default; speed is the same with fewer)"
    )
    parser.add_argument(
        "--stock", type=Path, default=None, help="folder of the stock bot's project (kept between runs)"
    )
    parser.add_argument("--home", type=Path, default=None, help="a prepared home; default: the one the tests use")
    arguments = parser.parse_args(argv)
    with report.progress() as bar, tempfile.TemporaryDirectory() as scratch:
        task = bar.add_task("bench turns", total=4 + 2 * arguments.rounds)
        advance: Callable[[], None] = lambda: bar.advance(task)  # noqa: E731
        home = Path(scratch) / "home"
        copy_home(arguments.home.resolve() if arguments.home else prepare_source(), home)
        advance()
        project = arguments.stock or Path(scratch) / "stock"
        model = stock_rasa.train(project, arguments.epochs)
        advance()
        rows = measure(home, project, model, arguments, advance)
    report.write(rows, title="turns", json_file=arguments.json, plots=arguments.plots)
    return 0


def measure(home: Path, project: Path, model: Path, arguments, advance) -> list[Row]:
    """Both systems are up all the time and take turns, round by round: what else the machine does hits both alike."""
    free = {"sender_per_minute": "0", "address_per_minute": "0"}
    with running_house(home, **free) as house, running_stock(project, model) as stock_url:
        opens: dict[str, Callable[[], Customer]] = {
            "kefu": lambda: WidgetCustomer(house.url),
            "stock rasa": lambda: RestCustomer(stock_url),
        }
        for one in opens.values():  # a short round that warms up and is thrown away
            asyncio.run(at_once([one() for _ in range(5)], TEXTS, 3))
        rounds: dict[str, list[Measured]] = {system: [] for system in opens}
        for _ in range(arguments.rounds):
            for system, one in opens.items():
                customers = [one() for _ in range(arguments.customers)]
                rounds[system].append(asyncio.run(at_once(customers, TEXTS, arguments.each)))
                advance()
        memory = sum(house.group.resident_bytes().values())
        rows = [row for system in opens for row in common_rows(system, rounds[system])]
        for measure, times in (
            ("acknowledged p95 ms", [measured.acknowledged for measured in rounds["kefu"]]),
            ("acknowledged p95 ms, all at one instant", [measured.burst for measured in rounds["kefu"]]),
        ):
            rows.append(Row(DATA, "kefu", measure, *p95([seconds * 1000 for each in times for seconds in each])))
        for system, one in opens.items():
            rows += long_rows(system, one, arguments)
            advance()
        memory = max(memory, sum(house.group.resident_bytes().values()))
        rows.append(Row(DATA, "kefu", "resident GiB", memory / 2**30))
    return rows + ratios(rounds["kefu"], rounds["stock rasa"])


@contextlib.contextmanager
def running_stock(project: Path, model: Path) -> Iterator[str]:
    """The address of the stock bot."""
    (port,) = free_ports(1)
    lines: list[str] = []
    group = Group(lines.append, {name: value for name, value in os.environ.items() if not name.startswith("KEFU_")})
    try:
        group.start([stock_rasa.process(project, model, port)])
        group.wait_ready(300)
        yield f"http://127.0.0.1:{port}"
    finally:
        group.stop()


def common_rows(system: str, rounds: Sequence[Measured]) -> list[Row]:
    answered = [seconds * 1000 for measured in rounds for seconds in measured.answered]
    return [
        Row(DATA, system, "messages a second", *report.interval([measured.per_second for measured in rounds])),
        Row(DATA, system, "answered p50 ms", *report.interval(answered, lambda sample: float(np.median(sample)))),
        Row(DATA, system, "answered p95 ms", *p95(answered)),
    ]


def long_rows(system: str, customer: Callable[[], Customer], arguments) -> list[Row]:
    if not arguments.long:
        return []
    turns = np.array([asyncio.run(one_long(customer(), TEXTS, LATE.stop)) for _ in range(arguments.long)]) * 1000
    early, late = turns[:, list(EARLY)].ravel(), turns[:, list(LATE)].ravel()
    return [
        Row(DATA, system, "turn 5 ms", *report.interval(early, lambda sample: float(np.median(sample)))),
        Row(DATA, system, "turn 200 ms", *report.interval(late, lambda sample: float(np.median(sample)))),
        Row(DATA, system, "turn 200 to turn 5", float(np.median(late) / np.median(early))),
    ]


def ratios(kefu: Sequence[Measured], stock: Sequence[Measured]) -> list[Row]:
    """Of each round and the other system's next to it, averaged."""

    def slow(measured: Measured) -> float:
        return float(np.percentile(measured.answered, 95))

    pairs = list(zip(kefu, stock, strict=True))
    rates = [ours.per_second / theirs.per_second for ours, theirs in pairs]
    slowest = [slow(ours) / slow(theirs) for ours, theirs in pairs]
    return [
        Row(DATA, "kefu to stock rasa", "messages a second, ratio", *report.interval(rates)),
        Row(DATA, "kefu to stock rasa", "answered p95, ratio", *report.interval(slowest)),
    ]


def p95(values: Sequence[float]) -> tuple[float, float, float]:
    return report.interval(values, lambda sample: float(np.percentile(sample, 95)))


if __name__ == "__main__":
    sys.exit(main())
