"""`kefu bench turns`: the whole house against a stock Rasa bot of the same intents, on this machine, in one run.

Measured: messages a second and p95 with 50 customers at once, the time of turn 200 against turn 5, how fast a
webhook is acknowledged while the models work, resident memory. Kefu's turns do their real work (ensemble, search,
orders in the database); the stock bot says one sentence an intent.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
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
        rows, kefu = measure_kefu(home, arguments, advance)
        more, stock = measure_stock(project, model, arguments, advance)
    rows += more + ratios(kefu, stock)
    report.write(rows, title="turns", json_file=arguments.json, plots=arguments.plots)
    return 0


def measure_kefu(home: Path, arguments, advance) -> tuple[list[Row], list[Measured]]:
    free = {"sender_per_minute": "0", "address_per_minute": "0"}
    with running_house(home, **free) as house:

        def customers() -> list[Customer]:
            return [WidgetCustomer(house.url) for _ in range(arguments.customers)]

        rounds = load(customers, arguments, advance)
        memory = sum(house.group.resident_bytes().values())
        rows = common_rows("kefu", rounds)
        acknowledged = [seconds * 1000 for measured in rounds for seconds in measured.acknowledged]
        rows.append(Row(DATA, "kefu", "acknowledged p95 ms", *p95(acknowledged)))
        burst = [seconds * 1000 for measured in rounds for seconds in measured.burst]
        rows.append(Row(DATA, "kefu", "acknowledged p95 ms, all at one instant", *p95(burst)))
        rows += long_rows("kefu", lambda: WidgetCustomer(house.url), arguments)
        memory = max(memory, sum(house.group.resident_bytes().values()))
        rows.append(Row(DATA, "kefu", "resident GiB", memory / 2**30))
    advance()
    return rows, rounds


def measure_stock(project: Path, model: Path, arguments, advance) -> tuple[list[Row], list[Measured]]:
    (port,) = free_ports(1)
    lines: list[str] = []
    group = Group(lines.append, {name: value for name, value in os.environ.items() if not name.startswith("KEFU_")})
    url = f"http://127.0.0.1:{port}"
    try:
        group.start([stock_rasa.process(project, model, port)])
        group.wait_ready(300)

        def customers() -> list[Customer]:
            return [RestCustomer(url) for _ in range(arguments.customers)]

        rounds = load(customers, arguments, advance)
        rows = common_rows("stock rasa", rounds)
        rows += long_rows("stock rasa", lambda: RestCustomer(url), arguments)
    finally:
        group.stop()
    advance()
    return rows, rounds


def load(customers, arguments, advance) -> list[Measured]:
    """One short round that warms up and is thrown away, then the rounds that count."""
    asyncio.run(at_once(customers()[:5], TEXTS, 3))
    rounds = []
    for _ in range(arguments.rounds):
        rounds.append(asyncio.run(at_once(customers(), TEXTS, arguments.each)))
        advance()
    return rounds


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
    def rate(rounds: Sequence[Measured]) -> float:
        return float(np.mean([measured.per_second for measured in rounds]))

    def slow(rounds: Sequence[Measured]) -> float:
        return float(np.percentile([seconds for measured in rounds for seconds in measured.answered], 95))

    return [
        Row(DATA, "kefu to stock rasa", "messages a second, ratio", rate(kefu) / rate(stock)),
        Row(DATA, "kefu to stock rasa", "answered p95, ratio", slow(kefu) / slow(stock)),
    ]


def p95(values: Sequence[float]) -> tuple[float, float, float]:
    return report.interval(values, lambda sample: float(np.percentile(sample, 95)))


if __name__ == "__main__":
    sys.exit(main())
