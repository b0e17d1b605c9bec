"""Entities as customers write them, in both languages."""

from dataclasses import replace

import pytest

from nlu_models import dataset, entities, train
from nlu_models.entities import extract
from nlu_models.gazetteer import close, from_catalogue
from nlu_models.numerals import in_digits, value

SHOP = from_catalogue(
    [
        ("p1", "Nordhang trekking tent 2", "北坡徒步帐篷 2", "Nordhang"),
        ("p2", "Kettelbach family tent", "凯特家庭帐篷", "Kettelbach"),
        ("p3", "Blue Ridge mug", "蓝岭马克杯", "Blue Ridge"),
    ],
    ["tents", "shoes", "jackets", "cooking", "kitchen"],
)


def found(text):
    return [(one.entity, one.value) for one in extract(text, SHOP)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("where's my order K-104233?", [("order_number", "K-104233")]),
        ("k 104233", [("order_number", "K-104233")]),
        ("my order number: 104233", [("order_number", "K-104233")]),
        ("status of return r20118", [("order_number", "R-20118")]),
        ("订单号是Ｋ－１００７７７，邮箱 Li.Wei@mail.cn", [("order_number", "K-100777"), ("email", "li.wei@mail.cn")]),
        ("the code is 730 115", [("code", "730115")]),
        ("482913", [("code", "482913")]),
        ("验证码：482913", [("code", "482913")]),
        ("under 80", [("price_max", "80")]),
        ("300 元以下", [("price_max", "300")]),
        ("三百块以内的帐篷", [("price_max", "300"), ("category", "tents")]),
        ("between 50 and 100 euros", [("price_min", "50"), ("price_max", "100")]),
        ("50-100 EUR", [("price_min", "50"), ("price_max", "100")]),
        ("jacket over €200", [("category", "jackets"), ("price_min", "200")]),
        ("I paid 79.90 €", [("amount", "79.9")]),
        ("size L", [("size", "L")]),
        ("黑色M码", [("color", "black"), ("size", "M")]),
        ("42码", [("size", "42")]),
        ("in dark green please", [("color", "forest")]),
        ("the second one", [("ordinal", "2")]),
        ("第二个", [("ordinal", "2")]),
        ("最后一个", [("ordinal", "-1")]),
        ("the last one", [("ordinal", "-1")]),
        ("how long does it last?", []),
        ("first-aid kit", []),
        ("two pieces", [("quantity", "2")]),
        ("数量改成3个", [("quantity", "3")]),
        ("+43 660 1234567", [("phone", "+436601234567")]),
        ("13800138000", [("phone", "13800138000")]),
        ("邮编200030", [("postcode", "200030")]),
        ("1010", [("postcode", "1010")]),
        ("last monday", [("date", "last monday")]),
        ("上周一", [("date", "上周一")]),
        ("3月12日", [("date", "3月12日")]),
        ("express please", [("shipping_method", "express")]),
        ("用支付宝", [("payment_method", "alipay")]),
        ("my visa card", [("payment_method", "card")]),
        ("speak chinese please", [("language", "zh")]),
        ("有现货吗", [("in_stock", True)]),
        ("what is the weather", []),
        ("we have 2 kids", []),
    ],
)
def test_values_are_read_in_both_languages(text, expected):
    assert found(text) == expected


def test_a_product_is_found_in_spite_of_a_typing_mistake():
    assert found("the nordhang treking tent 2 in blue") == [("product", "p1"), ("color", "blue")]
    (entity,) = extract("北坡徒步帐篷 2", SHOP)
    assert (entity.value, entity.confidence, entity.extractor) == ("p1", 1.0, "catalogue")


def test_a_color_inside_a_brand_is_no_color():
    assert found("Blue Ridge mug") == [("product", "p3")]


def test_red_running_shoes_are_understood_together():
    assert found("red running shoes under 80 in stock") == [
        ("color", "red"),
        ("category", "shoes"),
        ("price_max", "80"),
        ("in_stock", True),
    ]


def test_places_in_the_text_are_exact_and_never_overlap():
    text = "change K-104233 from size M to L, code 123456, mail a.b@c.de"
    entities = extract(text, SHOP)
    assert text[entities[0].start : entities[0].end] == "K-104233"
    ends = [0]
    for entity in entities:
        assert entity.start >= ends[-1]
        ends.append(entity.end)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("tent", "tend", False),
        ("jacket", "jakcet", True),
        ("jacket", "jaket", True),
        ("jacket", "jackett", True),
        ("jacket", "packet", False),
        ("jacket", "jaccett", False),
    ],
)
def test_one_mistake_is_forgiven_in_long_words(one, other, alike):
    assert close(one, other) is alike


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("80", 80),
        ("1,299.00", 1299),
        ("1.299,00", 1299),
        ("1,5", 1.5),
        ("三百五", 350),
        ("十二", 12),
        ("两千", 2000),
        ("twenty", 20),
        ("一百零五", 105),
        ("一万", 10000),
        ("tent", None),
        ("79.90", 79.9),
    ],
)
def test_numbers_are_read_as_people_write_them(text, number):
    assert value(text) == number


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("两百块以内的羽绒服", "200块以内的羽绒服"),
        ("一千二百元左右", "1200元左右"),
        ("要两百以内的", "要200以内的"),
        ("预算八十", "预算80"),
        ("一百到两百的帐篷", "100到200的帐篷"),
        ("百叶窗", "百叶窗"),
        ("十天以内", "十天以内"),
        ("一块手表", "一块手表"),
        ("四人帐篷", "四人帐篷"),
    ],
)
def test_chinese_amounts_are_put_in_digits(text, digits):
    assert in_digits(text) == digits


def test_what_a_rule_needs_is_in_every_text_it_finds_something_in(monkeypatch):
    texts = sorted({example.text for path in train.NLU_DATA.glob("**/*.yml") for example in dataset.read(path)})
    assert len(texts) > 1000
    found = [extract(text, SHOP) for text in texts]
    monkeypatch.setattr(entities, "RULES", tuple(replace(rule, needs=None) for rule in entities.RULES))
    monkeypatch.setattr(entities, "NEEDED", {None})
    assert found == [extract(text, SHOP) for text in texts]
