"""Fill an empty database with the demo shop: `kefu seed`.

The same rows every time for the same `--today` (midnight UTC; the default is the day of seeding, so that some orders
are on their way right now). A shop with its own data is never touched.
"""

import argparse
import gc
import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import Engine, delete, func, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot.database import demo_showcase, policies
from bot.database.base import Base
from bot.database.conversation import Conversation
from bot.database.demo_behaviour import Catalogue, Visit, interactions_of, order_counts, visits_of
from bot.database.demo_catalogue import items_of
from bot.database.demo_customers import Person, people_of
from bot.database.demo_documents import document_rows
from bot.database.demo_fraud import KINDS as FRAUD_KINDS
from bot.database.demo_fraud import Planter
from bot.database.demo_orders import Book
from bot.database.demo_words import promotion_rows, reviews_of
from bot.database.engine import open_engine, open_sessions
from bot.database.migrate import MigrationError, reason, require_current
from bot.database.shop import Customer, Order, Product, ShopFact

SEED = 20260
# Tables the demo fills, parents first.
TABLES = (
    "customers",
    "payment_methods",
    "products",
    "variants",
    "orders",
    "order_lines",
    "shipments",
    "payments",
    "returns",
    "order_events",
    "customer_events",
    "interactions",
    "reviews",
    "promotions",
    "documents",
)
# Tables that hold what happened to a demo shop afterwards; they go with it.
AFTERMATH = ("risk_decisions", "one_time_codes")
Rows = dict[str, list[dict[str, Any]]]
Progressed = Callable[[str, int, int], None]  # stage, done, total


class SeedError(Exception):
    """The demo shop cannot be seeded or removed; the message says why."""


@dataclass(frozen=True)
class Size:
    """How large a demo shop; tests take a small one."""

    customers: int = 2000
    orders: int = 12000
    fraud_each: int = 32  # orders of each kind of fraud, at least


def demo_rows(today: datetime, *, size: Size = Size(), seed: int = SEED) -> Rows:
    """All rows of the demo shop by table, computed without a database; equal for equal arguments."""
    terms = policies.defaults()
    made = items_of(seed, today)
    catalogue = Catalogue([item for item, _ in made])
    book = Book(today, terms)
    showcase = demo_showcase.place_showcase(seed, book, catalogue)
    numbers = list(range(1, size.customers - len(showcase) + 1))
    set_aside = Random(f"{seed}/accounts").sample(numbers, 6 * size.fraud_each + 12)
    people = people_of(seed, today, sorted(set(numbers) - set(set_aside)))
    planter = Planter(seed, book, catalogue, people, set_aside)
    for kind in FRAUD_KINDS:
        planter.plant(kind, size.fraud_each)
    people += people_of(seed, today, planter.unused)
    visits = _visits(seed, people, size, catalogue, book)
    book.number_orders()
    everybody = sorted(people + planter.accounts, key=lambda person: person.id) + showcase
    rows: Rows = {table: book.rows[table] for table in TABLES}
    rows["customers"] = [person.row for person in everybody]
    rows["payment_methods"] = [method for person in everybody for method in person.methods]
    rows["products"] = [row for _, row in made]
    rows["variants"] = [dict(variant) for item, _ in made for variant in item.variants]
    rows["interactions"] = _interactions(seed, visits, today)
    rows["reviews"] = list(reviews_of(Random(f"{seed}/reviews"), visits, today))
    rows["promotions"] = promotion_rows(today)
    rows["documents"] = list(document_rows(terms, today))
    return rows


def _visits(seed: int, people: Sequence[Person], size: Size, catalogue: Catalogue, book: Book) -> list[Visit]:
    """Everybody's sessions; those that end in an order are written into the book."""
    honest = size.orders - len(book.rows["orders"])
    counts = order_counts(Random(f"{seed}/counts"), people, max(honest, 0), book.today)
    visits = []
    for person, orders in zip(people, counts, strict=True):
        random = Random(f"{seed}/life/{person.id}")
        for visit in visits_of(random, person, orders, catalogue, book.today):
            visits.append(visit)
            if visit.basket:
                book.place(random, person, visit.at, visit.basket)
                book.visits.pop()  # this one has seen more than the basket
    return book.visits + visits


def _interactions(seed: int, visits: Iterable[Visit], today: datetime) -> list[dict[str, Any]]:
    random = Random(f"{seed}/interactions")
    rows = [row for number, visit in enumerate(visits) for row in interactions_of(visit, number, random)]
    rows.sort(key=lambda row: (row["at"], row["customer_id"], row["product_id"], row["kind"]))
    return [row for row in rows if row["at"] < today]


def fingerprint(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """A hash of all rows, to tell whether two demo shops are the same."""
    digest = hashlib.sha256()
    for table in TABLES:
        for row in rows[table]:
            digest.update(repr(sorted(row.items())).encode())
    return digest.hexdigest()


def inputs_sha256() -> str:
    """What the demo shop is made from: the demo modules, the help texts, the policy numbers."""
    folder = Path(__file__).parent
    files = [*folder.glob("demo_*.py"), *folder.glob("demo_help/*/*.md"), folder / "policies.py", folder / "seed.py"]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Seeded:
    """What `seed` did; `counts` by table, empty when nothing was written."""

    sentence: str
    counts: Mapping[str, int]


def seed(
    engine: Engine,
    today: datetime,
    *,
    force: bool = False,
    size: Size = Size(),
    progressed: Progressed = lambda _stage, _done, _total: None,
) -> Seeded:
    """Write the demo shop in one transaction, unless it is there or the shop has its own data.

    Args:
        today: the moment the demo's story has reached; every row lies before it.
        force: replace a demo shop that is there.

    Raises:
        SeedError: `force`, but the shop holds its own data.
    """
    with _no_collector(), open_sessions(engine).begin() as session:
        fact = session.get(ShopFact, "demo")
        if _own_data(session, fact):
            if force:
                raise SeedError("this shop holds its own data; the demo shop never replaces it")
            return Seeded("this shop holds its own data; the demo shop is not added", {})
        if fact is not None and not force:
            return Seeded(_kept(fact), {})
        _wipe(session)
        progressed("inventing the shop", 0, 0)
        rows = demo_rows(today, size=size)
        total, done = sum(map(len, rows.values())), 0
        for table in TABLES:
            for start in range(0, len(rows[table]), 20_000):
                part = rows[table][start : start + 20_000]
                session.execute(insert(Base.metadata.tables[table]), part)
                progressed(table.replace("_", " "), done := done + len(part), total)
        session.add(ShopFact(key="demo", value={"today": today.isoformat(), "inputs_sha256": inputs_sha256()}))
    return Seeded(f"the demo shop stands, {total:,} rows", {table: len(rows[table]) for table in TABLES})


@contextmanager
def _no_collector() -> Iterator[None]:
    """A million small dicts without cycles: the collector would walk through them again and again for nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def remove(engine: Engine) -> str:
    """Take the demo shop out, so that the owner can bring their own.

    Raises:
        SeedError: the shop holds its own data (too).
    """
    with open_sessions(engine).begin() as session:
        fact = session.get(ShopFact, "demo")
        if _own_data(session, fact):
            raise SeedError("this shop holds its own data; removing the demo shop would take it along")
        if fact is None:
            return "there is no demo shop here"
        _wipe(session)
    return "the demo shop is gone; `kefu import` brings your own"


def _own_data(session: Session, fact: ShopFact | None) -> bool:
    if session.get(ShopFact, "own_data") is not None:
        return True
    tables = (Customer, Product, Order)
    return fact is None and any(session.scalar(select(func.count()).select_from(table)) for table in tables)


def _kept(fact: ShopFact) -> str:
    since = fact.value["today"][:10]
    if fact.value["inputs_sha256"] == inputs_sha256():
        return f"the demo shop of {since} is here, nothing to do"
    return f"the demo shop of {since} was made by another version and is kept; --force makes it anew"


def _wipe(session: Session) -> None:
    session.execute(
        update(Conversation).values(customer_id=None, proven_at=None).where(Conversation.customer_id.is_not(None))
    )
    for table in (*AFTERMATH, *reversed(TABLES)):
        session.execute(delete(Base.metadata.tables[table]))
    session.execute(delete(ShopFact).where(ShopFact.key == "demo"))


def main(argv: Sequence[str] | None = None) -> int:
    from bot import settings

    parser = argparse.ArgumentParser(prog="kefu seed", description=__doc__)
    parser.add_argument(
        "--force", action="store_true", help="replace the demo shop that is there; its orders and changes are lost"
    )
    parser.add_argument("--remove", action="store_true", help="take the demo shop out of the database")
    parser.add_argument(
        "--today",
        type=date.fromisoformat,
        default=None,
        metavar="YYYY-MM-DD",
        help="the day the demo's story has reached",
    )
    options = parser.parse_args(argv)
    day = options.today or datetime.now(UTC).date()
    engine = open_engine(settings.load().database_url)
    console = Console(highlight=False)
    try:
        require_current(engine)
        if options.remove:
            console.print(remove(engine))
        else:
            _seed_on_screen(engine, datetime(day.year, day.month, day.day, tzinfo=UTC), options.force, console)
    except (SeedError, MigrationError) as error:
        print(error, file=sys.stderr)
        return 1
    except DBAPIError as error:  # a full disk, a lock held for too long
        print(f"the demo shop could not be written, and nothing was: {reason(error)}; run this again", file=sys.stderr)
        return 1
    finally:
        engine.dispose()
    return 0


def _seed_on_screen(engine: Engine, today: datetime, force: bool, console: Console) -> None:
    started = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("demo shop", total=None)

        def progressed(stage: str, done: int, total: int) -> None:
            progress.update(task, description=stage, completed=done, total=total or None)

        done = seed(engine, today, force=force, progressed=progressed)
    console.print(done.sentence + (f" in {time.monotonic() - started:.1f} s" if done.counts else ""))
    if done.counts:
        console.print(", ".join(f"{count:,} {table.replace('_', ' ')}" for table, count in done.counts.items()))
        console.print(showcase_table())


def showcase_table() -> Table:
    """The demo customers, to sign in as."""
    table = Table("customer", "e-mail", "language", "orders", title="Customers to try the demo with")
    for customer in demo_showcase.DEMO_CUSTOMERS:
        orders = ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in customer.orders.items())
        table.add_row(customer.name, customer.email, customer.language, orders or "none")
    return table


if __name__ == "__main__":
    sys.exit(main())
