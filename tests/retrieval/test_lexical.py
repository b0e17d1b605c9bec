"""The BM25 side: words of both languages, spelling, changes."""

import pytest

from ensemble import artifact
from retrieval.lexical import LexicalIndex, stem, tokens

TEXTS = [
    ("tent", "A light two-person tent for trekking"),
    ("bag", "A warm sleeping bag for winter nights"),
    ("shoe", "Running shoes with a grippy sole"),
    ("帐篷", "轻便双人帐篷，防水"),
    ("睡袋", "冬季保暖睡袋"),
]


def found(index, query, limit=5):
    return [id for id, _ in index.search(query, limit)]


@pytest.fixture
def index():
    return LexicalIndex.built(TEXTS)


def test_the_text_with_the_rarest_shared_word_comes_first(index):
    assert found(index, "sleeping bag")[0] == "bag"
    assert found(index, "双人帐篷")[0] == "帐篷"
    assert found(index, "保暖的睡袋")[0] == "睡袋"


def test_nothing_shared_is_nothing_found(index):
    assert found(index, "guitar strings") == []
    assert found(index, "the of and") == []


@pytest.mark.parametrize(
    ("wrong", "right"), [("sleping bag", "bag"), ("runing shose", "shoe"), ("trekkin tentt", "tent")]
)
def test_a_misspelt_word_finds_what_the_right_one_finds(index, wrong, right):
    assert found(index, wrong)[0] == right


@pytest.mark.parametrize(
    ("one", "other"),
    [("tents", "tent"), ("batteries", "battery"), ("running", "run"), ("boxes", "box"), ("shoes", "shoe")],
)
def test_forms_of_a_word_are_one_term(one, other):
    assert stem(one) == stem(other)


@pytest.mark.parametrize("word", ["glass", "bus", "red", "this", "king"])
def test_words_that_only_look_like_forms_stay(word):
    assert stem(word) == word


def test_chinese_is_read_by_pairs_and_full_width_letters_as_letters():
    assert "帐篷" in tokens("双人帐篷")
    assert tokens("ＧＰＳ") == tokens("gps")


def test_an_added_text_is_found_and_a_removed_one_is_not(index):
    index.add([("lamp", "A bright headlamp"), ("tent", "A tarp, no longer what it was")])
    assert found(index, "headlamp") == ["lamp"]
    assert "tent" not in found(index, "trekking")
    assert found(index, "tarp") == ["tent"]
    index.remove(["lamp"])
    assert found(index, "headlamp") == []


def test_a_rebuild_changes_no_score(index):
    index.add([("lamp", "A bright headlamp for trekking at night")])
    index.remove(["bag"])
    before = index.search("trekking night", 5)
    index.rebuild()
    after = index.search("trekking night", 5)
    assert [id for id, _ in after] == [id for id, _ in before]


def test_it_comes_back_from_disk_as_it_was(index, tmp_path):
    before = index.search("warm winter nights", 5)
    artifact.save(tmp_path / "a", "index", index.files("texts"), data_sha256="x")
    loaded = LexicalIndex.load(artifact.load(tmp_path / "a", "index"), "texts")
    assert loaded.search("warm winter nights", 5) == before


def test_bm25_of_a_single_shared_term_is_the_formula():
    index = LexicalIndex.built([("a", "alpha beta"), ("b", "beta gamma")])
    [(id, score)] = index.search("alpha", 5)
    # idf = ln(1 + (2 - 1 + .5) / (1 + .5)) = ln 2; both texts have mean length, so tf part is 2.2 / 2.2
    assert id == "a"
    assert score == pytest.approx(0.6931, abs=1e-3)


def test_a_word_the_catalogue_does_not_use_is_put_as_one_it_does():
    index = LexicalIndex.built([("a", "wool beanie"), ("b", "felt boots")])
    assert index.query("hat") == {"beani": pytest.approx(0.7)}
    assert index.unknown("hat") == 0
    assert index.unknown("sombrero") == 1


def test_short_words_are_not_read_as_others_that_start_differently():
    index = LexicalIndex.built([("a", "back"), ("b", "rask"), ("c", "tent"), ("d", "sleeping")])
    assert index.query("rack") == {}
    assert list(index.query("sleping")) == ["sleep"]
    assert list(index.query("tnet")) == ["tent"]
