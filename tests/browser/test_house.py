"""The main job in real Chromium against the whole house: every process real, the models trained."""

import re

import pytest
from playwright.sync_api import expect

from bot.handoff.agents import FIRST_EMAIL
from tests.browser.test_widget import Chat
from tests.house import House

ANSWER_MS = 60_000  # the first answer of a model on a busy machine


@pytest.fixture
def chat(the_house: House, new_context) -> Chat:
    page = new_context().new_page()
    page.goto(the_house.url)
    page.select_option("#who", "demo-emma")
    return Chat(page).open()


def ask(chat: Chat, text: str) -> str:
    """What is answered: all that the bot said since."""
    before = chat.log.locator(".bot").count()
    chat.say(text)
    expect(chat.log.locator(".bot").nth(before)).to_be_visible(timeout=ANSWER_MS)
    chat.page.wait_for_timeout(500)
    return "\n".join(chat.log.locator(".bot").all_inner_texts()[before:])


def test_a_customer_is_served_and_handed_to_a_person(the_house, chat, new_context, picture):
    assert "K-104203" in ask(chat, "Where is my order K-104203?")
    assert re.search(r"30|return", ask(chat, "What does your return policy say?"), re.IGNORECASE)
    ask(chat, "I am looking for a tent for two people")
    expect(chat.log.locator(".card.product").first).to_be_visible()
    expect(chat.log.locator(".card.product img").first).to_have_js_property("complete", True)
    picture(chat.page, "house-widget-light-wide")
    ask(chat, "I want to talk to a person")
    expect(chat.status).to_have_text("Waiting for a colleague")

    page = new_context(1440, 900).new_page()
    page.goto(f"{the_house.url}/console")
    page.get_by_label("E-mail").fill(FIRST_EMAIL)
    page.get_by_label("Password").fill((the_house.home / "keys" / "console-password").read_text())
    page.get_by_role("button", name="Sign in").click()
    page.locator(".waiting .entry", has_text="Emma").last.click()
    expect(page.locator(".why")).to_contain_text("Asked for a person")
    expect(page.locator(".panel .order-number").first).to_be_visible()
    picture(page, "house-console-light-wide")
    page.locator("#write").fill("Hello Emma, I am here.")
    page.locator("#write").press("Enter")
    expect(chat.log.locator(".agent .bubble")).to_have_text("Hello Emma, I am here.")


def test_a_customer_is_served_in_chinese(the_house, new_context, picture):
    page = new_context(390, 844, locale="zh-CN", color_scheme="dark").new_page()
    page.goto(the_house.url)
    page.select_option("#who", "demo-li")
    chat = Chat(page).open()
    assert re.search("[一-鿿]", ask(chat, "我的订单 K-104223 到哪了？"))
    picture(page, "house-widget-dark-narrow")


def test_what_is_in_the_cart_is_known_in_the_chat(the_house, new_context, picture):
    page = new_context().new_page()
    page.goto(the_house.url)
    tile = page.locator(".tile").first
    product = tile.get_attribute("href").rsplit("/", 1)[1]
    tile.click()
    page.get_by_role("button", name="Add to cart").click()
    page.get_by_role("button", name="Cart, 1").click()
    picture(page, "demo-cart-light-wide")
    sent = []
    page.on("request", lambda request: sent.append(request.post_data_json) if "/messages" in request.url else None)
    page.get_by_role("button", name="What goes with it?").click()
    chat = Chat(page)
    expect(chat.log.locator(".card.product").first).to_be_visible(timeout=ANSWER_MS)
    assert [body["page"]["cart"] for body in sent if body] == [[product]]
    names = chat.log.locator(".card.product .card-title").all_inner_texts()
    assert page.locator(".product h1").inner_text() not in names  # what is there already is not offered
    page.get_by_role("button", name="Close chat").first.click()
    page.get_by_role("button", name="Cart, 1").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("The cart is empty.")).to_be_visible()
