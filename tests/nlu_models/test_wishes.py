"""Cutting messages, and the parse of a whole message."""

from dataclasses import dataclass, field, replace

import pytest

from nlu_models import language, wishes
from nlu_models.entities import extract
from nlu_models.gazetteer import Gazetteer
from nlu_models.intent import IntentModel, IntentPrediction
from nlu_models.parse import FALLBACK, Parser, only_narrows
from nlu_models.seen import Seen

NOTHING = frozenset()


def texts(message):
    return [piece.text for piece in wishes.pieces(message)]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("cancel my order and where is my refund?", ["cancel my order", "where is my refund?"]),
        ("Track it please. Oh and do you take Amex?", ["Track it please.", "do you take Amex?"]),
        ("取消订单，另外退款到哪了", ["取消订单", "退款到哪了"]),
        ("礼品卡里还有多少钱", ["礼品卡里还有多少钱"]),
        ("红色的还有货吗", ["红色的还有货吗"]),
        ("where is my order", ["where is my order"]),
        ("tent and stove", ["tent and stove"]),
        ("", [""]),
    ],
)
def test_a_message_is_cut_where_a_new_wish_could_begin(message, expected):
    assert texts(message) == expected


def test_pieces_know_where_they_stand():
    message = "Track it please. Oh and do you take Amex?"
    for piece in wishes.pieces(message):
        assert message[piece.start :].startswith(piece.text)


def test_unsure_pieces_join_the_wish_before_and_courtesies_never_stand_alone():
    assert wishes.joined(["cancel_order", "refund_status"], [0.9, 0.9], [NOTHING] * 2) == [[0], [1]]
    assert wishes.joined(["cancel_order", "refund_status"], [0.9, 0.3], [NOTHING] * 2) == [[0, 1]]
    assert wishes.joined(["greet", "track_order"], [0.9, 0.9], [NOTHING] * 2) == [[0, 1]]
    assert wishes.joined(["track_order", "thanks"], [0.9, 0.9], [NOTHING] * 2) == [[0, 1]]


def test_what_do_they_cost_asks_on_about_the_policy_and_not_about_a_product():
    kinds, sure, nothing = ["delivery_options", "check_price"], [0.9] * 2, [NOTHING] * 2
    leaning = [wishes.leans(text) for text in ("which delivery options do you have", "what do they cost")]
    assert leaning == [False, True]
    assert wishes.joined(kinds, sure, nothing, leaning) == [[0, 1]]
    assert wishes.joined(kinds, sure, [NOTHING, frozenset({"tent"})], leaning) == [[0], [1]], "it names its own"
    assert wishes.joined(["product_search", "check_price"], sure, nothing, leaning) == [[0], [1]]


def test_the_same_wish_about_another_order_is_another_wish():
    one, other = frozenset({"K-1"}), frozenset({"K-2"})
    assert wishes.joined(["cancel_order"] * 2, [0.9] * 2, [one, other]) == [[0], [1]]
    assert wishes.joined(["cancel_order"] * 2, [0.9] * 2, [one, one]) == [[0, 1]]
    assert wishes.joined(["cancel_order"] * 2, [0.9] * 2, [one, NOTHING]) == [[0, 1]]


@pytest.mark.parametrize(
    ("text", "label", "before", "goes_on"),
    [
        ("I want one with size 8.", "product_search", "exchange_order", True),
        ("I want one with size 8.", "exchange_order", "change_items", True),
        ("power source AC adapter.", "talk_to_person", "change_items", True),
        ("get me a person", "talk_to_person", "change_items", False),
        ("show me other lamps", "product_search", "exchange_order", False),
        ("the cycling helmet", "product_search", "change_address", True),
        ("the laptop is wrong", "complaint", "change_address", True),
        ("a tent for two under 200 euros", "product_search", "greet", False),
        ("tents for two", "product_search", "track_order", False),
        ("have the money back on PayPal", "refund_status", "return_order", True),
        ("where is my refund", "refund_status", "return_order", False),
        ("the kettle in the order that has not shipped yet?", "track_order", "change_items", True),
        ("the kettle, where is it", "track_order", "change_items", False),
        ("exchange K-100002 too", "exchange_order", "exchange_order", False),
    ],
)  # fmt: skip
def test_what_goes_on_with_a_wish_about_an_order_is_no_wish_of_its_own(text, label, before, goes_on):
    assert wishes.describes(text, label, [before]) is goes_on


@pytest.mark.parametrize(
    ("text", "other", "why"),
    [
        ("I ordered it by mistake", "cancel_order", True),
        ("it was a mistake", "cancel_order", True),
        ("because I bought the wrong size", "exchange_order", True),
        ("我买错了", "cancel_order", True),
        ("不小心拍多了", "cancel_order", True),
        ("I ordered it two weeks ago, where is it?", "cancel_order", False),
        ("I ordered K-104233 yesterday and want it to go to my office", "cancel_order", False),
        ("I want to buy a stove", "cancel_order", False),
        ("I ordered it by mistake", "product_search", False),
    ],
)
def test_why_an_order_is_to_be_changed_is_no_wish_of_its_own(text, other, why):
    assert wishes.explains(text, "complaint", [other]) is why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("where is my order", "en"),
        ("我的订单", "zh"),
        ("K-104233", None),
        ("42", None),
        ("我要 Nordhang Pro 帐篷", "zh"),
        ("hello", "en"),
        ("Bergfuchs", None),
        ("a.b@c.de", None),
        ("", None),
    ],
)
def test_the_language_is_told_by_script_or_left_open(text, expected):
    assert language.detect(text) == expected


@pytest.fixture(scope="module")
def parser(models_folder):
    return Parser(IntentModel.load(models_folder / "intent"), Gazetteer())


def test_two_wishes_are_both_served_in_their_order(parser):
    (answer,) = parser.parse(["please track order parcel K-100200. now can you human operator agent please"])
    assert [wish["intent"]["name"] for wish in answer["wishes"]] == ["track_order", "talk_to_person"]
    first, second = answer["wishes"]
    assert [each["value"] for each in first["entities"]] == ["K-100200"]
    assert first["text"][first["entities"][0]["start"] : first["entities"][0]["end"]] == "K-100200"
    assert second["entities"] == []
    assert answer["intent"] == first["intent"]


def test_what_narrows_a_search_is_no_wish_of_its_own():
    assert wishes.describes("it must be waterproof", "product_refine", ["product_search"])
    assert not wishes.describes("cheaper ones", "product_refine", ["track_order"])
    assert not wishes.describes("cheaper jackets", "product_search", ["product_search"])


@pytest.mark.parametrize(
    ("text", "other", "told"),
    [
        ("order K-104233 has arrived", "exchange_order", True),
        ("I got the jacket yesterday", "return_order", True),
        ("订单K-104233收到了", "exchange_order", True),
        ("has it arrived", "exchange_order", False),
        ("the jacket has not arrived", "cancel_order", False),
        ("it never arrived", "cancel_order", False),
        ("包裹还没到了", "cancel_order", False),
        ("包裹到了吗", "return_order", False),
        ("where is K-104500", "exchange_order", False),
        ("K-104500 has arrived", "product_search", False),
        ("K-104500 has arrived", "track_order", False),  # nothing else is wished for it
    ],
)
def test_that_an_order_has_come_is_no_wish_beside_what_is_to_be_done_with_it(text, other, told):
    assert wishes.explains(text, "track_order", [other]) is told


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("鞋收到了，想换44码", [True, True]),
        ("the shoes arrived, I want a size up", [True, True]),
        ("订单号忘了，能查吗", [True, False]),  # a question is a wish
        ("where is my order and cancel the other", [False, False]),  # joined by a word
        ("是这样。发货了。谢谢你们", [False] * 3),
    ],
)
def test_a_piece_beside_a_bare_comma_may_only_tell_something(text, tells):
    parts = wishes.pieces(text)
    assert [wishes.only_tells(text, parts, number) for number in range(len(parts))] == tells


@pytest.mark.parametrize(
    ("text", "narrows"),
    [
        ("under 150 euros please", True),
        ("一百五以内", True),
        ("size L, in red", True),
        ("the jacket under 150", False),
        ("please", False),
        ("我要两百以内的帐篷", False),
    ],
)
def test_limits_alone_say_nothing_else(text, narrows):
    named = [entity.to_json() for entity in extract(text, Gazetteer())]
    assert only_narrows(text, named) is narrows


def test_a_parse_has_what_rasa_and_the_turns_worker_read(parser):
    (answer,) = parser.parse(["please track my order parcel"])
    assert answer["text"] == "please track my order parcel"
    assert answer["intent"]["name"] == "track_order"
    assert answer["intent_ranking"][0]["name"] == "track_order"
    assert answer["language"] == "en"
    assert 0 <= answer["in_scope"] <= 1
    assert len(answer["wishes"]) == 1
    assert "ngrams" in answer["members"]
    assert answer["model_version"] == parser.model.version


def test_an_unsure_answer_is_the_fallback_and_the_ranking_keeps_the_guesses(parser):
    careful = IntentModel(parser.model.members, replace(parser.model.decision, min_confidence=1.1), "careful")
    (answer,) = Parser(careful, Gazetteer()).parse(["please track my order parcel"])
    assert answer["intent"]["name"] == FALLBACK
    assert answer["intent_ranking"][0]["name"] == "track_order"


def test_texts_of_a_batch_do_not_change_places(parser):
    batch = ["cancel stop my purchase", "please track order. human agent operator please now", "人工客服真人"]
    assert [answer["text"] for answer in parser.parse(batch)] == batch
    assert [answer["intent"]["name"] for answer in parser.parse(batch)][::2] == ["cancel_order", "talk_to_person"]


@dataclass
class Told:
    """An intent model that says what it was told to, and of everything else that it is the first of it."""

    said: dict[str, tuple[str, float]]
    labels: tuple[str, ...] = ("track_order", "ask_faq")
    version: str = "told"
    seen: Seen = field(default_factory=lambda: Seen({}))

    def predict(self, texts, parts=()):
        found = [self.said.get(text) or next(iter(self.said.values())) for text in (*texts, *parts)]
        return [IntentPrediction(label, sure, 0.9, ((label, sure),)) for label, sure in found]


def test_who_somebody_is_is_no_question_to_the_documents():
    said = {
        "where is order K-104203": ("track_order", 0.85),
        "I am its owner Emma": ("ask_faq", 0.55),
        "do you deliver to Emma": ("ask_faq", 0.55),
    }
    told, asked = Parser(Told(said), Gazetteer()).parse([", ".join(list(said)[:2]), ", ".join(list(said)[::2])])
    assert [wish["intent"]["name"] for wish in told["wishes"]] == ["track_order"]
    assert [wish["intent"]["name"] for wish in asked["wishes"]] == ["track_order", "ask_faq"]
