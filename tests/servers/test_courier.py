import os
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import pytest

from bot.channels.connector import Receipt, Rejected, RetryLater
from bot.channels.mail import FileMailbox
from bot.courier import LEASE, Courier, back_off
from bot.database.base import utc_now
from bot.database.engine import Sessions
from bot.messaging import outbox, wakeup
from bot.messaging.mails import OwedMail
from bot.messaging.messages import InboundMessage, OutboundMessage
from bot.messaging.tables import MAILS, OUTBOX


class ByHand:
    """A channel that does what it is told: each error once, then delivers."""

    name = "byhand"

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.sent: list[tuple[str, str]] = []
        self.keys: list[str] = []

    def send(self, to: str, message: OutboundMessage, *, key: str) -> Receipt:
        self.keys.append(key)
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append((to, message.text))
        return Receipt("platform-7")

    def close(self) -> None:
        pass


class Clock:
    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self):
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def courier(sessions: Sessions, home: Path, channel: ByHand, clock: Clock) -> Courier:
    signals = wakeup.LocalWakeup(home)
    return Courier(
        sessions, signals, {"byhand": channel}, FileMailbox(home / "mailbox", "shop@example.org"), clock=clock
    )  # type: ignore[dict-item]


def owe(sessions: Sessions, clock: Clock, *texts: str, sender: str = "ann") -> None:
    from bot.messaging import inbox

    with sessions.begin() as session:
        accepted = inbox.accept(session, InboundMessage("byhand", f"{sender}-1", sender, "hi"), now=clock())
        for text in texts:
            outbox.say(session, accepted.conversation_id, "bot", OutboundMessage(text), now=clock())


def states(sessions: Sessions) -> list[tuple[str, int, str | None]]:
    with sessions() as session:
        rows = session.execute(OUTBOX.select().order_by(OUTBOX.c.position)).all()
    return [(row.status, row.attempts, row.error) for row in rows]


def run_out(made: Courier) -> None:
    while made.deliver_due():
        pass


def test_lines_are_delivered_in_the_order_of_the_conversation(sessions: Sessions, tmp_path: Path, clock: Clock):
    channel = ByHand()
    owe(sessions, clock, "one", "two", "three")
    run_out(courier(sessions, tmp_path, channel, clock))
    assert channel.sent == [("ann", "one"), ("ann", "two"), ("ann", "three")]
    assert states(sessions) == [("delivered", 1, None)] * 3


def test_a_line_that_must_wait_holds_back_the_ones_behind_it_and_no_other_conversation(
    sessions: Sessions, tmp_path: Path, clock: Clock
):
    channel = ByHand(RetryLater("slow down", 30))
    owe(sessions, clock, "one", "two")
    made = courier(sessions, tmp_path, channel, clock)
    run_out(made)
    assert channel.sent == []
    owe(sessions, clock, "hello", sender="bob")
    run_out(made)
    assert channel.sent == [("bob", "hello")]
    clock.now += timedelta(seconds=31)
    run_out(made)
    assert channel.sent == [("bob", "hello"), ("ann", "one"), ("ann", "two")]


def test_what_the_channel_rejects_is_kept_with_its_reason_and_the_rest_goes_on(
    sessions: Sessions, tmp_path: Path, clock: Clock
):
    channel = ByHand(Rejected("the customer blocked us"))
    owe(sessions, clock, "one", "two")
    run_out(courier(sessions, tmp_path, channel, clock))
    assert channel.sent == [("ann", "two")]
    assert states(sessions) == [("rejected", 1, "the customer blocked us"), ("delivered", 1, None)]


def test_a_delivery_whose_courier_was_killed_is_tried_again_under_the_same_key(
    sessions: Sessions, tmp_path: Path, clock: Clock
):
    channel = ByHand(KeyboardInterrupt())  # type: ignore[arg-type]
    owe(sessions, clock, "one")
    made = courier(sessions, tmp_path, channel, clock)
    with pytest.raises(KeyboardInterrupt):
        made.deliver_due()
    assert made.deliver_due() == 0, "still claimed"
    clock.now += LEASE + timedelta(seconds=1)
    run_out(made)
    assert channel.sent == [("ann", "one")]
    assert len(set(channel.keys)) == 1


def test_a_clock_that_jumped_back_strands_no_delivery(sessions: Sessions, tmp_path: Path, clock: Clock):
    channel = ByHand(RetryLater("later", 60))
    owe(sessions, clock, "one")
    made = courier(sessions, tmp_path, channel, clock)
    run_out(made)
    clock.now -= timedelta(days=2)
    run_out(made)
    assert channel.sent == [("ann", "one")]


def test_a_channel_that_is_not_set_up_here_drops_nothing(sessions: Sessions, tmp_path: Path, clock: Clock):
    owe(sessions, clock, "one")
    made = courier(sessions, tmp_path, ByHand(), clock)
    made.connectors = {}
    run_out(made)
    assert states(sessions)[0][0] == "owed"


def test_a_mail_becomes_a_file_once_however_often_it_is_sent(sessions: Sessions, tmp_path: Path, clock: Clock):
    with sessions.begin() as session:
        session.execute(
            MAILS.insert().values(
                id="m1",
                request_id="r1",
                to_address="ann@example.org",
                subject="Your code 验证码",
                body="123456",
                status="owed",
                attempts=0,
                next_try_at=clock(),
                created_at=clock(),
            )
        )
    made = courier(sessions, tmp_path, ByHand(), clock)
    run_out(made)
    with sessions.begin() as session:
        session.execute(MAILS.update().values(status="owed", next_try_at=clock()))  # killed before it was marked
    run_out(made)
    (file,) = (tmp_path / "mailbox").iterdir()
    mail = message_from_bytes(file.read_bytes())
    assert (mail["To"], mail["Message-ID"]) == ("ann@example.org", "<m1@example.org>")
    assert "123456" in mail.get_payload()
    with sessions() as session:
        assert session.execute(MAILS.select()).one().status == "sent"


def test_a_mail_is_not_seen_in_its_folder_before_it_is_whole(tmp_path: Path, clock: Clock, monkeypatch):
    replace, seen = os.replace, []

    def watched(part: Path, mail: Path) -> None:
        seen.append([file.name for file in part.parent.glob("*.eml")])
        replace(part, mail)

    monkeypatch.setattr(os, "replace", watched)
    box = FileMailbox(tmp_path / "mailbox", "shop@example.org")
    box.send(OwedMail("m1", 0, "ann@example.org", "Your code", "123456", clock()))
    assert seen == [[]]
    (file,) = (tmp_path / "mailbox").glob("*.eml")
    assert "123456" in message_from_bytes(file.read_bytes()).get_payload()


def test_an_address_that_breaks_out_of_its_header_is_rejected(sessions: Sessions, tmp_path: Path, clock: Clock):
    with sessions.begin() as session:
        session.execute(
            MAILS.insert().values(
                id="m1",
                request_id="r1",
                to_address="a@b.example\nBcc: all@b.example",
                subject="x",
                body="x",
                status="owed",
                attempts=0,
                next_try_at=clock(),
                created_at=clock(),
            )
        )
    run_out(courier(sessions, tmp_path, ByHand(), clock))
    with sessions() as session:
        assert session.execute(MAILS.select()).one().status == "rejected"


def test_back_off_grows_and_has_an_end():
    assert [back_off(attempts) for attempts in (0, 1, 2, 30)] == [1, 2, 4, 600]
