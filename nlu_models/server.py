"""The nlu process: Rasa's `/model/parse`, micro-batched, and `/draft`; loopback only.

    POST /model/parse   {"text", "message_id"?, "metadata"?} -> intent, ranking, entities, wishes, scope, language
    POST /draft         {"text", "intent", "language", "facts", "passages"} -> {"draft": {...} | null}
    GET  /health        models and counts

New models are taken up without a restart: the folders are looked at every second, the new model is loaded beside the
old one, and requests go on meanwhile.
"""

import asyncio
import contextlib
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from bot.ready import say_ready, settle
from ensemble.artifact import ArtifactError
from nlu_models.batching import Batcher, Full
from nlu_models.models import Models
from retrieval.same_words import SameWordsError, of_home

log = logging.getLogger(__name__)

MOST_CHARACTERS = 4000
MOST_BODY_BYTES = 256 * 1024
WATCH_SECONDS = 1.0
WORKERS = 2  # batches at a time: one thread cannot fill the two cores of the smallest machine this is made for


class BadRequest(Exception):
    """The body is not what the route takes; the message is for the caller."""


def make_app(
    models: Models, *, window_seconds: float = 0.003, most_waiting: int = 256, workers: int = WORKERS
) -> Starlette:
    """The application over loaded models; watches their folders while it runs."""
    batcher: Batcher[str, dict[str, Any]] = Batcher(
        models.parse, window_seconds=window_seconds, most_waiting=most_waiting, workers=workers
    )
    drafts = asyncio.Semaphore(1)  # a draft is slow: one at a time, in a thread of its own, never before a parse
    waiting_drafts = 0

    async def parse(request: Request) -> JSONResponse:
        body = await _body(request)
        text = body.get("text")
        if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
            raise BadRequest(f"text must be a string of at most {MOST_CHARACTERS} characters")
        answer = await batcher.ask(text)
        metadata = body.get("metadata")
        if answer["reply_draft"] is None and not (isinstance(metadata, dict) and metadata.get("draft") is False):
            answer = {**answer, "reply_draft": models.approved(answer, metadata if isinstance(metadata, dict) else {})}
        return JSONResponse(answer)

    async def draft(request: Request) -> JSONResponse:
        nonlocal waiting_drafts
        body = await _body(request)
        wanted = _draft_request(body)
        if waiting_drafts >= 8:
            raise Full(1)
        waiting_drafts += 1
        try:
            async with drafts:
                made = await run_in_threadpool(models.draft, wanted)
        finally:
            waiting_drafts -= 1
        return JSONResponse({"draft": made})

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "models": models.versions(), "served": asdict(batcher.counts)})

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        watcher = asyncio.create_task(_watch(models))
        yield
        watcher.cancel()
        await batcher.close()

    return Starlette(
        routes=[
            Route("/model/parse", parse, methods=["POST"]),
            Route("/draft", draft, methods=["POST"]),
            Route("/health", health),
        ],
        lifespan=lifespan,
        exception_handlers={BadRequest: _bad_request, Full: _full, 404: _not_found, 405: _not_found, 500: _failed},
    )


async def _watch(models: Models) -> None:
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            changes = await run_in_threadpool(models.refresh)
            for change in changes:
                log.info("models: %s", change)
            if changes:
                settle()  # the old models go, the new ones stay
        except Exception:  # a damaged new model must not stop the old one from serving
            log.exception("models could not be refreshed; the ones in place go on")


async def _body(request: Request) -> Mapping[str, Any]:
    raw = await request.body()
    if len(raw) > MOST_BODY_BYTES:
        raise BadRequest(f"the body is larger than {MOST_BODY_BYTES} bytes")
    try:
        body = json.loads(raw)
    except ValueError:
        raise BadRequest("the body must be JSON") from None
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    return body


def _draft_request(body: Mapping[str, Any]) -> Mapping[str, Any]:
    checks: dict[str, Callable[[Any], bool]] = {
        "text": lambda value: isinstance(value, str) and len(value) <= MOST_CHARACTERS,
        "intent": lambda value: isinstance(value, str),
        "language": lambda value: value in ("en", "zh"),
        "facts": lambda value: isinstance(value, dict),
        "passages": lambda value: isinstance(value, list) and all(isinstance(each, dict) for each in value),
    }
    defaults: dict[str, Any] = {"intent": "", "language": "en", "facts": {}, "passages": []}
    wanted = {name: body.get(name, defaults.get(name)) for name in checks}
    for name, holds in checks.items():
        if not holds(wanted[name]):
            raise BadRequest(f"{name} is not what /draft takes")
    return wanted


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


async def _bad_request(request: Request, error: Exception) -> JSONResponse:
    return _error(400, "bad_request", str(error))


async def _full(request: Request, error: Exception) -> JSONResponse:
    seconds = error.retry_after_seconds if isinstance(error, Full) else 1
    return _error(503, "busy", "Too many messages are waiting.", {"Retry-After": str(seconds)})


async def _not_found(request: Request, error: Exception) -> JSONResponse:
    return _error(getattr(error, "status_code", 404), "not_found", "There is no such address.")


async def _failed(request: Request, error: Exception) -> JSONResponse:
    return _error(500, "internal", "The request failed.")


class _Server(uvicorn.Server):
    """Says `ready` once requests are answered."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            say_ready("nlu")


def main(argv: Sequence[str] | None = None) -> int:
    import argparse

    from bot import settings
    from bot.database.engine import open_engine, open_readers
    from nlu_models.catalogue import Catalogue

    parser = argparse.ArgumentParser(prog="python -m nlu_models.server", description=__doc__)
    parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        chosen = settings.load()
    except settings.SettingError as error:
        print(f"nlu: {error}", file=sys.stderr)
        return 1
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", chosen.nlu_port))
    except OSError as error:
        print(f"nlu: port {chosen.nlu_port} cannot be used ({error.strerror}); set KEFU_NLU_PORT", file=sys.stderr)
        return 1
    try:
        same_words = of_home(Path(chosen.home))
        catalogue = Catalogue(open_readers(open_engine(chosen.database_url, pool_size=1)), same_words)
        models = Models.load(
            Path(chosen.models), catalogue.gazetteer, threads=chosen.torch_threads, device=chosen.device
        )
    except (ArtifactError, SameWordsError) as error:
        print(f"nlu: {error}", file=sys.stderr)
        return 1
    # numpy's own threads would fight the batches for the cores: one computation, as many threads as were asked for
    threadpool_limits(chosen.torch_threads)
    models.warm()
    server = _Server(
        uvicorn.Config(make_app(models), log_level="warning", access_log=False, proxy_headers=False, lifespan="on")
    )
    server.run(sockets=[listening])
    return 0


if __name__ == "__main__":
    sys.exit(main())
