"""Options named in a message."""

import pytest

from actions.rasa_actions.spoken_options import options_said, superlative

BOOTS = [
    {"size": size, "material": material, "waterproof": waterproof}
    for size in ("8", "9", "10")
    for material in ("leather", "synthetic")
    for waterproof in ("yes", "no")
]
KEYBOARDS = [
    {"switch type": switch, "backlight": light, "size": size}
    for switch in ("clicky", "linear")
    for light in ("RGB", "white", "none")
    for size in ("full size", "60%", "80%")
]
READERS = [{"connectivity": "Wi-Fi", "storage": "8GB"}, {"connectivity": "Wi-Fi + Cellular", "storage": "32GB"}]
GLASSES = [{"frame color": frame, "lens color": lens} for frame in ("black", "brown") for lens in ("black", "green")]


@pytest.mark.parametrize(
    ("text", "offered", "said"),
    [
        ("size 9, leather and waterproof", BOOTS, {"size": "9", "material": "leather", "waterproof": "yes"}),
        ("not waterproof please", BOOTS, {"waterproof": "no"}),
        ("waterproof no", BOOTS, {"waterproof": "no"}),
        ("from size 8 to size 10", BOOTS, {"size": "10"}),
        ("9", BOOTS, {}),
        ("clicky switches, no backlight", KEYBOARDS, {"switch type": "clicky", "backlight": "none"}),
        ("backlight none and size 60%", KEYBOARDS, {"backlight": "none", "size": "60%"}),
        ("rgb, full size", KEYBOARDS, {"backlight": "RGB", "size": "full size"}),
        ("the Wi-Fi + Cellular one", READERS, {"connectivity": "Wi-Fi + Cellular"}),
        ("with 32 GB", READERS, {"storage": "32GB"}),
        ("frame color black", GLASSES, {"frame color": "black"}),
        ("black", GLASSES, {}),
        ("green", GLASSES, {"lens color": "green"}),
        ("whatever", GLASSES, {}),
    ],
)
def test_options_are_heard_by_name_and_by_value(text: str, offered: list[dict[str, str]], said: dict[str, str]) -> None:
    assert options_said(text, offered, {"size": "8"}) == said


def test_the_price_may_decide() -> None:
    assert superlative("the cheapest one") == "cheapest"
    assert superlative("最贵的") == "dearest"
    assert superlative("a cheap one") is None
