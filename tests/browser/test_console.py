"""An agent at the console and a customer at the shop, each in a browser of their own."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD
from tests.browser.test_widget import Chat


class Console:
    """The console by what an agent sees."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.log = page.get_by_role("log")
        self.write = page.locator("#write")
        self.state = page.locator(".thread .state")

    def sign_in(self, url: str, email: str = "anna@shop.example") -> "Console":
        self.page.goto(f"{url}/console")
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.locator(".waiting h2")).to_be_visible()
        return self

    def choose(self, text: str) -> "Console":
        """Open the conversation whose last words contain `text`."""
        self.page.locator(".entry", has_text=text).first.click()
        expect(self.page.locator(".thread")).to_be_visible()
        return self

    def button(self, name: str):
        return self.page.locator(".actions").get_by_role("button", name=name)


@pytest.fixture
def customer(small_house, new_context) -> Chat:
    """Emma, signed in at the shop, who has asked for a person."""
    page = new_context().new_page()
    page.goto(small_house.url)
    page.select_option("#who", "demo-emma")
    chat = Chat(page).open()
    chat.say("Where is my order?")
    expect(chat.log.locator(".card.order")).to_be_visible()
    chat.say("I want to speak to a person")
    expect(chat.status).to_have_text("Waiting for a colleague")
    return chat


@pytest.fixture
def console(small_house, new_context) -> Console:
    return Console(new_context(1440, 900).new_page()).sign_in(small_house.url)


def mine(console: Console) -> str:
    """The id of the open conversation."""
    return console.page.evaluate("location.hash.slice(1)")


@pytest.fixture
def open_thread(console, customer) -> Console:
    """The newest waiting conversation of Emma, open: the last of the waiting ones."""
    console.page.locator(".waiting .entry", has_text="Emma").last.click()
    expect(console.page.locator(".person h3")).to_have_text("Emma Clarke")
    return console


def test_the_agent_sees_why_takes_over_replies_notes_and_hands_back(open_thread, customer, picture):
    console = open_thread
    why = console.page.locator(".why")
    expect(why).to_contain_text("Asked for a person")
    expect(why).to_contain_text("the order has left the warehouse")
    expect(why).to_contain_text("order: K-104203")
    expect(console.page.locator(".panel .order-number")).to_have_text("K-104203")
    expect(console.page.locator(".decision")).to_contain_text("the time since an address was added: 40 minutes")
    picture(console.page, "console-why-light-wide")

    console.button("Take over").click()
    expect(console.state).to_contain_text("Yours")
    expect(customer.log).to_contain_text("Anna Berg has joined the conversation.")
    expect(customer.status).to_have_text("Anna Berg is with you")

    console.write.fill("Hello Emma, I stop the parcel for you.")
    expect(customer.panel.locator(".typing")).to_be_visible()
    console.write.press("Enter")
    expect(customer.log.locator(".agent .bubble")).to_have_text("Hello Emma, I stop the parcel for you.")

    console.page.get_by_role("tab", name="Internal note").click()
    console.write.fill("warehouse called, parcel 4711")
    console.write.press("Enter")
    expect(console.log.locator(".note")).to_contain_text("warehouse called")
    picture(console.page, "console-note-light-wide")

    customer.say("Where is my order now?")  # the bot knows an answer to this, and keeps silent
    expect(console.log.get_by_text("Where is my order now?")).to_be_visible()
    customer.page.wait_for_timeout(1500)
    assert customer.log.locator(".bot").count() == 2
    assert "warehouse called" not in customer.log.inner_text()
    picture(customer.page, "widget-agent-light-wide")

    console.button("Hand back").click()
    console.page.get_by_role("dialog").get_by_role("button", name="Hand back").click()
    expect(customer.status).to_have_text("Answers at once")
    customer.say("hello")
    expect(customer.log.locator(".bot")).to_have_count(3)


def test_a_reply_past_words_the_agent_has_not_seen_is_not_sent(open_thread, customer):
    console = open_thread
    console.button("Take over").click()
    expect(console.state).to_contain_text("Yours")
    console.page.route(re.compile("/api/console/events"), lambda route: route.abort())
    console.page.context.set_offline(True)
    console.page.context.set_offline(False)
    console.page.evaluate("window.stop()")  # the live line is gone
    customer.say("Wait, I have changed my mind")
    expect(customer.panel.locator(".pending-message")).to_have_count(0)
    console.write.fill("I have cancelled it.")
    console.write.press("Enter")
    expect(console.page.get_by_role("alert")).to_contain_text("Something new was written")
    expect(console.write).to_have_value("I have cancelled it.")
    assert "I have cancelled it." not in customer.log.inner_text()
    console.page.unroute(re.compile("/api/console/events"))
    expect(console.log).to_contain_text("Wait, I have changed my mind")
    console.page.wait_for_timeout(1000)  # read
    console.write.press("Enter")
    expect(customer.log).to_contain_text("I have cancelled it.")


def test_a_second_agent_sees_who_holds_it_and_who_else_looks(open_thread, customer, small_house, new_context):
    open_thread.button("Take over").click()
    expect(open_thread.state).to_contain_text("Yours")
    ben = Console(new_context(1440, 900).new_page()).sign_in(small_house.url, "ben@shop.example")
    ben.page.goto(f"{small_house.url}/console/#{mine(open_thread)}")
    ben.page.reload()
    expect(ben.state).to_contain_text("Anna Berg holds this conversation")
    expect(ben.page.locator(".viewers")).to_have_text("Anna Berg is looking too")
    expect(open_thread.page.locator(".viewers")).to_have_text("Ben Osei is looking too")
    ben.page.wait_for_timeout(900)
    ben.write.fill("Hi from Ben")
    ben.write.press("Enter")
    expect(ben.page.get_by_role("alert")).to_contain_text("Anna Berg holds this conversation")
    ben.button("Take over from Anna Berg").click()
    ben.page.get_by_role("dialog").get_by_role("button", name="Take over").click()
    expect(customer.log).to_contain_text("Ben Osei has taken over your conversation.")
    expect(open_thread.state).to_contain_text("Ben Osei holds this conversation")


def test_drafts_are_kept_by_conversation_and_over_a_reload(open_thread):
    console = open_thread
    console.write.fill("half a sentence")
    console.page.get_by_role("tab", name="Internal note").click()
    expect(console.write).to_have_value("")
    console.page.reload()
    expect(console.write).to_have_value("half a sentence")


def test_the_console_is_worked_by_keyboard(open_thread, customer, picture):
    console = open_thread
    expect(console.log).to_contain_text("I am calling a colleague")
    newest = console.log.locator("article[data-position]").last.get_attribute("data-position")
    expect(console.log).to_have_attribute("data-read", str(newest))  # nothing is sent past a line nobody has read
    console.page.locator("body").click(position={"x": 700, "y": 20})
    console.page.keyboard.press("?")
    expect(console.page.get_by_role("dialog")).to_contain_text("Single-key shortcuts")
    picture(console.page, "console-keyboard-light-wide")
    console.page.keyboard.press("Escape")
    console.page.keyboard.press("c")
    expect(console.state).to_contain_text("Yours")
    expect(console.write).to_be_focused()
    console.page.keyboard.type("by keyboard")
    console.page.keyboard.press("Enter")
    expect(customer.log).to_contain_text("by keyboard")
    console.page.keyboard.press("Escape")
    console.page.keyboard.press("n")
    expect(console.page.get_by_role("tab", name="Internal note")).to_have_attribute("aria-selected", "true")
    console.page.keyboard.press("Escape")
    console.page.keyboard.press("/")
    expect(console.page.get_by_label("Find a customer")).to_be_focused()
    console.page.keyboard.type("emma")
    expect(console.page.locator(".results .entry").first).to_contain_text("Emma Clarke")


def test_a_wrong_password_is_said_and_signing_out_closes_the_door(small_house, new_context):
    page = new_context().new_page()
    page.goto(f"{small_house.url}/console")
    page.get_by_label("E-mail").fill("ben@shop.example")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("Wrong e-mail address or password.")
    console = Console(page).sign_in(small_house.url, "ben@shop.example")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Password")).to_be_visible()
    assert console.log.count() == 0


@pytest.mark.parametrize(("scheme", "width", "height"), [("dark", 1440, 900), ("light", 390, 844), ("dark", 820, 1100)])
def test_the_console_shows_all_it_has_in_every_size(small_house, new_context, customer, picture, scheme, width, height):
    page = new_context(width, height, color_scheme=scheme).new_page()
    console = Console(page).sign_in(small_house.url)
    picture(page, f"console-lists-{scheme}-{width}")
    page.locator(".waiting .entry", has_text="Emma").last.click()
    expect(console.log).to_contain_text("I want to speak to a person")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, f"console-thread-{scheme}-{width}")
    if width < 1240:
        page.get_by_role("button", name="Customer and orders").click()
    expect(page.locator(".panel .order-number")).to_be_visible()
    picture(page, f"console-customer-{scheme}-{width}")


def test_the_console_speaks_chinese(open_thread, picture):
    open_thread.page.get_by_role("button", name="切换到中文").click()
    expect(open_thread.page.locator(".waiting h2")).to_contain_text("等待中")
    expect(open_thread.button("接手")).to_be_visible()
    expect(open_thread.page.locator(".why")).to_contain_text("取消订单")
    expect(open_thread.page.locator(".why")).to_contain_text("订单: K-104203")
    decision = open_thread.page.locator(".decision")
    expect(decision).to_contain_text("修改地址")
    expect(decision).to_contain_text("距上次新增地址：40 分钟")
    picture(open_thread.page, "console-chinese-light-wide")
    open_thread.page.get_by_role("button", name="Switch to English").click()
    expect(open_thread.button("Take over")).to_be_visible()


def test_a_review_says_what_was_to_be_done_and_why_it_waits_in_both_languages(
    console, small_house, new_context, picture
):
    page = new_context().new_page()
    page.goto(small_house.url)
    page.select_option("#who", "demo-emma")
    Chat(page).open().say("Send it elsewhere")
    console.choose("A colleague looks at this first")
    why = console.page.locator(".why")
    expect(why).to_contain_text("Change of address K-104203 · €249.00 · score 0.62")
    expect(why).to_contain_text("the address is new and the amount is high")
    expect(why).to_contain_text("shipping: €4.90")
    picture(console.page, "console-review-light-wide")
    console.page.get_by_role("button", name="切换到中文").click()
    expect(why).to_contain_text("修改地址 K-104203 · €249.00 · 分数 0.62")
    expect(why).to_contain_text("地址是新的，且金额较高")
    expect(why).not_to_contain_text("address")
    picture(console.page, "console-review-chinese-wide")
