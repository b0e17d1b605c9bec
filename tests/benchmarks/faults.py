"""`kefu bench faults`: a thousand messages through the whole house while every process is killed again and again."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bot.database.engine import open_engine
from tests.benchmarks import report
from tests.benchmarks.report import Row
from tests.benchmarks.turns import TEXTS
from tests.faults.run import Plan, open_sessions_at, run
from tests.house import copy_home, fill_shop, prepare_source, running_house

DATA = "own questions"


def main(argv: Sequence[str] | None = None) -> int:
    parser = report.parser("faults", __doc__ or "")
    parser.add_argument("--conversations", type=int, default=50)
    parser.add_argument("--messages", type=int, default=20, help="of each conversation")
    parser.add_argument("--kills", type=int, default=5, help="of each process")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--home", type=Path, default=None, help="a prepared home; default: the one the tests use")
    parser.add_argument(
        "--database-url", default="", help="an empty PostgreSQL database, filled with the demo shop; default: SQLite"
    )
    arguments = parser.parse_args(argv)
    plan = Plan(arguments.conversations, arguments.messages, arguments.kills, arguments.seed, timeout_seconds=3600)

    def texts(number: int) -> list[str]:
        return [TEXTS[(number + index) % len(TEXTS)] for index in range(plan.messages)]

    with report.progress() as bar, tempfile.TemporaryDirectory() as scratch:
        task = bar.add_task("answered", total=plan.total)
        home = Path(scratch) / "home"
        copy_home(arguments.home or prepare_source(), home)
        if arguments.database_url:
            fill_shop(home, arguments.database_url)
        free = {"sender_per_minute": "0", "address_per_minute": "0", "database_url": arguments.database_url}
        with running_house(home, **free) as house:
            engine = open_engine(house.settings.database_url)
            tokens = open_sessions_at(house.url, [{"language": "en"}] * plan.conversations)
            result = run(
                house.group,
                house.url,
                engine,
                plan,
                texts,
                tokens,
                progress=lambda count: bar.update(task, completed=count),
            )
            engine.dispose()
    system = "kefu, postgresql" if arguments.database_url else "kefu, sqlite"
    rows = [
        Row(DATA, system, "messages", plan.total),
        Row(DATA, system, "deliveries", result.deliveries),
        Row(DATA, system, "kills", sum(result.kills.values())),
        Row(DATA, system, "answered once, in order", result.answered),
        Row(DATA, system, "apologies", result.apologies),
        Row(DATA, system, "problems", len(result.problems)),
        Row(DATA, system, "seconds", result.seconds),
    ]
    report.write(rows, title="faults", json_file=arguments.json, plots=arguments.plots)
    for problem in result.problems[:20]:
        print(problem, file=sys.stderr)
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
