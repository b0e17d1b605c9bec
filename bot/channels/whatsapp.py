"""WhatsApp, after the Cloud API: reply buttons up to three, a list up to ten, else numbered lines."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.channels.connector import Receipt, Webhook
from bot.channels.meta import GRAPH, Graph, MetaWebhook
from bot.channels.platform import Progress, card_text, numbered, pieces, short, web_picture
from bot.channels.signatures import secret_of
from bot.messaging.messages import Button, InboundMessage, OutboundMessage, WebhookRequest, short_payload

TEXT_LIMIT = 4096
BODY_LIMIT = 1024  # of a message with buttons
BUTTONS, TITLE_LIMIT, ID_LIMIT = 3, 20, 256
ROWS, ROW_LIMIT, ROW_ID_LIMIT = 10, 24, 200
MEDIA = ("image", "audio", "video", "document", "sticker", "location", "contacts")


class WhatsApp:
    name = "whatsapp"

    def __init__(
        self, token: str, app_secret: str, verify_token: str, phone_number_id: str, *, base_url: str = GRAPH
    ) -> None:
        secret_of("KEFU_WHATSAPP_TOKEN", token)
        self._webhook = MetaWebhook("whatsapp_business_account", app_secret, verify_token, variable="WHATSAPP")
        self._phone = phone_number_id
        self._graph = Graph("WhatsApp", token, base_url=base_url)
        self._progress = Progress()

    def parse(self, request: WebhookRequest) -> Webhook:
        """Messages of every entry and change; delivery marks and reactions yield nothing."""
        if (answer := self._webhook.handshake(request)) is not None:
            return answer
        values = [
            change.get("value") or {}
            for entry in self._webhook.entries(request)
            for change in entry.get("changes") or ()
        ]
        read = [self._read(message) for value in values for message in value.get("messages") or ()]
        return Webhook(tuple(message for message in read if message is not None))

    def _read(self, message: Mapping[str, Any]) -> InboundMessage | None:
        kind = str(message.get("type"))
        text, payload = "", None
        attachments: tuple[Mapping[str, Any], ...] = ()
        if kind == "text":
            text = str((message.get("text") or {}).get("body", ""))
        elif kind == "interactive":
            interactive = message.get("interactive") or {}
            pressed = interactive.get("button_reply") or interactive.get("list_reply") or {}
            text, payload = str(pressed.get("title", "")), pressed.get("id")
        elif kind == "button":
            button = message.get("button") or {}
            text, payload = str(button.get("text", "")), button.get("payload")
        elif kind in MEDIA:
            attachments = ({"kind": kind},)
            text = str((message.get(kind) or {}).get("caption", "")) if kind != "contacts" else ""
        else:
            return None
        stamp = str(message.get("timestamp", ""))
        sent_at = datetime.fromtimestamp(int(stamp), UTC) if stamp.isascii() and stamp.isdigit() else None
        return InboundMessage(
            self.name, str(message["id"]), str(message["from"]), text, payload, attachments=attachments, sent_at=sent_at
        )

    def send(self, to: str, message: OutboundMessage, *, key: str) -> Receipt:
        external_id = None
        for number, body in enumerate(bodies(message)):
            if number < self._progress.sent(key):
                continue
            whole = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": to, **body}
            answer = self._graph.post(f"{self._phone}/messages", whole)
            external_id = str((answer.get("messages") or [{}])[0].get("id", ""))
            self._progress.advance(key)
        self._progress.done(key)
        return Receipt(external_id)

    def close(self) -> None:
        self._graph.close()


def bodies(message: OutboundMessage) -> list[dict[str, Any]]:
    """The messages to send, each within the limits; the buttons hang on the last."""
    made: list[dict[str, Any]] = []
    if picture := web_picture(message.picture):
        made.append({"type": "image", "image": {"link": picture}})
    for card in message.cards:
        if picture := web_picture(card.picture):
            made.append({"type": "image", "image": {"link": picture, "caption": short(card_text(card), BODY_LIMIT)}})
        else:
            made.append(_text(card_text(card)))
    buttons = [*message.buttons, *(button for card in message.cards for button in card.buttons)]
    pressed = [button for button in buttons if not button.url]
    text = "\n\n".join(part for part in (message.text, numbered([b for b in buttons if b.url])) if part)
    if not pressed:
        return [*(_text(part) for part in pieces(text, TEXT_LIMIT)), *made]
    if len(pressed) > ROWS:
        whole = f"{text}\n\n{numbered(pressed)}"
        return [*made, *(_text(part) for part in pieces(whole, TEXT_LIMIT))]
    *before, last = pieces(text, BODY_LIMIT) or ["…"]
    return [*(_text(part) for part in before), *made, _interactive(last, pressed)]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": short(text, TEXT_LIMIT), "preview_url": False}}


def _interactive(text: str, buttons: list[Button]) -> dict[str, Any]:
    if len(buttons) <= BUTTONS:
        replies = [
            {"type": "reply", "reply": {"id": _id(button, ID_LIMIT), "title": short(button.title, TITLE_LIMIT)}}
            for button in buttons
        ]
        return {
            "type": "interactive",
            "interactive": {"type": "button", "body": {"text": text}, "action": {"buttons": replies}},
        }
    rows = [{"id": _id(button, ROW_ID_LIMIT), "title": short(button.title, ROW_LIMIT)} for button in buttons]
    action = {"button": "…", "sections": [{"title": "…", "rows": rows}]}
    return {"type": "interactive", "interactive": {"type": "list", "body": {"text": text}, "action": action}}


def _id(button: Button, limit: int) -> str:
    return short_payload(button.payload or button.title, limit)
