"""The console has a word in Chinese for everything that an agent is told: wishes, actions at risk, bands."""

import re

import pytest
import yaml

from actions.risk.types import ACTIONS
from bot.settings import PROJECT

WORDS = (PROJECT / "bot/handoff/static/words.js").read_text(encoding="utf-8")
CHINESE = WORDS[WORDS.index("const ZH") :]


def table(text, name):
    """The names in the object `name` of the file."""
    inside = re.search(rf"\b{name}: \{{(.*?)\}}", text, re.DOTALL)
    return set(re.findall(r"(\w+): \"", inside.group(1))) if inside else set()


def intents():
    for path in sorted((PROJECT / "bot/dialogue/domain").glob("*.yml")):
        for intent in yaml.safe_load(path.read_text(encoding="utf-8")).get("intents", []):
            yield intent if isinstance(intent, str) else next(iter(intent))


def test_every_intent_has_a_name():
    wanted = set(intents())
    assert len(wanted) > 40
    assert wanted <= table(CHINESE, "names")


@pytest.mark.parametrize("text", [WORDS, CHINESE], ids=["en", "zh"])
def test_every_action_at_risk_has_a_name(text):
    assert table(text, "actions") == set(ACTIONS)
