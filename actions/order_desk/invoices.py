"""The invoice of an order: what was bought, paid and given back; by mail on request."""

from datetime import datetime

from sqlalchemy.orm import Session

from actions.order_desk import lookup
from actions.order_desk.outcomes import Outcome
from actions.order_desk.post import owe
from actions.order_desk.views import LineView, OrderView
from bot.database import policies
from bot.database.shop import Customer

WORDS = {
    "en": {
        "subject": "Invoice {number}",
        "head": "Invoice {number}\nOrder {order}, {day}\n{name}\n",
        "shipping": "Shipping",
        "total": "Total",
        "back": "Given back",
    },
    "zh": {
        "subject": "发票 {number}",
        "head": "发票 {number}\n订单 {order}，{day}\n{name}\n",
        "shipping": "运费",
        "total": "合计",
        "back": "已退款",
    },
}


def invoice(session: Session, customer_id: str, number: str) -> tuple[str, str]:
    """The invoice's number and its text in the customer's language.

    Raises:
        OrderNotFound: no such order for this customer.
    """
    order = lookup.find(session, customer_id, number)
    customer = session.get_one(Customer, customer_id)
    words = WORDS.get(customer.language, WORDS["en"])
    invoice_number = f"INV-{order.number.removeprefix('K-')}"
    shown = {"number": invoice_number, "order": order.number, "name": customer.name}
    lines = [words["head"].format(**shown, day=f"{order.placed_at:%Y-%m-%d}")]
    lines += [f"{each.quantity} x {_name(each, customer.language)}: {_sum(order, each)}" for each in order.lines]
    lines.append(f"{words['shipping']}: {_money(order.shipping_minor, order.currency)}")
    lines.append(f"{words['total']}: {_money(order.total_minor, order.currency)}")
    if order.refunded_minor:
        lines.append(f"{words['back']}: {_money(order.refunded_minor, order.currency)}")
    seller = policies.load(session)
    lines.append(f"\n{seller.text('shop_address')}\n{seller.text('service_email')}")
    return invoice_number, "\n".join(lines)


def send_invoice(session: Session, customer_id: str, number: str, *, request_id: str, now: datetime) -> Outcome:
    """Mail the invoice to the address on file; a repeated turn sends no second one.

    facts: invoice_number.

    Raises:
        OrderNotFound: no such order for this customer.
    """
    order = lookup.find(session, customer_id, number)
    invoice_number, text = invoice(session, customer_id, number)
    customer = session.get_one(Customer, customer_id)
    words = WORDS.get(customer.language, WORDS["en"])
    subject = words["subject"].format(number=invoice_number)
    sent = owe(session, f"invoice:{order.number}:{request_id}", customer.email, subject, text, now)
    return Outcome("done" if sent else "already_done", "invoice_sent", order, {"invoice_number": invoice_number})


def _name(line: LineView, language: str) -> str:
    return line.name_zh if language == "zh" and line.name_zh else line.name


def _sum(order: OrderView, line: LineView) -> str:
    return _money(line.price_minor * line.quantity, order.currency)


def _money(amount_minor: int, currency: str) -> str:
    return f"{amount_minor / 100:.2f} {currency}"
