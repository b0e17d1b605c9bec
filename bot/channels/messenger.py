"""Facebook Messenger, after the Send API: quick replies, a carousel of cards."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.channels.connector import Receipt, Webhook
from bot.channels.meta import GRAPH, Graph, MetaWebhook
from bot.channels.platform import Progress, numbered, pieces, short, web_picture
from bot.channels.signatures import secret_of
from bot.messaging.messages import Button, Card, InboundMessage, OutboundMessage, WebhookRequest, short_payload

TEXT_LIMIT = 2000
REPLIES, TITLE_LIMIT, PAYLOAD_LIMIT = 13, 20, 1000
CARDS, CARD_BUTTONS, CARD_LIMIT = 10, 3, 80


class Messenger:
    name = "messenger"

    def __init__(self, token: str, app_secret: str, verify_token: str, *, base_url: str = GRAPH) -> None:
        secret_of("KEFU_MESSENGER_TOKEN", token)
        self._webhook = MetaWebhook("page", app_secret, verify_token, variable="MESSENGER")
        self._graph = Graph("Messenger", token, base_url=base_url)
        self._progress = Progress()

    def parse(self, request: WebhookRequest) -> Webhook:
        """Messages and postbacks of every entry; echoes, reads and deliveries yield nothing."""
        if (answer := self._webhook.handshake(request)) is not None:
            return answer
        events = [event for entry in self._webhook.entries(request) for event in entry.get("messaging") or ()]
        read = [self._read(event) for event in events]
        return Webhook(tuple(message for message in read if message is not None))

    def _read(self, event: Mapping[str, Any]) -> InboundMessage | None:
        sender = str((event.get("sender") or {}).get("id", ""))
        stamp = event.get("timestamp")
        sent_at = datetime.fromtimestamp(stamp / 1000, UTC) if isinstance(stamp, int) else None
        if isinstance(postback := event.get("postback"), dict):
            id_ = str(postback.get("mid") or f"{sender}:{stamp}")
            return InboundMessage(
                self.name, id_, sender, str(postback.get("title", "")), postback.get("payload"), sent_at=sent_at
            )
        message = event.get("message")
        if not isinstance(message, dict) or message.get("is_echo") or not message.get("mid"):
            return None
        payload = (message.get("quick_reply") or {}).get("payload")
        attachments = tuple({"kind": str(one.get("type"))} for one in message.get("attachments") or ())
        text = str(message.get("text", ""))
        return InboundMessage(self.name, str(message["mid"]), sender, text, payload, attachments, sent_at)

    def send(self, to: str, message: OutboundMessage, *, key: str) -> Receipt:
        external_id = None
        for number, body in enumerate(bodies(message)):
            if number < self._progress.sent(key):
                continue
            whole = {"recipient": {"id": to}, "messaging_type": "RESPONSE", "message": body}
            external_id = str(self._graph.post("me/messages", whole).get("message_id", ""))
            self._progress.advance(key)
        self._progress.done(key)
        return Receipt(external_id)

    def close(self) -> None:
        self._graph.close()


def bodies(message: OutboundMessage) -> list[dict[str, Any]]:
    """The messages to send, each within the limits; quick replies hang on the last."""
    links = [button for button in message.buttons if button.url]
    text = "\n\n".join(part for part in (message.text, numbered(links)) if part)
    made: list[dict[str, Any]] = [{"text": part} for part in pieces(text, TEXT_LIMIT)]
    if picture := web_picture(message.picture):
        made.append({"attachment": {"type": "image", "payload": {"url": picture}}})
    for start in range(0, len(message.cards), CARDS):
        elements = [_element(card) for card in message.cards[start : start + CARDS]]
        template = {"template_type": "generic", "elements": elements}
        made.append({"attachment": {"type": "template", "payload": template}})
    if replies := [_reply(button) for button in message.buttons if not button.url][:REPLIES]:
        made = made or [{"text": "…"}]
        made[-1]["quick_replies"] = replies
    return made


def _element(card: Card) -> dict[str, Any]:
    subtitle = " · ".join(part for part in (card.badge, card.price, card.text) if part)
    element: dict[str, Any] = {"title": short(card.title or "…", CARD_LIMIT)}
    if subtitle:
        element["subtitle"] = short(subtitle, CARD_LIMIT)
    if picture := web_picture(card.picture):
        element["image_url"] = picture
    if buttons := [_card_button(button) for button in card.buttons[:CARD_BUTTONS]]:
        element["buttons"] = buttons
    return element


def _card_button(button: Button) -> dict[str, str]:
    title = short(button.title, TITLE_LIMIT)
    if button.url:
        return {"type": "web_url", "title": title, "url": button.url}
    return {"type": "postback", "title": title, "payload": short_payload(button.payload or button.title, PAYLOAD_LIMIT)}


def _reply(button: Button) -> dict[str, str]:
    payload = short_payload(button.payload or button.title, PAYLOAD_LIMIT)
    return {"content_type": "text", "title": short(button.title, TITLE_LIMIT), "payload": payload}
