"""The contract of every connector, each against a local server that plays its platform."""

import dataclasses
from collections.abc import Iterator

import pytest

from bot.channels.connector import BadSignature, Connector, Malformed, Rejected, RetryLater
from bot.messaging.messages import Button, Card, OutboundMessage, stands_for
from tests.channels.platform_in_test import Platform, Reply, playing
from tests.channels.samples import PUBLIC, SAMPLES, SECRET, TOKEN, Sample, request, tampered


@pytest.fixture(params=SAMPLES, ids=str)
def sample(request: pytest.FixtureRequest) -> Sample:
    return request.param


@pytest.fixture
def platform(sample: Sample) -> Iterator[Platform]:
    with playing() as platform:
        platform.otherwise = sample.delivered
        yield platform


@pytest.fixture
def connector(sample: Sample, platform: Platform) -> Iterator[Connector]:
    made = sample.make(platform.url)
    yield made
    made.close()


def test_a_signed_message_is_read(sample: Sample, connector: Connector):
    (message,) = connector.parse(sample.sign(sample.text("1001", "Où est ma commande? 我的订单 😀"))).messages
    assert (message.channel, message.external_id, message.sender_id) == (sample.name, "1001", sample.sender)
    assert message.text == "Où est ma commande? 我的订单 😀"
    assert message.payload is None


def test_what_is_not_signed_by_the_platform_is_refused(sample: Sample, connector: Connector):
    signed = sample.sign(sample.text("1001", "hello"))
    for wrong in (tampered(signed), dataclasses.replace(signed, headers={}, query={})):
        with pytest.raises(BadSignature) as refused:
            connector.parse(wrong)
        assert SECRET not in str(refused.value)


def test_a_signed_body_that_is_no_webhook_is_malformed(sample: Sample, connector: Connector):
    if sample.name == "sms":  # the form is part of what is signed
        with pytest.raises(Malformed):
            connector.parse(request(sample.malformed))
        return
    with pytest.raises(Malformed):
        connector.parse(sample.sign(sample.malformed))


def test_echoes_marks_and_unknown_types_yield_nothing(sample: Sample, connector: Connector):
    for body in sample.ignored:
        assert connector.parse(sample.sign(body)).messages == ()


def test_a_pressed_button_brings_its_payload(sample: Sample, connector: Connector):
    if sample.pressed is None:
        pytest.skip(f"{sample} has no buttons")
    (message,) = connector.parse(sample.sign(sample.pressed("1001", "/affirm"))).messages
    assert (message.payload, message.sender_id, message.external_id) == ("/affirm", sample.sender, "1001")
    assert message.text


def test_a_text_is_delivered_with_the_platform_s_id(sample: Sample, connector: Connector, platform: Platform):
    receipt = connector.send(sample.sender, OutboundMessage("Hello <you> & 你好"), key="k1")
    (call,) = platform.calls
    assert [
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for text in sample.sent_texts(call)
    ] == ["Hello <you> & 你好"]
    if sample.name != "wechat":  # gives none
        assert receipt.external_id


def test_a_long_text_arrives_whole_in_parts_within_the_limit(sample: Sample, connector: Connector, platform: Platform):
    text = " ".join(f"word{number}" for number in range(2500))
    connector.send(sample.sender, OutboundMessage(text), key="k1")
    parts = [part for call in platform.calls for part in sample.sent_texts(call)]
    assert len(parts) > 1
    assert all(len(part.encode()) <= sample.text_limit for part in parts)
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")


def test_buttons_go_out_with_payloads_that_are_known_when_they_come_back(
    sample: Sample, connector: Connector, platform: Platform
):
    if sample.offered is None:
        pytest.skip(f"{sample} has no buttons")
    payloads = ["/affirm", '/cancel_order{"order_number": "K-104233", "reason": "' + "long " * 100 + '"}']
    buttons = tuple(Button(f"Choice {number}", payload) for number, payload in enumerate(payloads))
    connector.send(sample.sender, OutboundMessage("Sure?", buttons=buttons), key="k1")
    offered = [payload for call in platform.calls for payload in sample.offered(call)]
    assert len(offered) == 2
    assert all(stands_for(given, payload) for given, payload in zip(offered, payloads, strict=True))


def test_cards_and_many_buttons_lose_no_words(sample: Sample, connector: Connector, platform: Platform):
    cards = tuple(Card(f"Tent {number}", price="€ 99.00", url=f"{PUBLIC}/p{number}") for number in range(3))
    buttons = tuple(Button(f"Choice {number}", f"/choose_{number}") for number in range(12))
    connector.send(sample.sender, OutboundMessage("Look:", buttons=buttons, cards=cards), key="k1")
    sent = b"".join(call.body for call in platform.calls).decode().replace("+", " ")
    for words in ("Look", "Tent 0", "Tent 2", "99.00", "Choice 0", "Choice 11"):
        assert words in sent


def test_an_empty_title_or_text_is_no_reason_to_fail(sample: Sample, connector: Connector, platform: Platform):
    connector.send(sample.sender, OutboundMessage("", buttons=(Button("Yes", "/affirm"),)), key="k1")
    assert platform.calls


def test_slow_down_is_obeyed(sample: Sample, connector: Connector, platform: Platform):
    platform.replies = [sample.slower]
    with pytest.raises(RetryLater) as later:
        connector.send(sample.sender, OutboundMessage("hello"), key="k1")
    assert later.value.after_seconds == sample.slower_seconds


@pytest.mark.parametrize("reply", [Reply(500, {}), Reply(502, "no json"), Reply(503, None)], ids=["500", "502", "503"])
def test_an_outage_is_tried_again(sample: Sample, connector: Connector, platform: Platform, reply: Reply):
    platform.replies = [reply]
    if sample.name == "wechat" and reply.status == 500:
        platform.replies = [Reply(500, None)]
    with pytest.raises(RetryLater):
        connector.send(sample.sender, OutboundMessage("hello"), key="k1")


def test_a_platform_that_cannot_be_reached_is_tried_again(sample: Sample):
    connector = sample.make("http://127.0.0.1:9")
    with pytest.raises(RetryLater) as later:
        connector.send(sample.sender, OutboundMessage("hello"), key="k1")
    assert TOKEN not in str(later.value)
    connector.close()


def test_a_final_no_is_rejected_with_its_reason(sample: Sample, connector: Connector, platform: Platform):
    platform.replies = [sample.refused]
    with pytest.raises(Rejected) as rejected:
        connector.send(sample.sender, OutboundMessage("hello"), key="k1")
    assert rejected.value.reason
    assert TOKEN not in rejected.value.reason


def test_a_retry_sends_only_what_is_left(sample: Sample, connector: Connector, platform: Platform):
    message = OutboundMessage(" ".join(f"word{number}" for number in range(2500)))
    platform.replies = [
        sample.delivered(None) if sample.name != "wechat" else Reply(200, {"errcode": 0}),
        Reply(500, None),
    ]  # type: ignore[arg-type]
    if len(connector_calls(sample, message)) < 2:
        pytest.skip(f"{sample} takes it in one call")
    with pytest.raises(RetryLater):
        connector.send(sample.sender, message, key="k1")
    connector.send(sample.sender, message, key="k1")
    parts = [part for call in platform.calls for part in sample.sent_texts(call)]
    whole = [part for call in connector_calls(sample, message) for part in call]
    assert parts == [*whole[:1], whole[1], *whole[1:]]


def connector_calls(sample: Sample, message: OutboundMessage) -> list[list[str]]:
    """The texts of each call that a delivery without trouble makes."""
    with playing() as platform:
        platform.otherwise = sample.delivered
        connector = sample.make(platform.url)
        connector.send(sample.sender, message, key="k1")
        connector.close()
        return [sample.sent_texts(call) for call in platform.calls]


def test_an_empty_secret_is_refused_when_the_channel_is_set_up():
    from bot.channels.slack import Slack
    from bot.channels.telegram import Telegram

    with pytest.raises(ValueError, match="KEFU_SLACK_SIGNING_SECRET"):
        Slack(TOKEN, "")
    with pytest.raises(ValueError, match="KEFU_TELEGRAM_SECRET"):
        Telegram(TOKEN, "")
