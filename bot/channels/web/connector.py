"""The shop's own web page as a channel: the visitor token is its signature, the transcript its delivery."""

import json
from typing import Any

from bot.channels.connector import BadSignature, Malformed, Receipt, Webhook
from bot.channels.web import visitor_token
from bot.messaging.messages import InboundMessage, OutboundMessage, WebhookRequest
from bot.messaging.plain_text import TEXT_LIMIT, clean

ID_LIMIT = 100
PAYLOAD_LIMIT = 2000
PAGE_LIMIT = 4000  # bytes of JSON


class TooLong(Malformed):
    """The text is longer than a customer may write at once."""

    status = 413
    code = "text_too_long"


class Unprocessable(Malformed):
    """A field is missing or of the wrong type; the message names it."""

    status = 422
    code = "invalid_field"


class WebConnector:
    name = "web"

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def parse(self, request: WebhookRequest) -> Webhook:
        """`{"id", "text", "payload"?, "page"?}` of the widget; the id is unique within the visitor."""
        try:
            sender_id = visitor_token.of_header(request.headers.get("authorization", ""), self._secret)
        except visitor_token.BadVisitor as error:
            raise BadSignature(str(error)) from error
        body = json_object(request.body)
        id_ = text_field(body, "id", limit=ID_LIMIT)
        text = clean(text_field(body, "text", limit=None, required=False))
        payload = text_field(body, "payload", limit=PAYLOAD_LIMIT, required=False) or None
        if len(text) > TEXT_LIMIT:
            raise TooLong(f"text has {len(text)} characters; at most {TEXT_LIMIT} are taken at once")
        if not id_ or not (text.strip() or payload):
            raise Unprocessable("id and text must not be empty")
        message = InboundMessage(
            channel="web",
            external_id=f"{sender_id}:{id_}",  # a visitor's ids never meet another visitor's
            sender_id=sender_id,
            text=text,
            payload=payload,
            context=page_context(body),
        )
        return Webhook((message,))

    def send(self, to: str, message: OutboundMessage, *, key: str) -> Receipt:
        """The widget reads the transcript: what stands in it is delivered."""
        return Receipt()

    def close(self) -> None:
        pass


def json_object(raw: bytes) -> dict[str, Any]:
    """Raises Malformed."""
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError) as error:
        raise Malformed("the body is not JSON") from error
    if not isinstance(body, dict):
        raise Malformed("the body is not a JSON object")
    return body


def text_field(body: dict[str, Any], name: str, *, limit: int | None, required: bool = True) -> str:
    """Raises Unprocessable."""
    value = body.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise Unprocessable(f"{name} must be a string")
    if limit is not None and len(value) > limit:
        raise Unprocessable(f"{name} has {len(value)} characters; at most {limit} are taken")
    return value


def page_context(body: dict[str, Any]) -> dict[str, Any]:
    """`{"page": ...}` when the widget tells where it stands. Raises Unprocessable."""
    page = body.get("page")
    if page is None:
        return {}
    if not isinstance(page, dict) or len(json.dumps(page)) > PAGE_LIMIT:
        raise Unprocessable(f"page must be an object of at most {PAGE_LIMIT} bytes")
    return {"page": page}
