"""Which changes an order's state allows. The states are the shop's policy; a refusal is worded alike for all."""

from actions.order_desk.days import day
from actions.order_desk.lookup import has_left
from actions.order_desk.outcomes import Refusal
from bot.database.policies import Policies
from bot.database.shop import Order


def refused_by_state(order: Order, numbers: Policies, key: str) -> Refusal | None:
    """Why the order's state forbids a change; None when it is allowed.

    Args:
        key: the policy that lists the states, e.g. "cancel_statuses".
    """
    if order.status == "cancelled":
        return Refusal("already_cancelled", {"cancelled_on": day(order.cancelled_at)})
    if order.status == "delivered":
        return Refusal("already_delivered", {"delivered_on": day(order.delivered_at)})
    if has_left(order):
        parcels = [each for each in order.shipments if each.shipped_at is not None] or order.shipments
        facts = {
            "tracking": [each.tracking for each in parcels],
            "carrier": parcels[0].carrier if parcels else None,
            "eta": day(max((each.eta for each in parcels if each.eta), default=None)),
            "status": order.status,
        }
        return Refusal("already_shipped", facts)
    if order.items_changed_at is not None and numbers.flag("items_change_is_final"):
        return Refusal("final_after_items_change", {"changed_on": day(order.items_changed_at)})
    allowed = numbers.texts(key)
    if order.status not in allowed:
        return Refusal("status_not_allowed", {"status": order.status, "allowed": list(allowed)})
    return None
