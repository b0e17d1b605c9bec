"""Options of a product named in a message: "size 8 in black", "no backlight", "not waterproof", "the cheapest"."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

_CHEAPEST = re.compile(r"\b(cheapest|least expensive|lowest price)\b|最便宜", re.I)
_DEAREST = re.compile(r"\b(most expensive|priciest|highest price)\b|最贵", re.I)
_NOT = r"(?:not|non|no|without|isn'?t|不|无|没有)"
BARE = ("yes", "no", "none")  # say nothing without the option's name


def options_said(text: str, offered: Iterable[Mapping[str, Any]], now: Mapping[str, Any]) -> dict[str, str]:
    """Option -> value, for every option of which the text names exactly one value that the product comes in.

    Args:
        offered: the options of each variant.
        now: the options of what the customer has; a value that is named only to be left ("from red to blue") is it.
    """
    values: dict[str, list[str]] = {}
    for options in offered:
        for name, value in options.items():
            if str(value) not in values.setdefault(name, []):
                values[name].append(str(value))
    said: dict[str, set[str]] = {}
    loose: dict[str, set[str]] = {}
    for name, known in values.items():
        by_name = {value for value in known if _with_name(text, name, value)} or _yes_or_no(text, name, known)
        if by_name:
            said[name] = by_name
        else:
            loose[name] = {value for value in known if _alone(text, value)}
    for name, found in loose.items():
        twice = [other for other in loose if other != name and loose[other] & found]
        if found and not twice and not any(found <= taken for taken in said.values()):
            said[name] = found
    result = {}
    for name, found in said.items():
        left = _longest(found)
        if len(left) > 1:
            left -= {str(now.get(name))}
        if len(left) == 1:
            result[name] = left.pop()
    return result


def superlative(text: str) -> Literal["cheapest", "dearest"] | None:
    """Whether the customer leaves it to the price."""
    if _CHEAPEST.search(text):
        return "cheapest"
    return "dearest" if _DEAREST.search(text) else None


def _longest(found: set[str]) -> set[str]:
    """Without values that are only heard inside another one: "Wi-Fi" in "Wi-Fi + Cellular"."""
    return {value for value in found if not any(value != other and value.lower() in other.lower() for other in found)}


def _with_name(text: str, name: str, value: str) -> bool:
    spelled, said = re.escape(name), _spelled(value)
    if value == "none":
        said = rf"(?:none|{_NOT})"
        if re.search(rf"\b{_NOT}\s+{spelled}\b", text, re.I):
            return True
    joint = r"\s*(?:is|of|in|to|=|:|should be|as)?\s*"
    before = rf"(?<![\w]){spelled}{joint}(?:an?\s+|the\s+)?{said}(?![\w%])"
    after = rf"(?<![\w.-]){said}\s+{spelled}(?!\w)"
    bare = value.lower() in BARE
    return re.search(before, text, re.I) is not None or (not bare and re.search(after, text, re.I) is not None)


def _yes_or_no(text: str, name: str, known: list[str]) -> set[str]:
    """An option that is there or not: "waterproof", "not waterproof"."""
    if not {value.lower() for value in known} <= {"yes", "no"}:
        return set()
    stem = re.escape(name.removesuffix("ance").removesuffix("ant"))  # water resistance, water resistant
    if re.search(rf"\b{_NOT}[\s-]+(?:\w+\s+)?{stem}", text, re.I):
        return {"no"} & set(known)
    return {"yes"} & set(known) if re.search(rf"(?<!\w){stem}", text, re.I) else set()


def _alone(text: str, value: str) -> bool:
    """A value that is plain without the option's name: not a yes, not a bare number, not a letter in lower case."""
    if value.lower() in BARE or (value.isdigit() and len(value) < 3):
        return False
    if len(value) == 1:
        return re.search(rf"(?<![\w'.-]){re.escape(value)}(?![\w'%-])", text) is not None
    return re.search(rf"(?<![\w.]){_spelled(value)}(?![\w%])", text, re.I) is not None


def _spelled(value: str) -> str:
    """A value as people write it: spaces and hyphens as they like, "500 ml" for "500ml", grey or gray."""
    parts = re.findall(r"[\u4e00-\u9fff]+|[a-z]+|\d+(?:\.\d+)?|[^\sa-z\d-]", value, re.I)
    spelled = [re.sub(r"gr[ae]y", "gr[ae]y", re.escape(part), flags=re.I) for part in parts]
    return r"[-\s]*".join(spelled)
