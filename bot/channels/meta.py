"""What WhatsApp and Messenger share: Meta's webhook handshake, its signature, its errors."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from bot.channels.connector import Answer, BadSignature, Malformed, Rejected, RetryLater, Webhook
from bot.channels.platform import channel_errors, json_of, open_client, retry_after, short
from bot.channels.signatures import check_hex, same, secret_of
from bot.messaging.messages import WebhookRequest

GRAPH = "https://graph.facebook.com/v21.0"

# Codes of the Graph API that pass: rate limits, temporary faults.
PASSING = frozenset({1, 2, 4, 17, 32, 341, 613, 80007, 130429, 131000, 131016, 131048, 131056, 133004})
TOKEN = frozenset({0, 10, 190, 200})
CLOSED_WINDOW = frozenset({131047, 2018278, 2018109})


class MetaWebhook:
    """Checks and reads webhooks of one product (`object`)."""

    def __init__(self, product: str, app_secret: str, verify_token: str, *, variable: str) -> None:
        self._product = product
        self._secret = secret_of(f"KEFU_{variable}_APP_SECRET", app_secret)
        self._verify_token = secret_of(f"KEFU_{variable}_VERIFY_TOKEN", verify_token).decode()

    def handshake(self, request: WebhookRequest) -> Webhook | None:
        """The answer to Meta's GET, None for a delivery. Raises BadSignature."""
        if request.method != "GET":
            return None
        same(self._verify_token, request.query.get("hub.verify_token", ""))
        if request.query.get("hub.mode") != "subscribe":
            raise BadSignature("the handshake's mode is not subscribe")
        return Webhook(answer=Answer(request.query.get("hub.challenge", "").encode()))

    def entries(self, request: WebhookRequest) -> Iterator[Mapping[str, Any]]:
        """The entries of a signed delivery for our product. Raises BadSignature, Malformed."""
        check_hex(self._secret, request.body, request.headers.get("x-hub-signature-256", ""), prefix="sha256=")
        try:
            body = json.loads(request.body)
        except ValueError as error:
            raise Malformed("the body is not JSON") from error
        if not isinstance(body, dict) or not isinstance(body.get("entry", []), list):
            raise Malformed("the body holds no entries")
        if body.get("object") == self._product:
            yield from (entry for entry in body.get("entry", ()) if isinstance(entry, dict))


class Graph:
    """Posting messages to the Graph API."""

    def __init__(self, name: str, token: str, *, base_url: str = GRAPH) -> None:
        self._name = name
        self._client: httpx.Client = open_client(f"{base_url}/", {"Authorization": f"Bearer {token}"})

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Raises RetryLater, Rejected."""
        with channel_errors(self._name):
            response = self._client.post(path, json=body)
        answer = json_of(self._name, response)
        error = answer.get("error")
        if response.status_code < 400 and not error:
            return answer
        code = (error or {}).get("code")
        if code in CLOSED_WINDOW:
            raise Rejected(f"{self._name}: the customer's last message is over 24 hours old ({code})")
        if code in TOKEN:
            raise RetryLater(f"{self._name} does not accept our token ({code})", 60)
        if code in PASSING or response.status_code == 429 or response.status_code >= 500:
            raise RetryLater(f"{self._name} answered {response.status_code} ({code})", retry_after(response))
        detail = short(str((error or {}).get("message", "")), 200)
        raise Rejected(f"{self._name} answered {response.status_code} ({code}): {detail}")

    def close(self) -> None:
        self._client.close()
