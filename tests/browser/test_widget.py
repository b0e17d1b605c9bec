"""A customer at the shop's page, in real Chromium."""

import gzip
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from bot.database.base import utc_now
from bot.database.conversation import Conversation
from bot.messaging import outbox
from bot.messaging.messages import OutboundMessage
from bot.settings import PROJECT
from tests.browser.playing import CARDS

WIDGET = PROJECT / "bot" / "widget"


class Chat:
    """The widget on a page, by what a customer sees."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.launcher = page.locator("kefu-chat .launcher")
        self.panel = page.locator("kefu-chat [role=dialog]")
        self.log = page.locator("kefu-chat [role=log]")
        self.input = page.locator("kefu-chat textarea")
        self.status = page.locator("kefu-chat .subtitle")
        self.notice = page.locator("kefu-chat .notice")

    def open(self) -> "Chat":
        self.launcher.click()
        expect(self.panel).to_be_visible()
        expect(self.panel).to_have_attribute("data-line", "online")
        return self

    def say(self, text: str) -> None:
        self.input.fill(text)
        self.input.press("Enter")

    def texts(self) -> list[str]:
        return self.log.locator(".bubble").all_inner_texts()


@pytest.fixture
def chat(small_house, new_context) -> Chat:
    page = new_context().new_page()
    page.goto(small_house.url)
    return Chat(page).open()


def stored(page: Page) -> list[str]:
    return page.evaluate("Object.keys(localStorage)")


def test_nothing_is_stored_or_asked_before_the_visitor_opens_the_chat(small_house, new_context):
    page = new_context().new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(small_house.url, wait_until="networkidle")
    expect(page.locator("kefu-chat .launcher")).to_be_visible()
    assert stored(page) == []
    assert page.context.cookies() == []
    assert not [url for url in asked if "/api/widget" in url or "/widget/app.js" in url]
    Chat(page).open()
    assert stored(page) != []


def test_a_customer_asks_presses_a_button_and_reads_cards(chat, picture):
    chat.say("Where is my order?")
    expect(chat.log.locator(".card.order .card-title")).to_have_text("K-104203")
    expect(chat.log.get_by_text("On its way", exact=True)).to_be_visible()
    picture(chat.page, "widget-order-light-wide")
    chat.log.get_by_role("button", name="Another order").click()
    expect(chat.log.locator(".customer .bubble")).to_have_count(2)
    expect(chat.log.locator(".customer .bubble").last).to_have_text("Another order")
    expect(chat.log.locator(".bot")).to_have_count(2)
    expect(chat.log.locator(".choices")).to_have_count(1)  # those of the first answer have vanished
    chat.say("show me light tents")
    expect(chat.log.locator(".carousel .card")).to_have_count(len(CARDS))
    expect(chat.log.locator(".carousel .picture img").first).to_have_js_property("naturalWidth", 400)
    picture(chat.page, "widget-products-light-wide")
    chat.log.get_by_role("button", name="Is it in stock?").first.click()
    expect(chat.log.get_by_text("12 pieces are in stock")).to_be_visible()


def test_a_carousel_is_walked_with_the_arrow_keys(chat):
    chat.say("show me tents")
    cards = chat.log.locator(".carousel .card")
    expect(cards).to_have_count(len(CARDS))
    cards.first.focus()
    for position in (2, 3, 4, 4):
        chat.page.keyboard.press("ArrowRight")
        focused = chat.page.evaluate(
            "document.querySelector('kefu-chat').shadowRoot.activeElement.getAttribute('aria-label')"
        )
        assert focused.startswith(f"{position} of 4")
    chat.page.keyboard.press("Home")
    expect(chat.log.locator(".carousel .count")).to_have_text("1 of 4")


def test_history_stays_after_a_reload_and_its_buttons_are_inert(chat):
    chat.say("Where is my order?")
    expect(chat.log.get_by_role("button", name="Cancel this order")).to_be_visible()
    chat.say("hello")
    expect(chat.log.get_by_text("Ask me about orders")).to_be_visible()
    before = chat.texts()
    chat.page.reload()
    chat.open()
    expect(chat.log.locator(".bubble")).to_have_count(len(before))
    assert chat.texts() == before
    expect(chat.log.locator(".card.order")).to_be_visible()
    expect(chat.log.get_by_role("button", name="Cancel this order")).to_have_count(0)
    expect(chat.log.locator(".choices")).to_have_count(0)


def test_what_is_written_offline_is_kept_over_a_reload_and_sent_once(chat, small_house):
    context = chat.page.context
    chat.say("hello")
    expect(chat.log.locator(".bot")).to_have_count(1)
    context.set_offline(True)
    expect(chat.notice).to_contain_text("You are offline")
    chat.say("written in a tunnel")
    expect(chat.panel.locator(".pending-message")).to_contain_text("Waiting for the connection")
    context.set_offline(False)
    expect(chat.log.locator(".customer .bubble")).to_have_count(2)
    expect(chat.panel.locator(".pending-message")).to_have_count(0)
    expect(chat.log.locator(".bot")).to_have_count(2)
    chat.page.reload()
    chat.open()
    expect(chat.log.locator(".customer .bubble")).to_have_text(["hello", "written in a tunnel"])


def test_a_message_whose_answer_was_lost_is_neither_lost_nor_doubled(chat):
    """The server takes the message, the line breaks before it says so: the widget sends it again, with the same id."""
    sent: list[str] = []

    def lose_first(route):
        sent.append(json.loads(route.request.post_data)["id"])
        if len(sent) == 1:
            route.fetch()  # delivered
            route.abort()  # but the widget never hears of it
        else:
            route.continue_()

    chat.page.route(re.compile("/api/widget/messages$"), lose_first)
    chat.say("cancel nothing")
    expect(chat.log.locator(".bot")).to_have_count(1)
    chat.page.wait_for_timeout(2500)
    assert len(sent) >= 2
    assert len(set(sent)) == 1
    expect(chat.log.locator(".customer .bubble")).to_have_count(1)
    expect(chat.panel.locator(".pending-message")).to_have_count(0)


def test_a_broken_stream_resumes_after_the_last_position(chat, small_house):
    chat.say("hello")
    expect(chat.log.locator(".bot")).to_have_count(1)
    asked: list[str] = []
    chat.page.on("request", lambda request: asked.append(request.url) if "/events" in request.url else None)
    chat.page.context.set_offline(True)
    expect(chat.notice).to_be_visible()
    with small_house.sessions.begin() as session:
        newest = session.scalars(select(Conversation).order_by(Conversation.opened_at.desc())).first()
        outbox.say(session, newest.id, "bot", OutboundMessage("Said while you were away."), now=utc_now())
    chat.page.context.set_offline(False)
    expect(chat.log.get_by_text("Said while you were away.")).to_be_visible()
    assert any("after=2" in url for url in asked)
    expect(chat.log.locator(".bot")).to_have_count(2)


def test_where_streams_do_not_get_through_the_widget_polls(small_house, new_context):
    page = new_context().new_page()
    page.route(
        re.compile("/api/widget/events"),
        lambda route: route.fulfill(status=200, content_type="text/event-stream", body=""),
    )
    page.goto(small_house.url)
    chat = Chat(page).open()
    chat.say("hello")
    expect(chat.log.locator(".bot")).to_have_count(1)


def test_typing_in_chinese_turns_the_widget_chinese(chat, picture):
    chat.say("你好，我的订单到哪了？")
    expect(chat.log.get_by_text("您的订单在路上")).to_be_visible()
    expect(chat.status).to_have_text("即时回复")
    expect(chat.input).to_have_attribute("placeholder", "请输入消息……")
    chat.panel.get_by_role("button", name="Switch to English").click()
    expect(chat.status).to_have_text("Answers at once")


def test_enter_that_chooses_a_chinese_word_sends_nothing(chat):
    chat.input.fill("ni")
    chat.input.evaluate(
        "node => node.dispatchEvent(new KeyboardEvent('keydown',"
        " {key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))"
    )
    chat.page.wait_for_timeout(300)
    expect(chat.input).to_have_value("ni")
    expect(chat.log.locator(".customer")).to_have_count(0)


def test_text_is_text_whatever_it_looks_like(chat):
    chat.say('<img src=x onerror="window.hit=1"> **not bold** [x](javascript:window.hit=2)')
    expect(chat.log.locator(".bot")).to_have_count(1)
    expect(chat.log.locator(".customer .bubble")).to_have_text(
        '<img src=x onerror="window.hit=1"> **not bold** [x](javascript:window.hit=2)'
    )
    assert chat.log.locator(".customer img, .customer a, .customer strong").count() == 0
    assert chat.page.evaluate("window.hit") is None


def test_markdown_of_the_bot_becomes_lists_bold_and_safe_links(chat):
    chat.say("how do returns work?")
    bubble = chat.log.locator(".bot .bubble")
    expect(bubble.locator("li")).to_have_count(3)
    expect(bubble.locator("strong")).to_have_text("30 days")
    link = bubble.get_by_role("link", name="the policy")
    expect(link).to_have_attribute("href", "https://shop.example/returns")
    assert "noopener" in link.get_attribute("rel")
    expect(chat.log.locator("a.document")).to_have_attribute("href", re.compile("/help/en/returns$"))


def test_a_message_that_is_too_long_is_stopped_with_a_count(chat):
    chat.input.fill("x" * 4003)
    expect(chat.panel.locator(".composer .count")).to_have_text("Too long by 3 characters. Please shorten it.")
    expect(chat.panel.get_by_role("button", name="Send")).to_be_disabled()
    chat.input.press("Enter")
    expect(chat.log.locator(".customer")).to_have_count(0)


def test_a_rate_limit_is_said_and_the_message_sent_when_it_is_over(chat):
    answers = iter([True])

    def limit_once(route):
        if next(answers, False):
            error = {"error": {"code": "rate_limited", "message": "slow down"}}
            route.fulfill(status=429, json=error, headers={"Retry-After": "2"})
        else:
            route.continue_()

    chat.page.route(re.compile("/api/widget/messages$"), limit_once)
    chat.say("hello")
    expect(chat.notice).to_contain_text("That was quick!")
    expect(chat.log.locator(".bot")).to_have_count(1)
    expect(chat.notice).to_be_hidden()


def test_the_sign_of_writing_shows_while_the_bot_works_and_goes_with_the_answer(chat):
    chat.say("slow please")
    expect(chat.panel.locator(".typing")).to_be_visible()
    expect(chat.log.get_by_text("That took a while.")).to_be_visible()
    expect(chat.panel.locator(".typing")).to_be_hidden()


def test_escape_closes_and_focus_returns_to_the_launcher(chat):
    expect(chat.input).to_be_focused()
    chat.page.keyboard.press("Escape")
    expect(chat.panel).to_be_hidden()
    expect(chat.launcher).to_be_focused()
    chat.page.keyboard.press("Enter")
    expect(chat.input).to_be_focused()


def test_the_whole_widget_is_used_by_keyboard_alone(small_house, new_context):
    page = new_context().new_page()
    page.goto(small_house.url)
    chat = Chat(page)
    chat.launcher.focus()
    page.keyboard.press("Enter")
    expect(chat.input).to_be_focused()
    page.keyboard.type("Where is my order?")
    page.keyboard.press("Enter")
    expect(chat.log.get_by_role("button", name="Talk to a person")).to_be_visible()
    for _ in range(2):
        page.keyboard.press("Shift+Tab")  # from the field back into the log: its last button first
        if (
            page.evaluate("document.querySelector('kefu-chat').shadowRoot.activeElement.textContent")
            == "Talk to a person"
        ):
            break
    page.keyboard.press("Enter")
    expect(chat.status).to_have_text("Waiting for a colleague")


def test_messages_that_come_while_it_is_closed_are_counted_on_the_launcher(chat):
    chat.say("slow please")
    chat.page.keyboard.press("Escape")
    expect(chat.launcher.locator(".badge")).to_have_text("1")
    expect(chat.launcher).to_have_attribute("aria-label", "Open chat, 1 unread message")
    chat.open()
    expect(chat.launcher.locator(".badge")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_it_fills_the_screen_and_keeps_focus_inside(small_house, new_context, picture, scheme):
    page = new_context(390, 844, color_scheme=scheme, has_touch=True, reduced_motion="reduce").new_page()
    page.goto(small_house.url)
    chat = Chat(page).open()
    assert chat.panel.bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 844}
    assert float(chat.input.evaluate("node => parseFloat(getComputedStyle(node).fontSize)")) >= 16  # no zoom on focus
    chat.say("Where is my order?")
    expect(chat.log.locator(".card.order")).to_be_visible()
    picture(page, f"widget-order-{scheme}-narrow")
    for _ in range(20):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.localName") == "kefu-chat"


def test_calls_made_before_it_has_loaded_are_kept(small_house, new_context):
    page = new_context().new_page()
    page.add_init_script(
        "window.kefu = function () { (kefu.q = kefu.q || []).push(arguments) };"
        "kefu('open'); kefu('on', 'open', () => { window.opened = true })"
    )
    page.goto(small_house.url)
    expect(Chat(page).panel).to_be_visible()


def test_after_shutdown_nothing_of_the_visit_is_left(chat):
    chat.say("hello")
    expect(chat.log.locator(".bot")).to_have_count(1)
    chat.page.evaluate("kefu('shutdown')")
    expect(chat.page.locator("kefu-chat")).to_have_count(0)
    assert stored(chat.page) == []


def test_another_customer_at_the_same_browser_sees_nothing_of_the_one_before(small_house, new_context):
    page = new_context().new_page()
    page.goto(small_house.url)
    page.select_option("#who", "demo-emma")
    chat = Chat(page).open()
    chat.say("Where is my order?")
    expect(chat.log.locator(".card.order")).to_be_visible()
    page.select_option("#who", "")
    expect(chat.log.locator(".card.order")).to_have_count(0)
    expect(chat.log.locator(".bubble")).to_have_count(0)


def test_the_widget_asks_nothing_a_strict_policy_forbids(small_house, new_context):
    page = new_context().new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    answer = page.goto(small_house.url)
    policy = answer.headers["content-security-policy"]
    assert "'unsafe" not in policy
    assert "default-src 'none'" in policy
    chat = Chat(page).open()
    chat.say("show me tents")
    expect(chat.log.locator(".carousel .card")).to_have_count(len(CARDS))
    assert complaints == []


def test_the_loader_is_under_5_kb_and_the_whole_widget_under_32_kb():
    """gzip -9, as a proxy would send it."""

    def size(file: Path) -> int:
        return len(gzip.compress(file.read_bytes(), 9))

    assert size(WIDGET / "widget.js") < 5_000
    assert size(WIDGET / "widget.js") + sum(map(size, (WIDGET / "app").glob("*.js"))) < 32_000
