"""Bare names of the catalogue are wishes to see the thing; sentences are left to the models."""

from dataclasses import dataclass, field, replace

import pytest

from nlu_models.gazetteer import Gazetteer, from_catalogue
from nlu_models.intent import IntentPrediction
from nlu_models.parse import SEARCH, Parser, both_readings
from nlu_models.seen import Seen
from nlu_models.things import Things, well_known

NAMES = [
    "Lindenhof Glen coffee maker", "Velden Rask repair kit", "Sola first-aid kit (6 persons)", "Otter watering can",
    "Tent for two", "林径 Heath 丝扣主锁", "高壁 修补工具包", "静时 Otter 咖啡豆（250 克）", "帐篷",
]  # fmt: skip
THINGS = Things.of(NAMES, ["Nordhang"])


@pytest.mark.parametrize(
    "text",
    ["coffee maker", "Coffee makers?", "a repair kit", "first aid kit", "Nordhang repair kit", "tent",
     "Sola first-aid kit (6 persons)", "repair kit for a tent", "咖啡豆", "工具包", "修补工具包", "丝扣主锁和帐篷",
     "静时 Otter 咖啡豆（250 克）", "一个帐篷"],
)  # fmt: skip
def test_a_name_and_nothing_else(text):
    assert THINGS.only(text)


@pytest.mark.parametrize(
    "text",
    ["", "42", "return the coffee maker", "is the tent in stock?", "coffee", "the repair kit", "kit repair service",
     "我想退咖啡豆", "帐篷坏了", "Nordhang", "first aid", "?"],
)  # fmt: skip
def test_a_sentence_or_half_a_name(text):
    assert not THINGS.only(text)


def test_what_narrows_a_wish_may_stand_beside_it():
    text = "coffee maker in red under 50 euros"
    assert not THINGS.only(text)
    assert THINGS.only(text, [(16, 19), (20, 34)])


def test_an_empty_catalogue_names_nothing():
    assert not Things.of([]).only("tent")


@dataclass
class Guesses:
    """An intent model that guesses `label` for every text."""

    label: str = "goodbye"
    labels: tuple[str, ...] = ("goodbye", SEARCH)
    version: str = "guesses"
    seen: Seen = field(default_factory=lambda: Seen({}))
    asked: list[str] = field(default_factory=list)

    def predict(self, texts, parts=()):
        self.asked += [*texts, *parts]
        ranking = ((self.label, 0.9), (SEARCH, 0.1))
        return [IntentPrediction(self.label, 0.9, 0.5, ranking) for _ in (*texts, *parts)]


COFFEE = from_catalogue([("p1", "Glen coffee maker", None, "Glen"), ("p2", "Kvist coffee maker", None, "Kvist")], [])


def test_the_catalogue_wins_over_the_models_where_they_know_of_searching():
    (answer,) = Parser(Guesses(), COFFEE).parse(["coffee maker"])
    assert answer["intent"] == {"name": SEARCH, "confidence": 0.8}
    assert answer["intent_ranking"][0] == answer["intent"]
    assert answer["members"]["catalogue"] == [SEARCH, 0.8]
    assert [wish["intent"]["name"] for wish in answer["wishes"]] == [SEARCH]
    (answer,) = Parser(Guesses(), Gazetteer()).parse(["coffee maker"])
    assert answer["intent"]["name"] == "goodbye"
    (answer,) = Parser(Guesses(labels=("goodbye",)), COFFEE).parse(["coffee maker"])
    assert answer["intent"]["name"] == "goodbye"


def test_both_readings_of_whole_messages_and_of_their_pieces_are_judged_each_once():
    model = Guesses()
    texts = ["my coffee maker broke", "where is it", "sell me a coffee maker. and where is my parcel?"]
    answers = Parser(model, COFFEE).parse(texts)
    assert [answer["text"] for answer in answers] == texts
    assert sorted(model.asked) == sorted([
        *texts, "my lamp broke", "sell me a lamp. and where is my parcel?",
        "sell me a coffee maker.", "where is my parcel?", "sell me a lamp.",
    ])  # fmt: skip
    assert "plainer" in answers[0]["members"]
    assert "plainer" not in answers[1]["members"]


SHOP = [
    "Lindenhof Glen coffee maker", "Kvist coffee maker", "Ember cast-iron skillet", "Moss cast-iron skillet",
    "Otter 8-person dining table", "Wren 6-person dining table", "Jura tea", "Dale tea", "Rask bookshelf",
    "Elva bookshelf", "Nova gift set", "Tarn gift set", "静时 咖啡豆", "沙草 咖啡豆", "高壁 Rope 动力绳",
]  # fmt: skip
KINDS = Things.of(SHOP)


@pytest.mark.parametrize(
    ("text", "plainer"),
    [
        ("do you have coffee makers?", "do you have lamps?"),
        ("my Dining Table arrived broken", "my lamp arrived broken"),
        ("is the skillet OK for induction", "is the lamp OK for induction"),
        ("Two bookshelves and some tea", "Two lamps and some lamp"),
        ("有咖啡豆吗", "有灯吗"),
        ("我要退静时的咖啡豆，谢谢", "我要退静时的灯，谢谢"),
        ("where is my order", None),
        ("set it up for me", None),  # a word of sentences, though "gift set" is a kind
        ("动力绳", None),  # one product is called so
        ("", None),
    ],
)
def test_kinds_of_things_are_called_by_a_word_the_examples_hold(text, plainer):
    assert KINDS.plainer(text) == plainer


def test_what_many_examples_speak_of_needs_no_other_word():
    examples = {
        "show me bookshelves": "product_search",
        "is the bookshelves set sold": "check_stock",
        "bookshelves came broken": "complaint",
        "咖啡豆多少钱": "check_price",
        "有咖啡豆吗": "product_search",
    }
    known = well_known(examples)
    assert "bookshelves" in known
    assert "咖啡豆" not in known  # two intents
    things = Things.of(SHOP, known=known)
    assert things.plainer("do you have bookshelves") is None
    assert things.plainer("有咖啡豆吗") == "有灯吗"


def test_both_readings_count_and_examples_need_no_second():
    said = IntentPrediction("ask", 0.6, 0.0, (("ask", 0.6), ("buy", 0.4)))
    other = IntentPrediction("buy", 0.9, 1.0, (("buy", 0.9), ("ask", 0.1)), sure=False)
    both = both_readings(said, other)
    assert both.label == "buy"
    assert both.confidence == pytest.approx(0.4 * 0.4 + 0.6 * 0.9)
    assert both.in_scope == pytest.approx(0.6)
    assert not both.sure  # the only reading that says so is not sure
    assert both.members["plainer"] == ("buy", 0.9)
    seen = replace(said, members={"seen": ("ask", 1.0)})
    assert both_readings(seen, other) is seen


CALLED = Things.of(SHOP, called=["frying pan", "pan", "casserole", "charger", "菜刀", "铁锅"])


@pytest.mark.parametrize(
    ("text", "plainer"),
    [
        ("got any frying pans?", "got any lamps?"),
        ("菜刀断了", "灯断了"),
        ("the charger is broken", None),  # a word of sentences
        ("my parcel", None),
    ],
)
def test_what_customers_call_a_thing_is_a_kind_of_thing_too(text, plainer):
    assert CALLED.plainer(text) == plainer


def test_what_customers_call_a_thing_asks_for_it_when_it_stands_alone():
    for text in ("frying pan", "pans please", "铁锅", "a casserole"):
        assert CALLED.only(text)
        assert not KINDS.only(text)
