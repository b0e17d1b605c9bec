import threading

import pytest

from bot.database.engine import Sessions
from bot.messaging import conversations, inbox, transcript
from bot.messaging.messages import InboundMessage
from bot.messaging.plain_text import TEXT_LIMIT
from tests.messaging.conversation_data import NOON, claim, write


def test_a_message_is_in_the_transcript_and_waits_for_a_turn(sessions: Sessions):
    accepted = write(sessions, "where is my order?")
    with sessions() as session:
        (line,) = transcript.after(session, accepted.conversation_id)
    assert (line.position, line.author, line.body["text"]) == (1, "customer", "where is my order?")
    assert claim(sessions).turns[0].inbox_id == accepted.inbox_id


def test_a_second_delivery_of_the_same_message_changes_nothing(sessions: Sessions):
    first = write(sessions, "hello", id_="m1")
    second = write(sessions, "hello", id_="m1", seconds=9)
    assert first.fresh
    assert not second.fresh
    assert (first.inbox_id, first.position) == (second.inbox_id, second.position)
    with sessions() as session:
        assert len(transcript.after(session, first.conversation_id)) == 1
        assert conversations.read(session, first.conversation_id).last_position == 1


def test_the_same_id_twice_in_one_batch_is_one_message(sessions: Sessions):
    message = InboundMessage("web", "m1", "ann", "hello")
    with sessions.begin() as session:
        first, second = inbox.accept_all(session, [message, message], now=NOON)
    assert (first.fresh, second.fresh) == (True, False)
    with sessions() as session:
        assert len(transcript.after(session, first.conversation_id)) == 1


def test_one_id_on_two_channels_is_two_messages(sessions: Sessions):
    assert write(sessions, "hello", id_="7", channel="telegram").fresh
    assert write(sessions, "hello", id_="7", channel="slack").fresh


def test_positions_count_up_without_gaps_within_a_conversation(sessions: Sessions):
    batch = [InboundMessage("web", f"m{number}", "ann" if number % 2 else "bob", "hi") for number in range(10)]
    with sessions.begin() as session:
        results = inbox.accept_all(session, batch, now=NOON)
    by_conversation: dict[str, list[int]] = {}
    for accepted in results:
        by_conversation.setdefault(accepted.conversation_id, []).append(accepted.position)
    assert sorted(by_conversation.values()) == [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]


def test_many_writers_at_once_share_no_position_and_store_each_message_once(sessions: Sessions):
    def deliver(copy: int) -> None:
        for number in range(15):
            write(sessions, f"text {number}", id_=f"m{number}", sender="ann" if number % 3 else "bob")

    threads = [threading.Thread(target=deliver, args=(copy,)) for copy in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sessions() as session:
        for sender, count in (("ann", 10), ("bob", 5)):
            view = conversations.of_sender(session, "web", sender)
            lines = transcript.after(session, view.id)
            assert [line.position for line in lines] == list(range(1, count + 1))


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("half \ud83d emoji", "half \ufffd emoji"),
        ("whole \ud83d\ude00 emoji", "whole 😀 emoji"),
        ("nul \x00 byte", "nul  byte"),
        ("中文 and ümlaut", "中文 and ümlaut"),
    ],
)
def test_text_that_no_database_takes_is_stored_as_near_as_can_be(sessions: Sessions, sent: str, stored: str):
    accepted = write(sessions, sent, id_="m1", payload=sent)
    with sessions() as session:
        (line,) = transcript.after(session, accepted.conversation_id)
    assert (line.body["text"], line.body["payload"]) == (stored, stored)


def test_a_text_over_the_limit_is_cut_and_says_so(sessions: Sessions):
    accepted = write(sessions, "x" * (TEXT_LIMIT + 1), id_="m1")
    with sessions() as session:
        (line,) = transcript.after(session, accepted.conversation_id)
    assert (len(line.body["text"]), line.body["cut"]) == (TEXT_LIMIT, True)


def test_the_page_a_message_came_from_replaces_the_page_before(sessions: Sessions):
    for number in (1, 2):
        message = InboundMessage("web", f"m{number}", "ann", "hi", context={"page": {"product": f"p{number}"}})
        with sessions.begin() as session:
            accepted = inbox.accept(session, message, now=NOON)
    with sessions() as session:
        assert conversations.read(session, accepted.conversation_id).context == {"page": {"product": "p2"}}
