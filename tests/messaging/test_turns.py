from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from bot.database.engine import Sessions
from bot.messaging import conversations, handoffs, transcript, turns
from bot.messaging.messages import Button, HandoffRequest, OutboundMessage
from bot.messaging.tables import AGENTS, INBOX, OUTBOX
from bot.messaging.turns import Finish, Retry
from tests.messaging.conversation_data import NOON, at, claim, claim_one, finish, write

LEASE = turns.LEASE.total_seconds()
AGENT = insert(AGENTS).values(id="agent-1", email="a@shop.example", name="Alex", password_hash="x")


def statuses(sessions: Sessions) -> list[str]:
    with sessions() as session:
        return list(session.execute(select(INBOX.c.status).order_by(INBOX.c.position)).scalars())


def texts(sessions: Sessions, conversation_id: str) -> list[str]:
    with sessions() as session:
        return [line.body["text"] for line in transcript.after(session, conversation_id)]


def test_a_turn_takes_effect_whole(sessions: Sessions):
    accepted = write(sessions, "hello", channel="telegram")
    turn = claim_one(sessions)
    assert finish(sessions, turn, "hi", "how can I help?", language="zh")
    assert texts(sessions, accepted.conversation_id) == ["hello", "hi", "how can I help?"]
    assert statuses(sessions) == ["done"]
    with sessions() as session:
        owed = session.execute(select(OUTBOX.c.position, OUTBOX.c.status, OUTBOX.c.inbox_id)).all()
        assert conversations.read(session, accepted.conversation_id).language == "zh"
    assert sorted(owed) == [(2, "owed", turn.inbox_id), (3, "owed", turn.inbox_id)]


def test_what_the_widget_reads_itself_counts_as_delivered(sessions: Sessions):
    write(sessions, "hello")
    finish(sessions, claim_one(sessions), "hi")
    with sessions() as session:
        assert session.execute(select(OUTBOX.c.status)).scalar_one() == "delivered"


def test_messages_of_one_conversation_are_claimed_one_after_another(sessions: Sessions):
    write(sessions, "one")
    write(sessions, "two", seconds=1)
    first = claim_one(sessions, seconds=2)
    assert first.text == "one"
    assert claim(sessions, worker="w2", seconds=2).turns == ()
    finish(sessions, first, "answer one", seconds=3)
    assert claim_one(sessions, seconds=3).text == "two"


def test_conversations_are_claimed_in_parallel_and_the_longest_waiting_first(sessions: Sessions):
    for number, sender in enumerate(("ann", "bob", "cy")):
        write(sessions, f"from {sender}", sender=sender, seconds=number)
    assert [turn.text for turn in claim(sessions, limit=2, seconds=5).turns] == ["from ann", "from bob"]
    assert [turn.text for turn in claim(sessions, worker="w2", limit=2, seconds=5).turns] == ["from cy"]


def test_a_finish_after_the_lease_was_taken_over_changes_nothing(sessions: Sessions):
    accepted = write(sessions, "hello")
    slow = claim_one(sessions, worker="slow")
    fast = claim_one(sessions, worker="fast", seconds=LEASE + 1)
    assert fast.inbox_id == slow.inbox_id
    assert finish(sessions, fast, "from fast", seconds=LEASE + 2)
    assert not finish(sessions, slow, "from slow", seconds=LEASE + 3)
    assert texts(sessions, accepted.conversation_id) == ["hello", "from fast"]


def test_a_heartbeat_keeps_a_lease_and_tells_which_are_lost(sessions: Sessions):
    write(sessions, "hello")
    write(sessions, "hello", sender="bob")
    held = claim(sessions).turns
    with sessions.begin() as session:
        assert turns.extend(session, held, now=at(LEASE - 1)) == {turn.conversation_id for turn in held}
    assert claim(sessions, worker="w2", seconds=LEASE + 1).turns == ()
    finish(sessions, held[0], "done", seconds=LEASE)
    with sessions.begin() as session:
        assert turns.extend(session, held, now=at(LEASE)) == {held[1].conversation_id}


def test_leases_of_a_dead_worker_end_at_once(sessions: Sessions):
    write(sessions, "hello")
    dead = claim_one(sessions, worker="dead")
    with sessions.begin() as session:
        assert turns.release_worker(session, "other") == 0
        assert turns.release_worker(session, "dead") == 1
    again = claim_one(sessions, worker="w2", seconds=1)
    assert (again.inbox_id, again.attempts) == (dead.inbox_id, 2)


def test_a_retry_waits_and_holds_back_what_was_written_later(sessions: Sessions):
    write(sessions, "one")
    write(sessions, "two", seconds=1)
    turn = claim_one(sessions, seconds=1)
    with sessions.begin() as session:
        assert turns.retry(session, Retry(turn, at(30), "nlu is down"))
    assert claim(sessions, seconds=20).turns == ()
    again = claim_one(sessions, seconds=31)
    assert (again.text, again.attempts) == ("one", 2)


def test_an_outage_does_not_use_up_attempts(sessions: Sessions):
    write(sessions, "one")
    for number in range(5):
        turn = claim_one(sessions, seconds=number)
        assert turn.attempts == 1
        with sessions.begin() as session:
            turns.retry(session, Retry(turn, at(number + 1), "nlu is down", counted=False))


@pytest.mark.parametrize("jump", [timedelta(days=-3), timedelta(days=3)])
def test_a_clock_that_jumps_strands_nothing(sessions: Sessions, jump: timedelta):
    write(sessions, "hello")
    write(sessions, "hello", sender="bob")
    leased, retried = claim(sessions).turns
    with sessions.begin() as session:
        turns.retry(session, Retry(retried, at(1), "busy"))
    seconds = jump.total_seconds()
    found = claim(sessions, worker="w2", seconds=seconds).turns
    assert {turn.inbox_id for turn in found} == {leased.inbox_id, retried.inbox_id}


def test_a_handoff_takes_effect_with_the_turn(sessions: Sessions):
    accepted = write(sessions, "a person please")
    finish(sessions, claim_one(sessions), "One moment.", handoff=HandoffRequest("asked", {"order": "K-1"}))
    with sessions() as session:
        assert conversations.read(session, accepted.conversation_id).holder == "queue"


def test_a_refused_finish_opens_no_handoff(sessions: Sessions):
    accepted = write(sessions, "a person please")
    slow = claim_one(sessions)
    with sessions.begin() as session:
        turns.release(session, slow.conversation_id, slow.lease_token)
    assert not finish(sessions, slow, "One moment.", handoff=HandoffRequest("asked"))
    with sessions() as session:
        assert conversations.read(session, accepted.conversation_id).holder == "bot"


def test_while_people_hold_a_conversation_its_messages_are_done_without_the_bot(sessions: Sessions):
    accepted = write(sessions, "a person please")
    finish(sessions, claim_one(sessions), "One moment.", handoff=HandoffRequest("asked"))
    write(sessions, "are you there?", seconds=1)
    claimed = claim(sessions, seconds=2)
    assert (claimed.turns, claimed.silent) == ((), (accepted.conversation_id,))
    assert statuses(sessions) == ["done", "done"]


def test_the_bot_never_speaks_over_a_person_who_took_over_in_mid_turn(sessions: Sessions):
    accepted = write(sessions, "hello")
    turn = claim_one(sessions)
    with sessions.begin() as session:
        session.execute(AGENT)
        handoffs.claim(session, turn.conversation_id, "agent-1", now=NOON)
    assert not finish(sessions, turn, "from the bot")
    assert texts(sessions, accepted.conversation_id) == ["hello"]
    assert claim(sessions, seconds=1).silent == (accepted.conversation_id,)


def test_a_handed_back_conversation_is_answered_by_the_bot_again(sessions: Sessions):
    accepted = write(sessions, "a person please")
    finish(sessions, claim_one(sessions), "One moment.", handoff=HandoffRequest("asked"))
    with sessions.begin() as session:
        session.execute(AGENT)
        opened = handoffs.claim(session, accepted.conversation_id, "agent-1", now=at(1))
        with pytest.raises(handoffs.HandoffRefused):
            handoffs.claim(session, accepted.conversation_id, "agent-2", now=at(1))
        assert handoffs.close(session, accepted.conversation_id, "handed_back", now=at(2)) == opened
        with pytest.raises(handoffs.HandoffRefused):
            handoffs.close(session, accepted.conversation_id, "handed_back", now=at(2))
    write(sessions, "thanks", seconds=3)
    assert claim_one(sessions, seconds=4).text == "thanks"


def test_only_a_button_that_was_offered_here_is_obeyed(sessions: Sessions):
    offer = OutboundMessage("Cancel?", buttons=(Button("Yes", '/affirm{"order": "K-1"}'),))
    write(sessions, "cancel", sender="ann")
    write(sessions, "cancel", sender="bob")
    for turn in claim(sessions).turns:
        with sessions.begin() as session:
            turns.finish_all(session, [Finish(turn, (offer,) if turn.position == 1 else ())], now=NOON)
    write(sessions, "Yes", id_="a1", payload='/affirm{"order": "K-1"}', sender="ann", seconds=1)
    write(sessions, "Yes", id_="b1", payload='/affirm{"order": "K-2"}', sender="bob", seconds=1)
    write(sessions, "Yes", id_="c1", payload='/affirm{"order": "K-1"}', sender="cy", seconds=1)
    obeyed = {turn.payload for turn in claim(sessions, seconds=2).turns}
    assert obeyed == {'/affirm{"order": "K-1"}', None}


def test_wishes_that_wait_are_kept_and_come_with_the_next_turn(sessions: Sessions):
    write(sessions, "cancel it and show me tents")
    wish = {"text": "show me tents", "parse": {"intent": {"name": "product_search"}}}
    finish(
        sessions, claim_one(sessions), "Which order?", waiting_wishes=(wish,), context={"active_loop": "cancel_form"}
    )
    write(sessions, "K-1", seconds=1)
    turn = claim_one(sessions, seconds=2)
    assert (turn.waiting_wishes, turn.context["active_loop"]) == ((wish,), "cancel_form")
