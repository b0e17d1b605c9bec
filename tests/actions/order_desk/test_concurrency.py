"""Two requests at once, on both databases: one does it, the other sees that it is done."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select

from actions.order_desk import cancelling, items, payments
from actions.order_desk.views import LineChange
from bot.database.shop import OrderEvent, Payment


def at_once(*calls):
    """Run the calls in threads that start together; their results in order."""
    barrier = Barrier(len(calls))

    def run(call):
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.parametrize("round_", range(3))
def test_two_cancellations_at_once_refund_once(shop, round_: int) -> None:
    outcomes = at_once(
        *(lambda id_=id_: shop.do(cancelling.cancel, "K-1001", "other", request_id=id_) for id_ in ("a", "b", "c"))
    )
    assert sorted(each.kind for each in outcomes) == ["done", "refused", "refused"]
    with shop.sessions() as session:
        assert session.scalar(select(func.sum(Payment.amount_minor)).where(Payment.kind == "refund")) == 11000


def test_the_same_request_twice_at_once_changes_once(shop) -> None:
    outcomes = at_once(*[lambda: shop.do(cancelling.cancel, "K-1001", "other", request_id="same")] * 2)
    assert sorted(each.kind for each in outcomes) == ["already_done", "done"]
    with shop.sessions() as session:
        assert session.scalar(select(func.count()).select_from(OrderEvent)) == 1


def test_the_last_piece_goes_to_one_of_two_customers(shop) -> None:
    outcomes = at_once(
        lambda: shop.do(items.change_items, "K-1001", [LineChange("K-1001-1", new_sku="boot-43")], request_id="a"),
        lambda: shop.do(
            items.change_items, "K-2001", [LineChange("K-2001-1", new_sku="boot-43")],
            request_id="b", customer="bob", actor="customer:bob",
        ),
    )  # fmt: skip
    assert sorted(each.kind for each in outcomes) == ["done", "refused"]
    assert shop.stock("boot-43") == 0


def test_cancelling_and_paying_otherwise_at_once_leave_the_money_right(shop) -> None:
    at_once(
        lambda: shop.do(cancelling.cancel, "K-1001", "other", request_id="a"),
        lambda: shop.do(payments.change_payment, "K-1001", "ada-paypal", request_id="b"),
    )
    with shop.sessions() as session:
        paid = {
            kind: session.scalar(
                select(func.sum(Payment.amount_minor)).where(Payment.kind == kind, Payment.order_id == "K-1001")
            )
            for kind in ("payment", "refund")
        }  # fmt: skip
    assert paid["payment"] == paid["refund"]
