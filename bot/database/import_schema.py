"""What `kefu import` reads: the columns of products, documents, customers and orders. The docs are made from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    """One column of a file.

    `type` is one of: id, slug, line (text without line breaks), text, email, url, whole, money, flag, time, language,
    currency, object, list, or choice (then `choices`). An empty cell, a missing key and null all mean `default`.
    """

    name: str
    type: str
    help: str
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """The sentence a wrong value is met with."""
        return f"one of {', '.join(self.choices)}" if self.type == "choice" else RULES[self.type]


RULES = {
    "id": "1 to 64 visible characters without blanks",
    "slug": "1 to 64 lower-case letters, digits, - or _",
    "line": "at most 255 characters in one line",
    "text": "at most 100,000 characters",
    "email": "an e-mail address such as name@shop.example",
    "url": "a web address (https://…) or a path beginning with /",
    "whole": "a whole number from 0 to 2,000,000,000",
    "money": "an amount such as 89.90, with a point and no more decimals than the currency has",
    "flag": "true or false (also yes, no, 1, 0)",
    "time": "a date 2026-05-01 or a time with zone 2026-05-01T14:30:00Z",
    "language": "en or zh",
    "currency": "three capital letters such as EUR",
    "object": 'a JSON object such as {"color": "red"}',
    "list": "a JSON list of objects",
}
ORDER_STATUSES = ("pending", "processing", "shipped", "delivered", "cancelled")
SHIPMENT_STATUSES = ("packed", "in_transit", "out_for_delivery", "delivered", "lost", "returned")
PAYMENT_KINDS = ("card", "paypal", "alipay", "wechat_pay", "gift_card")


@dataclass(frozen=True)
class Schema:
    """A kind of file: its columns, and the parts (lists of objects) a row may hold.

    `grouped` names the part whose columns may stand in the row itself; rows that follow each other with the same key
    then add to the same product or order, as spreadsheets of shops have it.
    """

    kind: str
    key: tuple[str, ...]
    help: str
    columns: tuple[Column, ...]
    parts: Mapping[str, tuple[Column, ...]]
    grouped: str | None = None

    @property
    def row_columns(self) -> tuple[Column, ...]:
        """Every column a row may have; those of the grouped part are optional in the row."""
        return self.columns + (self.parts[self.grouped] if self.grouped else ())


VARIANT = (
    Column("sku", "id", "The variant's own number.", True),
    Column("options", "object", "What is chosen: size, colour, capacity.", default={}),
    Column("price", "money", "Price in the currency below, with VAT.", True),
    Column("list_price", "money", "Price before a reduction."),
    Column("currency", "currency", "Currency of the prices.", default="EUR"),
    Column("stock", "whole", "Pieces in stock.", default=0),
)
LINE = (
    Column("sku", "id", "Variant that was sold; import products first.", True),
    Column("quantity", "whole", "Pieces.", default=1),
    Column("price", "money", "Price of one piece.", True),
)
METHOD = (
    Column("id", "id", "The method's id in your shop.", True),
    Column("kind", "choice", "Kind of payment.", True, choices=PAYMENT_KINDS),
    Column("brand", "line", "Visa, Mastercard, …"),
    Column("last_four", "line", "Last four digits; never more."),
    Column("balance", "money", "What is left on a gift card."),
)
ADDRESS = (
    Column("name", "line", "Who receives the parcel."),
    Column("line1", "line", "Street and house.", True),
    Column("line2", "line", "Flat, floor, company.", default=""),
    Column("city", "line", "Town.", True),
    Column("region", "line", "State or province.", default=""),
    Column("postcode", "line", "Postcode.", default=""),
    Column("country", "line", "Country, two letters such as DE.", True),
)
SHIPMENT = (
    Column("carrier", "line", "Who brings it.", True),
    Column("tracking", "line", "Tracking number.", True),
    Column("status", "choice", "Where it is.", default="in_transit", choices=SHIPMENT_STATUSES),
    Column("skus", "text", "SKUs in the parcel, separated by blanks; empty: the whole order."),
    Column("shipped_at", "time", "When it left."),
    Column("eta", "time", "Expected arrival."),
    Column("delivered_at", "time", "When it arrived."),
)
PAYMENT = (
    Column("kind", "choice", "Money in or out.", default="payment", choices=("payment", "refund")),
    Column("amount", "money", "How much.", True),
    Column("payment_method_id", "id", "A payment method of the customer."),
    Column("status", "choice", "State.", default="captured", choices=("captured", "pending", "failed", "done")),
    Column("at", "time", "When; empty: when the order was placed."),
)

SCHEMAS = {
    schema.kind: schema
    for schema in (
        Schema(
            "products",
            ("id",),
            "One row a product with a list of variants, or one row a variant: rows with the same id that follow each "
            "other are one product. Variants of a product that the file no longer has become inactive.",
            (
                Column("id", "id", "The product's id in your shop.", True),
                Column("name", "line", "Name in English.", True),
                Column("name_zh", "line", "Name in Chinese."),
                Column("description", "text", "Description in English; search and answers read it.", default=""),
                Column("description_zh", "text", "Description in Chinese."),
                Column("category", "slug", "Category; any name, new ones are allowed.", True),
                Column("brand", "line", "Brand."),
                Column("attributes", "object", "Facts for product questions, e.g. weight_g, waterproof.", default={}),
                Column("picture", "url", "Picture."),
                Column("url", "url", "Page in your shop."),
                Column("repeatable", "flag", "Bought again and again (consumables).", default=False),
                Column("active", "flag", "Sold at present.", default=True),
                Column("variants", "list", "Variants, in JSONL; in CSV use one row a variant."),
            ),
            {"variants": VARIANT},
            "variants",
        ),
        Schema(
            "documents",
            ("topic", "language"),
            "Help texts the bot answers from: one row a text and language.",
            (
                Column("topic", "slug", "Ties translations of a text together.", True),
                Column("language", "language", "Language of this text.", True),
                Column("kind", "choice", "What it is.", default="faq", choices=("policy", "faq", "guide")),
                Column("title", "line", "Title.", True),
                Column("body", "text", "Text, Markdown.", True),
                Column("url", "url", "Its page in your shop."),
                Column("active", "flag", "May be quoted.", default=True),
            ),
            {},
        ),
        Schema(
            "customers",
            ("id",),
            "One row a customer. The e-mail address is what one-time codes go to, so no two customers may share one.",
            (
                Column("id", "id", "The customer's id in your shop; customer tokens name it.", True),
                Column("name", "line", "Full name.", True),
                Column("email", "email", "E-mail address.", True),
                Column("phone", "line", "Phone number."),
                Column("language", "language", "Language of letters.", default="en"),
                Column("newsletter", "flag", "Has subscribed.", default=False),
                Column("created_at", "time", "Since when a customer; empty: now."),
                Column("addresses", "list", "Addresses, the first is the default."),
                Column("payment_methods", "list", "Payment methods on file."),
            ),
            {"addresses": ADDRESS, "payment_methods": METHOD},
        ),
        Schema(
            "orders",
            ("number",),
            "One row an order with a list of lines, or one row a line: rows with the same number that follow each "
            "other are one order. Customers and products must be imported before.",
            (
                Column("number", "id", "Order number as the customer knows it.", True),
                Column("customer_id", "id", "Customer; or give customer_email."),
                Column("customer_email", "email", "Customer by e-mail address."),
                Column("status", "choice", "State.", True, choices=ORDER_STATUSES),
                Column("placed_at", "time", "When it was placed.", True),
                Column("shipping", "money", "Shipping fee.", default=0),
                Column("currency", "currency", "Currency.", default="EUR"),
                Column("shipping_method", "choice", "How it is sent.", default="standard",
                       choices=("standard", "express", "pickup")),
                Column("ship_to", "object", "Delivery address; empty: the customer's default."),
                Column("bill_to", "object", "Billing address; empty: the delivery address."),
                Column("cancelled_at", "time", "When it was cancelled."),
                Column("cancel_reason", "line", "Why."),
                Column("delivered_at", "time", "When the last parcel arrived; returns count from here."),
                Column("lines", "list", "Lines, in JSONL; in CSV use one row a line."),
                Column("shipments", "list", "Parcels."),
                Column("payments", "list", "Payments and refunds; empty: paid in full by the first method on file."),
            ),
            {"lines": LINE, "ship_to": ADDRESS, "bill_to": ADDRESS, "shipments": SHIPMENT, "payments": PAYMENT},
            "lines",
        ),
    )
}  # fmt: skip


def markdown(kind: str) -> str:
    """The documentation of one kind of file."""
    schema = SCHEMAS[kind]
    text = f"{schema.help}\n\n{_table(schema.columns)}"
    for part, columns in schema.parts.items():
        text += f"\nEach of `{part}`:\n\n{_table(columns)}"
    return text


def _table(columns: tuple[Column, ...]) -> str:
    rows = ["| column | must | value | meaning |", "| --- | --- | --- | --- |"]
    for column in columns:
        rows.append(f"| `{column.name}` | {'yes' if column.required else ''} | {column.rule} | {column.help} |")
    return "\n".join(rows) + "\n"
