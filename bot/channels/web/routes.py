"""The widget's API over HTTP: sessions, messages, events. Translate in, call the core, translate out."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.channels import shop_token
from bot.channels.connector import BadSignature
from bot.channels.routes import Intake, error_response, read_body, webhook_request
from bot.channels.web import visitor_token
from bot.channels.web.connector import Unprocessable, WebConnector, json_object, page_context, text_field
from bot.channels.web.events import EventStream, Hub, shown
from bot.database.base import utc_now
from bot.messaging import conversations
from bot.messaging.conversations import LANGUAGES, ConversationView
from bot.messaging.limits import Limits, Rate
from bot.messaging.services import Services

BODY_LIMIT = 64 * 1024
TOKEN_LIMIT = 5000
CATCH_UP = 500  # lines one request for the transcript brings; the widget asks again for more

Result = TypeVar("Result")


@dataclass(frozen=True)
class WidgetApi:
    """The handlers of `/api/widget/*`."""

    services: Services
    intake: Intake
    hub: Hub
    threads: ThreadPoolExecutor
    limits: Limits
    session_rate: Rate

    def routes(self) -> list[Route]:
        return [
            Route("/session", self.session, methods=["POST"]),
            Route("/messages", self.write, methods=["POST"]),
            Route("/messages", self.read, methods=["GET"]),
            Route("/events", self.events, methods=["GET"]),
            Route("/language", self.language, methods=["POST"]),
            Route("/identify", self.identify, methods=["POST"]),
        ]

    async def session(self, request: Request) -> Response:
        """Open a session, or go on with the one of `visitor_token`; prove the customer when the shop vouches."""
        address = request.client.host if request.client else ""
        wait = await self.limits.wait_seconds(f"session:{address}", self.session_rate)
        if wait:
            return too_many(wait)
        body = json_object(await read_body(request, BODY_LIMIT))
        token = text_field(body, "visitor_token", limit=TOKEN_LIMIT, required=False)
        language = text_field(body, "language", limit=20, required=False)[:2].lower()
        context = page_context(body)
        customer_id = self._customer(body)
        sender_id = self._sender(token)

        def opened(session: Session) -> ConversationView:
            return self._open(session, sender_id, language, context, customer_id)

        return self._session_answer(await self._write(opened))

    async def write(self, request: Request) -> Response:
        """Store a message; answered only after the commit. A second delivery changes nothing."""
        webhook = WebConnector(self.services.secret).parse(
            webhook_request(request, await read_body(request, BODY_LIMIT))
        )
        message = webhook.messages[0]
        wait = await self.intake.wait_seconds(message.channel, message.sender_id, request)
        if wait:
            return too_many(wait)
        accepted = await self.intake.accept(message)
        return JSONResponse({"position": accepted.position}, 202 if accepted.fresh else 200)

    async def read(self, request: Request) -> Response:
        view = await self._conversation(request)
        _, lines = await self.hub.read(view.id, _after(request), limit=CATCH_UP)
        messages = [shown(line) for line in lines]
        return JSONResponse({"messages": messages, "holder": view.holder, "language": view.language})

    async def events(self, request: Request) -> Any:
        view = await self._conversation(request)
        return EventStream(self.hub, view.id, _after(request))

    async def language(self, request: Request) -> Response:
        body = json_object(await read_body(request, BODY_LIMIT))
        language = text_field(body, "language", limit=20)
        if language not in LANGUAGES:
            raise Unprocessable(f"language {language!r} is not spoken here; choose one of {', '.join(LANGUAGES)}")
        view = await self._conversation(request)
        await self._write(lambda session: conversations.choose_language(session, view.id, language))
        return JSONResponse({"language": language})

    async def identify(self, request: Request) -> Response:
        """The visitor has signed in at the shop. Someone else than before gets a conversation of their own."""
        body = json_object(await read_body(request, BODY_LIMIT))
        customer_id = self._customer({"customer_token": text_field(body, "customer_token", limit=TOKEN_LIMIT)})
        view = await self._conversation(request)

        def proven(session: Session) -> ConversationView:
            return self._open(session, view.sender_id, view.language, {}, customer_id)

        return self._session_answer(await self._write(proven))

    def _open(
        self, session: Session, sender_id: str, language: str, context: dict[str, Any], customer_id: str | None
    ) -> ConversationView:
        now = utc_now()
        spoken = language if language in LANGUAGES else self.services.shop_language
        view = conversations.open_or_find(session, "web", sender_id, now=now, language=spoken, context=context)
        if customer_id is None:
            return view
        if view.customer_id not in (None, customer_id):
            fresh, _ = visitor_token.fresh(self.services.secret)
            view = conversations.open_or_find(session, "web", fresh, now=now, language=spoken, context=context)
        conversations.prove(session, view.id, customer_id, now)
        return view

    def _session_answer(self, view: ConversationView) -> Response:
        return JSONResponse(
            {
                "visitor_token": visitor_token.sign(view.sender_id, self.services.secret),
                "conversation_id": view.id,
                "language": view.language,
                "last_position": view.last_position,
                "shop": {"name": self.services.shop_name},
            }
        )

    def _sender(self, token: str) -> str:
        """The visitor who holds `token`; a new one when it is missing or not ours any more."""
        with contextlib.suppress(visitor_token.BadVisitor):
            return visitor_token.verify(token, self.services.secret)
        return visitor_token.fresh(self.services.secret)[0]

    def _customer(self, body: dict[str, Any]) -> str | None:
        token = text_field(body, "customer_token", limit=TOKEN_LIMIT, required=False)
        if not token:
            return None
        try:
            return shop_token.verify(token, self.services.shop_secret, now=time.time())
        except shop_token.BadToken as error:
            raise BadSignature(str(error)) from error

    async def _conversation(self, request: Request) -> ConversationView:
        """The conversation of the visitor who asks. Raises BadSignature."""
        try:
            sender_id = visitor_token.of_header(request.headers.get("authorization", ""), self.services.secret)
        except visitor_token.BadVisitor as error:
            raise BadSignature(str(error)) from error

        def find() -> ConversationView | None:
            with self.services.readers() as session:
                return conversations.of_sender(session, "web", sender_id)

        view = await asyncio.get_running_loop().run_in_executor(self.threads, find)
        if view is None:
            raise BadSignature("this visitor has no conversation; open a session first")
        return view

    async def _write(self, act: Callable[[Session], Result]) -> Result:
        def commit() -> Result:
            with self.services.sessions.begin() as session:
                return act(session)

        return await asyncio.get_running_loop().run_in_executor(self.threads, commit)


def too_many(wait_seconds: float) -> Response:
    message = f"too many requests; try again in {wait_seconds:.0f} s"
    return error_response(429, "rate_limited", message, {"Retry-After": str(max(1, round(wait_seconds)))})


def _after(request: Request) -> int:
    text = request.query_params.get("after") or request.headers.get("last-event-id") or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Unprocessable("after must be a position: a whole number, 0 or more")
    return int(text)
