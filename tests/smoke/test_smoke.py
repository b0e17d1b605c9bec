"""Playing scripts: what goes as written passes, what does not is told, and nothing is left behind."""

import io

import pytest
from rich.console import Console
from sqlalchemy import func, select, update

from bot import smoke
from bot.database.base import Base, utc_now
from bot.database.shop import Customer, Mail, Order, Product, Variant
from bot.messaging.messages import Button, Card
from bot.smoke_play import Stage
from bot.smoke_script import Script, read_scripts
from tests.smoke.desk import ASKED, open_desk, says


def answer(turn, sessions):
    """Cancels any order it is asked to, and mails a code to whoever names an address."""
    number = turn.text.split()[-1]
    if turn.payload:
        with sessions.begin() as session:
            session.execute(update(Order).where(Order.customer_id == turn.customer_id).values(status="cancelled"))
        return [says("cancelled")]
    if turn.text.startswith("cancel "):
        card = Card(number, kind="order")
        return [says(f"Cancel {number}?", cards=(card,), buttons=(Button("Yes", "/affirm"), Button("No", "/deny")))]
    if "@" in turn.text:
        with sessions.begin() as session:
            session.add(Mail(request_id=turn.inbox_id, to_address=turn.text, subject="Code", body="Your code: 482913"))
        return [says("a code is on its way")]
    if turn.text == "person":
        return [says("one moment", handoff=ASKED)]
    return [says(f"got {turn.text}")]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with open_desk(tmp_path_factory.mktemp("desk"), answer) as running:
        with running.sessions.begin() as session:
            session.add(Product(id="p1", name="Fjell", name_zh="峡湾", description="A jacket", category="jackets"))
            session.flush()
            for size in ("M", "L"):
                session.add(
                    Variant(sku=f"p1-{size}", product_id="p1", options={"size": size}, price_minor=9900, stock=5)
                )
        yield running


def rows(desk) -> dict[str, int]:
    with desk.sessions() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }


def play(desk, *steps, orders=("pending",), signed=True):
    stage = Stage(desk.settings, desk.sessions)
    try:
        return stage.play(Script("cancel_order", "en", steps, orders, signed))
    finally:
        stage.clear()


GOOD = (
    {
        "say": "cancel {order}",
        "expect": {"text": ["{order}"], "not_text": "error", "buttons": ["yes", "no"], "cards": "order"},
    },
    {
        "press": "^yes",
        "expect": {"text": "cancelled", "holder": "bot"},
        "rows": [{"table": "orders", "where": {"number": "{order}"}, "has": {"status": "cancelled"}}],
    },
)


def test_a_conversation_that_goes_as_written_passes_and_records_its_timings(desk):
    played = play(desk, *GOOD)
    assert played.fault == ""
    assert [author for author, _, _ in played.record] == ["customer", "bot", "press", "bot"]
    assert all(seconds is not None for author, _, seconds in played.record if author == "bot")


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ({"say": "hi", "expect": {"text": "bye"}}, "expected 'bye'"),
        ({"say": "hi", "expect": {"not_text": "got"}}, "did not expect 'got'"),
        ({"say": "hi", "expect": {"buttons": "Yes"}}, "no button like 'Yes'"),
        ({"say": "hi", "expect": {"cards": "order"}}, "expected a card of kind 'order'"),
        ({"say": "hi", "expect": {"holder": "queue"}}, "holder to be queue, it is bot"),
        ({"say": "person", "expect": {"holder": "bot"}}, "holder to be bot, it is queue"),
        ({"press": "Yes", "expect": {}}, "no button like 'Yes'"),
        (
            {"say": "hi", "rows": [{"table": "orders", "where": {"number": "{order}"}, "has": {"status": "shipped"}}]},
            "expected {'status': 'shipped'} in orders",
        ),
    ],
)
def test_each_expectation_that_is_missed_is_told(desk, step, told):
    assert told in play(desk, step).fault


def test_the_code_of_a_mail_is_read_from_the_mailbox_of_the_home(desk):
    folder = desk.settings.home / "mailbox"
    folder.mkdir(exist_ok=True)

    stage = Stage(desk.settings, desk.sessions)
    mark = f"track-order-en-{stage.run}"
    (folder / "a.eml").write_text(f"To: {mark}@smoke.example\nSubject: Code\n\nYour code: 482913\n")
    (folder / "b.eml").write_text("To: other@smoke.example\nSubject: Code\n\nYour code: 111111\n")
    try:
        played = stage.play(
            Script(
                "track_order",
                "en",
                ({"say": "it is {code}", "expect": {"text": "482913"}},),
                ("shipped",),
                signed=False,
            )
        )
    finally:
        stage.clear()
    assert played.fault == ""


def test_nothing_is_left_behind_and_the_shelves_are_as_before(desk):
    before = rows(desk)
    assert play(desk, *GOOD, {"say": "{email}", "expect": {"text": "code"}}).fault == ""
    assert play(desk, {"say": "person", "expect": {"holder": "queue"}}).fault == ""
    assert rows(desk) == before
    with desk.sessions() as session:
        assert set(session.scalars(select(Variant.stock))) == {5}


def test_what_a_killed_run_left_is_erased_by_the_next(desk):
    before = rows(desk)
    killed = Stage(desk.settings, desk.sessions)
    killed.play(Script("cancel_order", "en", GOOD, ("pending",)))  # and never cleared
    assert rows(desk) != before
    killed.stock.clear()
    Stage(desk.settings, desk.sessions).clear()
    assert rows(desk) == before


def test_a_customer_of_the_shop_is_never_touched(desk):
    with desk.sessions.begin() as session:
        session.add(Customer(id="real", name="Ada", email="ada@mail.example", created_at=utc_now()))
    play(desk, *GOOD)
    with desk.sessions() as session:
        assert session.get(Customer, "real") is not None


def test_the_run_prints_every_transcript_and_says_which_failed(desk):
    out = io.StringIO()
    scripts = [
        Script("good", "en", GOOD, ("pending",)),
        Script("bad", "en", ({"say": "hi", "expect": {"text": "bye"}},)),
    ]
    assert smoke.run(desk.settings, scripts, console=Console(file=out, width=200)) is False
    assert smoke.run(desk.settings, scripts[:1], console=Console(file=io.StringIO())) is True
    text = out.getvalue()
    assert "✓ good en" in text
    assert "✗ bad en: expected 'bye'" in text
    assert "1 of 2 conversations went as written" in text


def test_there_are_scripts_to_play():
    assert len(read_scripts()) > 90
