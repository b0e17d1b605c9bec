"""The console over HTTP: who is let in, one error shape, what each step answers."""

from dataclasses import dataclass
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from bot.database.engine import Sessions
from bot.handoff import routes
from bot.messaging import transcript
from tests.handoff.conftest import PASSWORD


class Bells:
    """A wakeup that only notes what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, tuple[str, ...]]] = []

    def notify(self, topic: str, ids: Any = ()) -> None:
        self.told.append((topic, tuple(ids)))

    def listen(self, *topics: str) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Services:
    sessions: Sessions
    readers: Sessions
    wakeup: Bells


@pytest.fixture
def bells():
    return Bells()


@pytest.fixture
def client(sessions, bells):
    app = Starlette(routes=routes.routes(Services(sessions, sessions, bells)))
    with TestClient(app) as made:
        yield made


@pytest.fixture
def signed_in(client, anna):
    me = client.post("/api/console/sign-in", json={"email": anna.email, "password": PASSWORD}).json()
    client.headers["X-CSRF-Token"] = me["csrf_token"]
    return client


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["message"]
    return answer.json()["error"]


@pytest.mark.parametrize("path", ["me", "lists", "colleagues", "audit", "events", "conversations/x", "search?q=a"])
def test_nothing_is_told_to_whoever_is_not_signed_in(client, path):
    refused(client.get(f"/api/console/{path}"), 401, "signed_out")


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(client, anna):
    answer = client.post("/api/console/sign-in", json={"email": anna.email, "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_a_write_without_the_pages_token_is_refused(signed_in, waiting, holder):
    for headers in ({"X-CSRF-Token": ""}, {"X-CSRF-Token": "guessed"}):
        refused(signed_in.post(f"/api/console/conversations/{waiting}/claim", headers=headers), 403, "csrf")
    assert holder() == ("queue", None)


def test_claim_reply_note_and_resolve(signed_in, waiting, anna, holder, bells, said):
    at = f"/api/console/conversations/{waiting}"
    assert signed_in.post(f"{at}/claim").status_code == 200
    assert holder() == ("agent", anna.id)
    body = {"text": "Hello", "request_id": "r1", "expected_position": 3}
    assert signed_in.post(f"{at}/reply", json=body).json() == {"position": 4, "repeated": False}
    assert signed_in.post(f"{at}/reply", json=body).json() == {"position": 4, "repeated": True}
    assert signed_in.post(f"{at}/note", json={"text": "look", "request_id": "n1"}).json()["position"] == 5
    assert signed_in.post(f"{at}/resolve").status_code == 200
    assert holder() == ("bot", None)
    assert said()[3] == ("agent", "Hello")
    assert ("transcript", (waiting,)) in bells.told
    assert ("outbox", (waiting,)) in bells.told


def test_a_reply_past_unread_words_is_refused_with_the_newest_position(signed_in, sessions, waiting, now):
    with sessions.begin() as session:
        newest = transcript.append(session, waiting, "customer", {"text": "wait"}, now=now)
    body = {"text": "Hello", "request_id": "r1", "expected_position": 2}
    error = refused(signed_in.post(f"/api/console/conversations/{waiting}/reply", json=body), 409, "newer_messages")
    assert error["position"] == newest


def test_lists_tell_who_waits_why_and_since_when(signed_in, waiting, now):
    lists = signed_in.get("/api/console/lists").json()
    assert [row["id"] for row in lists["waiting"]] == [waiting]
    row = lists["waiting"][0]
    assert (row["reason"], row["waiting_since"]) == ("asked", now.isoformat())
    assert row["last_text"] == "I am calling a colleague."
    assert lists["mine"] == []


def test_a_thread_has_its_lines_and_why_people_were_called(signed_in, waiting):
    thread = signed_in.get(f"/api/console/conversations/{waiting}").json()
    assert [line["author"] for line in thread["lines"]] == ["customer", "bot"]
    assert thread["handoffs"][0]["summary"] == {"wish": "cancel_order"}
    refused(signed_in.get("/api/console/conversations/none"), 404, "no_conversation")


def test_an_unproven_visitor_has_no_orders_to_show(signed_in, waiting):
    panel = signed_in.get(f"/api/console/conversations/{waiting}/customer").json()
    assert panel == {"customer": None, "orders": [], "risk": []}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "bad_json"),
        ("[]", 400, "bad_json"),
        ('{"text": "a"}', 422, "bad_value"),
        ('{"text": "a", "request_id": "r", "expected_position": -1}', 422, "bad_value"),
        ('{"text": " ", "request_id": "r", "expected_position": 2}', 422, "bad_text"),
        ('{"text": "' + "x" * 70_000 + '"}', 413, "too_large"),
    ],
)
def test_a_bad_request_says_what_is_wrong_with_it(signed_in, waiting, body, status, code):
    refused(signed_in.post(f"/api/console/conversations/{waiting}/reply", content=body), status, code)


def test_the_audit_log_is_for_owners(signed_in, client, ben):
    refused(signed_in.get("/api/console/audit"), 403, "owner_only")
    client.post("/api/console/sign-in", json={"email": ben.email, "password": PASSWORD})
    assert client.get("/api/console/audit").json()["entries"][0]["action"] == "signed_in"


def test_signed_out_is_out(signed_in):
    assert signed_in.post("/api/console/sign-out").status_code == 200
    refused(signed_in.get("/api/console/me"), 401, "signed_out")


def test_too_many_wrong_passwords_are_answered_with_when_to_try_again(client, anna):
    given = {"email": anna.email, "password": "wrong password"}
    for _ in range(5):
        refused(client.post("/api/console/sign-in", json=given), 401, "wrong_password")
    answer = client.post("/api/console/sign-in", json=given)
    refused(answer, 429, "too_many_tries")
    assert int(answer.headers["Retry-After"]) > 0


def test_the_page_may_load_nothing_from_elsewhere(client):
    answer = client.get("/console/")
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "'unsafe" not in answer.headers["Content-Security-Policy"]
    assert "<style" not in answer.text
