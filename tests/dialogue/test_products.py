"""Products: searching, follow-ups, questions, recommending. The search is a plain one whose answers are known."""

from sqlalchemy import select, update

from bot.database.shop import Interaction, Product
from tests.dialogue.conftest import Desk


def test_a_search_shows_cards_with_price_and_buttons(desk: Desk) -> None:
    talk = desk.talk()
    assert talk("I need a rain jacket", "product_search", category="jackets") == "Here is what I found:"
    card = talk.cards[0]
    assert card["title"] == "Fjell rain jacket"
    assert card["price"] == "€129.00–€139.00"
    assert [button["title"] for button in card["buttons"]] == ["Tell me more", "Not for me"]


def test_the_same_in_chinese(desk: Desk) -> None:
    talk = desk.talk(language="zh")
    assert talk("想买雨衣", "product_search") == "为您找到："
    assert talk.cards[0]["title"] == "山岚雨衣"


def test_nothing_found_is_said_with_a_way_on(desk: Desk) -> None:
    talk = desk.talk()
    assert "couldn't find anything like that" in talk("a submarine", "product_search")
    assert "Recommend something" in [button["title"] for button in talk.buttons]


def test_a_product_question_is_answered_from_that_product(desk: Desk) -> None:
    talk = desk.talk()
    talk("tents and jackets", "product_search")
    assert talk("is the tent waterproof?", "product_question") == "Yes, it is waterproof."
    assert talk.cards[0]["title"] == "Nordlys tent"


def test_what_the_product_does_not_say_is_not_made_up(desk: Desk) -> None:
    talk = desk.talk()
    talk("a stove", "product_search")
    assert "I don't know that" in talk("was it made by monks?", "product_question")
    assert "Talk to a person" in [button["title"] for button in talk.buttons]


def test_the_button_of_a_card_tells_more(desk: Desk) -> None:
    talk = desk.talk()
    talk("a tent", "product_search")
    assert "Made for bad weather" in talk.press("Tell me more")


def test_price_and_stock_of_the_one_on_the_page(desk: Desk) -> None:
    talk = desk.talk(page={"product_id": "jacket"})
    assert "costs €129.00–€139.00" in talk("how much is it?", "check_price")
    assert "in stock: L / blue" in talk("do you have it in blue?", "check_stock", color="blue")
    assert "isn't in stock like that, but there is" in talk("and in S?", "check_stock", size="S")
    assert "sizes: M, L, S" in talk("does it run small?", "size_fit").replace("L, M, S", "M, L, S")


def test_the_size_guide_is_that_of_its_own_shelf_or_none(desk: Desk) -> None:
    talk = desk.talk(page={"product_id": "jacket"})
    said = talk("does it run small?", "size_fit")
    assert "Measure your chest" in said
    assert "your back" not in said
    assert said.count("sizes") == 1, "sizes are said once"
    talk = desk.talk(page={"product_id": "tent"})
    assert "Measure" not in talk("which size is right for me?", "size_fit")


def test_which_product_is_asked_when_it_could_be_several(desk: Desk) -> None:
    talk = desk.talk()
    talk("tent or stove", "product_search")
    assert talk("how much is it?", "check_price") == "Which product do you mean?"
    assert "Ember stove costs €39.00" in talk.press("Ember stove")


def test_two_products_are_compared(desk: Desk) -> None:
    talk = desk.talk()
    talk("tent or stove", "product_search")
    said = talk("compare the two", "compare_products")
    assert "Ember stove | Nordlys tent" in said
    assert "€39.00 | €249.00" in said
    assert "90 g" in said or "90" in said


def test_promotions_of_today(desk: Desk) -> None:
    assert "10 % off tents, with code TENT10, until 20 Jun 2026." in desk.talk()("any deals?", "promotions")
    assert "帐篷九折" in desk.talk(language="zh")("有优惠吗", "promotions")


def test_a_recommendation_gives_its_reason(desk: Desk) -> None:
    talk = desk.talk()
    assert talk("recommend a tent", "recommend") == "I'd suggest these:"
    assert [(card["title"], card["text"]) for card in talk.cards] == [("Nordlys tent", "often bought this month")]


def test_not_for_me_is_noted_and_something_else_shown(desk: Desk) -> None:
    talk = desk.talk()
    talk("recommend something", "recommend")
    said = talk.press("Not for me")
    assert said.startswith("Got it")
    with desk.sessions() as session:
        noted = session.scalars(select(Interaction.product_id).where(Interaction.kind == "not_for_me")).all()
    assert noted == ["jacket"]


def test_what_was_shown_is_noted_for_the_recommenders(desk: Desk) -> None:
    talk = desk.talk("anna")
    talk("a tent", "product_search")
    with desk.sessions() as session:
        rows = session.execute(select(Interaction.customer_id, Interaction.product_id, Interaction.kind)).all()
    assert [tuple(row) for row in rows] == [("anna", "tent", "shown")]


def test_a_follow_up_keeps_what_was_searched(desk: Desk) -> None:
    talk = desk.talk()
    talk("tent or stove", "product_search")
    assert talk("cheaper ones", "product_refine") == "Here is what I found:"
    assert talk.cards[0]["title"] == "Ember stove"


def test_a_place_in_the_list_opens_that_product(desk: Desk) -> None:
    talk = desk.talk()
    talk("tent or stove", "product_search")
    assert talk("the second one", "inform", ordinal=2).startswith("Nordlys tent.")


def test_wanting_to_buy_what_is_on_the_screen_leads_to_its_page(desk: Desk) -> None:
    with desk.sessions.begin() as session:
        session.execute(update(Product).where(Product.id == "tent").values(url="https://shop.example/tent"))
    talk = desk.talk()
    assert "What are you looking for?" in talk("I want to buy this", "product_search")  # nothing is on the screen
    talk("tents and jackets", "product_search")
    assert "Which product do you mean?" in talk("I'd like to order it", "product_search")
    assert "Nordlys tent costs" in talk("I'll take the second one", "product_search", ordinal="second")
    assert talk.responses == ["utter_buy"]
    assert talk.cards[0]["url"] == "https://shop.example/tent"
    assert "Nordlys tent costs" in talk("so how can I buy it?", "product_search")  # the one talked of
    assert "Nordlys tent costs" in talk("how can I order it?", "ask_faq")  # and no document on ordering
    assert "What are you looking for?" in talk("I want to order something", "product_search")
    assert talk("I want to buy a tent", "product_search") == "Here is what I found:"
    talk = desk.talk(language="zh", page={"product_id": "jacket"})
    assert "山岚雨衣 的价格是" in talk("我要买这个", "product_search")
    assert "您想找什么" in talk("想下单", "product_search")
    assert talk("想买雨衣", "product_search") == "为您找到："
