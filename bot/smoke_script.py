"""Scripts of the smoke run: `bot/smoke_scripts/<skill>.yml`, a conversation in each language.

    en:
      customer: [pending, delivered]   # states of the orders this customer has; absent: nobody we know
      signed: false                    # the customer exists, but the shop does not vouch for the visitor
      steps:
        - say: "Where is {order}?"     # or press: a regular expression for a button of the last replies
          expect: {text: ["..."], not_text: ["..."], buttons: ["..."], cards: order, holder: queue}
          rows: [{table: orders, where: {number: "{order}"}, has: {status: cancelled}}]
        - say: "{code}"
          when: "code"                 # only if the last replies say so: risk may ask for one more code
      rows: []                         # the same, looked at when all steps are played

Names in braces: {order} {order2} {email} {customer} {product} {sku} {other_sku} {size} {other_size} {mark}, and {code},
the code of the mail that comes next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SCRIPTS = Path(__file__).resolve().parent / "smoke_scripts"
EXPECTATIONS = {"text", "not_text", "buttons", "cards", "holder"}


class ScriptError(Exception):
    """A script cannot be read; the message names the file and the rule."""


@dataclass(frozen=True)
class Script:
    """One conversation: `orders` is None for a visitor nobody knows."""

    skill: str
    language: str
    steps: tuple[Mapping[str, Any], ...]
    orders: tuple[str, ...] | None = None
    signed: bool = True
    rows: tuple[Mapping[str, Any], ...] = ()  # what the database holds in the end

    @property
    def name(self) -> str:
        return f"{self.skill} {self.language}"


def read_scripts(folder: Path = SCRIPTS) -> list[Script]:
    """Every script in both languages, by skill.

    Raises:
        ScriptError: a language is missing, a step says nothing, or an expectation is unknown.
    """
    scripts = []
    for file in sorted(folder.glob("*.yml")):
        body = yaml.safe_load(file.read_text(encoding="utf-8"))
        for language in ("en", "zh"):
            if language not in body:
                raise ScriptError(f"{file.name} has no conversation in {language}")
            said = body[language]
            orders = said.get("customer")
            script = Script(
                file.stem,
                language,
                tuple(said["steps"]),
                None if orders is None else tuple(orders),
                bool(said.get("signed", True)),
                tuple(said.get("rows", ())),
            )
            for step in script.steps:
                _check(file.name, step)
            scripts.append(script)
    return scripts


def _check(name: str, step: Mapping[str, Any]) -> None:
    if len({"say", "press"} & set(step)) != 1:
        raise ScriptError(f"{name}: a step must have say or press: {dict(step)}")
    unknown = set(step) - {"say", "press", "when", "expect", "rows"} or set(step.get("expect", {})) - EXPECTATIONS
    if unknown:
        raise ScriptError(f"{name}: unknown {', '.join(sorted(unknown))}")
