"""Orders, customers and catalogue rows as plain data: what travels out of the order desk."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class LineView:
    """One line as sold. `returned` is the quantity with an open or finished return or exchange."""

    id: str
    position: int
    product_id: str
    sku: str
    name: str
    name_zh: str | None
    options: Mapping[str, Any]
    quantity: int
    price_minor: int
    returned: int
    delivered_at: datetime | None


@dataclass(frozen=True)
class ShipmentView:
    carrier: str
    tracking: str
    status: str
    positions: tuple[int, ...]  # of the lines inside
    shipped_at: datetime | None
    eta: datetime | None
    delivered_at: datetime | None


@dataclass(frozen=True)
class PaymentMethodView:
    """A method on file: what may be shown of it."""

    id: str
    kind: str
    brand: str | None
    last_four: str | None
    balance_minor: int | None


@dataclass(frozen=True)
class PaymentView:
    kind: str  # payment | refund
    amount_minor: int
    status: str
    at: datetime
    method: PaymentMethodView | None


@dataclass(frozen=True)
class ReturnView:
    number: str
    kind: str  # return | exchange
    status: str
    lines: tuple[Mapping[str, Any], ...]  # {line_id, quantity, name, new_sku?}
    reason: str | None
    refund_minor: int
    requested_at: datetime
    refunded_at: datetime | None
    method: PaymentMethodView | None


@dataclass(frozen=True)
class OrderView:
    """An order as its customer may see it. `can` names what its state allows now: cancel, change_address,
    change_items, change_payment, change_shipping, return, exchange, cancel_return, track, invoice, reorder."""

    number: str
    status: str
    placed_at: datetime
    lines: tuple[LineView, ...]
    shipments: tuple[ShipmentView, ...]
    payments: tuple[PaymentView, ...]
    returns: tuple[ReturnView, ...]
    subtotal_minor: int
    shipping_minor: int
    total_minor: int
    refunded_minor: int
    currency: str
    shipping_method: str
    ship_to: Mapping[str, Any]
    eta: datetime | None
    delivered_at: datetime | None
    cancelled_at: datetime | None
    can: tuple[str, ...] = ()


@dataclass(frozen=True)
class CustomerView:
    id: str
    name: str
    email: str
    phone: str | None
    language: str
    addresses: tuple[Mapping[str, Any], ...]
    newsletter: bool
    payment_methods: tuple[PaymentMethodView, ...]


@dataclass(frozen=True)
class VariantView:
    sku: str
    product_id: str
    name: str
    name_zh: str | None
    options: Mapping[str, Any]
    price_minor: int
    currency: str
    stock: int


@dataclass(frozen=True)
class LineChange:
    """One wish about one line: `new_sku` for another variant, `quantity` for a part of the line."""

    line_id: str
    quantity: int | None = None  # None: the whole line
    new_sku: str | None = None
