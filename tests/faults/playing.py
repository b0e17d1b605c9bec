"""Three small real servers that play nlu, dialogue and actions, with memories that survive a kill.

`python -m tests.faults.playing nlu|dialogue|actions --port N --memory FILE [--actions URL]`. They keep the
contracts of the real ones: a message id the dialogue holds is not run again; an effect is applied once a
request id; a turn whose action server is away leaves nothing behind.
"""

import argparse
import random
import sqlite3
import time

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

TABLES = """
CREATE TABLE IF NOT EXISTS said (conversation_id TEXT, message_id TEXT PRIMARY KEY, text TEXT);
CREATE TABLE IF NOT EXISTS effects (request_id TEXT PRIMARY KEY, order_number TEXT);
"""


def memory(file: str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=30, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(TABLES)
    return connection


def pause(least: float, most: float) -> None:
    """Work takes time: a kill should find something half done."""
    time.sleep(random.uniform(least, most))


def parse(request_body: dict) -> dict:
    pause(0.002, 0.01)
    text = request_body["text"]
    intent = {"name": "cancel_order" if "cancel" in text else "greet", "confidence": 0.9}
    wish = {"text": text, "intent": intent, "entities": []}
    return {**wish, "intent_ranking": [intent], "language": "en", "in_scope": 0.99, "wishes": [wish]}


def effect(store: sqlite3.Connection, body: dict) -> dict:
    row = (body["request_id"], body["order_number"])
    changed = store.execute("INSERT OR IGNORE INTO effects VALUES (?, ?)", row).rowcount
    pause(0.0, 0.02)
    return {"changed": bool(changed)}


def turn(store: sqlite3.Connection, actions_url: str, body: dict) -> JSONResponse:
    key = body["message_id"]
    row = store.execute("SELECT text FROM said WHERE message_id = ?", (key,)).fetchone()
    if row is not None:
        return JSONResponse({"replies": [{"text": row[0]}], "active_loop": None, "repeated": True})
    pause(0.0, 0.02)
    if body["parse"]["intent"]["name"] == "cancel_order":
        order = body["text"].rpartition(" ")[2]
        try:
            httpx.post(actions_url, json={"request_id": key, "order_number": order}, timeout=5).raise_for_status()
        except httpx.HTTPError:
            error = {"code": "turn_failed", "message": "TurnAborted; nothing was kept, try again"}
            return JSONResponse({"error": error}, 503)
    text = f"you said: {body['text']}"
    store.execute("INSERT INTO said VALUES (?, ?, ?)", (body["conversation_id"], key, text))
    pause(0.0, 0.01)
    return JSONResponse({"replies": [{"text": text}], "active_loop": None, "repeated": False})


def app(role: str, file: str, actions_url: str) -> Starlette:
    def answer(body: dict) -> JSONResponse:
        if role == "nlu":
            return JSONResponse(parse(body))
        store = memory(file)  # one a call: calls run in threads
        try:
            return turn(store, actions_url, body) if role == "dialogue" else JSONResponse(effect(store, body))
        finally:
            store.close()

    async def post(request: Request) -> JSONResponse:
        from starlette.concurrency import run_in_threadpool

        return await run_in_threadpool(answer, await request.json())

    path = {"nlu": "/model/parse", "dialogue": "/webhooks/kefu/turn", "actions": "/webhook"}[role]
    return Starlette(routes=[Route(path, post, methods=["POST"])])


class Server(uvicorn.Server):
    role = ""

    async def startup(self, sockets=None):
        await super().startup(sockets)
        if self.started:
            print(f"ready: {self.role}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("nlu", "dialogue", "actions"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--memory", default="")
    parser.add_argument("--actions", default="")
    arguments = parser.parse_args()
    if arguments.memory:
        memory(arguments.memory).close()
    server = Server(
        uvicorn.Config(app(arguments.role, arguments.memory, arguments.actions), port=arguments.port, log_level="error")
    )
    server.role = arguments.role
    server.run()


if __name__ == "__main__":
    main()
