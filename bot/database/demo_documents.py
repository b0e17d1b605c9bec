"""The demo shop's help texts: Markdown files in demo_help/{en,zh}, their numbers filled in from the policies.

A file starts with `kind:` and `title:` between two `---` lines. In the text, `[[return_window_days]]` is the value of a
policy, `[[shipping_fees_minor.home.express | money]]` a value inside one, as an amount; `| list` joins a list.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.database.policies import Policies, PolicyError

FOLDER = Path(__file__).parent / "demo_help"
LANGUAGES = ("en", "zh")
PLACEHOLDER = re.compile(r"\[\[\s*([\w.]+)\s*(?:\|\s*(\w+)\s*)?\]\]")


class DocumentError(Exception):
    """A help text cannot be read; the message names file and rule."""


def document_rows(policies: Policies, today: datetime) -> Iterator[dict[str, Any]]:
    """Rows of table `documents`, one a file."""
    for language in LANGUAGES:
        for file in sorted((FOLDER / language).glob("*.md")):
            head, body = split(file)
            yield {
                "id": f"{file.stem}-{language}", "topic": file.stem, "kind": head["kind"], "language": language,
                "title": fill(head["title"], policies, language), "body": fill(body, policies, language),
                "url": f"/help/{language}/{file.stem}", "active": True, "updated_at": today,
            }  # fmt: skip


def split(file: Path) -> tuple[Mapping[str, str], str]:
    """Front matter and text of a help file."""
    parts = file.read_text(encoding="utf-8").split("---\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise DocumentError(f"{file.name} must start with front matter between two lines of ---")
    head = dict(re.findall(r"^(\w+): (.+)$", parts[1], re.MULTILINE))
    if head.get("kind") not in ("policy", "faq", "guide") or not head.get("title"):
        raise DocumentError(f"{file.name} needs title and kind (policy, faq or guide), has {head}")
    return head, parts[2].strip() + "\n"


def fill(text: str, policies: Policies, language: str) -> str:
    """Replace every placeholder by the policy's value.

    Raises:
        PolicyError: no policy has that name.
    """
    return PLACEHOLDER.sub(lambda match: _spell(_look_up(policies, match[1]), match[2], language), text)


def _look_up(policies: Policies, path: str) -> Any:
    key, *steps = path.split(".")
    value = policies.value(key)
    for step in steps:
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise PolicyError(f"policy {key!r} has no entry {step!r} (in a help text: {path})") from None
    return value


def _spell(value: Any, form: str | None, language: str) -> str:
    if form == "money":
        whole, cents = divmod(int(value), 100)
        amount = f"{whole:,}" if cents == 0 else f"{whole:,}.{cents:02d}"
        return f"€{amount}" if language == "en" else f"{amount} 欧元"
    if form == "list" and isinstance(value, Sequence):
        return ("、" if language == "zh" else ", ").join(map(str, value))
    return str(value)
