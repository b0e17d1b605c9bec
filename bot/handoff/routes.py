"""The console over HTTP: translate in, call one function of this package, translate out."""

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from bot.database.base import utc_now
from bot.handoff import agents, audit, customer_panel, live, queue, sign_in, views
from bot.handoff.agents import AccountError
from bot.handoff.services import Services
from bot.handoff.sign_in import Console
from bot.messaging import wakeup

STATIC = Path(__file__).parent / "static"
COOKIE = "kefu_console"
BODY_LIMIT = 64 * 1024
# Everything the page needs comes from this server; pictures of products may lie at the shop's.
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' https: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
API_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Refused(Exception):
    """An answer that is no success, in the one error shape."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.more = status, code, message, more

    def response(self) -> Response:
        retry_after = self.more.pop("retry_after", None)
        headers = API_HEADERS | ({"Retry-After": str(retry_after)} if retry_after else {})
        body = {"error": {"code": self.code, "message": self.message, **self.more}}
        return JSONResponse(body, self.status, headers)


class Pages(StaticFiles):
    """The page's own files, checked for a newer version each time."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(PAGE_HEADERS)
        return response

    async def get_response(self, path: str, scope: Scope) -> Response:
        if path in (".", ""):
            return FileResponse(STATIC / "index.html", headers=PAGE_HEADERS)
        return await super().get_response(path, scope)


def routes(services: Services, closing: Callable[[], bool] = lambda: False) -> list[BaseRoute]:
    """/console and /api/console for the gateway to mount; streams end by themselves once `closing` says so."""
    api = ConsoleApi(services, closing)
    conversation = "/api/console/conversations/{id}"
    return [
        Route("/console", lambda request: RedirectResponse("/console/")),
        Route("/api/console/sign-in", api.sign_in, methods=["POST"]),
        Route("/api/console/sign-out", api.guarded(api.sign_out), methods=["POST"]),
        Route("/api/console/me", api.guarded(api.me)),
        Route("/api/console/lists", api.guarded(api.lists)),
        Route("/api/console/search", api.guarded(api.search)),
        Route("/api/console/colleagues", api.guarded(api.colleagues)),
        Route("/api/console/audit", api.guarded(api.audit_log)),
        Route("/api/console/events", api.guarded(api.events)),
        Route(conversation, api.guarded(api.thread)),
        Route(conversation + "/lines", api.guarded(api.lines)),
        Route(conversation + "/customer", api.guarded(api.customer)),
        *(
            Route(f"{conversation}/{name}", api.guarded(step), methods=["POST"])
            for name, step in (
                ("claim", api.claim),
                ("reply", api.reply),
                ("note", api.note),
                ("hand-back", api.hand_back),
                ("resolve", api.resolve),
                ("transfer", api.transfer),
                ("typing", api.typing),
            )
        ),
        Mount("/console", Pages(directory=STATIC)),
    ]


Step = Callable[[Request, Console], Awaitable[Response]]


class ConsoleApi:
    """One method a route. All but `sign_in` are called through `guarded`."""

    def __init__(self, services: Services, closing: Callable[[], bool]) -> None:
        self._services = services
        self._closing = closing
        self._bell = live.Bell(services.wakeup)
        self._viewers = live.Viewers()

    def guarded(self, step: Step) -> Callable[[Request], Awaitable[Response]]:
        """Let only a signed-in console through; a write must also carry its CSRF token."""

        async def handle(request: Request) -> Response:
            try:
                console = await run_in_threadpool(self._console, request.cookies.get(COOKIE))
                if console is None:
                    raise Refused(401, "signed_out", "please sign in")
                reads = request.method in ("GET", "HEAD")
                if not reads and not sign_in.may_write(console, request.headers.get("x-csrf-token", "")):
                    raise Refused(403, "csrf", "the request does not come from the console's own page")
                return await step(request, console)
            except Refused as refused:
                return refused.response()

        return handle

    def _console(self, token: str | None) -> Console | None:
        with self._services.readers() as session:
            return sign_in.console_of(session, token, now=utc_now())

    # signing in -------------------------------------------------------------------------------------------------

    async def sign_in(self, request: Request) -> Response:
        try:
            given = await _json(request)
            email, password = _text(given, "email", 320), _text(given, "password", 1000)
            address = request.client.host if request.client else "unknown"
            token, console = await run_in_threadpool(self._sign_in, email, password, address)
        except Refused as refused:
            return refused.response()
        response = JSONResponse(_me(console), headers=API_HEADERS)
        response.set_cookie(
            COOKIE,
            token,
            max_age=int(sign_in.LIFETIME.total_seconds()),
            httponly=True,
            secure=request.url.scheme == "https",
            samesite="strict",
            path="/",
        )
        return response

    def _sign_in(self, email: str, password: str, address: str) -> tuple[str, Console]:
        now = utc_now()
        try:
            with self._services.readers() as session:
                sign_in.refuse_guessing(session, email=email, address=address, now=now)
            with self._services.sessions.begin() as session:
                return sign_in.sign_in(session, email=email, password=password, address=address, now=now)
        except sign_in.TooManyTries as error:
            raise Refused(429, "too_many_tries", str(error), retry_after=error.retry_after_seconds) from None
        except sign_in.SignInRefused as error:
            with self._services.sessions.begin() as session:
                sign_in.note_failure(session, email=email, address=address, now=now)
            raise Refused(401, "wrong_password", str(error)) from None

    async def sign_out(self, request: Request, console: Console) -> Response:
        token = request.cookies[COOKIE]
        await self._write(lambda session: sign_in.sign_out(session, token, now=utc_now(), agent_id=console.agent.id))
        response = JSONResponse({}, headers=API_HEADERS)
        response.delete_cookie(COOKIE, path="/")
        return response

    async def me(self, request: Request, console: Console) -> Response:
        return JSONResponse(_me(console), headers=API_HEADERS)

    # reading ----------------------------------------------------------------------------------------------------

    async def lists(self, request: Request, console: Console) -> Response:
        return await self._read(lambda session: views.lists(session, console.agent.id))

    async def search(self, request: Request, console: Console) -> Response:
        text = request.query_params.get("q", "")[:200]
        return await self._read(lambda session: {"found": views.search(session, text) if text.strip() else []})

    async def colleagues(self, request: Request, console: Console) -> Response:
        return await self._read(
            lambda session: {
                "colleagues": [{"id": one.id, "name": one.name} for one in agents.everyone(session) if one.active]
            }
        )

    async def audit_log(self, request: Request, console: Console) -> Response:
        if console.agent.role != "owner":
            raise Refused(403, "owner_only", "only an owner reads the audit log")
        return await self._read(
            lambda session: {"entries": [{**vars(entry), "at": entry.at.isoformat()} for entry in audit.read(session)]}
        )

    async def thread(self, request: Request, console: Console) -> Response:
        return await self._read(lambda session: _found(views.thread(session, request.path_params["id"])))

    async def lines(self, request: Request, console: Console) -> Response:
        after = _number(request.query_params.get("after", "0"), "after")
        return await self._read(lambda session: {"lines": views.lines_after(session, request.path_params["id"], after)})

    async def customer(self, request: Request, console: Console) -> Response:
        return await self._read(lambda session: customer_panel.panel(session, request.path_params["id"]))

    async def events(self, request: Request, console: Console) -> Response:
        """`after`, or what the browser says it has after a broken line (Last-Event-ID), whichever is later."""
        after = _number(request.query_params.get("after", "0"), "after")
        seen = request.headers.get("last-event-id", "")
        stream = live.events(
            self._services.readers,
            self._bell,
            self._viewers,
            console.agent,
            request.query_params.get("conversation"),
            max(after, int(seen) if seen.isdecimal() else 0),
            self._closing,
        )
        return StreamingResponse(
            stream, media_type="text/event-stream", headers=API_HEADERS | {"X-Accel-Buffering": "no"}
        )

    # steps ------------------------------------------------------------------------------------------------------

    async def claim(self, request: Request, console: Console) -> Response:
        return await self._step(request, lambda session, id: queue.claim(session, id, console.agent, now=utc_now()))

    async def reply(self, request: Request, console: Console) -> Response:
        given = await _json(request)
        expected = _number(given.get("expected_position"), "expected_position")
        request_id, text = _text(given, "request_id", 64), _text(given, "text", 20_000)
        return await self._step(
            request,
            lambda session, id: queue.reply(
                session, id, console.agent, text, expected_position=expected, request_id=request_id, now=utc_now()
            ),
            wake=wakeup.OUTBOX,
        )

    async def note(self, request: Request, console: Console) -> Response:
        given = await _json(request)
        request_id, text = _text(given, "request_id", 64), _text(given, "text", 20_000)
        return await self._step(
            request,
            lambda session, id: queue.note(session, id, console.agent, text, request_id=request_id, now=utc_now()),
        )

    async def hand_back(self, request: Request, console: Console) -> Response:
        return await self._step(
            request,
            lambda session, id: queue.hand_back(session, id, console.agent, now=utc_now()),
            wake=wakeup.OUTBOX,
        )

    async def resolve(self, request: Request, console: Console) -> Response:
        return await self._step(
            request, lambda session, id: queue.resolve(session, id, console.agent, now=utc_now()), wake=wakeup.OUTBOX
        )

    async def transfer(self, request: Request, console: Console) -> Response:
        to = _text(await _json(request), "to", 64)
        return await self._step(
            request,
            lambda session, id: queue.transfer(session, id, console.agent, to, now=utc_now()),
            wake=wakeup.OUTBOX,
        )

    async def typing(self, request: Request, console: Console) -> Response:
        """The customer sees that someone writes; said by whoever holds the conversation only."""
        conversation_id = request.path_params["id"]

        def held(session: Session) -> bool:
            state = views.state(session, conversation_id)
            return state is not None and state["agent_id"] == console.agent.id

        with _refusals():
            if await run_in_threadpool(self._with_reader, held):
                self._services.wakeup.notify(wakeup.TYPING, [conversation_id])
        return JSONResponse({}, headers=API_HEADERS)

    async def _step(
        self, request: Request, step: Callable[[Session, str], queue.Sent | None], *, wake: str | None = None
    ) -> Response:
        """One transaction; then everyone who looks is woken."""
        conversation_id = request.path_params["id"]
        with _refusals():
            sent = await self._write(lambda session: step(session, conversation_id))
        for topic in (wakeup.TRANSCRIPT, wake or wakeup.OUTBOX):
            self._services.wakeup.notify(topic, [conversation_id])
        self._bell.ring()
        return JSONResponse({} if sent is None else vars(sent), headers=API_HEADERS)

    async def _write(self, work: Callable[[Session], Any]) -> Any:
        def transaction() -> Any:
            with self._services.sessions.begin() as session:
                return work(session)

        return await run_in_threadpool(transaction)

    async def _read(self, look: Callable[[Session], Any]) -> Response:
        return JSONResponse(await run_in_threadpool(self._with_reader, look), headers=API_HEADERS)

    def _with_reader(self, look: Callable[[Session], Any]) -> Any:
        with self._services.readers() as session:
            return look(session)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """What the queue refuses, as answers."""
    try:
        yield
    except queue.NoSuchConversation as error:
        raise Refused(404, error.code, str(error)) from None
    except queue.NewerMessages as error:
        raise Refused(409, error.code, str(error), position=error.position) from None
    except queue.HeldByColleague as error:
        raise Refused(409, error.code, str(error), name=error.name) from None
    except queue.BadText as error:
        raise Refused(422, error.code, str(error)) from None
    except queue.QueueError as error:
        raise Refused(409, error.code, str(error)) from None
    except AccountError as error:
        raise Refused(422, "account", str(error)) from None


def _me(console: Console) -> dict[str, Any]:
    agent = console.agent
    return {
        "id": agent.id,
        "name": agent.name,
        "email": agent.email,
        "role": agent.role,
        "csrf_token": console.csrf_token,
    }


def _found(value: Any) -> Any:
    if value is None:
        raise Refused(404, "no_conversation", "there is no such conversation")
    return value


async def _json(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise Refused(413, "too_large", f"a request may have {BODY_LIMIT} bytes")
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        raise Refused(400, "bad_json", "the body is not JSON") from None
    if not isinstance(value, dict):
        raise Refused(400, "bad_json", "the body must be a JSON object")
    return value


def _text(given: dict[str, Any], name: str, most: int) -> str:
    value = given.get(name)
    if not isinstance(value, str) or len(value) > most:
        raise Refused(422, "bad_value", f"{name} must be a text of at most {most} characters")
    return value


def _number(value: Any, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise Refused(422, "bad_value", f"{name} must be a whole number") from None
    if number < 0:
        raise Refused(422, "bad_value", f"{name} must not be negative")
    return number
