"""What the risk model may know, as plain events in time. No name, no language, no sex, no age: they are not here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class OrderSeen:
    """An order at the moment it was placed (or would be, after a change that is asked for).

    `card` is the fingerprint of the card, or the id of another method; the same card in two accounts is the same.
    `address` and `bill_address` are keys of `address_key`. None is "not known" everywhere.
    """

    id: str
    customer_id: str
    at: datetime
    amount_minor: int
    account_created_at: datetime | None = None
    device: str | None = None
    ip: str | None = None
    address: str | None = None
    bill_address: str | None = None
    country: str | None = None
    bill_country: str | None = None
    card: str | None = None
    card_kind: str | None = None
    card_added_at: datetime | None = None
    express: bool = False
    session_seconds: float | None = None
    pages: float | None = None
    items: int = 1
    dearest_minor: int = 0


@dataclass(frozen=True)
class AccountSeen:
    """Something that happened to an account: signed_in, password_changed, email_changed, address_added, ..."""

    customer_id: str
    at: datetime
    kind: str
    device: str | None = None


@dataclass(frozen=True)
class ReturnSeen:
    """A return, exchange or refund a customer asked for."""

    customer_id: str
    at: datetime
    amount_minor: int
    reason: str | None = None


@dataclass(frozen=True)
class PaymentFailed:
    customer_id: str
    at: datetime
    card: str | None = None


Event = OrderSeen | AccountSeen | ReturnSeen | PaymentFailed


@dataclass(frozen=True)
class Seen:
    """Events of one look, in any order."""

    orders: tuple[OrderSeen, ...] = ()
    accounts: tuple[AccountSeen, ...] = ()
    returns: tuple[ReturnSeen, ...] = ()
    failures: tuple[PaymentFailed, ...] = field(default=())


def address_key(address: Mapping[str, Any] | None) -> str | None:
    """One key for one place: street and country however they are written, the postcode as it is (orders are looked up
    by it)."""
    if not address or not address.get("line1"):
        return None
    street, country = ("".join(str(address.get(key) or "").casefold().split()) for key in ("line1", "country"))
    return f"{address.get('postcode') or ''}|{street}|{country}"


def postcode_of(key: str | None) -> str | None:
    """The postcode inside an address key."""
    return key.partition("|")[0] if key else None
