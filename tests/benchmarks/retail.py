"""`kefu bench retail`: tasks nobody here wrote, played by a scripted customer against the whole house.

The shop of the data set is imported into a database of its own, the real house runs on it (the models of the prepared
home), and each task's customer writes to the gateway as the widget does, with the shop's signed token. Then the rows in
the database are compared with those that the task expects.

solved           tasks that expect a change and whose customer's orders, money and addresses are exactly as expected
refused_rightly  wishes against the policy that were brought forward and changed nothing
wrong_change     tasks after which anything stands in the database that is neither as expected nor as before
"""

import json
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.table import Table

from bot.channels import shop_token
from bot.database.base import utc_now
from bot.database.engine import Sessions, open_engine, open_sessions
from bot.database.migrate import migrate
from bot.smoke_play import Missed, mailed_code
from bot.widget_client import GatewayError, WidgetClient
from tests.benchmarks import report, retail_compare, retail_shop, retail_wishes
from tests.benchmarks.report import Row
from tests.benchmarks.retail_compare import Difference
from tests.benchmarks.retail_customer import Customer, Outcome, Said
from tests.benchmarks.retail_phrases import first_person
from tests.benchmarks.retail_shop import Shop
from tests.benchmarks.retail_wishes import Wish
from tests.house import House, copy_home, prepare_source, running_house

DATA, SYSTEM = "tasks", "kefu"
TOKEN_SECONDS, PATIENCE_SECONDS = 3600.0, 120.0


@dataclass
class Played:
    """What became of a task."""

    id: str
    changes: int  # how many changes it expects
    refusals: int = 0  # wishes against the policy brought forward
    refused: int = 0  # of which changed nothing
    difference: Difference = field(default_factory=lambda: Difference((), ()))
    outcomes: list[Outcome] = field(default_factory=list)
    record: list[Said] = field(default_factory=list)
    fault: str = ""

    @property
    def solved(self) -> bool:
        return self.difference.none and not self.fault


def main(argv: Sequence[str] | None = None) -> int:
    parser = report.parser("retail", "Public retail tasks, a scripted customer, the whole house")
    parser.add_argument("--tasks", type=Path, default=None, help="a task file of the same format (default: the data's)")
    parser.add_argument("--only", default="", help="ids of tasks, separated by commas")
    parser.add_argument("--seed", type=int, default=1, help="of the customers' manners")
    parser.add_argument("--customers", type=int, default=4, help="conversations at once")
    parser.add_argument("--home", type=Path, default=None, help="a prepared home; default: the one the tests use")
    parser.add_argument("--transcripts", type=Path, default=None, help="folder for the conversations, to be read")
    arguments = parser.parse_args(argv)
    folder = arguments.data / retail_shop.FOLDER
    tasks_file = arguments.tasks or folder / "tasks_train.json"
    if not tasks_file.exists() or not (folder / "policy.md").exists():
        print(f"retail: {tasks_file} or the shop in {folder} is not there; see --data and --tasks", file=sys.stderr)
        return 1
    shop = retail_shop.read(folder)
    tasks = json.loads(tasks_file.read_text())
    if arguments.only:
        wanted = set(arguments.only.split(","))
        tasks = [task for task in tasks if str(task["id"]) in wanted]
    with report.progress() as bar, tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        open_shop((arguments.home or prepare_source()).resolve(), home, shop)
        progress = bar.add_task("bench retail", total=len(tasks))
        free = {"sender_per_minute": "0", "address_per_minute": "0"}
        with running_house(home, **free) as house:
            played = play_all(house, shop, tasks, arguments, lambda: bar.advance(progress))
    transcripts = arguments.transcripts or (arguments.json.parent / "retail" if arguments.json else None)
    if transcripts is not None:
        keep(played, transcripts)
    show(played)
    report.write(rows_of(played), title="retail", json_file=arguments.json, plots=arguments.plots)
    return 0


def open_shop(source: Path, home: Path, shop: Shop) -> None:
    """A home with the models of the prepared one and the data set's shop instead of the demo shop."""
    copy_home(source, home)
    for file in home.glob("kefu.db*"):
        file.unlink()
    engine = open_engine(f"sqlite:///{home / 'kefu.db'}")
    migrate(engine)
    with open_sessions(engine).begin() as session:
        retail_shop.fill(session, shop, utc_now())
    engine.dispose()


def play_all(
    house: House, shop: Shop, tasks: Sequence[Mapping[str, Any]], arguments, advance: Callable[[], None]
) -> list[Played]:
    """Every task, some at once; two tasks of the same customer one after the other, each from the customer's start."""
    engine = open_engine(str(house.settings.database_url))
    sessions = open_sessions(engine)
    locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def one(task: Mapping[str, Any]) -> Played:
        try:
            user_id = retail_wishes.user_of(task, shop)
            with locks[user_id]:
                played = play(house, sessions, shop, task, user_id, Random(f"{arguments.seed}/{task['id']}"))
        except (LookupError, retail_compare.UnknownAction) as error:  # the task names what this shop does not have
            played = Played(str(task["id"]), 1, fault=f"{type(error).__name__}: {error}")
        advance()
        return played

    with ThreadPoolExecutor(arguments.customers) as pool:
        played = list(pool.map(one, tasks))
    engine.dispose()
    return played


def play(house: House, sessions: Sessions, shop: Shop, task: Mapping[str, Any], user_id: str, random: Random) -> Played:
    """One task: the customer's rows set back, the conversation, the comparison."""
    with sessions.begin() as session:
        retail_shop.restore(session, shop, user_id, utc_now())
    changes = retail_compare.changes_of(task)
    start = retail_compare.at_start(shop, user_id)
    wanted = retail_compare.expected(shop, user_id, changes)
    wishes = retail_wishes.wishes_of(task, shop, user_id)
    if not wishes:
        words = first_person(retail_wishes.scenario(task).split(". ")[0]) + "."
        wishes = [Wish("own words", words=words, refused=True)]
    played = Played(str(task["id"]), 0 if wanted == start else len(changes))
    token = shop_token.sign(user_id, house.settings.shop_secret, expires_at=time.time() + TOKEN_SECONDS)
    used: set[str] = set()
    try:
        with WidgetClient(house.url, patience_seconds=PATIENCE_SECONDS) as client:
            opened = client.open(language="en", customer_token=token)
            mail = shop.users[user_id]["email"].lower()
            customer = Customer(client, opened.last_position, random, lambda: mailed_code(house.mailbox, mail, used))
            refused = [wish for wish in wishes if wish.refused]
            played.outcomes += customer.tell(refused)
            with sessions() as session:
                before = retail_compare.compare(start, start, retail_compare.actual(session, user_id))
            played.refusals = len(refused)
            played.refused = len(refused) if before.none else 0
            played.outcomes += customer.tell([wish for wish in wishes if not wish.refused])
            played.record = customer.record
    except (GatewayError, Missed) as error:
        played.fault = str(error)
    with sessions() as session:
        found = retail_compare.actual(session, user_id)
    played.difference = retail_compare.compare(start, wanted, found)
    return played


def rows_of(played: Sequence[Played]) -> list[Row]:
    asked = [float(task.solved) for task in played if task.changes]
    refusals = [float(place < task.refused) for task in played for place in range(task.refusals)]
    rows = [Row(DATA, SYSTEM, "solved", *report.interval(asked))] if asked else []
    if refusals:
        rows.append(Row(DATA, SYSTEM, "refused_rightly", *report.interval(refusals)))
    rows.append(Row(DATA, SYSTEM, "wrong_change", sum(bool(task.difference.wrong) for task in played)))
    return rows


def show(played: Sequence[Played]) -> None:
    table = Table(title="tasks")
    for column in ("task", "solved", "wishes", "what differs"):
        table.add_column(column)
    for task in played:
        ends = ", ".join(f"{outcome.wish.kind}: {outcome.end}" for outcome in task.outcomes)
        differs = "; ".join(
            [*(f"WRONG {each}" for each in task.difference.wrong), *task.difference.missing, task.fault]
        )
        table.add_row(task.id, "yes" if task.solved else "NO", ends, differs.strip("; ")[:200])
    Console().print(table)


def keep(played: Sequence[Played], folder: Path) -> None:
    """One readable file a task."""
    folder.mkdir(parents=True, exist_ok=True)
    for task in played:
        lines = [f"task {task.id}: {'solved' if task.solved else 'NOT SOLVED'}"]
        lines += [f"  {outcome.wish.kind} {outcome.wish.number}: {outcome.end}" for outcome in task.outcomes]
        lines += [f"  wrong: {each}" for each in task.difference.wrong]
        lines += [f"  missing: {each}" for each in task.difference.missing]
        lines += [f"  fault: {task.fault}"] if task.fault else []
        lines += ["", *(f"{said.author:>8}  {said.text}" for said in task.record), ""]
        (folder / f"{task.id}.txt").write_text("\n".join(lines))
    Console().print(f"transcripts: {folder}")


if __name__ == "__main__":
    sys.exit(main())
