"""The mail with the return label, in the customer's language."""

from datetime import datetime

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


def send_label(session: Session, customer: Customer, order: Order, request: ReturnRequest, now: datetime) -> None:
    """Owe the mail; once a return, whatever is repeated."""
    subject, body = WORDS.get(customer.language, WORDS["en"])
    names = {line.id: line.name for line in order.lines}
    items = "\n".join(f"- {part['quantity']} x {names[part['line_id']]}" for part in request.lines)
    shown = {
        "number": request.number,
        "order": order.number,
        "name": customer.name,
        "items": items,
        "label": f"RET-{request.number.removeprefix('R-')}-{order.number.removeprefix('K-')}",
        "days": policies.load(session).integer("return_label_valid_days"),
    }
    owe(session, f"return:{request.id}", customer.email, subject.format(**shown), body.format(**shown), now)
