"""The shop's numbers and rules (table `policies`): windows, fees, limits. Data of the shop, not code.

`DEFAULTS` are those of the demo shop; the migration adds the missing ones, and an owner changes the rows.
Amounts are minor units of the shop's currency.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.database.shop import Policy


class PolicyError(Exception):
    """A policy is missing or not of its type; the message names the key and the remedy."""


class Default(NamedTuple):
    key: str
    value: Any
    help: str


ZONES = {
    "home": ["DE"],
    "near": ["AT", "BE", "NL", "LU", "FR", "DK", "PL", "CZ"],
    "europe": ["IE", "IT", "ES", "PT", "SE", "FI", "GB", "CH", "NO"],
    "world": ["CN", "HK", "SG", "US", "CA"],
}

DEFAULTS = (
    # returns and exchanges
    Default("return_window_days", 30, "Days after delivery in which a return may be asked for."),
    Default("exchange_window_days", 45, "Days after delivery in which an exchange may be asked for."),
    Default("exchanges_per_order", 1, "Exchanges one order may have."),
    Default("returns_per_order", 2, "Returns one order may have."),
    Default("return_condition", "unused", "Condition a returned item must be in: unused | tried_on | any."),
    Default("return_fee_minor", 395, "Return label, taken off the refund; exchanges and faulty items are free."),
    Default("return_label_valid_days", 14, "Days a return label can be used."),
    Default("return_reasons", ["wrong_size", "not_as_described", "damaged", "changed_mind", "arrived_late", "other"],
            "Reasons a customer may give for a return."),
    Default("not_returnable_categories", [], "Categories that cannot come back; single products: returnable: false."),
    Default("exchange_same_product_only", True, "An exchange is for another variant of the same product."),
    Default("free_return_reasons", ["not_as_described", "damaged"], "Reasons for which the return label is free."),
    Default("difference_refund_targets", ["original", "gift_card"],
            "Where the difference to a cheaper variant may go: original | gift_card (on file) | any."),
    Default("returns_and_exchanges_per_order", 3, "Returns and exchanges together that one order may have."),
    # refunds
    Default("refund_after_receipt_days", 5, "Working days from a return's arrival to the refund's start."),
    Default("refund_days", {"card": 7, "paypal": 3, "alipay": 5, "wechat_pay": 5, "gift_card": 0},
            "Working days a refund takes by payment method; 0 is at once."),
    Default("refund_targets", ["original", "gift_card"], "Where a refund may go: original | gift_card | any."),
    # cancelling and changing
    Default("cancel_statuses", ["pending", "processing"], "Order states in which cancelling is possible."),
    Default("cancel_reasons", ["no_longer_needed", "ordered_by_mistake", "found_cheaper", "too_slow", "other"],
            "Reasons a customer may give for cancelling."),
    Default("address_change_statuses", ["pending", "processing"], "States in which the address can change."),
    Default("items_change_statuses", ["pending"], "States in which items can change."),
    Default("payment_change_statuses", ["pending"], "States in which the payment method can change."),
    Default("shipping_change_statuses", ["pending"], "States in which the shipping method can change."),
    Default("item_changes_per_order", 1, "How often the items of one order may change."),
    Default("items_change_is_final", False, "After its items changed, an order can be neither changed nor cancelled."),
    # shipping
    Default("shipping_zones", ZONES, "Countries (ISO codes) by shipping zone; others are not served."),
    Default("shipping_fees_minor", {
        "home": {"standard": 495, "express": 1290, "pickup": 0},
        "near": {"standard": 895, "express": 1990},
        "europe": {"standard": 1290, "express": 2690},
        "world": {"standard": 2490, "express": 4990},
    }, "Fee by zone and method; a method not listed is not offered."),
    Default("free_shipping_from_minor", {"home": 6000, "near": 12000},
            "Goods value from which standard shipping is free, by zone; zones not listed are never free."),
    Default("shipping_days", {
        "home": {"standard": [2, 3], "express": [1, 1], "pickup": [1, 2]},
        "near": {"standard": [3, 5], "express": [1, 2]},
        "europe": {"standard": [4, 7], "express": [2, 3]},
        "world": {"standard": [8, 14], "express": [3, 5]},
    }, "Working days from dispatch to delivery, least and most, by zone and method."),
    Default("dispatch_days", 1, "Working days from an order to its dispatch."),
    Default("dispatch_cutoff_hour", 14, "Orders before this hour leave the same working day with express."),
    Default("bulky_fee_minor", 2900, "Once per order with furniture, by forwarder."),
    Default("gas_countries", ["DE", "AT", "BE", "NL", "LU", "FR"], "Countries gas is sent to; never express."),
    Default("pickup_hold_days", 7, "Days a parcel waits in the shop."),
    Default("lost_after_days", 7, "Days after the latest delivery day when a parcel counts as lost."),
    Default("damage_report_days", 7, "Days after delivery in which damage in transit is to be reported."),
    # money
    Default("payment_kinds", ["card", "paypal", "alipay", "wechat_pay", "gift_card"], "Accepted ways to pay."),
    Default("payment_retry_hours", 48, "Hours an unpaid order waits for a new payment."),
    Default("gift_card_least_minor", 1000, "Smallest gift card."),
    Default("gift_card_most_minor", 50000, "Largest gift card."),
    Default("gift_card_years", 3, "Years a gift card is valid, to the end of the year."),
    Default("gift_cards_per_order", 3, "Gift cards one order may use."),
    Default("price_match_days", 14, "Days after the order in which a lower price is matched."),
    Default("codes_per_order", 1, "Promotion codes one order may use."),
    Default("newsletter_percent", 10, "Welcome discount for the newsletter, in percent."),
    Default("newsletter_least_minor", 5000, "Least goods value for the welcome discount."),
    Default("invoice_years", 10, "Years an invoice can be had."),
    Default("business_from_minor", 100000, "Goods value from which the business discount holds."),
    Default("business_percent", 8, "Business discount in percent."),
    Default("business_invoice_days", 30, "Days a business customer has to pay an invoice."),
    # warranty, repair, services
    Default("warranty_months", 24, "Warranty in months unless the category has its own."),
    Default("warranty_months_by_category", {"tents": 36, "backpacks": 60, "cycling": 36, "kitchen": 60},
            "Categories with a longer warranty."),
    Default("repair_days", 15, "Working days a repair takes."),
    Default("repair_fee_minor", 1500, "Flat fee of a repair outside the warranty, before parts."),
    Default("assembly_fee_minor", 4900, "Furniture assembly at home, per item, home zone only."),
    Default("bike_fitting_fee_minor", 7900, "Bike fitting in the shop."),
    Default("bike_fitting_minutes", 90, "Length of a bike fitting."),
    Default("recycling_voucher_minor", 1000, "Voucher for worn gear brought back."),
    # account, service
    Default("account_deletion_days", 30, "Days until a deleted account's data is erased."),
    Default("data_copy_days", 14, "Days within which a copy of personal data is sent."),
    Default("password_url", "https://shop.example/account/password", "Page on which a customer sets a new password."),
    Default("password_least_length", 10, "Least length of a password."),
    Default("review_after_days", 3, "Days after delivery from which a review may be written."),
    Default("service_hours", {"weekdays": "8:00–20:00", "saturday": "9:00–17:00"},
            "Hours of the service team, Berlin time."),
    Default("service_phone", "+49 30 5550 1470", "Service phone number."),
    Default("service_email", "service@shop.example", "Service address."),
    Default("email_answer_hours", 24, "Hours within which an e-mail is answered, on working days."),
    Default("shop_address", "Lindenhof 12, 10969 Berlin", "The shop with pickup and workshop."),
    Default("shop_hours", {"weekdays": "10:00–19:00", "saturday": "10:00–18:00"}, "Opening hours of the shop."),
    # identity and risk
    Default("code_digits", 6, "Digits of a one-time code."),
    Default("code_minutes", 10, "Minutes a one-time code is valid."),
    Default("code_attempts", 5, "Wrong entries until a one-time code is locked."),
    Default("code_attempts_per_conversation_per_hour", 10, "Wrong codes per conversation and hour."),
    Default("code_attempts_per_address_per_hour", 15, "Wrong codes per address and hour."),
    Default("codes_per_conversation_per_hour", 3, "One-time codes sent per conversation and hour."),
    Default("codes_per_address_per_hour", 5, "One-time codes sent per address and hour."),
    Default("identity_hours", 24, "Hours a proven identity lasts in a conversation."),
    Default("high_value_minor", 30000, "Amount from which money-moving changes are assessed as high value."),
    Default("refund_without_return_most_minor", 4000, "Up to here a damaged item is refunded without coming back."),
    Default("risk_costs_minor", {"loss_percent": 100, "review": 400, "insult": 1500, "block": 6000},
            "Cost of decisions: share of the amount a fraud loses, a review, asking or refusing an honest customer."),
    Default("risk_review_percent", 2, "Share of orders people can look at, in percent."),
    Default("new_account_days", 7, "Age in days below which an account counts as new."),
)  # fmt: skip


@dataclass(frozen=True)
class Policies:
    """All policy numbers, read at one moment.

    Raises:
        PolicyError: (every accessor) the key is missing or its value is of another type.
    """

    values: Mapping[str, Any]

    def value(self, key: str) -> Any:
        try:
            return self.values[key]
        except KeyError:
            raise PolicyError(
                f"policy {key!r} is missing; `kefu migrate` adds the defaults, or insert the row"
            ) from None

    def integer(self, key: str) -> int:
        value = self.value(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise PolicyError(f"policy {key!r} is {value!r}; it must be a whole number")
        return value

    def flag(self, key: str) -> bool:
        value = self.value(key)
        if not isinstance(value, bool):
            raise PolicyError(f"policy {key!r} is {value!r}; it must be true or false")
        return value

    def text(self, key: str) -> str:
        value = self.value(key)
        if not isinstance(value, str):
            raise PolicyError(f"policy {key!r} is {value!r}; it must be a text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.value(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise PolicyError(f"policy {key!r} is {value!r}; it must be a list of texts")
        return tuple(value)

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self.value(key)
        if not isinstance(value, dict):
            raise PolicyError(f"policy {key!r} is {value!r}; it must be an object")
        return value

    # The few look-ups that need two keys.

    def zone(self, country: str) -> str | None:
        """The shipping zone of an ISO country code; None where we do not deliver."""
        zones = self.mapping("shipping_zones")
        return next((zone for zone, countries in zones.items() if country.upper() in countries), None)

    def shipping_fee_minor(self, country: str, method: str, goods_minor: int, *, bulky: bool = False) -> int | None:
        """What sending goods of this value costs; None when the method is not offered there."""
        zone = self.zone(country)
        fee = self.mapping("shipping_fees_minor").get(zone or "", {}).get(method)
        if fee is None:
            return None
        free_from = self.mapping("free_shipping_from_minor").get(zone or "")
        if method == "standard" and free_from is not None and goods_minor >= free_from:
            fee = 0
        return int(fee) + (self.integer("bulky_fee_minor") if bulky and method != "pickup" else 0)

    def shipping_days(self, country: str, method: str) -> tuple[int, int] | None:
        """Working days from dispatch to delivery, least and most; None when the method is not offered there."""
        days = self.mapping("shipping_days").get(self.zone(country) or "", {}).get(method)
        return (int(days[0]), int(days[1])) if days else None

    def refund_days(self, payment_kind: str) -> int:
        """Working days a refund to this kind of payment takes; unknown kinds take the longest."""
        days = self.mapping("refund_days")
        return int(days.get(payment_kind, max(days.values())))

    def warranty_months(self, category: str) -> int:
        own = self.mapping("warranty_months_by_category").get(category)
        return self.integer("warranty_months") if own is None else int(own)


def load(session: Session) -> Policies:
    return Policies({row.key: row.value["value"] for row in session.scalars(select(Policy))})


def defaults() -> Policies:
    """The demo shop's numbers, without a database."""
    return Policies({default.key: default.value for default in DEFAULTS})


def add_missing(session: Session) -> int:
    """Insert the defaults whose key is absent; the owner's rows stay as they are. Returns how many were added."""
    present = set(session.scalars(select(Policy.key)))
    missing = [default for default in DEFAULTS if default.key not in present]
    session.add_all(Policy(key=key, value={"value": value}, help=help) for key, value, help in missing)
    return len(missing)
