"""Which lines of an order a message names."""

from typing import Any

import pytest

from actions.order_desk.views import LineView
from actions.rasa_actions.named_lines import Named, everything_but, lines_named, part_about


def line(position: int, name: str, price_minor: int = 1000, name_zh: str | None = None, **options: Any) -> LineView:
    named = {key.replace("_", " "): value for key, value in options.items()}
    sku = f"{name}-{sorted(named.items())}"
    return LineView(f"l{position}", position, name, sku, name, name_zh, named, 1, price_minor, 0, None)


LINES = (
    line(1, "Digital Camera", zoom="10x", resolution="30MP"),
    line(2, "Action Camera", resolution="4K"),
    line(3, "Tablet", 90000, "平板电脑", screen_size="10-inch", storage="128GB"),
    line(4, "Tablet", 50000, "平板电脑", screen_size="7-inch", storage="32GB"),
    line(5, "Hiking Boots", size="8"),
    line(6, "Tea Kettle", material="glass"),
    line(7, "Tea Kettle", material="glass"),
    line(8, "Rain jacket", name_zh="山岚雨衣"),
)


@pytest.mark.parametrize(
    ("text", "chosen", "unclear"),
    [
        ("the hiking boots please", (4,), ()),
        ("boots", (4,), ()),
        ("the digital camera", (0,), ()),
        ("the action cameras", (1,), ()),
        ("my camera", (), (0, 1)),
        ("the 4K camera", (1,), ()),
        ("the digital camera, that camera is broken", (0,), ()),
        ("the tablet", (), (2, 3)),
        ("the 7-inch tablet", (3,), ()),
        ("the tablet (10-inch, 128GB)", (2,), ()),
        ("both tablets", (2, 3), ()),
        ("the tablets", (2, 3), ()),
        ("the cheaper tablet", (3,), ()),
        ("the more expensive tablet", (2,), ()),
        ("the tea kettle", (5,), ()),
        ("the tea kettle and the other tea kettle", (5, 6), ()),
        ("the boots and the tablet", (4,), (2, 3)),
        ("not the boots, the jacket", (7,), ()),
        ("128GB", (2,), ()),
        ("雨衣", (7,), ()),
        ("平板电脑", (), (2, 3)),
        ("something else", (), ()),
    ],
)  # fmt: skip
def test_names_options_and_prices_name_lines(text: str, chosen: tuple[int, ...], unclear: tuple[int, ...]) -> None:
    assert lines_named(text, LINES, by_options=True) == Named(chosen, unclear)


def test_options_alone_name_nothing_unless_it_was_asked_which() -> None:
    assert lines_named("128GB", LINES) == Named()


def test_what_it_should_become_does_not_tell_which_one_it_is() -> None:
    text = "exchange the tablet, I want one with 7-inch"
    assert lines_named(text, LINES, swapping=True) == Named((), (2, 3))
    assert lines_named("exchange the 10-inch tablet for one with 7-inch", LINES, swapping=True) == Named((2,), ())


def test_everything_but_what_is_named_after_the_exception() -> None:
    assert everything_but("return everything except the boots and the kettles", LINES) == (0, 1, 2, 3, 7)
    assert everything_but("return the boots", LINES) is None


def test_what_is_said_of_one_line_is_not_heard_of_another() -> None:
    boots, jacket = LINES[4], LINES[7]
    text = "I want the boots in size 9 and the jacket in red"
    assert part_about(text, boots, [jacket]) == "boots in size 9 and the "
    assert part_about(text, jacket, [boots]) == "jacket in red"
    assert part_about("the boots in size 9", jacket, [boots]) is None
    assert part_about("size 9", jacket, [boots]) == "size 9"


def test_two_of_the_same_are_told_apart_by_their_order() -> None:
    first, second = LINES[5], LINES[6]
    text = "one tea kettle in ceramic and another tea kettle in steel"
    assert part_about(text, first, [second]) == "tea kettle in ceramic and another "
    assert part_about(text, second, [first]) == "tea kettle in steel"
