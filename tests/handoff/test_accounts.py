"""Accounts, sign-in, sessions: nobody in who should not be, nobody locked out who should."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.database.conversation import Agent, AgentSession
from bot.handoff import agents, sign_in
from bot.settings import PROJECT
from tests.handoff.conftest import PASSWORD


def signed_in(sessions, now, email="anna@shop.example", password=PASSWORD, address="10.0.0.1"):
    with sessions.begin() as session:
        sign_in.refuse_guessing(session, email=email, address=address, now=now)
    try:
        with sessions.begin() as session:
            return sign_in.sign_in(session, email=email, password=password, address=address, now=now)
    except sign_in.SignInRefused:
        with sessions.begin() as session:
            sign_in.note_failure(session, email=email, address=address, now=now)
        raise


def test_the_right_password_opens_a_session_of_which_only_a_hash_is_stored(sessions, anna, now):
    token, console = signed_in(sessions, now)
    assert console.agent.id == anna.id
    with sessions.begin() as session:
        stored = session.scalar(select(AgentSession))
        assert token not in (stored.token_sha256, stored.csrf_token)
        assert sign_in.console_of(session, token, now=now) == console


def test_passwords_are_stored_as_argon2(sessions, anna):
    with sessions.begin() as session:
        assert session.get_one(Agent, anna.id).password_hash.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("email", "password"), [("anna@shop.example", "wrong password"), ("eve@shop.example", PASSWORD)]
)
def test_a_wrong_password_and_an_unknown_address_are_refused_alike(sessions, anna, now, email, password):
    with pytest.raises(sign_in.SignInRefused, match=r"^wrong e-mail address or password$"):
        signed_in(sessions, now, email, password)


def test_guessing_is_stopped_even_when_the_last_guess_is_right(sessions, anna, now):
    for _ in range(sign_in.PAIR):
        with pytest.raises(sign_in.SignInRefused):
            signed_in(sessions, now, password="wrong password")
    with pytest.raises(sign_in.TooManyTries) as refused:
        signed_in(sessions, now)
    assert 0 < refused.value.retry_after_seconds <= sign_in.WINDOW.total_seconds()
    signed_in(sessions, now + sign_in.WINDOW + timedelta(seconds=1))


def test_someone_elses_guessing_does_not_lock_the_agent_out(sessions, anna, now):
    for _ in range(sign_in.PAIR):
        with pytest.raises(sign_in.SignInRefused):
            signed_in(sessions, now, password="wrong password", address="203.0.113.9")
    assert signed_in(sessions, now, address="10.0.0.1")


def test_a_session_ends_after_a_working_day(sessions, anna, now):
    token, _ = signed_in(sessions, now)
    with sessions.begin() as session:
        assert sign_in.console_of(session, token, now=now + sign_in.LIFETIME - timedelta(minutes=1))
        assert sign_in.console_of(session, token, now=now + sign_in.LIFETIME) is None


def test_signed_out_is_out_and_so_is_who_was_deactivated(sessions, anna, ben, now):
    first, _ = signed_in(sessions, now)
    second, _ = signed_in(sessions, now)
    with sessions.begin() as session:
        sign_in.sign_out(session, first, now=now, agent_id=anna.id)
        assert sign_in.console_of(session, first, now=now) is None
        assert sign_in.console_of(session, second, now=now) is not None
        agents.set_active(session, "anna@shop.example", False, now=now)
        assert sign_in.console_of(session, second, now=now) is None
    with pytest.raises(sign_in.SignInRefused):
        signed_in(sessions, now)


def test_a_new_password_signs_out_everywhere(sessions, anna, now):
    token, _ = signed_in(sessions, now)
    with sessions.begin() as session:
        agents.set_password(session, "anna@shop.example", "another long password", now=now)
        assert sign_in.console_of(session, token, now=now) is None
    assert signed_in(sessions, now, password="another long password")


def test_the_last_owner_stays(sessions, ben, now):
    with pytest.raises(agents.AccountError, match="only active owner"), sessions.begin() as session:
        agents.set_active(session, "ben@shop.example", False, now=now)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"email": "anna@shop.example"}, "has an account already"),
        ({"email": "anna"}, "no e-mail address"),
        ({"password": "short"}, "at least 10"),
        ({"role": "king"}, "must be one of"),
    ],
)
def test_an_account_that_breaks_a_rule_is_refused_with_the_rule(sessions, anna, now, given, rule):
    fields = {"email": "eve@shop.example", "name": "Eve", "password": PASSWORD, "now": now, **given}
    with pytest.raises(agents.AccountError, match=rule), sessions.begin() as session:
        agents.add(session, **fields)


def test_the_first_owner_is_made_once_and_only_they_can_read_the_password(sessions, now, tmp_path):
    file = agents.ensure_owner(sessions, tmp_path, now=now)
    assert file.stat().st_mode & 0o077 == 0
    _, console = signed_in(sessions, now, agents.FIRST_EMAIL, file.read_text())
    assert console.agent.role == "owner"
    assert agents.ensure_owner(sessions, tmp_path, now=now) is None


def test_the_command_makes_lists_and_refuses(database_url, engine, tmp_path):
    environ = {**os.environ, "KEFU_HOME": str(tmp_path), "KEFU_DATABASE_URL": database_url}

    def kefu_agents(*words, given=""):
        command = [sys.executable, "-m", "bot.handoff.agents", *words]
        return subprocess.run(
            command, cwd=PROJECT, env=environ, input=given, capture_output=True, text=True, check=False
        )

    made = kefu_agents("add", "eve@shop.example", "--name", "Eve", given=f"{PASSWORD}\n")
    assert (made.returncode, made.stdout) == (0, "made eve@shop.example (agent)\n")
    again = kefu_agents("add", "eve@shop.example", given=f"{PASSWORD}\n")
    assert (again.returncode, again.stderr) == (1, "eve@shop.example has an account already\n")
    assert "eve@shop.example" in kefu_agents("list").stdout
