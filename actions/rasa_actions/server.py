"""The action server: rasa-sdk's own, on loopback, one process, without CORS."""

import logging
import socket
import warnings
from collections.abc import Iterable
from typing import Any

from rasa_sdk import Action
from rasa_sdk.endpoint import create_app
from rasa_sdk.executor import ActionExecutor

HOST = "127.0.0.1"


class PortTaken(Exception):
    """Another process listens there; the message names the port and the setting."""


class Executor(ActionExecutor):  # type: ignore[misc]  # rasa_sdk ships no types
    """Our actions read nothing of the domain, so none has to be sent (rasa-sdk 3.21 else asks for it with a 449)."""

    def update_and_return_domain(self, payload: dict[str, Any], action_name: str) -> dict[str, Any]:
        return {}


def serve(actions: Iterable[Action], port: int) -> None:
    """Serve until SIGTERM or SIGINT; what is being answered is finished first.

    Raises:
        PortTaken: nothing was started.
    """
    executor = Executor()
    logging.getLogger("rasa_sdk.executor").setLevel(logging.WARNING)  # it names every action at info
    for action in actions:
        executor.register_action(action)
    app = create_app(executor, cors_origins=[])

    async def ready(*_: object) -> None:
        print("ready: actions", flush=True)

    app.register_listener(ready, "after_server_start")
    warnings.filterwarnings("ignore", message="Your versions of rasa and", module="rasa_sdk")  # tried: they agree
    app.run(sock=_bound(port), single_process=True, access_log=False, motd=False, debug=False)


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise PortTaken(f"port {port} is taken; stop what listens there or set KEFU_ACTIONS_PORT") from error
    return listener
