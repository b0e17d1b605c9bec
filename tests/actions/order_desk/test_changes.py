"""Address, items, payment and shipping of an order that has not left."""

import pytest

from actions.order_desk import addresses, items, payments, shipping
from actions.order_desk.outcomes import AddressNotValid, LineNotFound, OrderNotFound, Refusal, Terms
from actions.order_desk.views import LineChange
from tests.actions.order_desk.conftest import BERLIN, HAMBURG

PARIS = {**HAMBURG, "line1": "Rue A 1", "city": "Paris", "postcode": "75001", "country": "FR"}


def test_an_address_changes_within_its_zone_for_nothing(shop) -> None:
    outcome = shop.do(addresses.change_address, "K-1001", HAMBURG)
    assert (outcome.kind, outcome.order.ship_to["city"], outcome.facts["difference_minor"]) == ("done", "Hamburg", 0)
    assert outcome.facts["before"]["city"] == "Berlin"


def test_a_dearer_zone_is_charged_to_the_method_that_paid(shop) -> None:
    terms = shop.look(addresses.check_change_address, "K-1001", PARIS)
    assert (terms.facts["difference_minor"], terms.facts["charge"]["last_four"]) == (895, "4242")
    outcome = shop.do(addresses.change_address, "K-1001", PARIS)
    assert (outcome.order.total_minor, outcome.order.shipping_minor) == (11895, 895)
    assert outcome.order.payments[-1].amount_minor == 895


def test_a_country_the_shop_does_not_serve_is_refused(shop) -> None:
    refusal = shop.look(addresses.check_change_address, "K-1001", {**PARIS, "country": "AQ"})
    assert (refusal.code, refusal.facts["country"]) == ("not_delivered_there", "AQ")


def test_a_half_address_names_what_is_missing(shop) -> None:
    with pytest.raises(AddressNotValid) as caught:
        shop.look(addresses.check_change_address, "K-1001", {"line1": "Somewhere 1", "city": " "})
    assert caught.value.missing == ("city", "postcode")


def test_the_same_address_is_no_change(shop) -> None:
    assert shop.look(addresses.check_change_address, "K-1001", BERLIN).code == "nothing_changes"


@pytest.mark.parametrize("number", ["K-1002", "K-1003"])
def test_what_has_left_or_arrived_stays_as_it_is(shop, number: str) -> None:
    for check, more in (
        (addresses.check_change_address, ()),
        (items.check_change_items, ()),
        (payments.check_change_payment, ()),
        (shipping.check_change_shipping, ()),
    ):
        refusal = shop.look(check, number, *more)
        assert isinstance(refusal, Refusal)
        assert refusal.code in ("already_shipped", "already_delivered")


def test_every_change_of_somebody_elses_order_finds_no_order(shop) -> None:
    wishes = (
        (addresses.change_address, (HAMBURG,)),
        (items.change_items, ([LineChange("K-2001-1", new_sku="boot-41")],)),
        (payments.change_payment, ("ada-gift",)),
        (shipping.change_shipping, ("express",)),
    )
    for change, args in wishes:
        with pytest.raises(OrderNotFound):
            shop.do(change, "K-2001", *args)


def test_a_variant_is_swapped_and_its_difference_charged(shop) -> None:
    outcome = shop.do(items.change_items, "K-1001", [LineChange("K-1001-1", new_sku="boot-43")])
    assert (outcome.kind, outcome.facts["difference_minor"]) == ("done", 900)
    assert outcome.order.lines[0].options == {"size": "43", "color": "red"}
    assert outcome.order.total_minor == 11900
    assert (shop.stock("boot-42"), shop.stock("boot-43")) == (6, 0)


def test_a_cheaper_variant_is_given_back_to_the_method_that_paid(shop) -> None:
    outcome = shop.do(items.change_items, "K-1001", [LineChange("K-1001-1", new_sku="boot-44")])
    assert (outcome.order.total_minor, outcome.order.refunded_minor) == (10500, 500)


def test_a_part_of_a_line_becomes_a_line_of_its_own(shop) -> None:
    outcome = shop.do(items.change_items, "K-1001", [LineChange("K-1001-2", quantity=1, new_sku="mug-l")])
    assert [(each.sku, each.quantity) for each in outcome.order.lines] == [
        ("boot-42", 1),
        ("mug-s", 1),
        ("mug-l", 1),
    ]
    assert outcome.order.total_minor == 11500


def test_items_change_once(shop) -> None:
    shop.do(items.change_items, "K-1001", [LineChange("K-1001-1", new_sku="boot-41")])
    outcome = shop.do(items.change_items, "K-1001", [LineChange("K-1001-2", new_sku="mug-l")], request_id="m2")
    assert (outcome.code, outcome.facts["limit"]) == ("items_changed_before", 1)


def test_a_shop_may_make_an_items_change_final(shop) -> None:
    shop.policy("items_change_is_final", True)
    shop.do(items.change_items, "K-1001", [LineChange("K-1001-1", new_sku="boot-41")])
    assert shop.look(addresses.check_change_address, "K-1001", HAMBURG).code == "final_after_items_change"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (LineChange("K-1001-1", new_sku="mug-l"), "other_product"),
        (LineChange("K-1001-1", new_sku="boot-45"), "out_of_stock"),
        (LineChange("K-1001-1", new_sku="boot-99"), "variant_unknown"),
        (LineChange("K-1001-1", new_sku="boot-42"), "nothing_changes"),
        (LineChange("K-1001-2", quantity=3, new_sku="mug-l"), "quantity_not_possible"),
        (LineChange("K-1001-2", quantity=0, new_sku="mug-l"), "quantity_not_possible"),
    ],
)
def test_a_swap_that_cannot_be_says_why_and_changes_nothing(shop, change: LineChange, code: str) -> None:
    outcome = shop.do(items.change_items, "K-1001", [change])
    assert (outcome.kind, outcome.code) == ("refused", code)
    assert shop.order("K-1001").total_minor == 11000


def test_a_line_of_another_order_is_no_line_of_this_one(shop) -> None:
    with pytest.raises(LineNotFound):
        shop.do(items.change_items, "K-1001", [LineChange("K-2001-1", new_sku="boot-41")])


def test_a_gift_card_must_hold_the_difference(shop) -> None:
    change = [LineChange("K-1001-1", new_sku="boot-43")]
    assert shop.do(items.change_items, "K-1001", change, "ada-gift").kind == "done"
    assert shop.balance("ada-gift") == 4100


def test_paying_with_a_gift_card_needs_the_whole_sum_on_it(shop) -> None:
    refusal = shop.look(payments.check_change_payment, "K-1001", "ada-gift")
    assert (refusal.code, refusal.facts["needed_minor"]) == ("gift_card_balance", 11000)


def test_somebody_elses_gift_card_is_unknown(shop) -> None:
    assert shop.look(payments.check_change_payment, "K-1001", "bob-gift").code == "payment_method_unknown"
    change = [LineChange("K-1001-1", new_sku="boot-43")]
    assert shop.do(items.change_items, "K-1001", change, "bob-gift").code == "payment_method_unknown"


def test_another_method_pays_all_and_the_first_gets_all_back(shop) -> None:
    outcome = shop.do(payments.change_payment, "K-1001", "ada-paypal")
    assert outcome.kind == "done"
    assert (outcome.order.refunded_minor, outcome.facts["after"]["kind"]) == (11000, "paypal")
    assert shop.look(payments.check_change_payment, "K-1001", "ada-paypal").code == "same_payment_method"


def test_express_is_charged_and_standard_is_known_already(shop) -> None:
    terms = shop.look(shipping.check_change_shipping, "K-1001", "express")
    assert isinstance(terms, Terms)
    assert (terms.facts["difference_minor"], terms.facts["most_days"]) == (1290, 1)
    assert shop.do(shipping.change_shipping, "K-1001", "express").order.total_minor == 12290
    assert shop.look(shipping.check_change_shipping, "K-1001", "express").code == "nothing_changes"
    assert shop.look(shipping.check_change_shipping, "K-1001", "balloon").code == "shipping_method_unknown"
