"""Questions about several products: when they are, and what is answered from whose data."""

import pytest

from bot.database.demo_kinds import WORDS_ZH
from retrieval import words_zh
from retrieval.documents import Product, Variant
from retrieval.several import Offer, asks_of_several, asks_which, compared

BAGS = [
    Product("a", {"en": "Lund bag", "zh": "隆德睡袋"}, {}, "sleeping_bags", None,
            {"weight_g": 1600, "temperature_c": 4, "material": "nylon", "waterproof": False}, (Variant("a1", {"color": "red"}, 9900, 1),)),
    Product("b", {"en": "Orre bag", "zh": "奥尔睡袋"}, {}, "sleeping_bags", None,
            {"weight_g": 900, "temperature_c": -5, "material": "cotton"}, (Variant("b1", {"color": "blue"}, 19900, 0),)),
    Product("c", {"en": "Wren bag", "zh": "雷恩睡袋"}, {}, "sleeping_bags", None, {"weight_g": 900}, (Variant("c1", {}, 4900, 1),)),
]  # fmt: skip
OFFERS = {"a": Offer("€99.00", 9900, True), "b": Offer("€199.00", 19900, False), "c": Offer("€49.00", 4900, True)}


@pytest.mark.parametrize(
    "text",
    ["which one is windproof?", "which is the lightest", "which of these weighs least?", "are they waterproof?",
     "do all of them have a hood?", "the lightest?", "which ones are in stock", "哪个最轻", "哪款防水", "这些都防水吗", "最轻的呢", "分别多重"],
)  # fmt: skip
def test_a_question_about_a_list(text):
    assert asks_of_several(text)


@pytest.mark.parametrize(
    "text",
    ["is it waterproof?", "which colours does it come in?", "which sizes are there", "the second one", "tell me more",
     "这个防水吗", "它有哪些颜色", "cancel the latest order", "最近的订单", "do you have tents"],
)  # fmt: skip
def test_a_question_about_one_thing_or_none(text):
    assert not asks_of_several(text)


def test_a_bare_superlative_may_be_of_all_there_are():
    assert asks_of_several("the lightest tent")
    assert not asks_which("the lightest tent")


@pytest.mark.parametrize(
    ("text", "first", "ids"),
    [
        ("which one is the warmest?", "The warmest is Orre bag: -5 °C.", ("b",)),
        ("which is the lightest?", "The lightest are Orre bag, Wren bag: 900 g.", ("b", "c")),
        ("which one is the heaviest?", "The heaviest is Lund bag: 1.6 kg.", ("a",)),
        ("which is the cheapest?", "The cheapest is Wren bag: €49.00.", ("c",)),
        ("which ones are in stock?", "In stock:", ("a", "c")),
        ("which one is waterproof?", "Waterproof:", ()),
    ],
)
def test_what_their_data_says_is_said_best_first(text, first, ids):
    found = compared(BAGS, text, "en", OFFERS)
    assert found.text.splitlines()[0] == first
    assert found.product_ids == ids


def test_what_the_data_does_not_say_is_said_so():
    assert compared(BAGS, "which one is the warmest?", "en", OFFERS).text.splitlines()[1:] == [
        "• Lund bag – 4 °C",
        "• not stated – Wren bag",
    ]
    assert compared(BAGS, "which one is waterproof?", "en", OFFERS).text.splitlines()[1:] == [
        "• no – Lund bag",
        "• not stated – Orre bag, Wren bag",
    ]
    assert compared(BAGS, "which one is the brightest?", "en", OFFERS) is None
    assert compared(BAGS, "which one do you like?", "en", OFFERS) is None


def test_chinese_questions_get_chinese_values():
    assert compared(BAGS, "哪个最暖和", "zh", OFFERS).text.startswith("最暖和的是奥尔睡袋：-5 °C。")
    assert compared(BAGS, "分别是什么材质", "zh", OFFERS).text.splitlines() == [
        "• 隆德睡袋：材质：尼龙。",
        "• 奥尔睡袋：材质：棉。",
        "• 未注明 – 雷恩睡袋",
    ]
    assert "红色" in compared(BAGS, "这些有什么颜色", "zh", OFFERS).text


def test_the_demo_shop_and_the_answers_say_the_same_in_chinese():
    assert {word: words_zh.value(word) for word in WORDS_ZH} == WORDS_ZH
