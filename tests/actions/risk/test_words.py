"""Reasons in words: every feature, rule and member in both languages."""

import math
import re

import pytest

from actions.risk import features, rules
from actions.risk.words import of_members, said, span

HAN = re.compile("[一-鿿]")


@pytest.mark.parametrize("name", features.NAMES)
@pytest.mark.parametrize("value", [0.0, 1.0, 12.5, math.nan])
def test_every_feature_is_said_in_both_languages(name, value):
    words = said(name, value)
    assert words["en"]
    assert not HAN.search(words["en"])
    assert HAN.search(words["zh"])
    assert not re.search("[a-z]", words["zh"])


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.code)
def test_every_rule_is_said_in_both_languages(rule):
    assert not HAN.search(rule.words["en"])
    assert HAN.search(rule.words["zh"])


def test_values_are_said_as_a_person_would():
    assert said("since_address_added", math.log1p(2400)) == {
        "en": "the time since an address was added: 40 minutes",
        "zh": "距上次新增地址：40 分钟",
    }
    assert span(86400.0) == {"en": "1 day", "zh": "1 天"}
    assert said("device_new", 0.0)["zh"] == "非该客户从未用过的设备"


def test_members_that_find_it_risky_say_so():
    (reason,) = of_members({"lightgbm": 0.3, "logistic": 0.01, "sequence": math.nan}, usual=0.02)
    assert reason.words == {
        "en": "the trees alone says 30% (usual: 2.0%)",
        "zh": "仅决策树给出 30%（平时：2.0%）",
    }
