"""What assistive technology and tired eyes need: names, roles, contrast, sizes; computed on the real pages."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_console import Console
from tests.browser.test_widget import Chat

CHECK = (Path(__file__).parent / "accessibility.js").read_text(encoding="utf-8")


def wrongs(page: Page, where: str) -> list[list[str]]:
    page.wait_for_timeout(300)  # things that fade in have arrived
    return page.evaluate(CHECK, where)


def test_the_check_finds_what_is_planted(small_house, new_context):
    page = new_context().new_page()
    page.goto(small_house.url)
    chat = Chat(page).open()
    chat.panel.evaluate("""panel => {
        panel.style.setProperty('--muted', '#aaa');
        panel.querySelector('.send').removeAttribute('aria-label');
        panel.append(Object.assign(document.createElement('button'), {className: 'tiny', textContent: '.'}));
        panel.querySelector('.tiny').style.cssText = 'width: 9px; height: 9px; padding: 0; border: 0';
    }""")
    found = {what.split()[0] for what, _ in wrongs(page, "widget")}
    assert found >= {"contrast", "no", "small"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("color", ["#0b6e4f", "#ffd400", "#111111"])
def test_the_widget_reads_well_in_every_brand_colour(small_house, new_context, scheme, color):
    page = new_context(color_scheme=scheme).new_page()
    page.goto(small_house.url)
    page.evaluate("color => document.querySelector('kefu-chat').setAttribute('color', color)", color)
    chat = Chat(page).open()
    assert wrongs(page, "widget") == []
    for text, shown in (
        ("Where is my order?", ".card.order"),
        ("show me tents", ".carousel"),
        ("returns?", ".document"),
    ):
        chat.say(text)
        expect(chat.log.locator(shown).first).to_be_visible()
        assert wrongs(page, "widget") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_console_reads_well(small_house, new_context, scheme):
    shop = new_context().new_page()
    shop.goto(small_house.url)
    shop.select_option("#who", "demo-emma")
    chat = Chat(shop).open()
    chat.say("a person please")
    expect(chat.status).to_have_text("Waiting for a colleague")
    page = new_context(1440, 900, color_scheme=scheme).new_page()
    page.goto(f"{small_house.url}/console")
    expect(page.get_by_label("Password")).to_be_visible()
    assert wrongs(page, "page") == []
    console = Console(page).sign_in(small_house.url)
    assert wrongs(page, "page") == []
    page.locator(".waiting .entry", has_text="Emma").last.click()
    expect(page.locator(".person h3")).to_be_visible()
    console.button("Take over").click()
    expect(console.state).to_contain_text("Yours")
    for mode in ("reply", "note"):
        console.page.get_by_role("tab").nth(0 if mode == "reply" else 1).click()
        console.write.fill("for the eyes")
        assert wrongs(page, "page") == []
        console.write.press("Enter")
        expect(console.log.get_by_text("for the eyes")).to_have_count(1 if mode == "reply" else 2)
    assert wrongs(page, "page") == []


def test_new_messages_are_announced_politely_and_old_ones_not_again(small_house, new_context):
    page = new_context().new_page()
    page.goto(small_house.url)
    chat = Chat(page).open()
    expect(chat.log).to_have_attribute("aria-live", "polite")
    chat.say("hello")
    expect(chat.log.locator(".bot .unseen")).to_have_text("Assistant: ")  # who says it is said, too
    page.evaluate("""() => {
        const log = document.querySelector('kefu-chat').shadowRoot.querySelector('[role=log]');
        window.live = [];
        new MutationObserver(() => window.live.push(log.getAttribute('aria-live'))).observe(log, {childList: true});
    }""")
    chat.panel.get_by_role("button", name="切换到中文").click()
    page.wait_for_function("window.live.length > 0")
    assert set(page.evaluate("window.live")) == {"off"}  # drawn anew in Chinese: nothing was said
    expect(chat.log).to_have_attribute("aria-live", "polite")


def test_motion_stops_for_those_who_ask_for_it(small_house, new_context):
    page = new_context(reduced_motion="reduce").new_page()
    page.goto(small_house.url)
    chat = Chat(page).open()
    assert chat.panel.evaluate("node => getComputedStyle(node).animationName") == "none"
    chat.say("hello")
    assert chat.log.locator(".message").first.evaluate("node => getComputedStyle(node).animationName") == "none"


def test_on_a_page_written_from_right_to_left_it_stands_on_the_left(small_house, new_context):
    page = new_context().new_page()
    page.goto(small_house.url)
    page.evaluate("document.documentElement.dir = 'rtl'")
    chat = Chat(page).open()
    assert chat.panel.bounding_box()["x"] < 100
    assert chat.launcher.bounding_box()["x"] < 100
