"""What should have become of a customer's orders, what did, and how they differ.

Both sides are the same flat facts, e.g. ("#W2378156", "status") -> "pending". The expected side plays the task's
actions on the data set's shop as its own tools do, with one difference that is Kefu's: what a dearer variant costs more
is paid when the exchange is set up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.database.shop import Customer, Order, PaymentMethod, ReturnRequest
from tests.benchmarks.retail_shop import STATUSES, Shop, address_of, minor

Facts = dict[tuple[str, str], Any]
CHANGES = (
    "cancel_pending_order",
    "modify_pending_order_items",
    "modify_pending_order_address",
    "modify_pending_order_payment",
    "modify_user_address",
    "return_delivered_order_items",
    "exchange_delivered_order_items",
)
PLACE = ("line1", "line2", "city", "region", "postcode", "country")


class UnknownAction(Exception):
    """The task asks for a change this comparison does not know; the message names it."""


@dataclass(frozen=True)
class Difference:
    """`missing`: still as at the start though it should have changed. `wrong`: neither as expected nor as at the
    start, or changed though it should have stayed."""

    missing: tuple[str, ...]
    wrong: tuple[str, ...]

    @property
    def none(self) -> bool:
        return not self.missing and not self.wrong


def changes_of(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The task's expected actions that change something, in order.

    Raises:
        UnknownAction: one that sounds like a change is not known here.
    """
    found = []
    for action in task["evaluation_criteria"]["actions"]:
        if action["name"] in CHANGES:
            found.append(action)
        elif action["name"].startswith(("modify_", "cancel_", "return_", "exchange_")):
            raise UnknownAction(action["name"])
    return found


def at_start(shop: Shop, user_id: str) -> Facts:
    """The customer's facts as imported."""
    facts: Facts = {("account", "address"): _place(address_of(shop.users[user_id]["address"]))}
    for method in shop.users[user_id]["payment_methods"].values():
        if "balance" in method:
            facts[method["id"], "balance"] = minor(method["balance"])
    for number, order in shop.orders_of(user_id).items():
        facts[number, "status"] = STATUSES.get(order["status"], order["status"])
        facts[number, "address"] = _place(address_of(order["address"]))
        facts[number, "items"] = _sorted(item["item_id"] for item in order["items"])
        facts[number, "reason"] = None
        facts[number, "sent back"] = ()
        paid: dict[str, int] = {}
        for row in order["payment_history"]:
            sign = 1 if row["transaction_type"] == "payment" else -1
            _pay(paid, row["payment_method_id"], sign * minor(row["amount"]))
        facts[number, "paid"] = paid
    return facts


def expected(shop: Shop, user_id: str, actions: Iterable[Mapping[str, Any]]) -> Facts:
    """The customer's facts after the task's actions.

    Raises:
        UnknownAction: an action is none of `CHANGES`.
    """
    facts = at_start(shop, user_id)
    for action in actions:
        if possible(shop, facts, action):
            _play(shop, facts, action["name"], action["arguments"])
    return facts


def possible(shop: Shop, facts: Facts, action: Mapping[str, Any]) -> bool:
    """Whether the data set's own tool would do it; it refuses, and changes nothing, where the policy forbids."""
    given, name = action["arguments"], action["name"]
    method = given.get("payment_method_id", "")
    if name in ("modify_pending_order_items", "exchange_delivered_order_items"):
        short = (method, "balance") in facts and facts[method, "balance"] < _dearer(shop, given)
        return not short and all(shop.variant(item_id)["available"] for item_id in given["new_item_ids"])
    if name == "return_delivered_order_items":
        paid_by = shop.orders[given["order_id"]]["payment_history"][0]["payment_method_id"]
        return method == paid_by or (method, "balance") in facts
    return True


def actual(session: Session, user_id: str) -> Facts:
    """The customer's facts as they stand in Kefu's database."""
    customer = session.get_one(Customer, user_id)
    facts: Facts = {("account", "address"): _place(customer.addresses[0])}
    for method in session.scalars(select(PaymentMethod).where(PaymentMethod.customer_id == user_id)):
        if method.balance_minor is not None:
            facts[method.id, "balance"] = method.balance_minor
    for order in session.scalars(select(Order).where(Order.customer_id == user_id)):
        facts[order.number, "status"] = order.status
        facts[order.number, "address"] = _place(order.ship_to)
        facts[order.number, "items"] = _sorted(line.sku for line in order.lines for _ in range(line.quantity))
        facts[order.number, "reason"] = order.cancel_reason
        paid: dict[str, int] = {}
        for row in order.payments:
            if row.status != "failed":
                sign = 1 if row.kind == "payment" else -1
                _pay(paid, row.payment_method_id or "", sign * row.amount_minor)
        facts[order.number, "paid"] = paid
        facts[order.number, "sent back"] = _sent_back(session, order)
    return facts


def compare(start: Facts, wanted: Facts, found: Facts) -> Difference:
    """Fact by fact; what the customer never had (a new order) is wrong."""
    missing, wrong = [], []
    for key in sorted(start | wanted | found):
        if found.get(key) == wanted.get(key):
            continue
        said = f"{' '.join(key)}: {found.get(key)!r} instead of {wanted.get(key)!r}"
        (missing if found.get(key) == start.get(key) else wrong).append(said)
    return Difference(tuple(missing), tuple(wrong))


def _play(shop: Shop, facts: Facts, name: str, given: Mapping[str, Any]) -> None:
    number, method = given.get("order_id", ""), given.get("payment_method_id", "")
    if name == "cancel_pending_order":
        facts[number, "status"] = "cancelled"
        facts[number, "reason"] = given["reason"].replace(" ", "_")
        for payer, amount in facts[number, "paid"].items():
            _balance(facts, payer, amount)
        facts[number, "paid"] = {}
    elif name == "modify_pending_order_items":
        items = list(facts[number, "items"])
        for old, new in zip(given["item_ids"], given["new_item_ids"], strict=True):
            items.remove(old)
            items.append(new)
        facts[number, "items"] = _sorted(items)
        _charge(facts, number, method, _dearer(shop, given))
    elif name == "modify_pending_order_address":
        facts[number, "address"] = _place(address_of(given))
    elif name == "modify_user_address":
        facts["account", "address"] = _place(address_of(given))
    elif name == "modify_pending_order_payment":
        amount = sum(facts[number, "paid"].values())
        for payer, part in facts[number, "paid"].items():
            _balance(facts, payer, part)
        _balance(facts, method, -amount)
        facts[number, "paid"] = {method: amount}
    elif name == "return_delivered_order_items":
        facts[number, "sent back"] += (("return", _sorted((item, None) for item in given["item_ids"]), method),)
    elif name == "exchange_delivered_order_items":
        swaps = zip(given["item_ids"], given["new_item_ids"], strict=True)
        facts[number, "sent back"] += (("exchange", _sorted(swaps), method),)
        _charge(facts, number, method, max(_dearer(shop, given), 0))
    else:
        raise UnknownAction(name)


def _dearer(shop: Shop, given: Mapping[str, Any]) -> int:
    def price(item_id: str) -> int:
        return minor(shop.variant(item_id)["price"])

    return sum(map(price, given["new_item_ids"])) - sum(map(price, given["item_ids"]))


def _charge(facts: Facts, number: str, method: str, amount: int) -> None:
    """Take an amount (or give it back, when negative) with a method."""
    paid = dict(facts[number, "paid"])
    _pay(paid, method, amount)
    facts[number, "paid"] = paid
    _balance(facts, method, -amount)


def _pay(paid: dict[str, int], method: str, amount: int) -> None:
    paid[method] = paid.get(method, 0) + amount
    if paid[method] == 0:
        del paid[method]


def _balance(facts: Facts, method: str, amount: int) -> None:
    if (method, "balance") in facts:
        facts[method, "balance"] += amount


def _sent_back(session: Session, order: Order) -> tuple[Any, ...]:
    """Returns and exchanges with the method that gets, or pays, the money; unnamed means what paid for the order."""
    first = min(order.payments, key=lambda row: (row.at, row.id)).payment_method_id
    lines = {line.id: line for line in order.lines}
    rows = session.scalars(
        select(ReturnRequest).where(ReturnRequest.order_id == order.id).order_by(ReturnRequest.requested_at)
    )
    found = []
    for row in rows:
        parts = [
            (lines[part["line_id"]].sku, part.get("new_sku"))
            for part in row.lines
            for _ in range(int(part["quantity"]))
        ]
        if row.status != "refused":
            found.append((row.kind, _sorted(parts), row.payment_method_id or first))
    return tuple(found)


def _sorted(items: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(items, key=str))


def _place(address: Mapping[str, Any]) -> Sequence[str]:
    """What must fit: the place, not the name on it; letters' case and empty parts do not matter."""
    return tuple(str(address.get(part) or "").strip().lower() for part in PLACE)
