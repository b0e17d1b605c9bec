"""The scripts themselves: every skill, both languages, and mistakes named."""

import re

import pytest

from bot.settings import PROJECT
from bot.smoke_script import ScriptError, read_scripts

NLU = PROJECT / "bot" / "dialogue" / "data" / "nlu"
# Answers to a question of the desk: they happen inside the conversations of other skills.
INSIDE = {"affirm", "deny", "inform", "correct", "never_mind", "resend_code"}


def test_every_skill_has_a_conversation_in_both_languages():
    skills = {file.stem for file in NLU.glob("*.yml")} - INSIDE
    played = {(script.skill, script.language) for script in read_scripts()}
    assert {(skill, language) for skill in skills for language in ("en", "zh")} - played == set()


def test_each_language_of_a_script_is_written_in_it():
    for script in read_scripts():
        first = str(script.steps[0]["say"])  # one that changes the language goes on in the other
        assert bool(re.search("[一-鿿]", first)) == (script.language == "zh"), script.name


def test_every_step_expects_something():
    silent = [script.name for script in read_scripts() for step in script.steps if not step.get("expect")]
    assert silent == []


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("en: {steps: [{say: hi, expect: {text: x}}]}", "no conversation in zh"),
        ("en: {steps: [{expect: {text: x}}]}\nzh: {steps: []}", "must have say or press"),
        ("en: {steps: [{say: a, press: b}]}\nzh: {steps: []}", "must have say or press"),
        ("en: {steps: [{say: a, expects: {}}]}\nzh: {steps: []}", "unknown expects"),
        ("en: {steps: [{say: a, expect: {txt: b}}]}\nzh: {steps: []}", "unknown txt"),
    ],
)
def test_a_mistake_in_a_script_is_named(tmp_path, body, rule):
    (tmp_path / "greet.yml").write_text(body, encoding="utf-8")
    with pytest.raises(ScriptError, match=rf"greet\.yml.*{rule}"):
        read_scripts(tmp_path)
