"""What a task's customer wants, as a person knows it: things by names and options, methods by what is on the card.

Two sources, both of the task: the expected changes (what the shop's policy allows in the end) and the scenario's own
words, in which the wishes stand that the policy refuses. The latter are found by what they say ("cancel only the hose",
"undo the cancellation", "refund to my other card"); nothing here knows a single task.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.benchmarks.retail_compare import at_start, changes_of, possible
from tests.benchmarks.retail_shop import Shop, address_of

KINDS = {
    "cancel_pending_order": "cancel",
    "modify_pending_order_items": "change",
    "modify_pending_order_address": "address",
    "modify_pending_order_payment": "payment",
    "modify_user_address": "home",
    "return_delivered_order_items": "return",
    "exchange_delivered_order_items": "exchange",
}


@dataclass(frozen=True)
class Thing:
    """An item the customer has, and the options it should have instead (None: it only goes back)."""

    name: str
    options: Mapping[str, str]
    new_options: Mapping[str, str] | None = None

    @property
    def differing(self) -> dict[str, str]:
        """The new options that are other than the old ones."""
        return {name: value for name, value in (self.new_options or {}).items() if self.options.get(name) != value}


@dataclass(frozen=True)
class Method:
    """A way to pay as it is spoken of: "PayPal", "the card ending in 9212", "gift card"."""

    kind: str  # paypal | gift_card | credit_card
    brand: str = ""
    last_four: str = ""

    @property
    def spoken(self) -> str:
        if self.kind == "credit_card":
            return f"the {self.brand} card ending in {self.last_four}"
        return {"paypal": "PayPal", "gift_card": "the gift card"}[self.kind]

    def named_in(self, text: str) -> bool:
        text = text.lower()
        if self.kind == "credit_card":
            return self.last_four in text
        return {"paypal": "paypal", "gift_card": "gift card"}[self.kind] in text


@dataclass(frozen=True)
class Wish:
    """One thing to be done. `refused`: the shop's policy does not allow it, and nothing may change."""

    kind: str
    number: str = ""
    knows_number: bool = False
    things: tuple[Thing, ...] = ()
    others: tuple[str, ...] = ()  # names of what else is in the order
    method: Method | None = None
    original: Method | None = None  # what paid for the order
    address: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    words: str = ""  # of a wish that is refused: how it is asked for
    refused: bool = False


def wishes_of(task: Mapping[str, Any], shop: Shop, user_id: str) -> list[Wish]:
    """The refused wishes first, as scenarios have it ("if that is not possible, ..."), then those to be fulfilled."""
    text = scenario(task)
    start = at_start(shop, user_id)
    asked = [(possible(shop, start, change), _allowed(change, shop, text)) for change in changes_of(task)]
    allowed = [wish for can, wish in asked if can]
    refused = [replace(wish, refused=True) for can, wish in asked if not can]
    return [*refused_wishes(text, shop, user_id, allowed), *refused, *allowed]


def scenario(task: Mapping[str, Any]) -> str:
    """Everything the task tells its customer."""
    told = task["user_scenario"]["instructions"]
    if isinstance(told, str):
        return told
    parts = ("reason_for_call", "task_instructions")
    return " ".join(str(told.get(part) or "") for part in parts)


def user_of(task: Mapping[str, Any], shop: Shop) -> str:
    """Who calls: by user id, e-mail, or name and postcode, as the task has it.

    Raises:
        LookupError: nobody fits, or several do.
    """
    told = task["user_scenario"]["instructions"]
    known = told if isinstance(told, str) else f"{told.get('known_info', '')} {told.get('reason_for_call', '')}"
    named = [user_id for user_id in shop.users if re.search(rf"\b{user_id}\b", known)]
    mails = [id_ for id_, user in shop.users.items() if user["email"].lower() in known.lower()]
    looked_up = _looked_up(task, shop)
    by_name = [
        id_
        for id_, user in shop.users.items()
        if user["address"]["zip"] in known
        and (user["name"]["first_name"] in known or user["name"]["last_name"] in known)
    ]
    for found in (named, mails, looked_up, by_name):
        if len(set(found)) == 1:
            return found[0]
    raise LookupError(f"task {task['id']}: nobody, or several, fit {known!r}")


def _looked_up(task: Mapping[str, Any], shop: Shop) -> list[str]:
    """Whom the task's own look-ups and changes are about."""
    found = []
    for action in task["evaluation_criteria"]["actions"]:
        given = action["arguments"]
        if "user_id" in given:
            found.append(given["user_id"])
        elif given.get("order_id") in shop.orders:
            found.append(shop.orders[given["order_id"]]["user_id"])
    return found


def method_of(shop: Shop, user_id: str, method_id: str) -> Method:
    row = shop.users[user_id]["payment_methods"][method_id]
    return Method(row["source"], row.get("brand", ""), row.get("last_four", ""))


def _allowed(change: Mapping[str, Any], shop: Shop, text: str) -> Wish:
    kind, given = KINDS[change["name"]], change["arguments"]
    number = given.get("order_id", "")
    known = bool(number) and number.lstrip("#W") in text
    if kind == "home":
        return Wish(kind, address=address_of(given))
    order = shop.orders[number]
    user_id = order["user_id"]
    old, new = given.get("item_ids", ()), given.get("new_item_ids", ())
    rest = [item["item_id"] for item in order["items"]]
    things = []
    for place, item_id in enumerate(old):
        rest.remove(item_id)
        variant = shop.variant(item_id)
        wanted = shop.variant(new[place])["options"] if new else None
        things.append(Thing(variant["name"], variant["options"], wanted))
    if not old:
        things = [Thing(item["name"], item["options"]) for item in order["items"]]
        rest = []
    paid_by = order["payment_history"][0]["payment_method_id"]
    return Wish(
        kind,
        number,
        known,
        tuple(things),
        tuple(shop.variant(item_id)["name"] for item_id in rest),
        method_of(shop, user_id, given["payment_method_id"]) if "payment_method_id" in given else None,
        method_of(shop, user_id, paid_by),
        address_of(given) if kind == "address" else {},
        given.get("reason", ""),
    )


def refused_wishes(text: str, shop: Shop, user_id: str, allowed: Sequence[Wish]) -> list[Wish]:
    """Wishes in the scenario's words that the policy does not allow, at most one of each kind."""
    orders = shop.orders_of(user_id)
    found = [
        _undo(text),
        _split(text),
        _partly_cancelled(text, orders, allowed),
        _other_refund(text, shop, user_id, orders, allowed),
        _other_product(text, orders, allowed),
    ]
    return [wish for wish in found if wish is not None]


def _undo(text: str) -> Wish | None:
    if not re.search(r"\b(undo|reverse|reinstate|revert)\b.{0,20}\bcancel", text, re.I):
        return None
    words = "I cancelled an order earlier. Please undo the cancellation and send me everything that was in it."
    return Wish("undo", words=words, refused=True)


def _split(text: str) -> Wish | None:
    if not re.search(r"\bsplit\b.{0,20}\bpayment", text, re.I):
        return None
    return Wish("split", words="Can you split the payment of my order between two cards?", refused=True)


def _partly_cancelled(text: str, orders: Mapping[str, Any], allowed: Sequence[Wish]) -> Wish | None:
    """ "cancel the garden hose": a single thing of an order that is not sent yet and holds more."""
    pattern = re.compile(r"\b(?:cancel|remove)\b(?P<what>[^.;]{0,80})", re.I)
    for match in pattern.finditer(text):
        what = re.split(r"\b(?:return|exchange|modify|keep|except)\b", match.group("what"), flags=re.I)[0]
        for number, order in orders.items():
            named = [item for item in order["items"] if mentions(what, item["name"])]
            if order["status"] != "pending" or len(order["items"]) < 2 or len(named) != 1:
                continue
            if any(wish.number == number and wish.kind not in ("cancel", "address") for wish in allowed):
                continue
            name = named[0]["name"]
            others = tuple(item["name"] for item in order["items"] if item is not named[0])
            words = f"Please cancel only the {name.lower()}, I want to keep the rest of that order."
            things = (Thing(name, named[0]["options"]),)
            return Wish("part", number, False, things, others, words=words, refused=True)
    return None


_REFUND_TO = re.compile(
    r"\brefund\b[^.;]{0,60}\bto\b[^.;]{0,30}?(?P<method>credit card|amex|visa|mastercard|paypal|other)", re.I
)


def _other_refund(
    text: str, shop: Shop, user_id: str, orders: Mapping[str, Any], allowed: Sequence[Wish]
) -> Wish | None:
    """ "refund to my credit card" when something else paid for the order."""
    asked = _REFUND_TO.search(text)
    delivered = {number: order for number, order in orders.items() if order["status"] == "delivered"}
    if asked is None or not delivered:
        return None
    returns = [wish for wish in allowed if wish.kind == "return"]
    named = [number for number, order in delivered.items() for item in order["items"] if mentions(text, item["name"])]
    number = returns[0].number if returns else (named or list(delivered))[0]
    paid_by = delivered[number]["payment_history"][0]["payment_method_id"]
    said = asked.group("method").lower()
    others = [
        method_of(shop, user_id, id_)
        for id_ in shop.users[user_id]["payment_methods"]
        if id_ != paid_by and not id_.startswith("gift")
    ]
    if said != "other" and _fits(method_of(shop, user_id, paid_by), said):
        return None
    fitting = [method for method in others if said == "other" or _fits(method, said)]
    method = fitting[0] if fitting else Method("paypal" if said == "paypal" else "credit_card", said)
    if said == "other" and not fitting:
        return None
    everything = tuple(Thing(item["name"], item["options"]) for item in delivered[number]["items"])
    things = returns[0].things if returns else everything
    spoken = method.spoken if fitting else f"my {said}"
    words = f"I want to return {listed(things)} and have the money back on {spoken}."
    return Wish("refund", number, False, things, method=method, words=words, refused=True)


def _fits(method: Method, said: str) -> bool:
    return said in (method.kind.replace("_", " "), method.brand.lower())


_SWAP = re.compile(
    r"\b(?:change|exchange|swap)\b(?P<what>[^.;]{0,60}?)\b(?:for|to|into) an? (?P<new>\w+)\b\s*[.,;]", re.I
)


def _other_product(text: str, orders: Mapping[str, Any], allowed: Sequence[Wish]) -> Wish | None:
    """ "change the luggage set for a coat": another kind of thing."""
    for match in _SWAP.finditer(text):
        for number, order in orders.items():
            named = [item for item in order["items"] if mentions(match.group("what"), item["name"])]
            if len(named) != 1 or order["status"] not in ("pending", "delivered"):
                continue
            if any(wish.number == number and wish.kind in ("change", "exchange") for wish in allowed):
                continue
            name, wanted = named[0]["name"], match.group("new")
            if not mentions(wanted, name):
                words = f"I want to change the {name.lower()} in my order for a {wanted}."
                return Wish("product", number, things=(Thing(name, named[0]["options"]),), words=words, refused=True)
    return None


def mentions(text: str, name: str) -> bool:
    """Whether a text speaks of a product: by its name, or the last word of it ("the hose"), in one or in many."""
    text, words = text.lower().replace("-", " "), name.lower().replace("-", " ").split()
    spoken = [" ".join(words), words[0] if words[-1] in ("set", "kit") else words[-1].rstrip("s")]
    return any(re.search(rf"\b{re.escape(said)}(?:e?s)?\b", text) for said in spoken)


def listed(things: Iterable[Thing]) -> str:
    names = [f"the {thing.name.lower()}" for thing in things]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
