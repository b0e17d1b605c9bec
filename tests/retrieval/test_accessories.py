import numpy as np
import pytest

from retrieval.accessories import goes_with, is_one
from retrieval.hybrid import Hybrid, Weights, row_id
from retrieval.index import VectorIndex
from retrieval.lexical import LexicalIndex


@pytest.mark.parametrize(
    ("name", "wish"),
    [
        ("Gaming mouse pad", "gaming mouse"),
        ("Drum for Laser Printer", "a laser printer"),
        ("Tablet security enclosure 25.9 cm", "tablets"),
        ("Printer/scanner spare part", "printer"),
        ("Laser printer maintenance kit", "laser printer"),
        ("Tent footprint 帐篷地布", "tent for two people"),
        ("双人帐篷地布", "帐篷"),
        ("手机防水保护壳", "手机"),
        ("Isfjell sleeping bag liner", "sleeping bag"),  # a bag is a thing of its own
        ("冰峰睡袋内胆", "睡袋"),
    ],
)
def test_what_belongs_to_the_thing_is_told_from_it(name, wish):
    assert goes_with(name, wish)


@pytest.mark.parametrize(
    ("name", "wish"),
    [
        ("Gaming mouse USB Type-A", "gaming mouse"),
        ("Tablet PC with case", "tablet"),
        ("Camera and camera bag", "camera"),  # one of the two is the thing
        ("Gaming mouse pad", "mouse pad"),  # asked for
        ("Tent footprint", "footprint for my tent"),
        ("Dry bag", "keep my clothes dry on a boat"),  # names no thing
        ("Sleeping bag", "something warm"),
        ("帐篷套装", "帐篷"),
        ("帐篷地布", "帐篷地布"),
        ("Sleeping bag liner", "liner for a sleeping bag"),
        ("Sleeping bag liner", "sleeping bag liner"),
        ("Summer sleeping bag", "sleeping bag"),
        ("Toner cartridge", "toner printer"),
        ("First-aid kit", "first aid kit"),
        ("充电器", "充电器手机"),
        ("夏季睡袋", "睡袋"),
        ("Sleeping bag", "tent"),
        ("", "tent"),
        ("Tent footprint", ""),
        ("Tent footprint", "?!"),
    ],
)
def test_the_thing_itself_and_what_was_asked_for_stay(name, wish):
    assert not goes_with(name, wish)


def test_what_belongs_to_it_comes_after_it_with_the_same_probability():
    names = {"pad": "mouse pad", "mouse": "wireless optical mouse"}
    rows = {"pad": [1.0, 0.0], "mouse": [0.9, 0.4359]}
    dense = VectorIndex.built(
        [row_id(id, "en", "b") for id in rows], np.array(list(rows.values()), np.float32), kind="flat", gpu=False
    )

    def ranked(beside: float) -> dict[str, float]:
        side = Hybrid(dense, LexicalIndex.built(names.items()), Weights(beside=beside), names.__getitem__)
        return {candidate.id: candidate.score for candidate in side.rank("mouse", np.array([1.0, 0.0], np.float32))}

    assert list(ranked(0.0)) == ["pad", "mouse"]
    assert list(ranked(3.0)) == ["mouse", "pad"]
    assert ranked(3.0) == ranked(0.0)


@pytest.mark.parametrize(
    ("name", "wish", "expected"),
    [
        ("Tramp & Co Inga hiking boots", "hiking boots", True),
        ("Isfjell hiking socks", "hiking boots", False),
        ("Leather shoe wax", "shoes", False),
        ("Wool beanie", "a warm hat", True),
        ("行者速开帐篷（2 人）", "的帐篷", True),
        ("行者速开帐篷（2 人）", "适合冬天的帐篷", True),
        ("林径家庭帐篷", "四人帐篷", True),
        ("高壁帐篷地席", "帐篷", False),
        ("Stoneware plates", "a set of plates", True),
        ("2-person cook set", "a set of plates", False),
        ("Wool beanie", "something warm", None),
    ],
)
def test_the_thing_itself_is_told_from_others_and_from_what_belongs_to_it(name, wish, expected):
    assert is_one(name, wish) is expected


def test_what_is_asked_of_a_chinese_thing_is_not_the_thing():
    assert is_one("徒步帐篷", "帐篷 要防水") is True
    assert is_one("帐篷地席", "帐篷，要防水的") is False
    assert is_one("徒步帐篷", "要防水 帐篷") is True
