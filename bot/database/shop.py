"""Shop tables: catalogue, customers, orders, behaviour, help documents, policy numbers (DESIGN.md section 4)."""

from datetime import datetime
from typing import Any

from sqlalchemy import Computed, ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bot.database.base import Base, new_id, utc_now


class Customer(Base):
    __tablename__ = "customers"
    __table_args__ = (Index("ix_customers_email", "email"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    email: Mapped[str]  # stored lower case
    phone: Mapped[str | None]
    language: Mapped[str] = mapped_column(default="en")
    # [{name, line1, line2, city, region, postcode, country}], the first is the default
    addresses: Mapped[list[Any]] = mapped_column(default=list)
    newsletter: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    deleted_at: Mapped[datetime | None]

    payment_methods: Mapped[list["PaymentMethod"]] = relationship(back_populates="customer")
    orders: Mapped[list["Order"]] = relationship(back_populates="customer")


class PaymentMethod(Base):
    """A method on file. Only what may be shown: a kind, a brand, four digits; a gift card's balance."""

    __tablename__ = "payment_methods"
    __table_args__ = (
        Index("ix_payment_methods_customer_id", "customer_id"),
        Index("ix_payment_methods_fingerprint", "fingerprint"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    kind: Mapped[str]  # card | paypal | alipay | wechat_pay | gift_card
    brand: Mapped[str | None]
    last_four: Mapped[str | None]
    balance_minor: Mapped[int | None]  # gift cards
    fingerprint: Mapped[str | None]  # the same card in other accounts has the same one (risk)
    added_at: Mapped[datetime] = mapped_column(default=utc_now)

    customer: Mapped[Customer] = relationship(back_populates="payment_methods")


class CustomerEvent(Base):
    """What happened to an account: sign-ins, changes, deletion. Audit, risk signal, and idempotency like OrderEvent."""

    __tablename__ = "customer_events"
    __table_args__ = (
        UniqueConstraint("request_id", "kind", "customer_id"),
        Index("ix_customer_events_customer_id_at", "customer_id", "at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    # created | signed_in | password_changed | email_changed | address_added | payment_method_added | edited | deleted
    kind: Mapped[str]
    actor: Mapped[str]  # customer:<id> | agent:<id> | system
    request_id: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=utc_now)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)  # device_id, ip, fields changed; never a password


class Product(Base):
    __tablename__ = "products"
    __table_args__ = (Index("ix_products_category", "category"), Index("ix_products_updated_at", "updated_at"))

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    name_zh: Mapped[str | None]
    description: Mapped[str] = mapped_column(Text)
    description_zh: Mapped[str | None] = mapped_column(Text)
    category: Mapped[str]  # a slug, e.g. "tents"
    brand: Mapped[str | None]
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)  # waterproof: true, weight_g: 1800, ...
    picture: Mapped[str | None]  # path below /pictures/ or an absolute URL
    url: Mapped[str | None]
    repeatable: Mapped[bool] = mapped_column(default=False)  # bought again and again (gas, candles)
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)

    variants: Mapped[list["Variant"]] = relationship(back_populates="product", order_by="Variant.sku")


class Variant(Base):
    __tablename__ = "variants"
    __table_args__ = (Index("ix_variants_product_id", "product_id"), Index("ix_variants_updated_at", "updated_at"))

    sku: Mapped[str] = mapped_column(primary_key=True)
    product_id: Mapped[str] = mapped_column(ForeignKey("products.id"))
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)  # {"size": "M", "color": "red"}
    price_minor: Mapped[int]
    list_price_minor: Mapped[int | None]  # before a promotion
    currency: Mapped[str] = mapped_column(default="EUR")
    stock: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)

    product: Mapped[Product] = relationship(back_populates="variants")


class Order(Base):
    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_customer_id_placed_at", "customer_id", "placed_at"),
        Index("ix_orders_placed_at", "placed_at"),
        Index("ix_orders_device_id", "device_id"),
        Index("ix_orders_ip", "ip"),
        Index("ix_orders_ship_to_postcode", "ship_to_postcode"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(unique=True)  # what the customer sees: "K-104233"
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    # pending (paid, not packed) | processing (being packed) | shipped | delivered | cancelled
    status: Mapped[str]
    placed_at: Mapped[datetime]
    subtotal_minor: Mapped[int]
    shipping_minor: Mapped[int] = mapped_column(default=0)
    total_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(default="EUR")
    shipping_method: Mapped[str] = mapped_column(default="standard")  # standard | express | pickup
    ship_to: Mapped[dict[str, Any]]
    bill_to: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # what the risk model may know at the moment of the order: device_id, ip, user_agent, session_seconds
    placed_with: Mapped[dict[str, Any]] = mapped_column(default=dict)
    cancelled_at: Mapped[datetime | None]
    cancel_reason: Mapped[str | None]
    delivered_at: Mapped[datetime | None]
    items_changed_at: Mapped[datetime | None]  # items may be changed once
    fraud_kind: Mapped[str | None]  # label for training and tests only; never a feature, never shown
    # Made by the database from the two above; the risk assessor looks orders up by them.
    device_id: Mapped[str | None] = mapped_column(Computed("placed_with ->> 'device_id'"))
    ip: Mapped[str | None] = mapped_column(Computed("placed_with ->> 'ip'"))
    ship_to_postcode: Mapped[str | None] = mapped_column(Computed("ship_to ->> 'postcode'"))

    customer: Mapped[Customer] = relationship(back_populates="orders")
    lines: Mapped[list["OrderLine"]] = relationship(back_populates="order", order_by="OrderLine.position")
    shipments: Mapped[list["Shipment"]] = relationship(back_populates="order")
    payments: Mapped[list["Payment"]] = relationship(back_populates="order")


class OrderLine(Base):
    __tablename__ = "order_lines"
    __table_args__ = (
        UniqueConstraint("order_id", "position"),
        Index("ix_order_lines_product_id", "product_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id"))
    position: Mapped[int]
    product_id: Mapped[str] = mapped_column(ForeignKey("products.id"))
    sku: Mapped[str] = mapped_column(ForeignKey("variants.sku"))
    name: Mapped[str]  # as sold
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)
    quantity: Mapped[int] = mapped_column(default=1)
    price_minor: Mapped[int]  # each

    order: Mapped[Order] = relationship(back_populates="lines")


class Shipment(Base):
    __tablename__ = "shipments"
    __table_args__ = (Index("ix_shipments_order_id", "order_id"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id"))
    carrier: Mapped[str]
    tracking: Mapped[str]
    status: Mapped[str]  # packed | in_transit | out_for_delivery | delivered | lost | returned
    line_ids: Mapped[list[Any]] = mapped_column(default=list)  # a partial shipment holds some lines
    shipped_at: Mapped[datetime | None]
    eta: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]

    order: Mapped[Order] = relationship(back_populates="shipments")


class Payment(Base):
    """Money that moved for an order; a refund is a row of its own."""

    __tablename__ = "payments"
    __table_args__ = (
        Index("ix_payments_order_id", "order_id"),
        Index("ix_payments_payment_method_id", "payment_method_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id"))
    kind: Mapped[str]  # payment | refund
    amount_minor: Mapped[int]
    payment_method_id: Mapped[str | None] = mapped_column(ForeignKey("payment_methods.id"))
    status: Mapped[str]  # captured | pending | failed | done
    at: Mapped[datetime]

    order: Mapped[Order] = relationship(back_populates="payments")


class OrderEvent(Base):
    """Every change of an order: audit, and idempotency through unique(request_id, kind, order)."""

    __tablename__ = "order_events"
    __table_args__ = (
        UniqueConstraint("request_id", "kind", "order_id"),
        Index("ix_order_events_order_id", "order_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id"))
    kind: Mapped[str]  # placed | cancelled | address_changed | items_changed | payment_changed | shipping_changed | ...
    actor: Mapped[str]  # customer:<id> | agent:<id> | system
    request_id: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=utc_now)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)  # before, after, reason, model_version


class ReturnRequest(Base):
    """A return or an exchange of delivered lines."""

    __tablename__ = "returns"
    __table_args__ = (Index("ix_returns_order_id", "order_id"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(unique=True)  # "R-20311"
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id"))
    kind: Mapped[str]  # return | exchange
    lines: Mapped[list[Any]]  # [{line_id, quantity, new_sku?}]
    reason: Mapped[str | None]
    status: Mapped[str]  # requested | in_review | label_sent | received | refunded | exchanged | refused | withdrawn
    refund_minor: Mapped[int] = mapped_column(default=0)  # negative: the customer pays the difference
    payment_method_id: Mapped[str | None] = mapped_column(ForeignKey("payment_methods.id"))
    risk_id: Mapped[str | None]
    requested_at: Mapped[datetime] = mapped_column(default=utc_now)
    refunded_at: Mapped[datetime | None]


class Interaction(Base):
    """Behaviour the recommenders learn from."""

    __tablename__ = "interactions"
    __table_args__ = (
        Index("ix_interactions_customer_id_at", "customer_id", "at"),
        Index("ix_interactions_visitor_id_at", "visitor_id", "at"),
        Index("ix_interactions_at", "at"),
        Index("ix_interactions_product_id", "product_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    customer_id: Mapped[str | None]  # a proven customer, or
    visitor_id: Mapped[str | None]  # an anonymous conversation
    product_id: Mapped[str] = mapped_column(ForeignKey("products.id"))
    kind: Mapped[str]  # view | cart | purchase | click | shown | not_for_me | no_promotions
    at: Mapped[datetime] = mapped_column(default=utc_now)
    context: Mapped[dict[str, Any]] = mapped_column(default=dict)  # list shown, position, propensity, campaign


class HelpDocument(Base):
    """A policy, FAQ or guide in one language; `topic` ties translations together."""

    __tablename__ = "documents"
    __table_args__ = (UniqueConstraint("topic", "language"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    topic: Mapped[str]
    kind: Mapped[str]  # policy | faq | guide
    language: Mapped[str]
    title: Mapped[str]
    body: Mapped[str] = mapped_column(Text)  # Markdown
    url: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)


class Policy(Base):
    """A number or rule of the shop: windows, fees, limits. Data, not code."""

    __tablename__ = "policies"

    key: Mapped[str] = mapped_column(primary_key=True)  # e.g. "return_window_days"
    value: Mapped[dict[str, Any]]  # {"value": 30}
    help: Mapped[str] = mapped_column(Text)


class ShopFact(Base):
    """What the shop knows about itself: which demo data it holds, whether the owner imported their own."""

    __tablename__ = "shop_facts"

    key: Mapped[str] = mapped_column(primary_key=True)  # demo | own_data
    value: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)


class Promotion(Base):
    __tablename__ = "promotions"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str | None]
    title: Mapped[str]
    title_zh: Mapped[str | None]
    category: Mapped[str | None]
    product_id: Mapped[str | None]
    percent: Mapped[int | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    audience: Mapped[dict[str, Any]] = mapped_column(default=dict)
    budget_minor: Mapped[int | None]
    frequency_cap: Mapped[int | None]


class Review(Base):
    __tablename__ = "reviews"
    __table_args__ = (UniqueConstraint("customer_id", "product_id"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    product_id: Mapped[str] = mapped_column(ForeignKey("products.id"))
    stars: Mapped[int]
    text: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(default=utc_now)


class OneTimeCode(Base):
    """A code sent to the address on file. `customer_id` is None when the address is unknown: the same
    row is written and the same answer given, so nothing tells whether an address exists."""

    __tablename__ = "one_time_codes"
    __table_args__ = (
        Index("ix_one_time_codes_conversation_id", "conversation_id"),
        Index("ix_one_time_codes_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[str]
    customer_id: Mapped[str | None]
    address_sha256: Mapped[str]  # for the per-address limit
    code_sha256: Mapped[str]
    purpose: Mapped[str] = mapped_column(default="identify")  # identify | step_up
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None]


class Mail(Base):
    """An outgoing mail (one-time codes, labels, invoices). The courier sends it: SMTP, or a file mailbox."""

    __tablename__ = "mails"
    __table_args__ = (Index("ix_mails_status_next_try_at", "status", "next_try_at"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    request_id: Mapped[str] = mapped_column(unique=True)  # a repeated turn sends no second mail
    to_address: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(default="owed")  # owed | sent | rejected
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime] = mapped_column(default=utc_now)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    sent_at: Mapped[datetime | None]


class RiskDecision(Base):
    """Every assessment that money depended on: inputs, score, members, reasons, model version."""

    __tablename__ = "risk_decisions"
    __table_args__ = (Index("ix_risk_decisions_order_id", "order_id"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    order_id: Mapped[str | None]
    customer_id: Mapped[str | None]
    request_id: Mapped[str]
    action: Mapped[str]  # cancel | address_change | return | exchange | refund | order
    score: Mapped[float]
    band: Mapped[str]  # low | review | high
    reasons: Mapped[list[Any]]
    members: Mapped[dict[str, Any]]
    features: Mapped[dict[str, Any]]
    model_version: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=utc_now)
