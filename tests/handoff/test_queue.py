"""One owner a conversation, told to the customer, kept against everybody else."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.database.conversation import AuditEntry, Conversation, Handoff, InboxItem, OutboxItem
from bot.handoff import queue
from bot.messaging import inbox, transcript, turns
from bot.messaging.messages import InboundMessage, OutboundMessage
from bot.messaging.turns import Finish


def test_whoever_claims_holds_it_and_the_customer_is_told_who_is_there(sessions, waiting, anna, now, holder, said):
    with sessions.begin() as session:
        queue.claim(session, waiting, anna, now=now)
    assert holder() == ("agent", anna.id)
    assert said()[-1] == ("system", "Anna has joined the conversation.")


def test_claiming_twice_tells_the_customer_once(sessions, waiting, anna, now, said):
    for _ in range(2):
        with sessions.begin() as session:
            queue.claim(session, waiting, anna, now=now)
    assert [author for author, _ in said()].count("system") == 1


def test_of_two_agents_who_claim_at_once_exactly_one_gets_it(sessions, waiting, anna, ben, now):
    barrier = threading.Barrier(2)
    outcomes = []

    def claim(agent):
        barrier.wait()
        try:
            with sessions.begin() as session:
                queue.claim(session, waiting, agent, now=now)
            outcomes.append("held")
        except queue.HeldByColleague as refused:
            outcomes.append(refused.name)

    threads = [threading.Thread(target=claim, args=(agent,)) for agent in (anna, ben)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) in (["Anna", "held"], ["Ben", "held"])


def test_a_reply_takes_ownership(sessions, waiting, anna, now, holder, said):
    with sessions.begin() as session:
        queue.reply(session, waiting, anna, "Hello", expected_position=2, request_id="r1", now=now)
    assert holder() == ("agent", anna.id)
    assert said()[-2:] == [("system", "Anna has joined the conversation."), ("agent", "Hello")]


def test_a_reply_is_owed_to_the_channel(sessions, waiting, anna, now):
    with sessions.begin() as session:
        sent = queue.reply(session, waiting, anna, "Hello", expected_position=2, request_id="r1", now=now)
        item = session.scalar(select(OutboxItem).where(OutboxItem.position == sent.position))
        assert item.status == "owed"


def test_the_same_reply_sent_again_says_nothing_twice(sessions, waiting, anna, now, said):
    for repeated in (False, True):
        with sessions.begin() as session:
            sent = queue.reply(session, waiting, anna, "Hello", expected_position=2, request_id="r1", now=now)
        assert sent.repeated is repeated
    assert said().count(("agent", "Hello")) == 1


def test_a_reply_is_refused_when_the_customer_wrote_something_the_agent_has_not_seen(
    sessions, waiting, anna, now, said
):
    with sessions.begin() as session:
        newest = transcript.append(session, waiting, "customer", {"text": "never mind"}, now=now)
    with pytest.raises(queue.NewerMessages) as refused, sessions.begin() as session:
        queue.reply(session, waiting, anna, "Hello", expected_position=2, request_id="r1", now=now)
    assert refused.value.position == newest
    assert "agent" not in [author for author, _ in said()]


def test_a_colleagues_conversation_is_not_answered_over_their_head(sessions, waiting, anna, ben, now, said):
    with sessions.begin() as session:
        queue.claim(session, waiting, anna, now=now)
    with pytest.raises(queue.HeldByColleague) as refused, sessions.begin() as session:
        queue.reply(session, waiting, ben, "Hi", expected_position=9, request_id="r2", now=now)
    assert refused.value.name == "Anna"
    assert ("agent", "Hi") not in said()


def test_a_note_is_for_colleagues_only_and_takes_nothing_over(sessions, waiting, anna, now, holder, said):
    before = said()
    with sessions.begin() as session:
        queue.note(session, waiting, anna, "call the warehouse", request_id="n1", now=now)
        assert transcript.last(session, waiting, 1, notes=True)[0].body["text"] == "call the warehouse"
        assert session.scalar(select(OutboxItem).where(OutboxItem.position == 3)) is None
    assert said() == before
    assert holder() == ("queue", None)


@pytest.mark.parametrize(("step", "outcome"), [(queue.hand_back, "handed_back"), (queue.resolve, "resolved")])
def test_given_back_the_bot_holds_it_and_the_handoff_is_closed(sessions, waiting, anna, now, holder, step, outcome):
    with sessions.begin() as session:
        queue.claim(session, waiting, anna, now=now)
        step(session, waiting, anna, now=now + timedelta(minutes=3))
    assert holder() == ("bot", None)
    with sessions.begin() as session:
        closed = session.scalar(select(Handoff))
        assert (closed.outcome, closed.closed_at) == (outcome, now + timedelta(minutes=3))


def test_what_nobody_holds_cannot_be_handed_back(sessions, waiting, anna, now):
    with pytest.raises(queue.NotHeld), sessions.begin() as session:
        queue.hand_back(session, waiting, anna, now=now)


def test_passed_on_the_colleague_holds_it(sessions, waiting, anna, ben, now, holder, said):
    with sessions.begin() as session:
        queue.claim(session, waiting, anna, now=now)
        queue.transfer(session, waiting, anna, ben.id, now=now)
    assert holder() == ("agent", ben.id)
    assert said()[-1] == ("system", "Ben has taken over your conversation.")


def test_the_customers_language_is_kept_when_people_come_and_go(sessions, waiting, anna, now, said):
    with sessions.begin() as session:
        session.get_one(Conversation, waiting).language = "zh"
    with sessions.begin() as session:
        queue.claim(session, waiting, anna, now=now)
        queue.hand_back(session, waiting, anna, now=now)
    assert [text for author, text in said() if author == "system"] == [
        "Anna 已接入，正在为您服务。",
        "Anna 已离开，智能助手将继续为您服务。",
    ]


def test_a_turn_of_the_bot_that_is_still_running_says_nothing_once_a_person_has_taken_over(
    sessions, anna, now, waiting
):
    message = InboundMessage(channel="telegram", external_id="m1", sender_id="visitor-2", text="hello")
    with sessions.begin() as session:
        accepted = inbox.accept(session, message, now=now)
        claimed = turns.claim(session, worker="w", limit=5, now=now).turns[0]
    conversation_id = claimed.conversation_id
    with sessions.begin() as session:
        queue.claim(session, conversation_id, anna, now=now)
        assert turns.finish_all(session, [Finish(claimed, (OutboundMessage("I am the bot"),))], now=now) == [False]
        assert [line.author for line in transcript.after(session, conversation_id)] == ["customer", "system"]
    with sessions.begin() as session:  # and the message is not left for the bot to answer later
        assert turns.claim(session, worker="w", limit=5, now=now + timedelta(minutes=2)).turns == ()
        item = session.scalar(select(InboxItem).where(InboxItem.position == accepted.position))
        assert item.status == "done"


def test_every_step_stands_in_the_audit_log(sessions, waiting, anna, now):
    with sessions.begin() as session:
        queue.claim(session, waiting, anna, now=now)
        queue.resolve(session, waiting, anna, now=now)
        entries = session.scalars(select(AuditEntry).where(AuditEntry.target == waiting)).all()
        assert {(entry.action, entry.agent_id) for entry in entries} == {("claimed", anna.id), ("resolved", anna.id)}


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001])
def test_empty_and_endless_texts_are_refused(sessions, waiting, anna, now, text):
    with pytest.raises(queue.BadText), sessions.begin() as session:
        queue.reply(session, waiting, anna, text, expected_position=2, request_id="r1", now=now)
