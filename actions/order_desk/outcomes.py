"""What the order desk answers: Terms (what would happen), Refusal (why not), Outcome (what happened).

`facts` hold JSON values only, so that they can be kept in the audit and given again when a turn is repeated:
amounts are integers in minor units (`..._minor`, with `currency`), days are "YYYY-MM-DD", moments ISO in UTC.

    OrderDeskError
      + OrderNotFound      no such order, or it is somebody else's: the two are never told apart
      + LineNotFound       the order has no such line
      + AddressNotValid    a part of an address is missing; `.missing` names them
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy.orm import Session

from actions.order_desk.views import OrderView
from actions.risk.types import RiskAssessment, RiskRequest

Facts = Mapping[str, Any]
Assess = Callable[[Session, RiskRequest], RiskAssessment]
Kind = Literal["done", "already_done", "refused", "step_up", "review"]

# Every refusal there is: code -> when it is given. The dialogue has a response for each, in each language.
REFUSALS = {
    # any change
    "already_cancelled": "The order is cancelled.",
    "already_shipped": "The order, or a part of it, has left. facts: status, tracking, carrier, eta.",
    "already_delivered": "The order has arrived; it can be returned or exchanged. facts: delivered_on.",
    "status_not_allowed": "The order's state does not allow it. facts: status, allowed.",
    "final_after_items_change": "The items were changed and the shop makes that final.",
    "nothing_changes": "What is asked for is already so.",
    # reasons
    "reason_not_accepted": "The reason is not one the shop accepts. facts: accepted.",
    # items
    "items_changed_before": "The items of this order were changed before. facts: limit.",
    "other_product": "The new item is another product; only another variant is possible. facts: product, wanted.",
    "variant_unknown": "There is no such variant. facts: sku.",
    "out_of_stock": "The wanted variant is not in stock. facts: sku, name, options, stock.",
    "quantity_not_possible": "The quantity is not between one and what the line holds. facts: quantity, most.",
    # money
    "payment_method_unknown": "No such payment method on file.",
    "payment_kind_not_accepted": "The shop does not take this kind of payment. facts: kind, accepted.",
    "gift_card_balance": "The gift card does not hold enough. facts: balance_minor, needed_minor, currency.",
    "refund_target_not_allowed": "A refund goes to the original method or a gift card on file. facts: allowed.",
    "same_payment_method": "That method pays for the order already.",
    "not_paid": "Nothing has been paid for this order.",
    # addresses and shipping
    "not_delivered_there": "The shop does not deliver to that country. facts: country.",
    "shipping_method_unknown": "That method is not offered there. facts: method, offered.",
    # returns and exchanges
    "not_delivered": "It has not arrived yet. facts: status, eta.",
    "window_over": "The window is over. facts: window_days, delivered_on, last_day.",
    "not_returnable": "This item cannot come back. facts: items.",
    "condition": "The item is not in the condition asked for. facts: condition.",
    "already_returned": "This line has a return or exchange already. facts: returns.",
    "one_per_order": "The order has had the returns or exchanges it may have. facts: kind, limit.",
    "no_lines": "No item was named.",
    "no_open_return": "No return or exchange of this order waits for its parcel. facts: returns.",
    "parcel_not_lost": "The parcel does not count as lost yet. facts: eta, lost_from.",
    # account and reviews
    "open_orders": "There are orders on their way. facts: orders.",
    "email_taken": "That address cannot be used.",
    "email_not_valid": "That is no e-mail address.",
    "name_missing": "A name is needed.",
    "not_bought": "Only what was bought and has arrived can be reviewed.",
    "too_early": "It can be reviewed some days after it arrived. facts: from_day.",
    "stars_not_valid": "Stars are one to five.",
    "nothing_in_stock": "Nothing of that order can be bought now. facts: items.",
}


class OrderDeskError(Exception):
    """Root of what this package raises."""


class OrderNotFound(OrderDeskError):
    """No such order for this customer. Somebody else's order raises exactly the same."""

    def __init__(self, number: str) -> None:
        super().__init__("no such order")
        self.number = number


class LineNotFound(OrderDeskError):
    def __init__(self, wanted: str) -> None:
        super().__init__("no such line")
        self.wanted = wanted


class AddressNotValid(OrderDeskError):
    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(f"address without {', '.join(missing)}")
        self.missing = tuple(missing)


@dataclass(frozen=True)
class Terms:
    """What would happen, for the customer to confirm. Nothing has been changed."""

    order: OrderView
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """Why it cannot be done: a code of `REFUSALS` and what a person needs to understand it.

    Raises:
        ValueError: a code that is not in the table.
    """

    code: str
    facts: Facts = field(default_factory=dict)
    order: OrderView | None = None

    def __post_init__(self) -> None:
        if self.code not in REFUSALS:
            raise ValueError(f"{self.code!r} is no refusal; the table REFUSALS lists them")


@dataclass(frozen=True)
class Outcome:
    """What happened.

    kind:
        done          it is changed; `facts` say how
        already_done  this request did it before; the same facts
        refused       nothing changed; `code` is a refusal's
        step_up       nothing changed; ask for a one-time code, then call again with `stepped_up=True`
        review        nothing changed but a review is open; hand over with `for_agent`. Say that a colleague looks
                      at it, never why
    """

    kind: Kind
    code: str
    order: OrderView | None
    facts: Facts = field(default_factory=dict)
    for_agent: Facts = field(default_factory=dict)
