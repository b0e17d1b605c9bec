"""A real gateway on a free port, in a thread of the test."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from sqlalchemy import Engine

from bot.channels.connector import Connector
from bot.channels.web.connector import WebConnector
from bot.database.engine import open_readers, open_sessions
from bot.gateway import Gateway, bind
from bot.messaging import wakeup
from bot.messaging.limits import MemoryLimits, Rate
from bot.messaging.services import Services

SECRET, SHOP_SECRET = "secret-of-the-gateway", "secret-of-the-shop"
FREE = Rate(0, 0)


@contextlib.contextmanager
def serving(
    engine: Engine, home: Path, *, connectors: Mapping[str, Connector] | None = None, rate: Rate = FREE, **more: Any
) -> Iterator[httpx.Client]:
    """A client of a gateway that serves until the block ends."""
    listening = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    services = Services(
        sessions=open_sessions(engine),
        readers=open_readers(engine),
        wakeup=wakeup.open_wakeup(engine, home),
        secret=SECRET,
        shop_secret=SHOP_SECRET,
        shop_name="The Shop",
        shop_language="en",
        public_url=url,
        home=home,
        **more,
    )
    every = {"web": WebConnector(SECRET), **(connectors or {})}
    gateway = Gateway(services, engine, MemoryLimits(), every, sender_rate=rate, address_rate=FREE)
    config = uvicorn.Config(gateway.app, log_level="error", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        with httpx.Client(base_url=url, timeout=10, trust_env=False) as client:
            yield client
    finally:
        gateway.hub.close()
        server.should_exit = True
        thread.join(10)
        services.wakeup.close()


def visitor(client: httpx.Client, **body: Any) -> dict[str, str]:
    """The headers of a new visitor."""
    token = client.post("/api/widget/session", json=body).json()["visitor_token"]
    return {"Authorization": f"Bearer {token}"}
