"""Each connector with the webhooks of its platform, signed as the platform signs them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from bot.channels.connector import Connector
from bot.channels.line import Line
from bot.channels.messenger import Messenger
from bot.channels.slack import Slack
from bot.channels.sms import Sms
from bot.channels.telegram import Telegram
from bot.channels.wechat import WeChat
from bot.channels.whatsapp import WhatsApp
from bot.messaging.messages import WebhookRequest
from tests.channels.platform_in_test import Call, Reply

NOW = 1_780_000_000
SECRET = "a-secret-that-must-not-leak"
TOKEN = "a-token-that-must-not-leak"
PUBLIC = "https://chat.shop.example"


def request(body: bytes, headers: dict[str, str] | None = None, query: dict[str, str] | None = None) -> WebhookRequest:
    return WebhookRequest("POST", "/webhooks/x", query or {}, headers or {}, body)


def dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Sample:
    """How one platform behaves. `sign` makes a request of a body; `text`, `pressed` and `ignored` are bodies."""

    name: str
    make: Callable[[str], Connector]
    sign: Callable[[bytes], WebhookRequest]
    text: Callable[[str, str], bytes]  # (id, text)
    sender: str
    ignored: tuple[bytes, ...]
    delivered: Callable[[Call], Reply]  # the platform's yes
    refused: Reply  # its no, for ever
    slower: Reply  # its not now
    slower_seconds: float | None
    sent_texts: Callable[[Call], list[str]]
    text_limit: int
    pressed: Callable[[str, str], bytes] | None = None  # (id, payload)
    offered: Callable[[Call], list[str]] | None = None  # payloads as they went out
    malformed: bytes = b"{"

    def __str__(self) -> str:
        return self.name


def hex_mac(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


# Telegram


def telegram_text(id_: str, text: str) -> bytes:
    person = {"id": 42, "is_bot": False, "language_code": "zh-hans"}
    message = {"message_id": 1, "from": person, "chat": {"id": 42, "type": "private"}, "date": NOW, "text": text}
    return dumped({"update_id": int(id_), "message": message})


def telegram_pressed(id_: str, payload: str) -> bytes:
    markup = {"inline_keyboard": [[{"text": "Yes, please", "callback_data": payload}]]}
    message = {"message_id": 1, "chat": {"id": 42, "type": "private"}, "reply_markup": markup}
    return dumped(
        {"update_id": int(id_), "callback_query": {"id": "q", "from": {"id": 42}, "message": message, "data": payload}}
    )


TELEGRAM = Sample(
    name="telegram",
    make=lambda url: Telegram(TOKEN, SECRET, base_url=url),
    sign=lambda body: request(body, {"x-telegram-bot-api-secret-token": SECRET}),
    text=telegram_text,
    pressed=telegram_pressed,
    sender="42",
    ignored=(
        dumped({"update_id": 1, "edited_message": {"text": "x"}}),
        dumped({"update_id": 2, "message": {"chat": {"id": -5, "type": "group"}, "text": "x", "from": {"id": 1}}}),
        dumped({"update_id": 3, "message": {"chat": {"id": 5, "type": "private"}, "pinned_message": {}, "from": {}}}),
        dumped({"update_id": 4, "something_new": {}}),
    ),
    delivered=lambda call: Reply(200, {"ok": True, "result": {"message_id": 7}}),
    refused=Reply(403, {"ok": False, "error_code": 403, "description": "Forbidden: bot was blocked by the user"}),
    slower=Reply(429, {"ok": False, "error_code": 429, "parameters": {"retry_after": 9}}),
    slower_seconds=9,
    sent_texts=lambda call: [call.json().get("text") or call.json().get("caption", "")],
    text_limit=4096,
    offered=lambda call: [
        button["callback_data"]
        for row in call.json().get("reply_markup", {}).get("inline_keyboard", [])
        for button in row
        if "callback_data" in button
    ],
)

# Slack


def slack_sign(body: bytes) -> WebhookRequest:
    mac = hmac.new(SECRET.encode(), f"v0:{NOW}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {"x-slack-request-timestamp": str(NOW), "x-slack-signature": f"v0={mac}"}
    if body.startswith(b"payload="):
        headers["content-type"] = "application/x-www-form-urlencoded"
    return request(body, headers)


def slack_event(id_: str, **event: Any) -> bytes:
    whole = {"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "ts": "1.2", **event}
    return dumped({"type": "event_callback", "event_id": id_, "event": whole})


def slack_pressed(id_: str, payload: str) -> bytes:
    action = {"action_id": "reply-0-0", "value": payload, "text": {"type": "plain_text", "text": "Yes, please"}}
    body = {
        "type": "block_actions",
        "user": {"id": "U1"},
        "channel": {"id": "D1"},
        "trigger_id": id_,
        "actions": [action],
    }
    return urlencode({"payload": json.dumps(body)}).encode()


def slack_elements(call: Call) -> list[dict[str, Any]]:
    return [element for block in call.json()["blocks"] if block["type"] == "actions" for element in block["elements"]]


SLACK = Sample(
    name="slack",
    make=lambda url: Slack(TOKEN, SECRET, base_url=url, clock=lambda: NOW + 10),
    sign=slack_sign,
    text=lambda id_, text: slack_event(id_, text=text),
    pressed=slack_pressed,
    sender="D1:U1",
    ignored=(
        slack_event("1", text="my own", bot_id="B1"),
        slack_event("2", text="edited", subtype="message_changed"),
        slack_event("3", text="in a channel", channel_type="channel"),
        dumped({"type": "something_new"}),
    ),
    delivered=lambda call: Reply(200, {"ok": True, "ts": "7.8"}),
    refused=Reply(200, {"ok": False, "error": "channel_not_found"}),
    slower=Reply(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "9"}),
    slower_seconds=9,
    sent_texts=lambda call: [block["text"]["text"] for block in call.json()["blocks"] if block["type"] == "section"],
    text_limit=3000,
    offered=lambda call: [element["value"] for element in slack_elements(call) if "value" in element],
)

# WhatsApp and Messenger


def meta_sign(body: bytes) -> WebhookRequest:
    return request(body, {"x-hub-signature-256": f"sha256={hex_mac(body)}"})


def whatsapp(*messages: dict[str, Any], **value: Any) -> bytes:
    change = {"field": "messages", "value": {"messages": list(messages), **value}}
    return dumped({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]})


def whatsapp_offered(call: Call) -> list[str]:
    action = call.json().get("interactive", {}).get("action", {})
    buttons = [button["reply"]["id"] for button in action.get("buttons", [])]
    return buttons + [row["id"] for section in action.get("sections", []) for row in section["rows"]]


def whatsapp_texts(call: Call) -> list[str]:
    body = call.json()
    if body["type"] == "interactive":
        return [body["interactive"]["body"]["text"]]
    return [body["text"]["body"]] if body["type"] == "text" else []


META_SLOWER = Reply(400, {"error": {"code": 130429, "message": "Rate limit hit"}}, {"Retry-After": "9"})
META_REFUSED = Reply(400, {"error": {"code": 131047, "message": "Re-engagement message"}})

WHATSAPP = Sample(
    name="whatsapp",
    make=lambda url: WhatsApp(TOKEN, SECRET, "verify", "555", base_url=url),
    sign=meta_sign,
    text=lambda id_, text: whatsapp(
        {"from": "491", "id": id_, "timestamp": str(NOW), "type": "text", "text": {"body": text}}
    ),
    pressed=lambda id_, payload: whatsapp(
        {
            "from": "491",
            "id": id_,
            "type": "interactive",
            "interactive": {"type": "button_reply", "button_reply": {"id": payload, "title": "Yes, please"}},
        }
    ),
    sender="491",
    ignored=(
        whatsapp(statuses=[{"id": "w1", "status": "delivered"}]),
        whatsapp({"from": "491", "id": "w2", "type": "reaction", "reaction": {"emoji": "👍"}}),
        dumped({"object": "something_new", "entry": [{}]}),
    ),
    delivered=lambda call: Reply(200, {"messages": [{"id": "wamid.7"}]}),
    refused=META_REFUSED,
    slower=META_SLOWER,
    slower_seconds=9,
    sent_texts=whatsapp_texts,
    text_limit=4096,
    offered=whatsapp_offered,
)


def messenger(**event: Any) -> bytes:
    whole = {"sender": {"id": "88"}, "recipient": {"id": "1"}, "timestamp": NOW * 1000, **event}
    return dumped({"object": "page", "entry": [{"id": "1", "messaging": [whole]}]})


MESSENGER = Sample(
    name="messenger",
    make=lambda url: Messenger(TOKEN, SECRET, "verify", base_url=url),
    sign=meta_sign,
    text=lambda id_, text: messenger(message={"mid": id_, "text": text}),
    pressed=lambda id_, payload: messenger(postback={"mid": id_, "title": "Yes, please", "payload": payload}),
    sender="88",
    ignored=(
        messenger(message={"mid": "m1", "text": "my own", "is_echo": True}),
        messenger(read={"watermark": 1}),
        messenger(delivery={"mids": ["m"]}),
    ),
    delivered=lambda call: Reply(200, {"message_id": "m.7"}),
    refused=META_REFUSED,
    slower=META_SLOWER,
    slower_seconds=9,
    sent_texts=lambda call: [call.json()["message"]["text"]] if "text" in call.json()["message"] else [],
    text_limit=2000,
    offered=lambda call: [reply["payload"] for reply in call.json()["message"].get("quick_replies", [])],
)

# LINE


def line_sign(body: bytes) -> WebhookRequest:
    mac = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
    return request(body, {"x-line-signature": mac})


def line(id_: str, **event: Any) -> bytes:
    whole = {
        "webhookEventId": id_,
        "mode": "active",
        "timestamp": NOW * 1000,
        "source": {"type": "user", "userId": "L1"},
    }
    return dumped({"destination": "x", "events": [{**whole, **event}]})


LINE = Sample(
    name="line",
    make=lambda url: Line(TOKEN, SECRET, base_url=url),
    sign=line_sign,
    text=lambda id_, text: line(id_, type="message", message={"type": "text", "id": "1", "text": text}),
    pressed=lambda id_, payload: line(id_, type="postback", postback={"data": payload}),
    sender="L1",
    ignored=(
        dumped({"destination": "x", "events": []}),
        line("1", type="follow"),
        line("2", type="message", message={"type": "text", "text": "x"}, mode="standby"),
        line("3", type="message", message={"type": "text", "text": "x"}, source={"type": "group", "groupId": "G"}),
    ),
    delivered=lambda call: Reply(200, {"sentMessages": [{"id": "7"}]}),
    refused=Reply(400, {"message": "The property, 'to', in the request body is invalid"}),
    slower=Reply(429, {"message": "slow down"}, {"Retry-After": "9"}),
    slower_seconds=9,
    sent_texts=lambda call: [message["text"] for message in call.json()["messages"]],
    text_limit=5000,
    offered=lambda call: [
        item["action"]["data"]
        for message in call.json()["messages"]
        for item in message.get("quickReply", {}).get("items", [])
    ],
)

# WeChat


def wechat_sign(body: bytes) -> WebhookRequest:
    parts = [SECRET, str(NOW), "nonce"]
    signature = hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()
    return request(body, query={"signature": signature, "timestamp": str(NOW), "nonce": "nonce"})


def wechat(**fields: str) -> bytes:
    whole = {"ToUserName": "shop", "FromUserName": "W1", "CreateTime": str(NOW), **fields}
    inside = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in whole.items())
    return f"<xml>{inside}</xml>".encode()


def wechat_delivered(call: Call) -> Reply:
    if call.path.startswith("/cgi-bin/token"):
        return Reply(200, {"access_token": "short-lived", "expires_in": 7200})
    return Reply(200, {"errcode": 0})


def wechat_texts(call: Call) -> list[str]:
    body = call.json()
    return [body["text"]["content"]] if body["msgtype"] == "text" else [body["msgmenu"]["head_content"]]


WECHAT = Sample(
    name="wechat",
    make=lambda url: WeChat("app", TOKEN, SECRET, base_url=url, clock=lambda: NOW + 10),
    sign=wechat_sign,
    text=lambda id_, text: wechat(MsgType="text", Content=text, MsgId=id_),
    pressed=lambda id_, payload: wechat(MsgType="text", Content="Yes, please", MsgId=id_, bizmsgmenuid=payload),
    sender="W1",
    ignored=(wechat(MsgType="event", Event="subscribe"), wechat(MsgType="event", Event="LOCATION", Latitude="1")),
    delivered=wechat_delivered,
    refused=Reply(200, {"errcode": 45015, "errmsg": "response out of time limit"}),
    slower=Reply(200, {"errcode": 45009, "errmsg": "reach max api daily quota limit"}),
    slower_seconds=None,
    sent_texts=wechat_texts,
    text_limit=2048,
    offered=lambda call: [choice["id"] for choice in call.json().get("msgmenu", {}).get("list", [])],
    malformed=b"<xml",
)

# SMS


def sms_sign(body: bytes) -> WebhookRequest:
    from urllib.parse import parse_qsl

    text = f"{PUBLIC}/webhooks/x" + "".join(
        name + value for name, value in sorted(parse_qsl(body.decode(), keep_blank_values=True))
    )
    mac = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()
    return request(body, {"x-twilio-signature": mac})


def sms_texts(call: Call) -> list[str]:
    from urllib.parse import parse_qs

    return parse_qs(call.body.decode())["Body"]


SMS = Sample(
    name="sms",
    make=lambda url: Sms("AC1", SECRET, "+15550100", PUBLIC, base_url=url),
    sign=sms_sign,
    text=lambda id_, text: urlencode({"MessageSid": id_, "From": "+15550199", "Body": text, "NumMedia": "0"}).encode(),
    sender="+15550199",
    ignored=(urlencode({"MessageSid": "SM1", "MessageStatus": "delivered"}).encode(),),
    delivered=lambda call: Reply(201, {"sid": "SM7"}),
    refused=Reply(400, {"code": 21610, "message": "Attempt to send to unsubscribed recipient"}),
    slower=Reply(429, {"code": 20429}, {"Retry-After": "9"}),
    slower_seconds=9,
    sent_texts=sms_texts,
    text_limit=1600,
    malformed=b"\xff",
)

SAMPLES = (TELEGRAM, SLACK, WHATSAPP, MESSENGER, LINE, WECHAT, SMS)


def tampered(signed: WebhookRequest) -> WebhookRequest:
    """The same signature over another body; where the body is not signed, another signature."""
    headers = {name: value + "x" if "token" in name else value for name, value in signed.headers.items()}
    query = {**signed.query, **({"nonce": "other"} if "nonce" in signed.query else {})}
    return replace(signed, body=signed.body + b" ", headers=headers, query=query)
