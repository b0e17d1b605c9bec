"""LINE, after the Messaging API: push with a retry key, quick replies."""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.channels.connector import Malformed, Receipt, Rejected, RetryLater, Webhook
from bot.channels.platform import (
    card_text,
    channel_errors,
    json_of,
    open_client,
    pieces,
    refuse_outage,
    short,
    web_picture,
)
from bot.channels.signatures import check_base64, secret_of
from bot.messaging.messages import Button, InboundMessage, OutboundMessage, WebhookRequest, short_payload

TEXT_LIMIT = 5000
MESSAGES = 5  # of one call
ITEMS, LABEL_LIMIT, DATA_LIMIT = 13, 20, 300
MEDIA = ("image", "video", "audio", "file", "location", "sticker")


class Line:
    name = "line"

    def __init__(self, token: str, secret: str, *, base_url: str = "https://api.line.me") -> None:
        secret_of("KEFU_LINE_TOKEN", token)
        self._secret = secret_of("KEFU_LINE_SECRET", secret)
        self._client = open_client(f"{base_url}/v2/bot/", {"Authorization": f"Bearer {token}"})

    def parse(self, request: WebhookRequest) -> Webhook:
        """Messages and postbacks of single users; groups, follows and standby events yield nothing."""
        check_base64(self._secret, request.body, request.headers.get("x-line-signature", ""))
        try:
            events = json.loads(request.body)["events"]
            read = [self._read(event) for event in events]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Malformed("the body holds no LINE events") from error
        return Webhook(tuple(message for message in read if message is not None))

    def _read(self, event: Mapping[str, Any]) -> InboundMessage | None:
        source = event.get("source") or {}
        if source.get("type") != "user" or event.get("mode", "active") != "active":
            return None
        id_, sender = str(event.get("webhookEventId", "")), str(source.get("userId", ""))
        stamp = event.get("timestamp")
        sent_at = datetime.fromtimestamp(stamp / 1000, UTC) if isinstance(stamp, int) else None
        if event.get("type") == "postback":
            data = str((event.get("postback") or {}).get("data", ""))
            return InboundMessage(self.name, id_, sender, data, data, sent_at=sent_at)
        message = event.get("message") or {}
        if event.get("type") != "message":
            return None
        if message.get("type") == "text":
            return InboundMessage(self.name, id_, sender, str(message.get("text", "")), sent_at=sent_at)
        if message.get("type") in MEDIA:
            kind = ({"kind": str(message["type"])},)
            return InboundMessage(self.name, id_, sender, "", attachments=kind, sent_at=sent_at)
        return None

    def send(self, to: str, message: OutboundMessage, *, key: str) -> Receipt:
        """Every call carries a retry key made from `key`, so LINE itself drops what it has taken already."""
        bodies = self._bodies(message)
        external_id = None
        for start in range(0, len(bodies), MESSAGES):
            retry_key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"kefu:{key}:{start}"))
            external_id = self._push(to, bodies[start : start + MESSAGES], retry_key)
        return Receipt(external_id)

    def _bodies(self, message: OutboundMessage) -> list[dict[str, Any]]:
        links = [f"{button.title}: {button.url}" for button in message.buttons if button.url]
        text = "\n\n".join([part for part in (message.text, *links) if part])
        bodies: list[dict[str, Any]] = [{"type": "text", "text": part} for part in pieces(text, TEXT_LIMIT)]
        if picture := web_picture(message.picture):
            bodies.append({"type": "image", "originalContentUrl": picture, "previewImageUrl": picture})
        bodies += [{"type": "text", "text": short(card_text(card), TEXT_LIMIT)} for card in message.cards]
        buttons = [*message.buttons, *(button for card in message.cards for button in card.buttons)]
        if items := [_item(button) for button in buttons if not button.url][:ITEMS]:
            bodies = bodies or [{"type": "text", "text": "…"}]
            bodies[-1]["quickReply"] = {"items": items}
        return bodies

    def _push(self, to: str, bodies: list[dict[str, Any]], retry_key: str) -> str | None:
        with channel_errors("LINE"):
            response = self._client.post(
                "message/push", json={"to": to, "messages": bodies}, headers={"X-Line-Retry-Key": retry_key}
            )
        if response.status_code == 409:  # taken before; the answer to that call was lost
            return str(response.headers.get("x-line-accepted-request-id", ""))
        refuse_outage("LINE", response)
        answer = json_of("LINE", response)
        if response.status_code == 200:
            return str((answer.get("sentMessages") or [{}])[0].get("id", ""))
        if response.status_code in (401, 403):
            raise RetryLater("LINE does not accept our token; check KEFU_LINE_TOKEN", 60)
        raise Rejected(f"LINE answered {response.status_code}: {short(str(answer.get('message', '')), 200)}")

    def close(self) -> None:
        self._client.close()


def _item(button: Button) -> dict[str, Any]:
    data = short_payload(button.payload or button.title, DATA_LIMIT)
    label = short(button.title or "…", LABEL_LIMIT)
    return {"type": "action", "action": {"type": "postback", "label": label, "data": data, "displayText": button.title}}
