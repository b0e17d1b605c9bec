"""Nothing that happens to every message reads a whole table: the desk is as fast with a million lines as with ten."""

import pytest
from sqlalchemy import Engine, event

from actions.recommendation.shop_source import LiveShop
from bot.database.engine import open_readers, open_sessions
from bot.messaging import conversations, inbox, outbox, transcript, turns
from bot.messaging.messages import InboundMessage
from tests.messaging.conversation_data import NOON, at, claim, finish, write

GROWING = ("messages", "inbox", "outbox", "conversations", "interactions", "orders", "order_lines")


@pytest.fixture
def scans(sqlite_engine: Engine) -> list[str]:
    """Statements that read all of a table that grows with use, as SQLite plans them."""
    found: list[str] = []

    @event.listens_for(sqlite_engine, "before_cursor_execute")
    def explain(connection, _cursor, statement, parameters, _context, executemany):
        if not statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE")):
            return
        given = parameters[0] if executemany else parameters
        driver = connection.connection.driver_connection
        plan = [row[3] for row in driver.execute("EXPLAIN QUERY PLAN " + statement, given)]
        found.extend(f"{step}: {statement}" for step in plan if step.startswith("SCAN") and step.split()[1] in GROWING)

    return found


def test_a_pair_list_is_what_sqlite_scans_for(sqlite_engine: Engine, scans: list[str]):
    with sqlite_engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT id FROM inbox WHERE (channel, external_id) IN (VALUES (?, ?), (?, ?))", ("a", "1", "b", "2")
        )
    assert len(scans) == 1


def test_no_message_costs_more_the_more_there_are(sqlite_engine: Engine, scans: list[str]):
    sessions, readers = open_sessions(sqlite_engine), open_readers(sqlite_engine)
    written = [write(sessions, "hello", sender=f"sender {number}") for number in range(3)]
    messages = [InboundMessage("web", f"more {number}", f"sender {number % 3}", "hello") for number in range(6)]
    with sessions.begin() as session:
        inbox.accept_all(session, [*messages, *messages[:2]], now=at(1))
    held = claim(sessions, seconds=2).turns
    with sessions.begin() as session:
        assert turns.extend(session, held, now=at(3))
        turns.next_due(session)
    for turn in held:
        assert finish(sessions, turn, "hi", seconds=4)
    with sessions.begin() as session:
        outbox.claim(session, limit=10, now=at(5), lease=turns.LEASE)
    with readers() as session:
        ids = [one.conversation_id for one in written]
        conversations.read_all(session, ids)
        places = [(id_, position) for id_ in ids for position in (1, 2)]
        places += [(ids[0], position) for position in range(1, 20)]
        lines = transcript.at_places(session, places)
        assert [len(lines[id_]) for id_ in ids] == [4, 2, 2]
        transcript.after(session, ids[0], 1)
        transcript.last(session, ids[0], 5)
    shop = LiveShop(readers)
    shop.past("customer", "visitor")
    shop.past(None, "visitor")
    shop.campaigns(NOON)
    assert scans == []


def test_senders_of_one_name_on_two_channels_stay_two(sqlite_engine: Engine):
    sessions = open_sessions(sqlite_engine)
    crossed = [("web", "1", "ann"), ("line", "2", "ann"), ("web", "2", "bob"), ("line", "1", "bob")]
    with sessions.begin() as session:
        accepted = inbox.accept_all(session, [InboundMessage(*each, "hello") for each in crossed], now=NOON)
        again = inbox.accept_all(session, [InboundMessage(*each, "hello") for each in crossed[:2]], now=NOON)
    assert len({one.conversation_id for one in accepted}) == 4
    assert all(one.fresh for one in accepted)
    assert [(one.inbox_id, one.fresh) for one in again] == [(one.inbox_id, False) for one in accepted[:2]]
    with sessions() as session:
        assert conversations.of_sender(session, "web", "ann").channel == "web"
        assert conversations.of_sender(session, "sms", "ann") is None
