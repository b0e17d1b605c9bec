"""The gateway: webhooks, the widget's API, the agent console, static files, health and metrics.

`python -m bot.gateway`. The composition root of the only process that customers and platforms reach.
"""

import asyncio
import contextlib
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

import uvicorn
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot import settings as settings_
from bot.channels.connector import Connector, WebhookRefused
from bot.channels.registry import open_connectors
from bot.channels.routes import Intake, error_response, webhook_routes
from bot.channels.web.events import Hub
from bot.channels.web.routes import WidgetApi
from bot.database.engine import open_engine, open_readers, open_sessions
from bot.handoff import routes as console
from bot.messaging import metrics, wakeup
from bot.messaging.limits import Limits, Rate, open_limits
from bot.messaging.metrics import Counters
from bot.messaging.ready import check_database
from bot.messaging.services import Services
from bot.ready import say_ready
from bot.widget import demo

WIDGET = Path(__file__).resolve().parent / "widget"
READ_THREADS = 4
SHUTDOWN_SECONDS = 5

# Nothing but our own files; pictures of a shop may stand on its own servers.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

log = logging.getLogger("bot.gateway")


class SecurityHeaders:
    """The headers every answer carries, whatever made it."""

    HEADERS = (
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "strict-origin-when-cross-origin"),
        ("X-Frame-Options", "DENY"),
        ("Content-Security-Policy", POLICY),
        ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
        ("Cache-Control", "no-cache"),  # files are asked for anew by their ETag: no mixture of two versions
    )

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self.app = app
        self.headers = self.HEADERS + ((("Strict-Transport-Security", "max-age=31536000"),) if https else ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers:
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, marked if scope["type"] == "http" else send)


class Gateway:
    """The application and what lives as long as it does."""

    def __init__(
        self,
        services: Services,
        engine: Engine,
        limits: Limits,
        connectors: Mapping[str, Connector],
        *,
        sender_rate: Rate,
        address_rate: Rate,
    ) -> None:
        self.services = services
        self.engine = engine
        self.counters = Counters()
        self.connectors = connectors
        self.threads = ThreadPoolExecutor(READ_THREADS, "readers")
        self.hub = Hub(services.readers)
        self.intake = Intake(
            services, limits, sender_rate=sender_rate, address_rate=address_rate, counters=self.counters
        )
        self.widget = WidgetApi(services, self.intake, self.hub, self.threads, limits, address_rate)
        self.app = Starlette(
            routes=list(self._routes()),
            middleware=[Middleware(SecurityHeaders, https=services.public_url.startswith("https:"))],
            exception_handlers={
                WebhookRefused: self._refused,
                DBAPIError: self._database_down,
                HTTPException: _http_error,
                Exception: _broken,
            },
            lifespan=self._lifespan,
        )

    def _routes(self) -> Iterable[BaseRoute]:
        origins = list(self.services.allowed_origins)
        cors = Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID", "Cache-Control"],
            expose_headers=["Retry-After"],
            max_age=86400,
        )
        anywhere = Middleware(CORSMiddleware, allow_origins=["*"])  # files without secrets, for any page
        yield Mount("/api/widget", routes=self.widget.routes(), middleware=[cors])
        yield from webhook_routes(self.connectors, self.intake)
        yield Route("/health", self._health)
        yield Route("/metrics", self._metrics)
        yield from console.routes(self.services, lambda: self.hub.closing)
        yield from demo.routes(self.services)
        yield Mount("/widget", StaticFiles(directory=WIDGET / "app", check_dir=False), middleware=[anywhere])
        yield Route("/widget.js", lambda request: FileResponse(WIDGET / "widget.js"), middleware=[anywhere])
        yield Mount("/demo", StaticFiles(directory=WIDGET / "demo", check_dir=False))

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        listener = self.services.wakeup.listen(wakeup.TRANSCRIPT, wakeup.TYPING)
        listening = asyncio.create_task(self.hub.listen(listener))
        try:
            yield
        finally:
            self.hub.close()
            await asyncio.wait([listening], timeout=2)
            listener.close()
            await asyncio.to_thread(self.intake.close)
            await asyncio.to_thread(self.hub.stop)
            for connector in self.connectors.values():
                connector.close()
            self.threads.shutdown(wait=False)

    async def _health(self, request: Request) -> Response:
        try:
            await asyncio.get_running_loop().run_in_executor(self.threads, check_database, self.engine)
        except ConnectionError:
            return error_response(503, "database_unavailable", "the database does not answer")
        return Response(json.dumps({"status": "ok"}), media_type="application/json")

    async def _metrics(self, request: Request) -> Response:
        def page() -> str:
            with self.services.readers() as session:
                return metrics.page(session, self.counters, self.hub.connections)

        text = await asyncio.get_running_loop().run_in_executor(self.threads, page)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, WebhookRefused)  # noqa: S101 (starlette calls us with this type only)
        self.counters.refuse(error.code)
        return error_response(error.status, error.code, str(error))

    async def _database_down(self, request: Request, error: Exception) -> Response:
        """Nothing was stored: the widget and every platform deliver again."""
        assert isinstance(error, DBAPIError)  # noqa: S101
        self.counters.refuse("database_unavailable")
        reason = (str(error.orig).splitlines() or [""])[0]
        log.error("%s %s: the database refuses: %s", request.method, request.url.path, reason)
        return error_response(503, "database_unavailable", "try again in a moment", {"Retry-After": "2"})


async def _loader(request: Request) -> Response:
    return FileResponse(WIDGET / "widget.js", headers={"Cache-Control": "no-cache"})


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = {404: "not_found", 405: "method_not_allowed"}.get(status, "http_error")
    detail = error.detail if isinstance(error, HTTPException) else "error"
    return error_response(status, code, str(detail), getattr(error, "headers", None))


async def _broken(request: Request, error: Exception) -> Response:
    return error_response(500, "internal_error", "something went wrong on our side")


class _Server(uvicorn.Server):
    """Ends the event streams first: a server waits for its connections, and a stream never ends by itself."""

    gateway: Gateway

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.gateway.hub.close()
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            say_ready("gateway")


def make(settings: settings_.Settings) -> Gateway:
    """Wire everything. Raises ConnectionError or ValueError with one sentence when it cannot work."""
    engine = open_engine(settings.database_url, pool_size=READ_THREADS + 4, checkpoints=False)
    check_database(engine)
    services = Services(
        sessions=open_sessions(engine),
        readers=open_readers(engine),
        wakeup=wakeup.open_wakeup(engine, settings.home),
        secret=settings.secret,
        shop_secret=settings.shop_secret,
        shop_name=settings.shop_name,
        shop_language=settings.shop_language,
        public_url=settings.gateway_url,
        home=settings.home,
        allowed_origins=tuple(origin.strip() for origin in settings.allowed_origins.split(",") if origin.strip()),
    )
    return Gateway(
        services,
        engine,
        open_limits(settings.redis_url),
        open_connectors(settings.values),
        sender_rate=Rate(settings.sender_per_minute, max(10, settings.sender_per_minute // 2)),
        address_rate=Rate(settings.address_per_minute, max(60, settings.address_per_minute // 2)),
    )


def bind(host: str, port: int) -> socket.socket:
    """A listening address. Raises ConnectionError that says whose fault it is."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise ConnectionError(f"port {port} on {host} cannot be used: {error.strerror}; set KEFU_PORT") from error
    return made


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = settings_.load()
        listening = bind(settings.host, settings.port)
        gateway = make(settings)
    except (settings_.SettingError, ConnectionError, ValueError) as error:
        print(f"gateway cannot start: {error}", file=sys.stderr)
        return 1
    config = uvicorn.Config(
        gateway.app,
        log_level="warning",
        access_log=False,  # an access log is a list of who talks to us
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = _Server(config)
    server.gateway = gateway
    server.run(sockets=[listening])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
