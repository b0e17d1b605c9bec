"""Slack, after the Events and Web APIs: direct messages and mentions, Block Kit buttons and cards."""

import json
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from bot.channels.connector import Answer, Malformed, Receipt, Rejected, RetryLater, Webhook
from bot.channels.platform import (
    Progress,
    card_text,
    channel_errors,
    json_of,
    open_client,
    pieces,
    refuse_outage,
    retry_after,
    short,
    web_picture,
)
from bot.channels.signatures import Clock, check_slack, secret_of
from bot.messaging.messages import Button, Card, InboundMessage, OutboundMessage, WebhookRequest, short_payload

SECTION_LIMIT = 3000
BLOCKS_LIMIT = 50
BUTTONS_LIMIT = 25  # of one actions block
TITLE_LIMIT = 75
VALUE_LIMIT = 2000

# What Slack answers when it is its own fault, or ours in a way that passes; all else is final.
PASSING = frozenset({"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"})
MISCONFIGURED = frozenset({"invalid_auth", "not_authed", "token_revoked", "token_expired", "missing_scope"})

_MENTION = re.compile(r"<@[A-Z0-9]+>\s*")


class Slack:
    name = "slack"

    def __init__(
        self, bot_token: str, signing_secret: str, *, base_url: str = "https://slack.com/api", clock: Clock = time.time
    ) -> None:
        self._secret = secret_of("KEFU_SLACK_SIGNING_SECRET", signing_secret)
        secret_of("KEFU_SLACK_BOT_TOKEN", bot_token)
        self._clock = clock
        self._client = open_client(f"{base_url}/", {"Authorization": f"Bearer {bot_token}"})
        self._progress = Progress()

    def parse(self, request: WebhookRequest) -> Webhook:
        """Signature and age first; then the challenge, an event, or a pressed button."""
        check_slack(self._secret, request.body, request.headers, self._clock())
        body = _body(request)
        if body.get("type") == "url_verification":
            return Webhook(answer=Answer(str(body.get("challenge", "")).encode()))
        if body.get("type") == "block_actions":
            return Webhook(self._pressed(body))
        event = body.get("event")
        if body.get("type") == "event_callback" and isinstance(event, dict):
            return Webhook(self._written(str(body.get("event_id", "")), event))
        return Webhook()

    def _written(self, event_id: str, event: Mapping[str, Any]) -> tuple[InboundMessage, ...]:
        direct = event.get("type") == "message" and event.get("channel_type") == "im"
        mentioned = event.get("type") == "app_mention"
        # Our own messages come back too; edits and joins are subtypes.
        if not (direct or mentioned) or event.get("bot_id") or event.get("subtype") not in (None, "file_share"):
            return ()
        place = [str(event.get("channel", "")), str(event.get("user", ""))]
        if mentioned:
            place.append(str(event.get("thread_ts") or event.get("ts")))
        files = tuple({"kind": "document"} for _ in event.get("files") or ())
        text = _unescaped(_MENTION.sub("", str(event.get("text", ""))))
        return (InboundMessage(self.name, event_id, ":".join(place), text, attachments=files),)

    def _pressed(self, body: Mapping[str, Any]) -> tuple[InboundMessage, ...]:
        action = (body.get("actions") or [{}])[0]
        value = action.get("value")
        if not value:
            return ()  # a link button
        container = body.get("container") or {}
        place = [str((body.get("channel") or {}).get("id", "")), str((body.get("user") or {}).get("id", ""))]
        if container.get("thread_ts"):
            place.append(str(container["thread_ts"]))
        title = str((action.get("text") or {}).get("text", value))
        id_ = f"{body.get('trigger_id') or action.get('action_ts')}"
        return (InboundMessage(self.name, id_, ":".join(place), title, payload=value),)

    def send(self, to: str, message: OutboundMessage, *, key: str) -> Receipt:
        """One message of blocks; what goes beyond 50 blocks follows in the next."""
        channel, _, rest = to.partition(":")
        thread = rest.partition(":")[2]
        blocks = _blocks(message)
        external_id = None
        for number, start in enumerate(range(0, max(len(blocks), 1), BLOCKS_LIMIT)):
            if number < self._progress.sent(key):
                continue
            body: dict[str, Any] = {
                "channel": channel,
                "text": _escaped(short(message.text or "…", SECTION_LIMIT)),  # for notifications
                "blocks": blocks[start : start + BLOCKS_LIMIT],
                "unfurl_links": False,
            }
            if thread:
                body["thread_ts"] = thread
            external_id = self._post(body)
            self._progress.advance(key)
        self._progress.done(key)
        return Receipt(external_id)

    def _post(self, body: dict[str, Any]) -> str | None:
        with channel_errors("Slack"):
            response = self._client.post("chat.postMessage", json=body)
        refuse_outage("Slack", response)
        answer = json_of("Slack", response)
        if answer.get("ok"):
            return str(answer.get("ts", ""))
        error = str(answer.get("error", "unknown"))
        if error in PASSING:
            raise RetryLater(f"Slack answered {error}", retry_after(response))
        if error in MISCONFIGURED:
            raise RetryLater(f"Slack answered {error}; check KEFU_SLACK_BOT_TOKEN and the app's scopes", 60)
        raise Rejected(f"Slack answered {short(error, 100)}")

    def close(self) -> None:
        self._client.close()


def _body(request: WebhookRequest) -> Mapping[str, Any]:
    """JSON of an event, or the form field `payload` of an interaction. Raises Malformed."""
    try:
        text = request.body.decode()
        if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            text = parse_qs(text)["payload"][0]
        body = json.loads(text)
    except (ValueError, KeyError) as error:
        raise Malformed("the body is no Slack event") from error
    if not isinstance(body, dict):
        raise Malformed("the body is no Slack event")
    return body


def _blocks(message: OutboundMessage) -> list[dict[str, Any]]:
    blocks = [_section(text) for text in pieces(message.text, SECTION_LIMIT)]
    if picture := web_picture(message.picture):
        blocks.append({"type": "image", "image_url": picture, "alt_text": short(message.text or "picture", 200)})
    for card in message.cards:
        blocks += _card(card)
    return blocks + _actions(message.buttons, "reply")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": short(_escaped(text), SECTION_LIMIT)}}


def _card(card: Card) -> list[dict[str, Any]]:
    section = _section(card_text(card))
    if picture := web_picture(card.picture):
        section["accessory"] = {"type": "image", "image_url": picture, "alt_text": short(card.title, 200)}
    return [section, *_actions(card.buttons, f"card-{short_payload(card.title, 40)}")]


def _actions(buttons: tuple[Button, ...], name: str) -> list[dict[str, Any]]:
    rows = [buttons[start : start + BUTTONS_LIMIT] for start in range(0, len(buttons), BUTTONS_LIMIT)]
    return [
        {"type": "actions", "elements": [_button(button, f"{name}-{at}-{place}") for place, button in enumerate(row)]}
        for at, row in enumerate(rows)
    ]


def _button(button: Button, action_id: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "button",
        "action_id": action_id,
        "text": {"type": "plain_text", "text": short(button.title or "…", TITLE_LIMIT)},
    }
    if button.url:
        return {**made, "url": button.url}
    return {**made, "value": short_payload(button.payload or button.title, VALUE_LIMIT)}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()
