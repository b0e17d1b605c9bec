"""Errors of the shop's own rooms, and the response that tells a customer about each."""

from actions.order_desk.outcomes import AddressNotValid, LineNotFound, OrderNotFound

FAILURES: dict[type[Exception], str] = {
    OrderNotFound: "utter_order_not_found",
    LineNotFound: "utter_item_not_found",
    AddressNotValid: "utter_address_incomplete",
}
