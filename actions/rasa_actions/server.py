"""The action server: rasa-sdk's executor behind its own contract (`POST /webhook`), on loopback, one process.

rasa-sdk's own server costs as much as the answer (1.6 ms of CPU a call, measured: tracing, CORS, a second framework
beside the one the other processes use); what it promises to Rasa is small and is kept here.
"""

import json
import logging
import socket
from collections.abc import Iterable
from typing import Any

import uvicorn
from rasa_sdk import Action
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import ActionExecutionRejection, ActionNotFoundException
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.ready import say_ready

HOST = "127.0.0.1"

log = logging.getLogger(__name__)


class PortTaken(Exception):
    """Another process listens there; the message names the port and the setting."""


class Executor(ActionExecutor):  # type: ignore[misc]  # rasa_sdk ships no types
    """Our actions read nothing of the domain, so none has to be sent (rasa-sdk 3.21 else asks for it with a 449)."""

    def update_and_return_domain(self, payload: dict[str, Any], action_name: str) -> dict[str, Any]:
        return {}


def make_app(actions: Iterable[Action]) -> Starlette:
    """`POST /webhook`, `GET /health` and `GET /actions` as rasa-sdk 3.21 answers them.

    An action that is not there is 404, one that cannot use the message 400; Rasa tells them apart by the status.
    """
    executor = Executor()
    logging.getLogger("rasa_sdk.executor").setLevel(logging.WARNING)  # it names every action at info
    for action in actions:
        executor.register_action(action)

    async def webhook(request: Request) -> Response:
        try:
            call = json.loads(await request.body())
            result = await executor.run(call)
        except ValueError:
            return _json({"error": "Invalid body request"}, 400)
        except (ActionExecutionRejection, ActionNotFoundException) as error:
            status = 404 if isinstance(error, ActionNotFoundException) else 400
            return _json({"error": error.message, "action_name": error.action_name}, status)
        return _json({"events": result.events, "responses": result.responses} if result else None)

    async def health(request: Request) -> Response:
        return _json({"status": "ok"})

    async def names(request: Request) -> Response:
        return _json([{"name": each.name} for each in executor.list_actions()])

    return Starlette(
        routes=[
            Route("/webhook", webhook, methods=["POST"]),
            Route("/health", health),
            Route("/actions", names),
        ],
        exception_handlers={Exception: _failed},
    )


def serve(actions: Iterable[Action], port: int) -> None:
    """Serve until SIGTERM or SIGINT; what is being answered is finished first.

    Raises:
        PortTaken: nothing was started.
    """
    listening = _bound(port)
    server = _Server(
        uvicorn.Config(
            make_app(actions), log_level="warning", access_log=False, proxy_headers=False, server_header=False
        )
    )
    server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """Says `ready` once requests are answered."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            say_ready("actions")


def _json(body: Any, status: int = 200) -> Response:
    # ASCII: half an emoji of a customer is no valid UTF-8, but it is valid JSON
    return Response(json.dumps(body), status, media_type="application/json")


async def _failed(request: Request, error: Exception) -> Response:
    log.error("an action failed: %s", type(error).__name__)
    return _json({"error": type(error).__name__}, 500)


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise PortTaken(f"port {port} is taken; stop what listens there or set KEFU_ACTIONS_PORT") from error
    return listener
