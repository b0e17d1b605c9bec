"""Telegram, after the Bot API: private chats, inline keyboards, pictures."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.channels.connector import Answer, Malformed, Receipt, Rejected, RetryLater, Webhook
from bot.channels.platform import (
    Progress,
    card_text,
    channel_errors,
    json_of,
    open_client,
    pieces,
    refuse_outage,
    short,
    web_picture,
)
from bot.channels.signatures import same, secret_of
from bot.messaging.messages import Button, Card, InboundMessage, OutboundMessage, WebhookRequest, short_payload

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
DATA_LIMIT = 64  # bytes of callback_data
BUTTONS_LIMIT = 100  # of one keyboard
ATTACHMENTS = ("photo", "document", "voice", "audio", "video", "sticker", "location", "contact")


class Telegram:
    name = "telegram"

    def __init__(self, token: str, secret: str, *, base_url: str = "https://api.telegram.org") -> None:
        secret_of("KEFU_TELEGRAM_TOKEN", token)
        self._secret = secret_of("KEFU_TELEGRAM_SECRET", secret).decode()
        self._client = open_client(f"{base_url}/bot{token}/")
        self._progress = Progress()

    def parse(self, request: WebhookRequest) -> Webhook:
        """Private messages and pressed buttons; edits, groups and everything else yield nothing."""
        same(self._secret, request.headers.get("x-telegram-bot-api-secret-token", ""))
        try:
            update = json.loads(request.body)
            update_id = str(int(update["update_id"]))
        except (ValueError, KeyError, TypeError) as error:
            raise Malformed("the body is no Telegram update") from error
        if isinstance(message := update.get("message"), dict):
            return Webhook(self._written(update_id, message))
        if isinstance(query := update.get("callback_query"), dict):
            # The button stops spinning; the answer rides on the webhook's own response.
            stop = json.dumps({"method": "answerCallbackQuery", "callback_query_id": query.get("id")})
            return Webhook(self._pressed(update_id, query), Answer(stop.encode(), "application/json"))
        return Webhook()

    def _written(self, update_id: str, message: Mapping[str, Any]) -> tuple[InboundMessage, ...]:
        chat, sender = message.get("chat") or {}, message.get("from") or {}
        if chat.get("type") != "private" or sender.get("is_bot"):
            return ()
        kinds = tuple({"kind": kind} for kind in ATTACHMENTS if kind in message)
        text = message.get("text") or message.get("caption") or ""
        if not text and not kinds:
            return ()  # "pinned a message" and the like
        return (
            InboundMessage(
                channel=self.name,
                external_id=update_id,
                sender_id=str(chat["id"]),
                text=text,
                attachments=kinds,
                sent_at=_time(message.get("date")),
                context=_context(sender),
            ),
        )

    def _pressed(self, update_id: str, query: Mapping[str, Any]) -> tuple[InboundMessage, ...]:
        message = query.get("message") or {}
        chat, data = message.get("chat") or {}, query.get("data")
        if chat.get("type") != "private" or not data:
            return ()
        rows = (message.get("reply_markup") or {}).get("inline_keyboard") or []
        titles = [button.get("text") for row in rows for button in row if button.get("callback_data") == data]
        title = titles[0] if titles else data
        context = _context(query.get("from") or {})
        return (InboundMessage(self.name, update_id, str(chat["id"]), title, payload=data, context=context),)

    def send(self, to: str, message: OutboundMessage, *, key: str) -> Receipt:
        """Text in parts of 4096 characters, the buttons under the last; a card a message."""
        external_id = None
        for number, (method, body) in enumerate(self._calls(to, message)):
            if number < self._progress.sent(key):
                continue
            external_id = self._call(method, body)
            self._progress.advance(key)
        self._progress.done(key)
        return Receipt(external_id)

    def _calls(self, to: str, message: OutboundMessage) -> list[tuple[str, dict[str, Any]]]:
        calls: list[tuple[str, dict[str, Any]]] = []
        if picture := web_picture(message.picture):
            calls.append(("sendPhoto", {"chat_id": to, "photo": picture}))
        texts = pieces(message.text, TEXT_LIMIT)
        if not texts and message.buttons:
            texts = ["…"]  # a keyboard needs a text
        calls += [("sendMessage", {"chat_id": to, "text": text}) for text in texts]
        if message.buttons:
            calls[-1][1]["reply_markup"] = _keyboard(message.buttons)
        calls += [_card(to, card) for card in message.cards]
        return calls

    def _call(self, method: str, body: dict[str, Any]) -> str | None:
        with channel_errors("Telegram"):
            response = self._client.post(method, json=body)
        answer = json_of("Telegram", response)
        if answer.get("ok"):
            return str((answer.get("result") or {}).get("message_id", ""))
        wait = (answer.get("parameters") or {}).get("retry_after")
        if wait:
            raise RetryLater("Telegram wants us slower", float(wait))
        refuse_outage("Telegram", response)
        if response.status_code in (401, 404):
            raise RetryLater("Telegram does not know our token; check KEFU_TELEGRAM_TOKEN", 60)
        raise Rejected(f"Telegram answered {response.status_code}: {short(str(answer.get('description', '')), 200)}")

    def close(self) -> None:
        self._client.close()


def _card(to: str, card: Card) -> tuple[str, dict[str, Any]]:
    text = card_text(card)
    picture = web_picture(card.picture)
    markup = {"reply_markup": _keyboard(card.buttons)} if card.buttons else {}
    if picture:
        return "sendPhoto", {"chat_id": to, "photo": picture, "caption": short(text, CAPTION_LIMIT), **markup}
    return "sendMessage", {"chat_id": to, "text": short(text, TEXT_LIMIT), **markup}


def _keyboard(buttons: tuple[Button, ...]) -> dict[str, Any]:
    return {"inline_keyboard": [[_button(button)] for button in buttons[:BUTTONS_LIMIT]]}


def _button(button: Button) -> dict[str, str]:
    if button.url:
        return {"text": button.title, "url": button.url}
    return {"text": button.title, "callback_data": short_payload(button.payload or button.title, DATA_LIMIT)}


def _context(sender: Mapping[str, Any]) -> dict[str, Any]:
    """The language of the sender's app: where a conversation starts, not what they write."""
    return {"language": "zh" if str(sender.get("language_code", "")).startswith("zh") else "en"}


def _time(stamp: Any) -> datetime | None:
    return datetime.fromtimestamp(stamp, UTC) if isinstance(stamp, int) else None
