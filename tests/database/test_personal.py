"""Exports are whole and keep secrets; an erased person is nowhere."""

import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from bot.database.base import Base
from bot.database.conversation import Agent, Conversation, Handoff, InboxItem, Message
from bot.database.engine import open_engine, open_sessions
from bot.database.exporting import ExportRefused, export_all, export_customer
from bot.database.personal import IMPERSONAL, NoSuchCustomer, erase_person, forget_dialogue, rows_of, tables
from bot.database.seed import Size, seed
from bot.database.shop import Customer, Mail, OneTimeCode, Order, RiskDecision

TODAY = datetime(2026, 6, 1, tzinfo=UTC)
EMMA = "demo-emma"
SMALL = Size(customers=60, orders=150, fraud_each=1)


@pytest.fixture
def shop(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    seed(engine, TODAY, size=SMALL)
    with open_sessions(engine).begin() as session:
        session.add(Agent(id="a1", email="ida@shop.example", name="Ida", password_hash="argon-secret"))
        session.add(Conversation(id="talk", channel="web", sender_id="emma-phone", customer_id=EMMA, proven_at=TODAY))
        session.flush()
        session.add(
            Message(conversation_id="talk", position=1, author="customer", body={"text": "I live in Lindenstraße"})
        )
        session.add(InboxItem(conversation_id="talk", position=1, channel="web", external_id="1", error="Lindenstraße"))
        session.add(Handoff(conversation_id="talk", reason="asked", summary={"said": "Lindenstraße"}))
        session.add(
            Mail(request_id="m", to_address="emma.clarke@mail.example", subject="Code", body="Lindenstraße 123456")
        )
        session.add(
            OneTimeCode(
                conversation_id="talk",
                customer_id=EMMA,
                address_sha256="x",
                code_sha256="hash-of-code",
                expires_at=TODAY + timedelta(minutes=10),
            )
        )
        session.add(
            RiskDecision(
                customer_id=EMMA,
                request_id="r",
                action="cancel",
                score=0.1,
                band="low",
                reasons=[],
                members={},
                features={"street": "Lindenstraße"},
                model_version="1",
            )
        )
    yield engine
    engine.dispose()


def everything(engine: Engine) -> str:
    """The whole database as text."""
    with engine.connect() as connection:
        rows = [row for table in Base.metadata.sorted_tables for row in connection.execute(select(table))]
    return "\n".join(map(repr, rows))


def test_every_table_is_about_a_person_or_named_as_not(shop: Engine) -> None:
    with open_sessions(shop)() as session:
        for table in tables():
            session.execute(select(table).where(rows_of(session, table, EMMA)))
    assert set(Base.metadata.tables) >= IMPERSONAL


def test_the_export_has_every_row_and_no_password_session_or_code(shop: Engine, tmp_path: Path) -> None:
    counts = export_all(shop, tmp_path / "out")
    orders = [json.loads(line) for line in (tmp_path / "out" / "orders.jsonl").open(encoding="utf-8")]
    assert len(orders) == counts["orders"] == 150
    assert orders[0]["placed_at"].endswith("Z")
    assert "林晓" in (tmp_path / "out" / "customers.jsonl").read_text(encoding="utf-8")
    written = "".join(file.read_text(encoding="utf-8") for file in (tmp_path / "out").iterdir())
    assert "argon-secret" not in written
    assert "hash-of-code" not in written
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["tables"] == counts


def test_a_zip_holds_the_same(shop: Engine, tmp_path: Path) -> None:
    counts = export_all(shop, tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert len(archive.read("order_lines.jsonl").splitlines()) == counts["order_lines"]


def test_an_export_never_overwrites_and_never_stands_half_written(shop: Engine, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(ExportRefused, match="exists"):
        export_all(shop, tmp_path / "there")

    def die(table: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_all(shop, tmp_path / "new", progressed=die)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith("new")] == []


def test_a_person_gets_their_own_data_and_nobody_elses(shop: Engine, tmp_path: Path) -> None:
    counts = export_customer(shop, "Emma.Clarke@mail.example", tmp_path / "emma")
    text_ = "".join(file.read_text(encoding="utf-8") for file in (tmp_path / "emma").iterdir())
    assert "Lindenstraße" in text_
    assert "K-104201" in text_
    assert counts["messages"] == 1
    for hidden in ("李雪", "hash-of-code", "fraud_kind", "fp-demo-emma"):
        assert hidden not in text_
    with pytest.raises(NoSuchCustomer):
        export_customer(shop, "nobody", tmp_path / "nobody")


def test_an_erased_person_is_nowhere_but_orders_still_add_up(shop: Engine) -> None:
    with open_sessions(shop).begin() as session:
        before = sum(session.scalars(select(Order.total_minor).where(Order.customer_id == EMMA)))
        assert erase_person(session, EMMA, now=TODAY) == ["talk"]
    left = everything(shop)
    for trace in (
        "Emma Clarke",
        "emma.clarke",
        "Lindenstraße 24",
        "emma-phone",
        "I live in",
        "Lindenstraße 123456",
        "fp-demo-emma",
        "5550 0101",
    ):
        assert trace not in left, trace
    with open_sessions(shop)() as session:
        person = session.get_one(Customer, EMMA)
        assert person.deleted_at == TODAY
        assert sum(order.total_minor for order in person.orders) == before > 0
        assert {tuple(order.ship_to) for order in person.orders} == {("country",)}
        assert session.get_one(Conversation, "talk").customer_id is None


def test_erasing_one_person_leaves_the_others_alone(shop: Engine, tmp_path: Path) -> None:
    export_customer(shop, "demo-li", tmp_path / "before")
    with open_sessions(shop).begin() as session:
        erase_person(session, EMMA, now=TODAY)
    export_customer(shop, "demo-li", tmp_path / "after")
    for file in (tmp_path / "before").iterdir():
        assert (tmp_path / "after" / file.name).read_bytes() == file.read_bytes()


def test_erasing_twice_changes_nothing(shop: Engine) -> None:
    for later in (0, 1):
        with open_sessions(shop).begin() as session:
            erase_person(session, EMMA, now=TODAY + timedelta(days=later))
    with open_sessions(shop)() as session:
        assert session.get_one(Customer, EMMA).deleted_at == TODAY


def test_the_dialogue_forgets_the_conversation_too(tmp_path: Path) -> None:
    tracker = open_engine(f"sqlite:///{tmp_path / 'dialogue.db'}")
    assert forget_dialogue(tracker, ["talk"]) == 0
    with tracker.begin() as connection:
        connection.execute(text("CREATE TABLE dialogue_trackers (conversation_id VARCHAR PRIMARY KEY, events TEXT)"))
        connection.execute(text("INSERT INTO dialogue_trackers VALUES ('talk', 'x'), ('other', 'y')"))
    assert forget_dialogue(tracker, ["talk", "unknown"]) == 1
    with tracker.connect() as connection:
        assert connection.execute(text("SELECT conversation_id FROM dialogue_trackers")).scalars().all() == ["other"]
    tracker.dispose()
