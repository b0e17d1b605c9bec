"""The mails about a return, in the customer's language: its label, and that it was withdrawn."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from actions.order_desk.post import owe
from bot.database import policies
from bot.database.shop import Customer, Order, ReturnRequest

WORDS = {
    "en": (
        "Return {number} for order {order}",
        "Hello {name},\n\nhere is your label for return {number} of order {order}.\n\n{items}\n\n"
        "1. Pack the items; keep tags on.\n2. Put the label on the parcel: {label}\n"
        "3. Hand it in within {days} days.\n\nWe write again when it is here.",
    ),
    "zh": (
        "订单 {order} 的退换货 {number}",
        "{name}，您好：\n\n这是订单 {order} 退换货 {number} 的寄回标签。\n\n{items}\n\n"
        "1. 请将商品包装好，保留吊牌。\n2. 将标签贴在包裹上：{label}\n3. 请在 {days} 天内寄出。\n\n收到后会再通知您。",
    ),
}

WITHDRAWN = {
    "en": (
        "Return {number} for order {order} is withdrawn",
        "Hello {name},\n\nyou have withdrawn return {number} of order {order}. You keep:\n\n{items}\n\n"
        "Please do not use its label any more. If you change your mind, just ask for a new return in time.",
    ),
    "zh": (
        "订单 {order} 的退换货 {number} 已撤销",
        "{name}，您好：\n\n您已撤销订单 {order} 的退换货 {number}，以下商品由您保留：\n\n{items}\n\n"
        "原寄回标签已失效，请不要再使用。如需退换，请在期限内重新申请。",
    ),
}


def send_label(session: Session, customer: Customer, order: Order, request: ReturnRequest, now: datetime) -> None:
    """Owe the mail; once a return, whatever is repeated."""
    label = f"RET-{request.number.removeprefix('R-')}-{order.number.removeprefix('K-')}"
    days = policies.load(session).integer("return_label_valid_days")
    _send(session, customer, order, request, now, f"return:{request.id}", WORDS, label=label, days=days)


def send_withdrawn(session: Session, customer: Customer, order: Order, request: ReturnRequest, now: datetime) -> None:
    """As `send_label`."""
    _send(session, customer, order, request, now, f"return_withdrawn:{request.id}", WITHDRAWN)


def _send(
    session: Session,
    customer: Customer,
    order: Order,
    request: ReturnRequest,
    now: datetime,
    key: str,
    words: Mapping[str, tuple[str, str]],
    **more: Any,
) -> None:
    subject, body = words.get(customer.language, words["en"])
    names = {line.id: line.name for line in order.lines}
    items = "\n".join(f"- {part['quantity']} x {names[part['line_id']]}" for part in request.lines)
    shown = {
        "number": request.number,
        "order": order.number,
        "name": customer.name,
        "items": items,
        **more,
    }
    owe(session, key, customer.email, subject.format(**shown), body.format(**shown), now)
