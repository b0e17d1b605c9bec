"""WeChat Official Account, in plain mode: `success` at once, replies by the customer-service API.

WeChat repeats a message that is not answered in five seconds; the inbox drops the repeats.
"""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from bot.channels.connector import Answer, Malformed, Receipt, Rejected, RetryLater, Webhook
from bot.channels.platform import Progress, all_as_text, channel_errors, json_of, open_client, short
from bot.channels.signatures import Clock, check_fresh, check_sorted_sha1, secret_of
from bot.messaging.messages import InboundMessage, OutboundMessage, WebhookRequest, short_payload

TEXT_LIMIT = 2048  # bytes
MENU_ID_LIMIT = 128
MEDIA = ("image", "voice", "video", "shortvideo", "location", "link")
SUCCESS = Answer(b"success")

EXPIRED_TOKEN = frozenset({40001, 40014, 42001})
PASSING = frozenset({-1, 45009, 45011, 45047})
CLOSED_WINDOW = 45015


class WeChat:
    name = "wechat"

    def __init__(
        self,
        app_id: str,
        app_secret: str,
        token: str,
        *,
        base_url: str = "https://api.weixin.qq.com",
        clock: Clock = time.time,
    ) -> None:
        self._app_id = app_id
        self._app_secret = secret_of("KEFU_WECHAT_APP_SECRET", app_secret).decode()
        self._token = secret_of("KEFU_WECHAT_TOKEN", token).decode()
        self._clock = clock
        self._client = open_client(f"{base_url}/cgi-bin/")
        self._access = ("", 0.0)  # access token, when it ends
        self._refreshing = threading.Lock()  # a fresh token makes the one before invalid
        self._progress = Progress()

    def parse(self, request: WebhookRequest) -> Webhook:
        """Texts, menu clicks and media of followers; other events yield nothing."""
        stamp, nonce = request.query.get("timestamp", ""), request.query.get("nonce", "")
        check_sorted_sha1([self._token, stamp, nonce], request.query.get("signature", ""))
        check_fresh(stamp, self._clock())
        if request.method == "GET":
            return Webhook(answer=Answer(request.query.get("echostr", "").encode()))
        fields = _xml(request.body)
        message = self._read(fields)
        return Webhook((message,) if message else (), SUCCESS)

    def _read(self, fields: dict[str, str]) -> InboundMessage | None:
        kind, sender = fields.get("MsgType", ""), fields.get("FromUserName", "")
        stamp = fields.get("CreateTime", "")
        sent_at = datetime.fromtimestamp(int(stamp), UTC) if stamp.isascii() and stamp.isdigit() else None
        id_ = fields.get("MsgId") or f"{sender}:{stamp}"
        if kind == "text":
            payload = fields.get("bizmsgmenuid") or None
            return InboundMessage(self.name, id_, sender, fields.get("Content", ""), payload, sent_at=sent_at)
        if kind == "event" and fields.get("Event") == "CLICK":
            key = fields.get("EventKey", "")
            return InboundMessage(self.name, id_, sender, key, key, sent_at=sent_at)
        if kind in MEDIA:
            return InboundMessage(self.name, id_, sender, "", attachments=({"kind": kind},), sent_at=sent_at)
        return None

    def send(self, to: str, message: OutboundMessage, *, key: str) -> Receipt:
        for number, body in enumerate(self._bodies(message)):
            if number < self._progress.sent(key):
                continue
            self._post({"touser": to, **body})
            self._progress.advance(key)
        self._progress.done(key)
        return Receipt()

    def _bodies(self, message: OutboundMessage) -> list[dict[str, Any]]:
        pressed = [button for button in message.buttons if not button.url]
        if not pressed or message.cards:
            return [_text(part) for part in byte_pieces(all_as_text(message), TEXT_LIMIT)]
        *before, head = byte_pieces(message.text, TEXT_LIMIT) or [""]
        choices = [
            {"id": short_payload(button.payload or button.title, MENU_ID_LIMIT), "content": button.title}
            for button in pressed
        ]
        menu = {"head_content": head, "list": choices, "tail_content": ""}
        return [*(_text(part) for part in before), {"msgtype": "msgmenu", "msgmenu": menu}]

    def _post(self, body: dict[str, Any]) -> None:
        content = json.dumps(body, ensure_ascii=False).encode()  # WeChat shows \\u escapes as they are
        answer = self._call(
            lambda access: self._client.post(f"message/custom/send?access_token={access}", content=content)
        )
        code = answer.get("errcode", 0)
        if code == 0:
            return
        if code == CLOSED_WINDOW:
            raise Rejected("WeChat: the customer's last message is over 48 hours old (45015)")
        if code in PASSING or code in EXPIRED_TOKEN:
            raise RetryLater(f"WeChat answered {code}")
        raise Rejected(f"WeChat answered {code}: {short(str(answer.get('errmsg', '')), 200)}")

    def _call(self, post: Callable[[str], Any]) -> dict[str, Any]:
        """One call; again with a fresh token when the kept one was made invalid elsewhere."""
        for fresh in (False, True):
            access = self._access_token(fresh=fresh)
            with channel_errors("WeChat"):
                answer = json_of("WeChat", post(access))
            if answer.get("errcode") not in EXPIRED_TOKEN:
                return answer
        return answer

    def _access_token(self, *, fresh: bool) -> str:
        with self._refreshing:
            token, ends_at = self._access
            if token and not fresh and self._clock() < ends_at:
                return token
            asked = {"grant_type": "client_credential", "appid": self._app_id, "secret": self._app_secret}
            with channel_errors("WeChat"):
                answer = json_of("WeChat", self._client.get("token", params=asked))
            if not answer.get("access_token"):
                raise RetryLater(
                    f"WeChat gives no access token ({answer.get('errcode')}); check KEFU_WECHAT_APP_SECRET", 60
                )
            self._access = (str(answer["access_token"]), self._clock() + float(answer.get("expires_in", 7200)) - 300)
            return self._access[0]

    def close(self) -> None:
        self._client.close()


def _text(text: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": text}}


def _xml(body: bytes) -> dict[str, str]:
    """The fields of a flat message. Raises Malformed; a document type is refused before it is read."""
    if b"<!" in body.replace(b"<![CDATA[", b""):
        raise Malformed("the body is no plain WeChat message")
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise Malformed("the body is no XML") from error
    return {child.tag: (child.text or "") for child in root}


def byte_pieces(text: str, limit: int) -> list[str]:
    """`text` in parts of at most `limit` bytes of UTF-8, never in the middle of a character."""
    parts, part, size = [], "", 0
    for letter in text:
        width = len(letter.encode())
        if size + width > limit:
            parts.append(part)
            part, size = "", 0
        part += letter
        size += width
    return [*parts, part] if part else parts
