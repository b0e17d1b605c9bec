"""Recommending in the conversation: where the customer is, what is remembered of a card, what "not for me" does."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from actions.rasa_actions.answers import Inform
from actions.rasa_actions.handoff import NotUnderstood, OutOfScope
from actions.rasa_actions.products import (
    CheckPrice,
    CompareProducts,
    MoreResults,
    ProductQuestion,
    ProductRefine,
    ProductSearch,
)
from actions.rasa_actions.recommendations import NotForMe, Recommend
from actions.rasa_actions.spoken import FOR_SOMEBODY
from actions.recommendation.catalogue import Facts
from actions.recommendation.reasons import matching
from bot.database.shop import Interaction, Order, Variant
from retrieval.filters import Filters
from tests.dialogue.small_shop import NOW


def noted(bench, kind):
    with bench.services.readers() as session:
        return session.scalars(select(Interaction).where(Interaction.kind == kind).order_by(Interaction.id)).all()


def asked(bench):
    return bench.services.recommender.asked[-1]


def ask(bench, text="recommend something", page=None, **more):
    """`page` travels in the message's metadata, as the widget sends it."""
    return bench.run(Recommend, text, "recommend", page=page, **more)


def test_what_a_campaign_showed_is_remembered_with_its_card_and_its_click(bench):
    bench.services.recommender.campaign = "summer"
    messages, _ = ask(bench)
    card = messages[0]["custom"]["cards"][0]
    assert card["badge"] == "Promotion"
    shown = noted(bench, "shown")
    assert shown[0].context["campaign"] == "summer"
    assert shown[0].context["propensity"] == 1.0
    assert "campaign" not in shown[1].context
    bench.run(ProductQuestion, "/product_question", "product_question", product=shown[0].product_id)
    assert [(each.product_id, each.context["campaign"]) for each in noted(bench, "click")] == [
        (shown[0].product_id, "summer")
    ]


def test_a_promotion_can_be_switched_off_on_its_card(bench):
    bench.services.recommender.campaign = "summer"
    messages, _ = ask(bench)
    offered = messages[0]["custom"]["cards"][0]["buttons"]
    assert [each["title"] for each in offered][-1] == "No more promotions"
    bench.run(NotForMe, "/not_for_me", "not_for_me", product="jacket", promotions="off")
    assert len(noted(bench, "no_promotions")) == 1


def test_a_typed_question_is_no_click(bench):
    ask(bench)
    bench.run(ProductQuestion, "is the jacket waterproof?", "product_question", product="jacket")
    assert not noted(bench, "click")


def test_not_for_me_is_left_out_of_the_very_next_list(bench):
    messages, _ = bench.run(NotForMe, "/not_for_me", "not_for_me", product="jacket", slots={"shown": ["jacket"]})
    assert "jacket" in asked(bench).exclude
    assert [each.product_id for each in noted(bench, "not_for_me")] == ["jacket"]
    assert messages[0]["response"] == "utter_not_for_me"


def test_what_a_visitor_said_before_signing_in_counts_after_it(bench):
    ask(bench)
    assert bench.services.recommender.visitors[-1] == "c-anna"


def test_something_like_this_and_what_goes_with_it_start_from_the_product(bench):
    shown = {"slots": {"shown": ["tent"]}}
    ask(bench, "something like this but cheaper", **shown)
    assert (asked(bench).kind, list(asked(bench).seed_products)) == ("similar", ["tent"])
    ask(bench, "what goes with it?", **shown)
    assert (asked(bench).kind, list(asked(bench).seed_products)) == ("together", ["tent"])


def test_at_the_cart_the_cart_is_what_it_is_about(bench):
    ask(bench, page={"cart": ["tent", "gone"]}, conversation="c-nobody")
    assert (asked(bench).kind, list(asked(bench).seed_products)) == ("cart", ["tent"])


def test_after_a_purchase_the_new_order_is_what_it_is_about(bench):
    ask(bench)
    with bench.services.sessions.begin() as session:
        order = session.scalars(select(Order).where(Order.customer_id == "anna")).first()
        order.placed_at = NOW - timedelta(minutes=5)
        bought = [line.product_id for line in order.lines]
    ask(bench)
    assert (asked(bench).kind, sorted(asked(bench).seed_products)) == ("after_purchase", sorted(bought))


def test_cheaper_is_cheaper_than_the_product_it_is_like(bench):
    ask(bench, "something like this but cheaper", slots={"shown": ["tent"]})
    with bench.services.readers() as session:
        prices = session.scalars(select(Variant.price_minor).where(Variant.product_id == "tent")).all()
    assert asked(bench).wish.price_max_minor == min(prices) - 1
    assert not asked(bench).relevance  # the words say how, not what


def test_a_present_is_searched_without_the_person_and_the_own_taste(bench):
    for text in ("for my mother, a tent up to 60 €", "给妈妈买 tent"):
        ask(bench, text)
        assert asked(bench).for_somebody
        assert "mother" not in asked(bench).wish.query
        assert "妈妈" not in asked(bench).wish.query
    ask(bench, "recommend a tent")
    assert not asked(bench).for_somebody


def test_cheaper_ones_are_cheaper_than_the_cards_not_than_all_that_fitted(bench):
    messages, events = ask(bench, "recommend a tent")
    search = next(event["value"] for event in events if event.get("name") == "search")
    cards = messages[0]["custom"]["cards"]
    assert len(search["shown"]) == len(search["shown_prices_minor"]) == len(cards)
    shown = next(event["value"] for event in events if event.get("name") == "shown")
    assert list(search["shown"]) == list(shown)


def test_it_is_any_of_several_shown_ones(bench):
    ask(bench, "what goes with it?", slots={"shown": ["tent", "jacket"]})
    assert (asked(bench).kind, list(asked(bench).seed_products)) == ("together", ["tent", "jacket"])


def test_whom_it_is_for_and_a_budget_alone_ask_for_an_idea(bench):
    for action in (Inform, ProductRefine):
        for text in ("for my mother, 60 €", "送妈妈的礼物，300元以内"):
            _, events = bench.run(action, text, "inform")
            assert {"event": "followup", "name": "action_recommend"}.items() <= events[-1].items()
    assert FOR_SOMEBODY.sub("", "送妈妈的礼物，300元以内") == "，300元以内"  # nothing but the budget is searched for


def test_a_wish_nothing_is_found_for_is_served_within_its_limits(bench):
    for text in ("recommend a zeppelin under 60 euros", "给我妈妈选个礼物，60欧以内", "推荐个礼物，六十欧以内"):
        messages, events = ask(bench, text)
        assert messages[0]["response"] == "utter_recommendations"
        assert asked(bench).allowed is None
        assert asked(bench).wish.price_max_minor == 6000
        search = next(event["value"] for event in events if event.get("name") == "search")
        assert (search.get("query", ""), search["price_max_minor"]) == ("", 6000)


def test_the_reason_names_the_room_and_the_weight_that_were_asked_for():
    tent = Facts("t", {"en": "Tent"}, "tents", attributes={"persons": 3, "weight_g": 2600})
    wish = Filters(persons=2, weight_max_g=3000)
    assert matching(tent, wish, "en") == ("room for 3", "only 2.6 kg")
    assert matching(tent, Filters(persons=3), "en") == ("for 3 people",)
    assert matching(tent, wish, "zh") == ("可容纳 3 人", "仅重 2.6 kg")


def search_of(events):
    return next(event["value"] for event in events if event.get("name") == "search")


def test_a_budget_and_whom_it_is_for_outlast_not_for_me_and_more(bench):
    _, events = ask(bench, "a gift for my mother, 60 €")
    slots = {"search": search_of(events), "shown": list(search_of(events)["shown"])}
    for action, text, intent in (
        (NotForMe, "not for me", "not_for_me"),
        (Recommend, "more", "more_results"),
        (NotForMe, "/not_for_me", "not_for_me"),
    ):
        _, events = bench.run(action, text, intent, slots=slots)
        assert asked(bench).wish.price_max_minor == 6000
        assert asked(bench).for_somebody
        assert set(slots["shown"]) <= set(asked(bench).exclude)


def test_a_wish_in_words_outlasts_not_for_me(bench):
    _, events = ask(bench, "recommend a tent")
    slots = {"search": search_of(events), "shown": []}
    bench.run(NotForMe, "/not_for_me", "not_for_me", product="jacket", slots=slots)
    assert "tent" in asked(bench).allowed
    assert "jacket" not in asked(bench).allowed


def test_what_was_found_before_is_forgotten_by_a_new_idea(bench):
    old = Filters(query="tent", category="tents", price_max_minor=100).to_json()
    _, events = ask(bench, "recommend something", slots={"search": old, "shown": ["tent"]})
    slots = {"search": search_of(events), "shown": list(search_of(events)["shown"])}
    bench.run(NotForMe, "not for me", "not_for_me", slots=slots)
    assert not asked(bench).wish.query
    assert not asked(bench).wish.narrows
    assert asked(bench).allowed is None


def test_what_is_recommended_is_refined_by_recommending(bench):
    _, events = ask(bench, "recommend something")
    search = search_of(events)
    slots = {"search": search, "shown": list(search["shown"])}
    _, events = bench.run(ProductRefine, "cheaper ones", "product_refine", slots=slots)
    assert {"event": "followup", "name": "action_recommend"}.items() <= events[-1].items()
    _, events = bench.run(Recommend, "cheaper ones", "product_refine", slots=slots)
    assert asked(bench).wish.price_max_minor == min(search["shown_prices_minor"]) - 1
    assert asked(bench).allowed is None  # whatever keeps the limit, not the sixty cheapest


def test_what_goes_with_it_stays_so_in_the_next_list(bench):
    _, events = ask(bench, "what goes with it?", slots={"shown": ["tent"]})
    slots = {"search": search_of(events), "shown": list(search_of(events)["shown"])}
    bench.run(Recommend, "more", "more_results", slots=slots)
    assert (asked(bench).kind, list(asked(bench).seed_products)) == ("together", ["tent"])


def test_a_kind_of_thing_is_searched_for_though_it_is_put_like_a_question_about_one(bench):
    slots = {"shown": ["tent", "jacket"], "search": Filters(query="tent").to_json()}
    for text, follow in (
        ("dishwasher safe mugs", "action_product_search"),
        ("防水的手套", "action_product_search"),
        ("and windproof?", "action_product_refine"),
        ("windproof?", "action_product_refine"),
        ("防水的吗", "action_product_refine"),
        ("还要防风", "action_product_refine"),
    ):
        messages, events = bench.run(ProductQuestion, text, "product_question", slots=slots)
        assert {"event": "followup", "name": follow}.items() <= events[-1].items(), text
    messages, _ = bench.run(ProductQuestion, "is it waterproof?", "product_question", slots=slots)
    assert "yes – Nordlys tent, Fjell rain jacket" in messages[0]["text"]  # either may be meant
    messages, _ = bench.run(ProductQuestion, "is it nice?", "product_question", slots=slots)
    assert messages[0]["response"] == "utter_ask_which_product"
    messages, _ = bench.run(ProductQuestion, "waterproof?", "product_question", slots={"shown": ["tent"]})
    assert messages[0].get("response") != "utter_ask_which_product"


LISTED = {"shown": ["jacket", "tent", "stove"], "search": Filters(query="camping").to_json()}


def about_of(events):
    return next((event["value"] for event in events if event.get("name") == "about"), None)


@pytest.mark.parametrize(
    ("action", "intent"),
    [
        (ProductQuestion, "product_question"),
        (CompareProducts, "compare_products"),
        (ProductSearch, "product_search"),
        (ProductRefine, "product_refine"),
        (MoreResults, "more_results"),
        (NotUnderstood, "nlu_fallback"),
        (OutOfScope, "out_of_scope"),
    ],
)
def test_which_one_is_asked_of_the_whole_list_whatever_it_sounds_like(bench, action, intent):
    messages, events = bench.run(action, "which one is the lightest?", intent, slots=LISTED)
    assert messages[0]["text"].splitlines() == [
        "The lightest is Ember stove: 90 g.",
        "• Fjell rain jacket – 420 g",
        "• Nordlys tent – 2.4 kg",
    ]
    assert [card["title"] for card in messages[0]["custom"]["cards"]] == ["Ember stove"]
    assert about_of(events)["product"] == "stove"
    assert not any(event.get("name") == "shown" for event in events)  # "the second one" still counts the list


def test_yes_no_and_not_stated_are_told_apart(bench):
    messages, events = bench.run(ProductQuestion, "which ones are waterproof?", "product_question", slots=LISTED)
    assert messages[0]["text"].splitlines() == [
        "Waterproof:",
        "• yes – Fjell rain jacket, Nordlys tent",
        "• not stated – Ember stove",
    ]
    assert about_of(events) is None  # two are


def test_another_kind_of_thing_than_is_listed_is_searched_for(bench):
    slots = {**LISTED, "shown": ["tent", "stove"]}
    messages, _ = bench.run(
        ProductSearch, "which jackets are waterproof?", "product_search", slots=slots, category="jackets"
    )
    assert messages[0]["response"] == "utter_products"
    messages, _ = bench.run(ProductSearch, "the lightest jacket", "product_search", slots=LISTED, category="jackets")
    assert messages[0]["response"] == "utter_products"


def test_it_is_the_product_that_was_talked_about_until_there_is_a_new_list(bench):
    _, events = bench.run(ProductQuestion, "is the second one waterproof?", "product_question", slots=LISTED, ordinal=2)
    about = about_of(events)
    messages, _ = bench.run(CheckPrice, "how much is it?", "check_price", slots={**LISTED, "about": about})
    assert messages[0]["response"] == "utter_price"
    assert messages[0]["name"] == "Nordlys tent"
    page = {"product_id": "jacket"}  # another page was opened since
    messages, _ = bench.run(CheckPrice, "how much is it?", "check_price", slots={**LISTED, "about": about}, page=page)
    assert messages[0]["name"] == "Fjell rain jacket"
    _, events = bench.run(ProductSearch, "show me the tent", "product_search", slots={**LISTED, "about": about})
    assert {"event": "slot", "name": "about", "value": None}.items() <= next(
        event for event in events if event.get("name") == "about"
    ).items()


def test_which_one_to_take_is_chosen_from_the_list(bench):
    slots = {**LISTED, "shown": ["tent", "stove"]}
    _, events = bench.run(Recommend, "which one would you take?", "recommend", slots=slots)
    assert list(asked(bench).allowed) == ["tent", "stove"]
    assert not asked(bench).campaigns
    assert not any(event.get("name") in ("shown", "search") for event in events)
    bench.run(Recommend, "what can you recommend?", "recommend", slots=slots)
    assert asked(bench).allowed is None


def test_a_product_at_large_is_told_of_by_its_description(bench):
    messages, _ = bench.run(ProductQuestion, "tell me about it", "product_question", slots={"shown": ["tent"]})
    assert messages[0]["text"].startswith("Nordlys tent")


def test_what_is_wrong_with_a_purchase_is_met_with_a_return_or_an_exchange(bench):
    for text in ("the dining table doesn't fit", "it came broken", "裤子不合身", "太小了", "too tight"):
        messages, _ = bench.run(Inform, text, "inform")
        assert messages[0]["response"] == "utter_not_right", text
        assert [each["payload"] for each in messages[0]["buttons"]][:2] == ["/return_order", "/exchange_order"]
    messages, _ = bench.run(Inform, "too big", "inform", slots={"search": Filters(query="tent").to_json()})
    assert messages == [] or messages[0]["response"] != "utter_not_right"
    messages, _ = bench.run(Inform, "size L", "inform")
    assert messages[0]["response"] == "utter_what_now"


def test_what_was_not_understood_may_be_about_the_screen(bench):
    _, events = bench.run(NotUnderstood, "and the first one?", "nlu_fallback", slots=LISTED, ordinal=1)
    assert {"event": "followup", "name": "action_product_question"}.items() <= events[-1].items()
    slots = {**LISTED, "about": {"product": "tent", "page": None}}
    messages, _ = bench.run(NotUnderstood, "waterproof or not", "nlu_fallback", slots=slots)
    assert messages[0]["text"] == "Yes, it is waterproof."
    messages, _ = bench.run(NotUnderstood, "hm hm", "nlu_fallback", slots=slots)
    assert messages[0]["response"] == "utter_not_understood"
    messages, _ = bench.run(OutOfScope, "which is the heaviest animal?", "out_of_scope", slots=LISTED)
    assert messages[0]["response"] == "utter_out_of_scope"


def test_the_only_one_on_the_screen_is_the_one_to_take(bench):
    bench.run(Recommend, "which one would you take?", "recommend", slots={**LISTED, "shown": ["tent"]})
    assert list(asked(bench).allowed) == ["tent"]


def test_a_question_about_one_product_is_no_comparison_whatever_it_sounds_like(bench):
    for text in ("is the first one waterproof?", "第一个防水吗"):
        _, events = bench.run(CompareProducts, text, "compare_products", slots=LISTED, ordinal=1)
        assert {"event": "followup", "name": "action_product_question"}.items() <= events[-1].items()
    messages, _ = bench.run(CompareProducts, "compare the first one", "compare_products", slots=LISTED, ordinal=1)
    assert messages[0]["response"] == "utter_ask_what_to_compare"
