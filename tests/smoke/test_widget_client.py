"""The widget's API from Python, against a real gateway."""

import time

import pytest

from bot.channels import shop_token
from bot.messaging.messages import Button, Card
from bot.widget_client import GatewayError, NoReply, WidgetClient
from tests.smoke.desk import ASKED, open_desk, says


def answer(turn, sessions):
    if turn.payload:
        return [says(f"pressed {turn.payload}")]
    return {
        "hello": [says("Hello!"), says("What is it about?", buttons=(Button("Orders", "/order_history"),))],
        "person": [says("One moment.", handoff=ASKED)],
        "tents": [says("Here", cards=(Card("Aurora", price="€249.00", buttons=(Button("Buy", "/buy"),)),))],
        "nothing": [],
    }.get(turn.text, [says(f"you said {turn.text}")])


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with open_desk(tmp_path_factory.mktemp("desk"), answer) as running:
        yield running


@pytest.fixture
def client(desk):
    with WidgetClient(desk.settings.gateway_url) as made:
        yield made


def test_all_replies_of_a_turn_come_together_as_soon_as_they_are_there(client):
    opened = client.open(language="zh")
    assert opened.language == "zh"
    lines, holder = client.wait(client.write("hello"), seconds=20)
    assert [line.text for line in lines] == ["Hello!", "What is it about?"]
    assert [choice["title"] for choice in lines[1].choices] == ["Orders"]
    assert holder == "bot"


def test_the_same_id_again_gets_the_same_position(client):
    client.open()
    first = client.write("once", id="a-1")
    assert client.write("once", id="a-1") == first
    client.wait(first, seconds=20)
    lines, _ = client.read()
    assert [line.text for line in lines] == ["once", "you said once"]


def test_a_button_that_was_offered_is_obeyed_and_another_payload_is_not(client):
    client.open()
    client.wait(client.write("tents"), seconds=20)
    lines, _ = client.wait(client.write("Buy", payload="/buy"), seconds=20)
    assert lines[0].text == "pressed /buy"
    lines, _ = client.wait(client.write("Free", payload="/free"), seconds=20)
    assert lines[0].text == "you said Free"


def test_the_holder_is_told_when_a_person_is_asked_for(client):
    client.open()
    _, holder = client.wait(client.write("person"), seconds=20)
    assert holder == "queue"


def test_a_silent_desk_is_no_reply_at_the_deadline(client):
    client.open()
    began = time.monotonic()
    with pytest.raises(NoReply, match="no reply within"):
        client.wait(client.write("nothing"), seconds=1.0)
    assert time.monotonic() - began < 25


def test_a_visitor_goes_on_with_the_token_and_reads_what_was_said(desk, client):
    opened = client.open()
    client.wait(client.write("hello"), seconds=20)
    with WidgetClient(desk.settings.gateway_url) as later:
        again = later.open(visitor_token=opened.visitor_token)
        assert again.conversation_id == opened.conversation_id
        assert [line.author for line in later.read()[0]] == ["customer", "bot", "bot"]


def test_a_customer_token_of_another_secret_is_refused_with_the_gateways_sentence(client):
    token = shop_token.sign("demo-emma", "not the secret", expires_at=time.time() + 60)
    with pytest.raises(GatewayError, match="not signed with the shop's secret") as refused:
        client.open(customer_token=token)
    assert refused.value.status == 401


def test_no_gateway_is_one_sentence_that_names_its_address():
    with WidgetClient("http://127.0.0.1:9") as nobody, pytest.raises(GatewayError, match=r"127\.0\.0\.1:9"):
        nobody.open()
