"""What words ask of a product, in both languages, and follow-ups to what was asked before."""

from dataclasses import replace

import pytest

from retrieval.documents import Product, Variant
from retrieval.filters import Filters, has_room, is_light, understand
from retrieval.lexicon import color_family, vocabulary

CATALOGUE = [
    Product("1", {"en": "Trail shoe"}, category="shoes", brand="Fjell",
            variants=(Variant("a", {"size": "42", "color": "red"}, 7900, 1), Variant("b", {"size": "43", "color": "blue"}, 9900, 0))),
    Product("2", {"en": "Tent"}, category="tents", brand="Nordlys", variants=(Variant("c", {"color": "forest"}, 19900, 2),)),
    Product("3", {"en": "Jacket"}, category="jackets", brand="Isfjell", variants=(Variant("d", {"size": "M", "color": "navy"}, 24900, 2),)),
]  # fmt: skip
WORDS = vocabulary(CATALOGUE)


def read(text, previous=None):
    return understand(text, WORDS, previous).to_json()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red running shoes under 80", {"query": "running shoes", "category": "shoes", "color": "red", "price_max_minor": 8000}),
        ("跑鞋 300 元以下 有货", {"query": "跑鞋", "category": "shoes", "price_max_minor": 30000, "in_stock": True}),
        ("100到200的帐篷", {"query": "帐篷", "category": "tents", "price_min_minor": 10000, "price_max_minor": 20000}),
        ("38到40的帐篷", {"query": "38到40的帐篷", "category": "tents"}),
        ("a jacket between 100 and 250 euros", {"query": "a jacket", "category": "jackets", "price_min_minor": 10000, "price_max_minor": 25000}),
        ("帐篷 500到800元", {"query": "帐篷", "category": "tents", "price_min_minor": 50000, "price_max_minor": 80000}),
        ("tent around 200€", {"query": "tent", "category": "tents", "price_min_minor": 16000, "price_max_minor": 24000}),
        ("不超过100块的帐篷", {"query": "帐篷", "category": "tents", "price_max_minor": 10000}),
        ("blue jacket size M", {"query": "jacket", "category": "jackets", "color": "blue", "size": "M"}),
        ("Fjell shoes in stock", {"query": "fjell shoes", "category": "shoes", "brand": "Fjell", "in_stock": True}),
        ("for my mother, 60 €", {"query": "mother", "price_max_minor": 6000}),
        ("recommend me a tent for two", {"query": "a tent for 2 persons", "category": "tents", "persons": 2}),
        ("4-person tent under 3.5 kg", {"query": "4-person tent", "category": "tents", "persons": 4, "weight_max_g": 3500}),
        ("双人帐篷 不超过3公斤", {"query": "2 人帐篷", "category": "tents", "persons": 2, "weight_max_g": 3000}),
        ("a jacket that weighs less than 400 g", {"query": "a jacket", "category": "jackets", "weight_max_g": 400}),
        ("shoes for two weeks", {"query": "shoes for two weeks", "category": "shoes"}),
        ("what would you recommend for my balcony?", {"query": "balcony"}),
        ("shoes over 50 but under 90", {"query": "shoes but", "category": "shoes", "price_min_minor": 5000, "price_max_minor": 9000}),
        ("藏青色夹克", {"query": "夹克", "category": "jackets", "color": "navy"}),
    ],
)  # fmt: skip
def test_filters_are_understood_from_words(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    "text", ["tent for 4 people", "jacket for -10 to 20 degrees", "backpack of 40 l", "under 2 kg tent"]
)
def test_numbers_that_are_no_prices_are_left_alone(text):
    found = read(text)
    assert "price_max_minor" not in found
    assert "price_min_minor" not in found


ASKED = replace(
    Filters("running shoes", category="shoes", color="red", price_max_minor=10000),
    shown=("1", "4"),
    shown_prices_minor=(7900, 9900),
)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("and in blue?", {"color": "blue"}),
        ("有蓝色的吗", {"color": "blue"}),
        ("size 42", {"size": "42"}),
        ("cheaper ones", {"price_max_minor": 7899}),
        ("更便宜的", {"price_max_minor": 7899}),
        ("under 50", {"price_max_minor": 5000}),
        ("only in stock", {"in_stock": True}),
        ("from Fjell", {"brand": "Fjell"}),
    ],
)
def test_a_follow_up_changes_one_wish_and_keeps_the_rest(text, changed):
    found = understand(text, WORDS, ASKED)
    assert found == replace(ASKED, shown=(), shown_prices_minor=(), **changed)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("it must be under 3 kg", {"weight_max_g": 3000}),
        ("not heavier than 2 kg", {"weight_max_g": 2000}),
        ("it has to weigh less than a kilo", {"weight_max_g": 1000}),
        ("no more than 1.5 kg please", {"weight_max_g": 1500}),
        ("不超过3公斤", {"weight_max_g": 3000}),
        ("不能超过1.5公斤", {"weight_max_g": 1500}),
        ("必须轻于800克", {"weight_max_g": 800}),
        ("it should fit 4 people", {"query": "tent 4 people", "persons": 4}),
        ("for three people", {"query": "tent for three people", "persons": 3}),
        ("with room for five", {"query": "tent for five", "persons": 5}),
        ("要能睡四个人", {"query": "tent 四个人", "persons": 4}),
        ("as light as possible please", {"query": "tent for two light"}),
        ("it must be waterproof too", {"query": "tent for two it must be waterproof too"}),
    ],
)
def test_what_the_thing_asked_for_must_be_narrows_it(text, changed):
    previous = Filters(query="tent for two", category="tents", persons=2)
    assert read(text, previous) == {"query": "tent for two", "category": "tents", "persons": 2, **changed}


def test_limits_can_be_taken_over_without_the_words():
    wish = Filters(query="tent", price_max_minor=30000, shown=("2",))
    said = Filters(query="dunno", weight_max_g=3000, price_max_minor=20000, shown=("9",))
    assert wish.narrowed_by(said) == Filters(query="tent", price_max_minor=20000, weight_max_g=3000, shown=("2",))


def test_a_new_thing_starts_afresh():
    found = understand("and tents?", WORDS, ASKED)
    assert (found.category, found.color, found.price_max_minor) == ("tents", None, None)


def test_any_colour_takes_the_colour_back():
    assert understand("any colour", WORDS, ASKED).color is None


def test_more_keeps_everything():
    assert understand("show me more", WORDS, ASKED) == ASKED
    assert understand("还有吗", WORDS, ASKED) == ASKED


def test_all_wishes_must_be_met_by_one_variant():
    shoe = CATALOGUE[0]
    assert [v.sku for v in Filters(color="red").variants_of(shoe)] == ["a"]
    assert Filters(color="red", size="43").variants_of(shoe) == []
    assert Filters(color="blue", in_stock=True).variants_of(shoe) == []
    assert [v.sku for v in Filters(price_max_minor=8000).variants_of(shoe)] == ["a"]


def test_room_and_weight_are_wishes_like_the_price():
    two, unknown = {"persons": 2, "weight_g": 1800}, {"material": "nylon"}
    assert [has_room(two, persons) for persons in (2, 3, None)] == [True, False, True]
    assert not has_room({"persons": 8}, 2)  # a hall is no tent for two
    assert has_room(unknown, 2)
    assert [is_light(two, 2000), is_light(two, 1500), is_light(unknown, None)] == [True, False, True]
    assert not is_light(unknown, 2000)  # nobody promises what is not known


def test_a_shops_own_colour_name_belongs_to_a_colour():
    assert color_family("Moss Green") == "green"
    assert [v.sku for v in Filters(color="green").variants_of(CATALOGUE[1])] == ["c"]


def test_filters_survive_a_slot():
    assert Filters.from_json(ASKED.to_json()) == ASKED
    assert Filters.from_json(None) == Filters()
