"""Where an order goes: another address before it leaves."""

from collections.abc import Mapping
from typing import Any, Unpack

from sqlalchemy.orm import Session

from actions.order_desk.change import By, Check, Plan, carry_out, read_terms
from actions.order_desk.difference import Difference
from actions.order_desk.outcomes import AddressNotValid, Outcome, Refusal, Terms
from actions.order_desk.shipping_fee import difference_for, settle
from actions.order_desk.states import refused_by_state
from bot.database.policies import Policies
from bot.database.shop import Order

KEYS = ("name", "line1", "line2", "city", "region", "postcode", "country")
NEEDED = ("line1", "city", "postcode")


def completed(given: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """A typed address as the shop keeps it; name and country are taken over from `base` when not given.

    Raises:
        AddressNotValid: street, city or postcode is missing or blank; they are named.
    """
    address = {key: str(given.get(key) or "").strip() or None for key in KEYS}
    missing = [key for key in NEEDED if not address[key]]
    if missing:
        raise AddressNotValid(missing)
    address["name"] = address["name"] or base.get("name")
    address["country"] = str(address["country"] or base.get("country") or "").upper() or None
    return address


def check_change_address(
    session: Session, customer_id: str, number: str, address: Mapping[str, Any] | None = None
) -> Terms | Refusal:
    """Whether the order can still go elsewhere, and what that costs. Without an address, only the state is looked at.

    facts: before, after (addresses), difference_minor (shipping; negative is given back), currency, refunds or charge.

    Raises:
        AddressNotValid: a part is missing.
    """
    return read_terms(session, customer_id, number, _check(session, address))


def change_address(
    session: Session, customer_id: str, number: str, address: Mapping[str, Any], **by: Unpack[By]
) -> Outcome:
    """Send the order to another address; the difference in shipping is charged or given back."""
    check = _check(session, address, by)
    return carry_out(session, customer_id, number, by, kind="address_changed", action="change_address", check=check)


def _check(session: Session, address: Mapping[str, Any] | None, by: By | None = None) -> Check:
    def check(order: Order, numbers: Policies) -> Plan | Refusal:
        refused = refused_by_state(order, numbers, "address_change_statuses")
        if refused is not None:
            return refused
        before = dict(order.ship_to)
        if address is None:
            return Plan({"before": before, "currency": order.currency})
        after = completed(address, before)
        if {key: after.get(key) for key in KEYS} == {key: before.get(key) for key in KEYS}:
            return Refusal("nothing_changes", {"before": before})
        difference = difference_for(session, order, numbers, after, order.shipping_method, lock=by is not None)
        if isinstance(difference, Refusal):
            return difference
        facts = {"before": before, "after": after, **difference.facts}
        return Plan(facts, order.total_minor, new_address=after, apply=_apply(session, order, after, difference, by))

    return check


def _apply(session: Session, order: Order, after: dict[str, Any], difference: Difference, by: By | None) -> Any:
    def apply() -> None:
        if by is not None:
            order.ship_to = after
            settle(session, order, difference, by["now"])

    return apply
