"""What is word for word an example needs no model."""

import pytest

from nlu_models.dataset import Example
from nlu_models.intent import OFF_TOPIC, IntentModel
from nlu_models.seen import Seen


@pytest.fixture(scope="module")
def model(models_folder):
    return IntentModel.load(models_folder / "intent")


def test_a_trained_model_knows_its_examples_word_for_word(model, trained):
    (said,) = model.predict([trained.validation[0].text.upper()])
    assert (said.label, said.members) == (trained.validation[0].label, {"seen": (said.label, 1.0)})


@pytest.mark.parametrize(
    "text", ["where is my parcel", "Where is my parcel?", "  WHERE  is my\tparcel!! ", "where is my parcel。"]
)
def test_case_spaces_and_end_marks_say_nothing_of_the_intent(text):
    assert Seen.of([Example("Where is my parcel?", "track_order")]).label(text) == "track_order"


@pytest.mark.parametrize("text", ["where is my second parcel", "", "?!", "parcel"])
def test_what_is_no_example_is_left_to_the_models(text):
    assert Seen.of([Example("where is my parcel", "track_order"), Example("...", "chitchat")]).label(text) is None


def test_an_example_of_two_intents_is_left_to_the_models():
    both = [Example("and this?", "inform"), Example("And this", "correct"), Example("再见", "goodbye")]
    assert (Seen.of(both).label("and this"), Seen.of(both).label("再见！")) == (None, "goodbye")


def test_the_models_are_asked_about_the_others_only_and_answers_stay_in_order(model):
    known = IntentModel(model.members, model.decision, model.version, Seen({"brr": "greet", "poem": OFF_TOPIC}))
    asked = "please track my order now"
    first, second, third = known.predict(["Brr!", asked, "poem"])
    assert (first.label, first.confidence, first.in_scope, first.sure) == ("greet", 1.0, 1.0, True)
    assert (third.label, third.in_scope) == (OFF_TOPIC, 0.0)
    (alone,) = model.judge([asked])
    assert (second.label, set(second.members)) == (alone.label, set(alone.members))
    assert known.predict(["brr"])[0].members == {"seen": ("greet", 1.0)}
