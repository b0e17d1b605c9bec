"""Wishes in the words of the shop's own names."""

import pytest

from retrieval.same_words import Groups, Names, SameWordsError, ends_with, of_home, shipped

OUTDOOR = Names(["Isfjell Aske fleece jacket", "Tarn cast-iron skillet", "Campo Nova backpack", "Moss wool beanie"])
CHINESE = Names(
    ["高壁 Heath 登山靴", "隼岭 Isle 徒步袜", "毛毯", "日常 Delta 餐桌（4 人）", "菩提院 围裙", "沙草 遮阳伞"]
)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("got any jumpers under 50?", "got any fleece jacket under 50?"),
        ("Frying Pan", "skillet"),
        ("a pan, please", "a skillet, please"),
        ("school bag for my son", "backpack for my son"),
        ("woolly hat", "beanie"),
        ("fleece jacket", "fleece jacket"),
        ("a light tent", "a light tent"),
        ("umbrella", "umbrella"),
    ],
)
def test_what_no_name_holds_is_put_as_what_one_does(said, meant):
    assert OUTDOOR.in_their_words(said) == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("防水徒步鞋", "防水登山靴"),
        ("登山靴", "登山靴"),
        ("有没有袜子", "有没有袜"),
        ("桌子", "桌"),
        ("毯子和双肩包", "毯和双肩包"),  # no bag of any name is sold
        ("裙子", "裙子"),  # an apron ends like a skirt and is none
        ("雨伞", "雨伞"),  # nor is a parasol an umbrella
        ("电子秤", "电子秤"),
        ("子", "子"),
    ],
)
def test_chinese_words_too(said, meant):
    assert CHINESE.in_their_words(said) == meant


def test_a_name_says_what_a_thing_is_at_its_end():
    assert ends_with("日常 delta 餐桌(4 人)", "桌")
    assert not ends_with("桌布", "桌")


def test_no_group_stands_in_its_own_way():
    """Every word leads to others, and none to itself."""
    for groups in (shipped().english, shipped().chinese):
        assert len(groups) > 300
        for word, others in groups.items():
            assert others, word
            assert word not in others


def test_an_owner_adds_words_which_come_first(tmp_path):
    own = tmp_path / "same_words.txt"
    own.write_text("# ours\n\nbeanie, tuque, pan\n毛毯，披风毯\n", encoding="utf-8")
    groups = Groups.read(own)
    names = ["Moss wool beanie", "Tarn skillet", "毛毯"]
    assert Names(names, groups).in_their_words("a red tuque") == "a red beanie"
    assert Names(names, groups).in_their_words("pan") == "beanie"
    assert Names(names, groups).in_their_words("披风毯") == "毛毯"


@pytest.mark.parametrize(
    ("content", "said"), [(b"beanie, hat\ntuque\n", "line 2: 'tuque' has only one word"), (b"\xff\xfe\x00", "UTF-8")]
)
def test_a_broken_file_is_named_with_its_line_and_the_remedy(tmp_path, content, said):
    own = tmp_path / "same_words.txt"
    own.write_bytes(content)
    with pytest.raises(SameWordsError, match=said):
        Groups.read(own)


def test_the_owner_s_words_come_before_those_of_kefu(tmp_path):
    (tmp_path / "same_words.txt").write_text("pan, wok\n", encoding="utf-8")
    assert list(of_home(tmp_path).english["pan"])[:2] == ["wok", "skillet"]


def test_without_a_file_kefu_s_own_words_are_all(tmp_path):
    assert "sweater" in of_home(tmp_path).english["jumper"]


def test_what_customers_call_the_goods_is_known_beside_their_names():
    called = OUTDOOR.called()
    assert {"jumper", "frying pan", "rucksack"} <= called
    assert not {"skillet", "backpack", "umbrella", "sofa"} & called
    assert {"桌子", "袜子", "毯子"} <= CHINESE.called()
    assert "裙子" not in CHINESE.called()
