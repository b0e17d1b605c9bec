"""The invariant of money: payments - refunds = what the customer keeps, whatever is done in whatever order."""

import uuid
from datetime import timedelta

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from actions.order_desk import (
    addresses,
    cancelling,
    items,
    money,
    payments,
    problems,
    receiving,
    returning,
    shipping,
    withdrawing,
)
from actions.order_desk.views import LineChange
from bot.database.base import Base
from bot.database.engine import open_engine, open_sessions
from bot.database.shop import Order, PaymentMethod, ReturnRequest, Variant
from tests.actions.order_desk.conftest import BERLIN, HAMBURG, NOW, Shop, fill

ORDERS = ("K-1001", "K-1003")
SKUS = ("boot-41", "boot-43", "boot-44", "mug-s", "mug-l")
METHODS = (None, "ada-card", "ada-gift", "ada-paypal")
ADDRESSES = (BERLIN, HAMBURG, {**HAMBURG, "country": "FR"}, {**HAMBURG, "country": "CN"})
lines = st.builds(
    lambda order, position, quantity, sku: LineChange(f"{order}-{position}", quantity, sku),
    st.sampled_from(ORDERS),
    st.integers(1, 2),
    st.sampled_from([None, 1, 2]),
    st.sampled_from(SKUS),
)
steps = st.one_of(
    st.tuples(st.just("cancel"), st.sampled_from(ORDERS)),
    st.tuples(st.just("address"), st.sampled_from(ADDRESSES)),
    st.tuples(st.just("items"), lines, st.sampled_from(METHODS)),
    st.tuples(st.just("payment"), st.sampled_from(METHODS[1:])),
    st.tuples(st.just("shipping"), st.sampled_from(["express", "standard", "pickup"])),
    st.tuples(st.just("return"), lines, st.sampled_from(["other", "damaged"]), st.sampled_from(METHODS)),
    st.tuples(st.just("exchange"), lines, st.sampled_from(METHODS)),
    st.tuples(st.just("damaged"), lines),
    st.tuples(st.just("receive"), st.booleans()),
    st.tuples(st.just("withdraw"), st.sampled_from(ORDERS)),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(steps, min_size=1, max_size=8))
@example(  # the money goes to a gift card that has paid nothing
    sequence=[("return", LineChange("K-1003-1", None, "boot-41"), "other", "ada-gift"), ("receive", True)]
)
@example(
    sequence=[
        ("return", LineChange("K-1003-1", 1, "boot-41"), "other", "ada-gift"),
        ("receive", True),
        ("cancel", "K-1003"),
    ]
)
@example(  # an exchange for something dearer is charged, taken back, and asked for again
    sequence=[
        ("exchange", LineChange("K-1003-1", None, "boot-43"), "ada-gift"),
        ("withdraw", "K-1003"),
        ("exchange", LineChange("K-1003-1", None, "boot-43"), None),
        ("receive", True),
    ]
)
def test_payments_minus_refunds_is_what_is_kept_after_any_sequence(tmp_path, sequence) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / uuid.uuid4().hex}.db")
    Base.metadata.create_all(engine)
    shop = Shop(open_sessions(engine))
    with shop.sessions.begin() as session:
        fill(session)
    goods = everything_of_worth(shop)
    for number, step in enumerate(sequence):
        shop.now = NOW - timedelta(days=3)  # early enough for everything
        play(shop, f"m{number}", *step)
        assert_balanced(shop)
    assert goods == everything_of_worth(shop)
    engine.dispose()


def play(shop: Shop, request_id: str, kind: str, *more) -> None:
    """Do one step; a refusal is as good as anything."""
    if kind == "receive":
        with shop.sessions.begin() as session:
            number = session.scalar(select(ReturnRequest.number).where(ReturnRequest.status == "label_sent").limit(1))
            if number is not None:
                receiving.receive(session, number, accepted=more[0], **shop.by(request_id, actor="system"))
        return
    calls = {
        "cancel": lambda number: (cancelling.cancel, number, "other"),
        "address": lambda address: (addresses.change_address, "K-1001", address),
        "items": lambda change, method: (items.change_items, change.line_id[:6], [change], method),
        "payment": lambda method: (payments.change_payment, "K-1001", method),
        "shipping": lambda method: (shipping.change_shipping, "K-1001", method),
        "return": lambda change, why, method: (
            returning.return_lines, change.line_id[:6], [LineChange(change.line_id, change.quantity)], why, method,
        ),
        "exchange": lambda change, method: (returning.exchange_lines, change.line_id[:6], [change], method),
        "withdraw": lambda number: (withdrawing.withdraw, number),
        "damaged": lambda change: (
            problems.report, change.line_id[:6], "damaged", [LineChange(change.line_id, change.quantity)],
        ),
    }  # fmt: skip
    shop.do(*calls[kind](*more), request_id=request_id)


def assert_balanced(shop: Shop) -> None:
    with shop.sessions() as session:
        for order in session.scalars(select(Order)):
            returns = session.scalars(select(ReturnRequest).where(ReturnRequest.order_id == order.id)).all()
            assert money.paid_minor(order) == money.kept_minor(order, returns), order.number
            assert order.total_minor == order.subtotal_minor + order.shipping_minor
            assert order.subtotal_minor == sum(line.quantity * line.price_minor for line in order.lines)
        least_stock = session.scalar(select(func.min(Variant.stock)))
        least_balance = session.scalar(select(func.min(PaymentMethod.balance_minor)))
    assert least_stock is not None
    assert least_stock >= 0
    assert least_balance is not None
    assert least_balance >= 0


def everything_of_worth(shop: Shop) -> int:
    """Pieces on the shelf, set aside, and with customers: none is made and none is lost."""
    with shop.sessions() as session:
        shelf = session.scalar(select(func.sum(Variant.stock))) or 0
        held = 0
        for order in session.scalars(select(Order).where(Order.status != "cancelled")):
            held += sum(line.quantity for line in order.lines)
            for row in session.scalars(select(ReturnRequest).where(ReturnRequest.order_id == order.id)):
                pieces = sum(part["quantity"] for part in row.lines)
                came_back = row.number.startswith("R-")  # what was damaged and refunded at once stays away
                if row.kind == "return" and row.status == "refunded" and came_back:
                    held -= pieces
                if row.kind == "exchange" and row.status == "label_sent":
                    held += pieces  # the new one is set aside while the old one is still with the customer
    return shelf + held
