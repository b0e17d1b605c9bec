"""Who the customer is: codes, limits, and what a stranger cannot learn."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from actions import identity
from bot.database import policies
from bot.database.conversation import Conversation
from bot.database.shop import Customer, Mail, OneTimeCode, Order

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
KNOWN, UNKNOWN = "ada@mail.example", "nobody@mail.example"


@pytest.fixture
def desk(sessions):
    with sessions.begin() as session:
        policies.add_missing(session)
        session.add(Customer(id="ada", name="Ada", email=KNOWN, language="zh", addresses=[], created_at=NOW))
        session.add(Customer(id="bob", name="Bob", email="bob@mail.example", addresses=[], created_at=NOW))
        session.flush()
        session.add(
            Order(
                number="K-1001", customer_id="ada", status="pending", placed_at=NOW, subtotal_minor=1, total_minor=1,
                ship_to={},
            )
        )  # fmt: skip
        for id_ in ("c1", "c2", "c3", "c4"):
            session.add(Conversation(id=id_, channel="web", sender_id=id_))
    return sessions


def ask(desk, address: str, *, request_id: str = "m1", conversation: str = "c1", now: datetime = NOW):
    with desk.begin() as session:
        return identity.request_code(
            session, conversation_id=conversation, address=address, language="en", request_id=request_id, now=now
        )


def enter(desk, code: str, *, conversation: str = "c1", now: datetime = NOW):
    with desk.begin() as session:
        return identity.check_code(session, conversation_id=conversation, code=code, now=now)


def mailed(desk) -> str:
    with desk() as session:
        body = session.scalars(select(Mail).where(Mail.status == "owed").order_by(Mail.created_at.desc())).first().body
    return re.search(r"\d{6}", body).group()


def who(desk, *, conversation: str = "c1", now: datetime = NOW) -> str | None:
    with desk() as session:
        found = identity.customer_of(session, conversation, now=now)
        return found.id if found else None


@pytest.mark.parametrize("typed", [KNOWN, " ADA@mail.example ", "K-1001", "k1001", "#1001"])
def test_the_code_on_file_proves_the_customer(desk, typed: str) -> None:
    ask(desk, typed)
    assert who(desk) is None
    assert enter(desk, mailed(desk)).kind == "ok"
    assert who(desk) == "ada"


def test_the_mail_goes_to_the_address_on_file_in_the_customers_language(desk) -> None:
    ask(desk, "K-1001")
    with desk() as session:
        mail = session.scalars(select(Mail)).one()
    assert (mail.to_address, mail.status) == (KNOWN, "owed")
    assert "验证码" in mail.body


def test_full_width_digits_and_spaces_are_read_kindly(desk) -> None:
    ask(desk, KNOWN)
    code = mailed(desk)
    wide = "".join(chr(ord("０") + int(digit)) for digit in code)
    assert enter(desk, f" {wide[:3]} {wide[3:]} ").kind == "ok"


def test_a_code_is_of_its_conversation_alone(desk) -> None:
    ask(desk, KNOWN)
    assert enter(desk, mailed(desk), conversation="c2").kind == "expired"
    assert who(desk, conversation="c2") is None


def test_nothing_tells_whether_an_address_has_an_account(desk) -> None:
    known = ask(desk, KNOWN, conversation="c1", request_id="a")
    unknown = ask(desk, UNKNOWN, conversation="c2", request_id="b")
    assert known == unknown
    with desk() as session:
        rows = {row.conversation_id: row for row in session.scalars(select(OneTimeCode))}
        mails = session.scalars(select(Mail)).all()
    assert len(rows) == len(mails) == 2
    assert sorted(mail.status for mail in mails) == ["owed", "rejected"]
    assert all(mail.to_address == "" and mail.body == "" for mail in mails if mail.status == "rejected")
    assert enter(desk, "000000", conversation="c1") == enter(desk, "000000", conversation="c2")
    assert ask(desk, "K-9999", conversation="c3", request_id="c") == known


def test_the_limits_of_known_and_unknown_addresses_are_alike(desk) -> None:
    answers = {
        address: [
            ask(desk, address, conversation=c, request_id=f"{address}{n}{c}").limited
            for c in conversations
            for n in range(3)
        ]
        for address, conversations in ((KNOWN, ("c1", "c2")), (UNKNOWN, ("c3", "c4")))
    }  # fmt: skip
    assert answers[KNOWN] == answers[UNKNOWN] == [False] * 5 + [True]


def test_an_account_has_one_limit_however_it_is_named(desk) -> None:
    for n, address in enumerate((KNOWN, "K-1001", KNOWN)):
        assert not ask(desk, address, conversation="c1", request_id=f"a{n}").limited
    for n in range(2):
        assert not ask(desk, "K-1001", conversation="c2", request_id=f"b{n}").limited
    limited = ask(desk, KNOWN, conversation="c3", request_id="z")
    assert limited.limited
    assert limited.again_at == NOW + timedelta(hours=1)
    assert not ask(desk, KNOWN, conversation="c3", request_id="y", now=limited.again_at).limited


def test_a_repeated_turn_sends_no_second_mail(desk) -> None:
    assert ask(desk, KNOWN) == ask(desk, KNOWN)
    with desk() as session:
        assert len(session.scalars(select(Mail)).all()) == 1


def test_a_new_code_ends_the_old_one(desk) -> None:
    ask(desk, KNOWN)
    old = mailed(desk)
    ask(desk, KNOWN, request_id="m2", now=NOW + timedelta(seconds=5))
    new = mailed(desk)
    assert old == new or enter(desk, old, now=NOW + timedelta(seconds=6)).kind == "wrong"
    assert enter(desk, new, now=NOW + timedelta(seconds=6)).kind == "ok"


def test_five_wrong_entries_lock_even_the_right_code(desk) -> None:
    ask(desk, KNOWN)
    code = mailed(desk)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    kinds = [enter(desk, wrong).kind for _ in range(5)]
    assert kinds == ["wrong"] * 4 + ["locked"]
    assert enter(desk, code).kind == "locked"
    assert who(desk) is None


def test_wrong_entries_count_for_the_conversation_over_all_its_codes(desk) -> None:
    for n in range(3):
        then = NOW + timedelta(seconds=n)
        ask(desk, KNOWN, request_id=f"m{n}", now=then)
        code = mailed(desk)
        wrong = f"{(int(code) + 1) % 10**6:06d}"
        kinds = [enter(desk, wrong, now=then).kind for _ in range(4)]
    assert kinds == ["wrong", "wrong", "locked", "locked"]  # 4 + 4 + 2 are ten


def test_a_code_expires(desk) -> None:
    ask(desk, KNOWN)
    assert enter(desk, mailed(desk), now=NOW + timedelta(minutes=10)).kind == "expired"


def test_a_turn_played_again_with_the_right_code_is_told_ok_again(desk) -> None:
    ask(desk, KNOWN)
    code = mailed(desk)
    assert [enter(desk, code).kind for _ in range(2)] == ["ok", "ok"]


def test_the_proof_expires_and_a_deleted_account_is_nobody(desk) -> None:
    ask(desk, KNOWN)
    enter(desk, mailed(desk))
    assert who(desk, now=NOW + timedelta(hours=23)) == "ada"
    assert who(desk, now=NOW + timedelta(hours=24)) is None
    with desk.begin() as session:
        session.get_one(Customer, "ada").deleted_at = NOW
    assert who(desk) is None


def test_a_stolen_database_does_not_show_the_code(desk) -> None:
    ask(desk, KNOWN)
    with desk() as session:
        row = session.scalars(select(OneTimeCode)).one()
    assert mailed(desk) not in row.code_sha256
    assert len(row.code_sha256) == 64


def test_a_step_up_goes_to_the_proven_customer_and_counts_for_ten_minutes(desk) -> None:
    with desk.begin() as session:
        assert identity.request_step_up(session, conversation_id="c1", request_id="s0", now=NOW) is None
        identity.prove(session, "c1", "ada", NOW)
        assert identity.request_step_up(session, conversation_id="c1", request_id="s1", now=NOW) is not None
        assert not identity.stepped_up(session, "c1", "ada", now=NOW)
        assert identity.open_code(session, "c1", now=NOW)
    assert enter(desk, mailed(desk)).kind == "ok"
    with desk() as session:
        assert identity.stepped_up(session, "c1", "ada", now=NOW + timedelta(minutes=9))
        assert not identity.stepped_up(session, "c1", "ada", now=NOW + timedelta(minutes=11))
        assert not identity.stepped_up(session, "c1", "bob", now=NOW)
