import pytest

from bot.database.policies import DEFAULTS, Policies, PolicyError, defaults


def test_every_default_has_its_own_key_and_a_help_sentence() -> None:
    assert len({default.key for default in DEFAULTS}) == len(DEFAULTS)
    assert all(default.help.endswith(".") for default in DEFAULTS)


def test_a_missing_policy_names_itself_and_the_remedy() -> None:
    with pytest.raises(PolicyError, match=r"'return_window_days' is missing; `kefu migrate`"):
        Policies({}).integer("return_window_days")


@pytest.mark.parametrize(
    ("accessor", "value", "rule"),
    [
        ("integer", "30", "whole number"),
        ("integer", True, "whole number"),
        ("flag", 1, "true or false"),
        ("text", 3, "a text"),
        ("texts", ["a", 1], "list of texts"),
        ("mapping", [], "an object"),
    ],
)
def test_a_policy_of_the_wrong_type_is_refused_with_its_value(accessor: str, value: object, rule: str) -> None:
    with pytest.raises(PolicyError, match=rule):
        getattr(Policies({"key": value}), accessor)("key")


def test_standard_shipping_is_free_from_the_limit_of_the_zone_and_express_never() -> None:
    numbers = defaults()
    assert numbers.shipping_fee_minor("DE", "standard", 5999) == 495
    assert numbers.shipping_fee_minor("DE", "standard", 6000) == 0
    assert numbers.shipping_fee_minor("de", "express", 99999) == 1290
    assert numbers.shipping_fee_minor("CN", "standard", 99999) == 2490
    assert numbers.shipping_fee_minor("DE", "standard", 6000, bulky=True) == 2900


def test_methods_and_countries_that_are_not_served_have_no_fee_and_no_days() -> None:
    numbers = defaults()
    assert numbers.shipping_fee_minor("FR", "pickup", 1000) is None
    assert numbers.shipping_fee_minor("XX", "standard", 1000) is None
    assert numbers.shipping_days("XX", "standard") is None
    assert numbers.shipping_days("AT", "standard") == (3, 5)


def test_refund_days_of_an_unknown_payment_kind_are_the_longest() -> None:
    assert defaults().refund_days("gift_card") == 0
    assert defaults().refund_days("carrier pigeon") == 7


def test_a_category_may_have_a_longer_warranty() -> None:
    assert (defaults().warranty_months("tents"), defaults().warranty_months("shoes")) == (36, 24)
