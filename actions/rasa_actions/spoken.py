"""What people say when they pick one of several shown things: "the second one", "2", a word of its name."""

import re
from collections.abc import Sequence
from typing import Any

_LAST_ONE = re.compile(r"\blast one\b|最后一个", re.I)
_SECOND = {
    "first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "fifth": 5, "5th": 5,
    "第一": 1, "第二": 2, "第三": 3, "第四": 4, "第五": 5,
}  # fmt: skip

# "for my mother", "给妈妈买": whom a thing is for; it is then no wish of the customer's own taste
FOR_SOMEBODY = re.compile(
    r"\b(?:an? )?(?:gift |present )?(?:for|to) (?:my|our|an?) (?:\w+ )?(?:mother|mom|mum|father|dad|parents?|wife|"
    r"husband|partner|girlfriend|boyfriend|friend|sister|brother|son|daughter|kids?|child(?:ren)?|grand\w+|aunt|uncle|"
    r"cousin|colleague|boss|neighbou?r)\b|(?:送给?|给)?我?的?(?:妈妈?|母亲|爸爸?|父亲|父母|爱人|老婆|老公|妻子|丈夫|女朋友|男朋友|朋友|姐姐?|妹妹?|"
    r"哥哥?|弟弟?|儿子|女儿|孩子|奶奶|爷爷|外婆|外公|同事|老板)(?:买|送|的)?(?:礼物)?",
    re.I,
)


def position(ordinal: Any, text: str, count: int) -> int | None:
    """0-based place among `count` shown things, or None.

    Args:
        ordinal: the entity's value (a number, "first", "last", -1) or None.
    """
    if not count:
        return None
    if ordinal is None:
        bare = text.strip().strip(".。#、")
        ordinal = bare if bare.isdecimal() and len(bare) < 3 else None
    if ordinal is None:
        return count - 1 if _LAST_ONE.search(text) else None
    said = str(ordinal).lower()
    if said in ("last", "-1"):
        return count - 1
    number = int(said) if said.isdecimal() else _SECOND.get(said, 0)
    return number - 1 if 1 <= number <= count else None


def named(text: str, names: Sequence[str]) -> list[int]:
    """Places of the names that the text mentions by a word which only one of them has."""
    text = text.lower()
    words = [_words(name.lower()) for name in names]
    hits = []
    for place, own in enumerate(words):
        others: set[str] = set().union(*(other for at, other in enumerate(words) if at != place))
        if any(word in text for word in own - others):
            hits.append(place)
    return hits


def _words(name: str) -> set[str]:
    """Latin words from four letters on, and pairs of Chinese characters (which has no spaces to cut at)."""
    latin = {word.removesuffix("s") for word in re.findall(r"[a-z]{4,}", name)}
    return latin | {run[at : at + 2] for run in re.findall(r"[\u4e00-\u9fff]+", name) for at in range(len(run) - 1)}
