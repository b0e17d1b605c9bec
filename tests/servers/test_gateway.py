import contextlib
import json
import threading
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, event, select

from bot.channels import shop_token
from bot.database.base import utc_now
from bot.database.engine import open_sessions
from bot.messaging import conversations, outbox, turns
from bot.messaging.limits import Rate
from bot.messaging.messages import OutboundMessage
from bot.messaging.tables import INBOX, MESSAGES
from bot.messaging.wakeup import TRANSCRIPT, TYPING, open_wakeup
from tests.servers.gateway_in_test import SHOP_SECRET, serving, visitor


def customer_token(customer_id: str, seconds: float = 600) -> str:
    return shop_token.sign(customer_id, SHOP_SECRET, expires_at=time.time() + seconds)


def test_a_message_is_accepted_once_and_read_back(engine: Engine, tmp_path: Path):
    with serving(engine, tmp_path) as client:
        headers = visitor(client)
        body = {"id": "m1", "text": "where is my order?", "page": {"product": "p1"}}
        first = client.post("/api/widget/messages", json=body, headers=headers)
        second = client.post("/api/widget/messages", json=body, headers=headers)
        assert (first.status_code, second.status_code) == (202, 200)
        assert first.json() == second.json() == {"position": 1}
        found = client.get("/api/widget/messages", headers=headers).json()
    assert [(line["author"], line["text"]) for line in found["messages"]] == [("customer", "where is my order?")]
    assert found["holder"] == "bot"


def test_a_session_goes_on_with_its_token(engine: Engine, tmp_path: Path):
    with serving(engine, tmp_path) as client:
        first = client.post("/api/widget/session", json={"language": "zh-CN"}).json()
        again = client.post("/api/widget/session", json={"visitor_token": first["visitor_token"]}).json()
        other = client.post("/api/widget/session", json={"visitor_token": first["visitor_token"] + "0"}).json()
    assert first["language"] == "zh"
    assert first["shop"] == {"name": "The Shop"}
    assert again["conversation_id"] == first["conversation_id"]
    assert other["conversation_id"] != first["conversation_id"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x.y", "Basic abc", "Bearer " + "a" * 5000])
def test_without_a_visitor_s_token_nothing_is_read_or_written(header: str, engine: Engine, tmp_path: Path):
    headers = {"Authorization": header}
    with serving(engine, tmp_path) as client:
        answers = [
            client.get("/api/widget/messages", headers=headers),
            client.get("/api/widget/events", headers=headers),
            client.post("/api/widget/messages", headers=headers, json={"id": "1", "text": "hi"}),
            client.post("/api/widget/language", headers=headers, json={"language": "zh"}),
        ]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert all(set(answer.json()["error"]) == {"code", "message"} for answer in answers)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 400),
        (b"[1]", 400),
        (b"{}", 422),
        (json.dumps({"id": "1", "text": ""}).encode(), 422),
        (json.dumps({"id": "1", "text": 7}).encode(), 422),
        (json.dumps({"id": "1", "text": "x" * 4001}).encode(), 413),
        (json.dumps({"id": "1", "text": "x" * 70_000}).encode(), 413),
        (json.dumps({"id": "1" * 101, "text": "x"}).encode(), 422),
        (json.dumps({"id": "1", "text": "x", "page": "p"}).encode(), 422),
        (b"[" * 50_000, 400),
    ],
)
def test_a_body_that_breaks_a_rule_is_refused_in_the_one_shape(
    body: bytes, status: int, engine: Engine, tmp_path: Path
):
    with serving(engine, tmp_path) as client:
        answer = client.post("/api/widget/messages", content=body, headers=visitor(client))
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message"}


def test_half_an_emoji_is_taken(engine: Engine, tmp_path: Path):
    with serving(engine, tmp_path) as client:
        headers = visitor(client)
        answer = client.post("/api/widget/messages", content=b'{"id": "1", "text": "a\\ud83d"}', headers=headers)
        assert answer.status_code == 202
        assert client.get("/api/widget/messages", headers=headers).json()["messages"][0]["text"] == "a\ufffd"


def test_who_writes_too_fast_is_told_when_to_come_back(engine: Engine, tmp_path: Path):
    with serving(engine, tmp_path, rate=Rate(60, 3)) as client:
        headers, other = visitor(client), visitor(client)
        answers = [
            client.post("/api/widget/messages", json={"id": str(number), "text": "hi"}, headers=headers)
            for number in range(4)
        ]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
        assert int(answers[3].headers["retry-after"]) >= 1
        assert client.post("/api/widget/messages", json={"id": "1", "text": "hi"}, headers=other).status_code == 202


def test_the_shop_s_token_proves_a_customer(engine: Engine, tmp_path: Path):
    with serving(engine, tmp_path) as client:
        opened = client.post("/api/widget/session", json={"customer_token": customer_token("c1")}).json()
        with open_sessions(engine)() as session:
            assert conversations.read(session, opened["conversation_id"]).customer_id == "c1"
        for bad in (customer_token("c1", -1), customer_token("c1") + "0", "x", customer_token("c2").replace(".", "")):
            assert client.post("/api/widget/session", json={"customer_token": bad}).status_code == 401


def test_another_customer_at_the_same_browser_gets_a_conversation_of_their_own(engine: Engine, tmp_path: Path):
    with serving(engine, tmp_path) as client:
        first = client.post("/api/widget/session", json={"customer_token": customer_token("c1")}).json()
        headers = {"Authorization": f"Bearer {first['visitor_token']}"}
        same = client.post(
            "/api/widget/identify", json={"customer_token": customer_token("c1")}, headers=headers
        ).json()
        other = client.post(
            "/api/widget/identify", json={"customer_token": customer_token("c2")}, headers=headers
        ).json()
    assert same["conversation_id"] == first["conversation_id"]
    assert other["conversation_id"] != first["conversation_id"]
    with open_sessions(engine)() as session:
        assert conversations.read(session, first["conversation_id"]).customer_id == "c1"


def read_events(client: httpx.Client, headers: dict[str, str], after: int, count: int) -> list[tuple[str, str, dict]]:
    """(id, event, data) until `count` messages have come."""
    events: list[tuple[str, str, dict]] = []
    with client.stream("GET", f"/api/widget/events?after={after}", headers=headers, timeout=20) as stream:
        fields: dict[str, str] = {}
        for line in stream.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            if "data" in fields:
                events.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
            fields = {}
            if sum(name == "message" for _, name, _ in events) >= count:
                return events
    return events


def reads_of_writing(client: httpx.Client, headers: dict[str, str], seconds: float) -> bool:
    """True when a stream that is opened now says that somebody writes."""
    opening = client.stream("GET", "/api/widget/events?after=0", headers=headers, timeout=seconds)
    with contextlib.suppress(httpx.ReadTimeout), opening as stream:
        return any(line == "event: typing" for line in stream.iter_lines())
    return False


def test_who_connects_while_an_answer_is_written_sees_that_it_is(engine: Engine, tmp_path: Path):
    signals = open_wakeup(engine, tmp_path)
    with serving(engine, tmp_path) as client:
        opened = client.post("/api/widget/session", json={}).json()
        headers = {"Authorization": f"Bearer {opened['visitor_token']}"}
        client.post("/api/widget/messages", json={"id": "1", "text": "hello"}, headers=headers)
        first: list[bool] = []
        reading = threading.Thread(target=lambda: first.append(reads_of_writing(client, headers, 10)))
        reading.start()
        while reading.is_alive():
            signals.notify(TYPING, [opened["conversation_id"]])
            time.sleep(0.05)
        assert first == [True]
        assert reads_of_writing(client, headers, 10)  # nobody says it again
        with open_sessions(engine).begin() as session:
            outbox.say(session, opened["conversation_id"], "bot", OutboundMessage("hello"), now=utc_now())
        signals.notify(TRANSCRIPT, [opened["conversation_id"]])
        assert not reads_of_writing(client, headers, 3)  # it has been said
    signals.close()


def test_events_come_as_they_happen_and_resume_by_position(engine: Engine, tmp_path: Path):
    with serving(engine, tmp_path) as client:
        headers = visitor(client)
        late: list[tuple[str, str, dict]] = []
        reading = threading.Thread(target=lambda: late.extend(read_events(client, headers, 0, 3)))
        reading.start()
        for number in range(3):
            time.sleep(0.1)
            client.post("/api/widget/messages", json={"id": str(number), "text": f"text {number}"}, headers=headers)
        reading.join(20)
        messages = [(id_, data["text"]) for id_, name, data in late if name == "message"]
        assert messages == [("1", "text 0"), ("2", "text 1"), ("3", "text 2")]
        assert [data["holder"] for _, name, data in late if name == "holder"] == ["bot"]
        resumed = read_events(client, headers, 2, 1)
        assert [id_ for id_, name, _ in resumed if name == "message"] == ["3"]


def test_a_note_of_an_agent_is_never_shown_and_never_stops_the_stream(engine: Engine, tmp_path: Path):
    with serving(engine, tmp_path) as client:
        opened = client.post("/api/widget/session", json={}).json()
        headers = {"Authorization": f"Bearer {opened['visitor_token']}"}
        with open_sessions(engine).begin() as session:
            for number in range(3):
                outbox.say(session, opened["conversation_id"], "bot", OutboundMessage(f"line {number}"), now=utc_now())
                session.execute(
                    MESSAGES.insert().values(
                        conversation_id=opened["conversation_id"],
                        position=(position := 2 * number + 2),
                        author="agent",
                        kind="note",
                        body={"text": f"secret {position}"},
                        created_at=utc_now(),
                    )
                )
                session.execute(conversations.CONVERSATIONS.update().values(next_position=position + 1))
        events = read_events(client, headers, 0, 3)
        page = client.get("/api/widget/messages", headers=headers).text
    assert [data["text"] for _, name, data in events if name == "message"] == ["line 0", "line 1", "line 2"]
    assert "secret" not in page + json.dumps(events)


def test_a_signal_that_was_lost_is_made_up_for(engine: Engine, tmp_path: Path):
    with serving(engine, tmp_path) as client:
        opened = client.post("/api/widget/session", json={}).json()
        headers = {"Authorization": f"Bearer {opened['visitor_token']}"}
        late: list[tuple[str, str, dict]] = []
        reading = threading.Thread(target=lambda: late.extend(read_events(client, headers, 0, 1)))
        reading.start()
        time.sleep(0.5)
        with open_sessions(engine).begin() as session:  # and nobody is told
            outbox.say(session, opened["conversation_id"], "bot", OutboundMessage("hello"), now=utc_now())
        reading.join(15)
    assert [data["text"] for _, name, data in late if name == "message"] == ["hello"]


def test_a_full_disk_is_one_clear_refusal_and_nothing_is_lost(tmp_path: Path, sqlite_engine: Engine):
    """SQLite may grow no further: the message is refused, not half stored; with room again it is taken."""
    limited = {"pages": 0}

    @event.listens_for(sqlite_engine, "begin")
    def _limit(connection):
        connection.exec_driver_sql(f"PRAGMA max_page_count = {limited['pages'] or 1_000_000}")

    with serving(sqlite_engine, tmp_path) as client:
        headers = visitor(client)
        with sqlite_engine.connect() as connection:
            limited["pages"] = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        answers = []
        for number in range(40):  # until the free space inside the file is used up
            body = {"id": str(number), "text": "x" * 3000}
            answers.append(client.post("/api/widget/messages", json=body, headers=headers))
        refused = [number for number, answer in enumerate(answers) if answer.status_code == 503]
        assert refused, "the limit was never met"
        error = answers[refused[0]].json()["error"]
        assert error["code"] == "database_unavailable"
        assert answers[refused[0]].headers["retry-after"]
        limited["pages"] = 0
        for number in refused:
            body = {"id": str(number), "text": "x" * 3000}
            assert client.post("/api/widget/messages", json=body, headers=headers).status_code == 202
        stored = client.get("/api/widget/messages", headers=headers).json()["messages"]
    assert len(stored) == 40
    with open_sessions(sqlite_engine)() as session:
        assert len(session.execute(select(INBOX.c.id)).all()) == 40


def test_health_and_metrics_tell_numbers_and_nothing_personal(engine: Engine, tmp_path: Path):
    with serving(engine, tmp_path) as client:
        headers = visitor(client)
        client.post("/api/widget/messages", json={"id": "1", "text": "my secret wish"}, headers=headers)
        assert client.get("/health").json() == {"status": "ok"}
        page = client.get("/metrics").text
    assert 'kefu_inbox{state="ready"} 1' in page
    assert "kefu_messages_accepted_total 1" in page
    assert "secret" not in page


def test_every_answer_carries_the_security_headers(engine: Engine, tmp_path: Path):
    with serving(engine, tmp_path) as client:
        for path in ("/health", "/nothing", "/widget.js", "/console/"):
            headers = client.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_only_the_shop_s_pages_may_call_the_widget_api(engine: Engine, tmp_path: Path):
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    with serving(engine, tmp_path, allowed_origins=("https://shop.example",)) as client:
        ours = client.options("/api/widget/messages", headers={"Origin": "https://shop.example", **ask})
        theirs = client.options("/api/widget/messages", headers={"Origin": "https://evil.example", **ask})
        console = client.options("/api/console/lists", headers={"Origin": "https://shop.example", **ask})
    assert ours.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-origin" not in theirs.headers
    assert "access-control-allow-origin" not in console.headers


def test_the_chosen_language_is_kept(engine: Engine, tmp_path: Path):
    with serving(engine, tmp_path) as client:
        headers = visitor(client)
        assert client.post("/api/widget/language", json={"language": "zh"}, headers=headers).status_code == 200
        assert client.post("/api/widget/language", json={"language": "fr"}, headers=headers).status_code == 422
        client.post("/api/widget/messages", json={"id": "1", "text": "hello"}, headers=headers)
    with open_sessions(engine).begin() as session:
        (turn,) = turns.claim(session, worker="w", limit=1, now=utc_now()).turns
    assert (turn.language, turn.context["language_chosen"]) == ("zh", True)
