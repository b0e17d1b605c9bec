"""What came back: the shop looks at the parcel, and money and stock follow. For agents and the warehouse."""

from typing import Unpack

from sqlalchemy import select
from sqlalchemy.orm import Session

from actions.order_desk import money, stock
from actions.order_desk.change import By, Plan, carry_out
from actions.order_desk.lookup import FINISHED
from actions.order_desk.outcomes import OrderNotFound, Outcome, Refusal
from bot.database.policies import Policies
from bot.database.shop import Order, ReturnRequest


def receive(session: Session, return_number: str, *, accepted: bool = True, **by: Unpack[By]) -> Outcome:
    """Finish a return or exchange.

    Accepted: a return is refunded, an exchange that became cheaper gets the difference back, the items go on the shelf.
    Refused: nothing is refunded; what an exchange charged goes back and its variant too.

    Raises:
        OrderNotFound: there is no such return.
        ValueError: a customer cannot receive their own return.
    """
    if by["actor"].startswith("customer:"):
        raise ValueError("a return is received by the shop, not by its customer")
    found = session.execute(
        select(ReturnRequest.id, Order.customer_id, Order.number)
        .join(Order, Order.id == ReturnRequest.order_id)
        .where(ReturnRequest.number == return_number)
    ).one_or_none()
    if found is None:
        raise OrderNotFound(return_number)
    return_id, customer_id, number = found

    def check(order: Order, numbers: Policies) -> Plan | Refusal:
        request = session.get_one(ReturnRequest, return_id)
        if request.status in FINISHED:
            return Refusal("nothing_changes", {"status": request.status})
        methods = money.methods_of(session, order.customer_id, lock=True)
        amount = request.refund_minor if accepted else charged_minor(request)  # or what became cheaper
        shares = money.shares_back(order, amount, request.payment_method_id)
        facts = {
            "return_number": request.number,
            "accepted": accepted,
            "refund_minor": max(amount, 0),
            "currency": order.currency,
            "refunds": money.described(shares, methods, numbers),
        }

        def apply() -> None:
            money.give_back(session, order, shares, methods, by["now"])
            if accepted:
                skus = {line.id: line.sku for line in order.lines}
                stock.put_back(session, [(skus[part["line_id"]], int(part["quantity"])) for part in request.lines])
            else:
                let_go(session, request)
            done = "exchanged" if request.kind == "exchange" else "refunded"
            request.status = done if accepted else "refused"
            request.refunded_at = by["now"] if shares else None

        return Plan(facts, max(amount, 0), payment_method_id=request.payment_method_id, apply=apply)

    return carry_out(session, customer_id, number, by, kind=f"received:{return_number}", action="return", check=check)


def charged_minor(request: ReturnRequest) -> int:
    """What an exchange for something dearer took when it was asked for; below zero or 0 for everything else."""
    return -request.refund_minor if request.kind == "exchange" else 0


def let_go(session: Session, request: ReturnRequest) -> None:
    """The variants that an exchange had set aside go back on the shelf: it will not be."""
    stock.put_back(session, [(part["new_sku"], int(part["quantity"])) for part in request.lines if "new_sku" in part])
