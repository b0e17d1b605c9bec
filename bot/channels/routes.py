"""Webhooks over HTTP: raw bytes in, commit, then the platform's answer. One route serves every connector."""

import time
from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.channels.connector import Connector, Malformed
from bot.database.base import utc_now
from bot.messaging import inbox
from bot.messaging.batches import Batches
from bot.messaging.inbox import Accepted
from bot.messaging.limits import Limits, Rate
from bot.messaging.messages import InboundMessage, WebhookRequest
from bot.messaging.metrics import Counters
from bot.messaging.services import Services
from bot.messaging.wakeup import INBOX, TRANSCRIPT

WEBHOOK_LIMIT = 3 * 1024 * 1024  # the largest body a platform documents (WhatsApp)


class BodyTooLarge(Malformed):
    status = 413
    code = "body_too_large"


class Intake:
    """The door of the inbox: limits, then one commit shared with whoever writes at the same moment."""

    def __init__(
        self, services: Services, limits: Limits, *, sender_rate: Rate, address_rate: Rate, counters: Counters
    ) -> None:
        self._services = services
        self._limits = limits
        self._sender_rate = sender_rate
        self._address_rate = address_rate
        self.counters = counters
        self._batches: Batches[InboundMessage, Accepted] = Batches(
            services.sessions, self._accept, after_commit=self._tell
        )

    async def accept(self, message: InboundMessage) -> Accepted:
        """Stored and committed when this returns."""
        began = time.perf_counter()
        accepted = await self._batches.submit(message)
        self.counters.acknowledged_seconds[0] += time.perf_counter() - began
        self.counters.acknowledged_seconds[1] += 1
        return accepted

    async def wait_seconds(self, channel: str, sender_id: str, request: Request | None) -> float:
        """0.0, or how long this sender or this address must wait."""
        wait = await self._limits.wait_seconds(f"sender:{channel}:{sender_id}", self._sender_rate)
        if not wait and request is not None and request.client is not None:
            wait = await self._limits.wait_seconds(f"address:{request.client.host}", self._address_rate)
        if wait:
            self.counters.refuse("rate_limited")
        return wait

    def close(self) -> None:
        self._batches.close()

    def _accept(self, session: Session, messages: Sequence[InboundMessage]) -> list[Accepted]:
        return inbox.accept_all(session, messages, now=utc_now(), language=self._services.shop_language)

    def _tell(self, _: Sequence[InboundMessage], results: Sequence[Accepted]) -> None:
        fresh = [accepted.conversation_id for accepted in results if accepted.fresh]
        self.counters.accepted += len(fresh)
        self.counters.repeated += len(results) - len(fresh)
        if fresh:
            self._services.wakeup.notify(INBOX)
            self._services.wakeup.notify(TRANSCRIPT, dict.fromkeys(fresh))


def webhook_routes(connectors: Mapping[str, Connector], intake: Intake) -> list[Route]:
    """`/webhooks/NAME` for each connector."""

    async def webhook(request: Request) -> Response:
        connector = connectors.get(request.path_params["name"])
        if connector is None or connector.name == "web":  # the widget has its own routes
            return error_response(404, "no_such_channel", "this channel is not set up")
        read = connector.parse(webhook_request(request, await read_body(request, WEBHOOK_LIMIT)))
        for message in read.messages:
            await intake.accept(message)  # never refused: platforms deliver again and again what is refused
        return Response(read.answer.body, read.answer.status, media_type=read.answer.content_type)

    return [Route("/webhooks/{name}", webhook, methods=["GET", "POST"])]


def webhook_request(request: Request, body: bytes) -> WebhookRequest:
    return WebhookRequest(
        method=request.method,
        path=request.url.path,
        query=dict(request.query_params),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
    )


async def read_body(request: Request, limit: int) -> bytes:
    """The raw body. Raises BodyTooLarge before more than `limit` bytes are held."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(f"the body has {declared} bytes; at most {limit} are taken")
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(f"the body has more than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def error_response(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The one error shape."""
    return JSONResponse({"error": {"code": code, "message": message}}, status, dict(headers or {}))
