"""Bare names of the catalogue are wishes to see the thing; sentences are left to the models."""

import pytest

from nlu_models.gazetteer import Gazetteer, from_catalogue
from nlu_models.intent import IntentModel
from nlu_models.parse import SEARCH, Parser
from nlu_models.things import Things

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


@pytest.fixture(scope="module")
def model(models_folder):
    return IntentModel.load(models_folder / "intent")


def test_the_catalogue_wins_over_the_models_where_they_know_of_searching(model, monkeypatch):
    gazetteer = from_catalogue([("p1", "Glen coffee maker", None, "Glen")], [])
    (answer,) = Parser(model, gazetteer).parse(["coffee maker"])
    assert answer["intent"]["name"] != SEARCH  # the tiny model has four wishes, and searching is none of them
    labels = tuple(SEARCH if label == "track_order" else label for label in model.labels)
    monkeypatch.setattr(IntentModel, "labels", labels)
    (answer,) = Parser(model, gazetteer).parse(["coffee maker"])
    assert answer["intent"] == {"name": SEARCH, "confidence": 0.8}
    assert answer["intent_ranking"][0] == answer["intent"]
    assert answer["members"]["catalogue"] == [SEARCH, 0.8]
    assert [wish["intent"]["name"] for wish in answer["wishes"]] == [SEARCH]
    (answer,) = Parser(model, Gazetteer()).parse(["coffee maker"])
    assert "catalogue" not in answer["members"]
