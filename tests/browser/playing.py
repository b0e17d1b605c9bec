"""One small real server that plays nlu and dialogue for the browser: the contracts of the real ones, few words."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from actions.risk.rules import RULES

CARDS = [
    {
        "title": name,
        "text": text,
        "price": price,
        "picture": f"/pictures/{file}.svg",
        "url": f"/products/{file}",
        "badge": badge,
        "buttons": [{"title": "Is it in stock?", "payload": f'/check_stock{{"product": "{file}"}}'}],
    }
    for name, text, price, file, badge in (
        ("Velden Aske trekking tent", "Two people, because you like it light.", "€249.00", "trekking-tent-1", None),
        ("Nordhang Ulve trekking tent", "Three people, free standing, 2.4 kg.", "€319.00", "trekking-tent-2", "New"),
        ("Isfjell Flint trekking tent", "Four seasons, snow flaps.", "€459.00", "trekking-tent-3", None),
        ("Campo Vidda trekking tent", "Our lightest: 1.1 kg.", "€529.00", "trekking-tent-4", "Few left"),
    )
]  # fmt: skip
ORDER = {
    "kind": "order",
    "title": "K-104203",
    "badge": "On its way",
    "text": "Rain jacket, M\nFleece, M\nExpected Tuesday, 24 November",
    "price": "€168.00",
    "buttons": [{"title": "Cancel this order", "payload": '/cancel_order{"order_number": "K-104203"}'}],
}
POLICY = {
    "kind": "document",
    "title": "Returns and refunds",
    "text": "30 days, free of charge",
    "url": "/help/en/returns",
}


# as `order_desk` asks a person, see `Outcome.for_agent`
ADDRESS_REVIEW = {
    "reason": "risk_review",
    "summary": {
        "wish": "change_address",
        "tried": "change_address",
        "known": {"order_number": "K-104203"},
        "intents": ["change_address"],
        "review": {
            "action": "change_address",
            "order_number": "K-104203",
            "amount_minor": 24900,
            "currency": "EUR",
            "band": "high",
            "score": 0.62,
            "reasons": [dict(rule.words) for rule in RULES[:2]],
            "model_version": "1",
            "wish": {"after": {"city": "Elsewhere"}, "shipping_minor": 490, "currency": "EUR"},
        },
    },
}


def intent_of(text: str) -> str:
    for pattern, intent in (
        (r"person|human|人工", "talk_to_person"),
        (r"tent|帐篷", "product_search"),
        (r"order|订单", "track_order"),
        (r"return|退货", "refund_policy"),
        (r"slow", "slow"),
        (r"elsewhere", "change_address"),
        (r"你好|hello", "greet"),
    ):
        if re.search(pattern, text, re.IGNORECASE):
            return intent
    return "nlu_fallback"


def parse(body: dict[str, Any]) -> dict[str, Any]:
    text = body["text"]
    intent = {"name": intent_of(text), "confidence": 0.93}
    wish = {"text": text, "intent": intent, "entities": []}
    language = "zh" if re.search("[一-鿿]", text) else "en"
    return {**wish, "intent_ranking": [intent], "language": language, "in_scope": 0.99, "wishes": [wish]}


def replies(body: dict[str, Any]) -> list[dict[str, Any]]:
    intent = body["parse"]["intent"]["name"]
    chinese = body["metadata"]["language"] == "zh"
    if intent == "talk_to_person":
        summary = {
            "wish": "cancel_order",
            "tried": "the order has left the warehouse",
            "known": {"order": "K-104203"},
            "intents": ["track_order", "cancel_order", "talk_to_person"],
            "language": body["metadata"]["language"],
            "last_message": body["text"],
        }
        text = (
            "好的，我请一位同事来帮您。"
            if chinese
            else "Of course. I am calling a colleague; they can see everything you wrote."
        )
        return [
            {
                "text": text,
                "custom": {"handoff": {"reason": "asked", "summary": summary}, "source": {"response": "utter_handoff"}},
            }
        ]
    if intent == "product_search":
        return [
            {"text": "These four would suit you:", "custom": {"cards": CARDS, "source": {"response": "utter_products"}}}
        ]
    if intent == "track_order":
        buttons = [
            {"title": "Another order", "payload": "/track_order"},
            {"title": "Talk to a person", "payload": "/talk_to_person"},
        ]
        text = "您的订单在路上：" if chinese else "Your order **K-104203** is on its way:"
        return [{"text": text, "custom": {"cards": [ORDER], "buttons": buttons}}]
    if intent == "refund_policy":
        text = (
            "You may return almost everything:\n- within **30 days**\n- unused, in its packaging\n"
            "- free of charge with our label\nMore in [the policy](https://shop.example/returns)."
        )
        return [{"text": text, "custom": {"cards": [POLICY], "source": {"passage": "returns-en#2", "score": 0.81}}}]
    if intent == "check_stock":
        return [{"text": "Yes, 12 pieces are in stock."}]
    if intent == "cancel_order":
        return [{"text": "K-104203 has left the warehouse already and cannot be cancelled."}]
    if intent == "change_address":
        return [{"text": "A colleague looks at this first.", "custom": {"handoff": ADDRESS_REVIEW}}]
    if intent == "slow":
        time.sleep(2.0)
        return [{"text": "That took a while."}]
    return [{"text": "您好！请问您想了解什么？" if chinese else "Hello! Ask me about orders and products."}]


class Playing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/model/parse":
            answer: dict[str, Any] = parse(body)
        else:
            answer = {"replies": replies(body), "active_loop": None, "repeated": False}
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def playing(port: int) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", port), Playing)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
