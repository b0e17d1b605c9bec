"""Which lines of an order a message names: by the product's name, a word of it, its options, or its price.

"the kettle", "both tablets", "the 10-inch tablet", "the cheaper camera", "everything except the bed". What fits several
lines and says no more is unclear, and has to be asked about: taking one of them would be a guess about money.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actions.order_desk.views import LineView
from actions.rasa_actions.spoken_options import options_said

_SEVERAL = re.compile(r"\b(both|all|every|two|three|four|each)\b|两|都|全部|所有", re.I)
_EXCEPT = re.compile(r"\b(?:except|apart from|other than|but not|besides|excluding|without)\b|除了|除去|不包括", re.I)
_CHEAPER = re.compile(r"\b(cheaper|cheapest|less expensive|least expensive)\b|(更|比较|较)便宜|最便宜", re.I)
_DEARER = re.compile(r"\b(more expensive|most expensive|dearer|pricier|priciest)\b|(更|比较|较)贵|最贵", re.I)
_NOT = re.compile(
    r"(\bnot\s+(the\s+|my\s+)?|不是|不要|别)$", re.I
)  # "not the kettle" names the kettle only to leave it out
_WANTED = re.compile(
    r"(\b(?:for (?:a|an|one|something)|to (?:a|an|one|be)|into|instead|one with|i(?:'d)? (?:want|like|prefer)(?! to)"
    r"|should be|in (?:size|colou?r))\b|换成|改成|改为|换为|想要)[^.;。；]*",
    re.I,
)
# Words that end many names and also mean something else: "set up", "make-up kit".
_WEAK = ("set", "kit", "pack", "pair", "case", "box")
_HAN = re.compile(r"[\u4e00-\u9fff]+")


@dataclass(frozen=True)
class Named:
    """Places in the list of lines: those meant, and those of which one is meant but not said which."""

    chosen: tuple[int, ...] = ()
    unclear: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.chosen or self.unclear)


@dataclass(frozen=True)
class Mention:
    """`text[start:end]` names a product; `names` are the products it may be."""

    start: int
    end: int
    names: frozenset[str]


def lines_named(text: str, lines: Sequence[LineView], *, swapping: bool = False, by_options: bool = False) -> Named:
    """The lines a message names.

    Args:
        by_options: a line may be named by its options alone ("the red one"): the message answers "which item?".
        swapping: the message also says what they should become ("the laptop for one with 16GB"); that is not read as
            which laptop it is.
    """
    found = mentions(text, lines)
    if swapping:
        text = without_wanted(text)
    sure = {name for mention in found if len(mention.names) == 1 for name in mention.names}
    groups = [frozenset({line.name}) for line in lines if line.name in sure]
    groups += [mention.names for mention in found if not mention.names & sure]
    chosen: list[int] = []
    unclear: list[int] = []
    for names in dict.fromkeys(groups):
        places = [place for place, line in enumerate(lines) if line.name in names]
        picked = _of_group(text, lines, places, [mention for mention in found if mention.names & names], found)
        (chosen if picked else unclear).extend(picked or places)
    if not found and by_options:
        chosen = _by_options(text, lines, range(len(lines)))
    return Named(tuple(dict.fromkeys(chosen)), tuple(dict.fromkeys(unclear)))


def without_wanted(text: str) -> str:
    """What is wished for instead blanked out, up to the next clause; places stay what they were."""
    return _WANTED.sub(lambda match: " " * len(match.group()), text)


def everything_but(text: str, lines: Sequence[LineView]) -> tuple[int, ...] | None:
    """ "all except the bed": every line but those named after the exception; None when no exception is made."""
    cut = _EXCEPT.search(text)
    if cut is None:
        return None
    kept = lines_named(text[cut.end() :], lines) or lines_named(text[: cut.start()], lines)
    if not kept:
        return None
    return tuple(place for place in range(len(lines)) if place not in (*kept.chosen, *kept.unclear))


def mentions(text: str, lines: Sequence[LineView]) -> list[Mention]:
    """Every place where the text names a product of these lines, in order."""
    spans: dict[tuple[int, int], set[str]] = {}
    for name, pattern in _patterns(lines):
        for match in re.finditer(pattern, text, re.I):
            spans.setdefault(match.span(), set()).add(name)
    left_out = [span for span in spans if _NOT.search(text[: span[0]])]
    spans = {
        span: names for span, names in spans.items() if not any(s <= span[0] and span[1] <= e for s, e in left_out)
    }
    kept = [
        Mention(start, end, frozenset(names))
        for (start, end), names in spans.items()
        if not any(s <= start and end <= e and (s, e) != (start, end) for s, e in spans)
    ]
    return sorted(kept, key=lambda mention: mention.start)


def part_about(text: str, line: LineView, others: Sequence[LineView]) -> str | None:
    """The part of a message that speaks of this line and not of the others; None when it speaks of others only.

    "the lamp in black and the kettle in silver", asked for the kettle: "kettle in silver".
    """
    same = [other for other in others if other.name == line.name]
    found = mentions(text, [line, *others])
    own = [mention for mention in found if line.name in mention.names]
    if not any(mention.names - {line.name} for mention in found) and not same:
        return text
    if not own:
        return text if not found else None
    if same and len(own) > 1:  # two kettles: the first mention is about the first of them
        order = sorted([line, *same], key=lambda each: each.position)
        own = own[order.index(line) : order.index(line) + 1] or own
    parts = []
    for mention in own:
        later = [each.start for each in found if each.start > mention.start]
        parts.append(text[mention.start : min(later, default=len(text))])
    return " ".join(parts)


def _of_group(
    text: str, lines: Sequence[LineView], places: list[int], own: Sequence[Mention], found: Sequence[Mention]
) -> list[int]:
    """Which lines of one product are meant; empty when that is not said."""
    if len(places) == 1:
        return places
    picked: list[int] = []
    for mention in own:
        later = [each.start for each in found if each.start > mention.start]
        earlier = [each.end for each in found if each.end <= mention.start]
        part = text[max(earlier, default=0) : min(later, default=len(text))]
        left = [place for place in places if place not in picked]
        picked += _by_options(part, lines, left)[:1] or _by_price(part, lines, left)
    if picked:
        return picked
    alike = len({(lines[place].sku, lines[place].price_minor) for place in places}) == 1
    several = len(own) >= len(places) or any(
        _SEVERAL.search(text[max(0, mention.start - 24) : mention.start]) for mention in own
    )
    if several or any(re.search(r"[a-z]s$", text[m.start : m.end], re.I) and not _always_s(lines, places) for m in own):
        return places
    return places[: len(own)] if alike else []


def _always_s(lines: Sequence[LineView], places: Sequence[int]) -> bool:
    """Whether the product's own name ends in s ("boots"): then that says nothing about how many."""
    return lines[places[0]].name.lower().endswith("s")


def _by_options(text: str, lines: Sequence[LineView], places: Sequence[int]) -> list[int]:
    """The line that most of the text's options fit, if it is one; identical lines count as one."""
    said = options_said(text, [lines[place].options for place in places], {})
    scores = {
        place: sum(str(lines[place].options.get(name)) == value for name, value in said.items()) for place in places
    }
    best = max(scores.values(), default=0)
    winners = [place for place, score in scores.items() if score == best]
    if not best or len({lines[place].sku for place in winners}) > 1:
        return []
    return winners[:1]


def _by_price(text: str, lines: Sequence[LineView], places: Sequence[int]) -> list[int]:
    by_price = sorted(places, key=lambda place: lines[place].price_minor)
    if not by_price or lines[by_price[0]].price_minor == lines[by_price[-1]].price_minor:
        return []
    if _CHEAPER.search(text):
        return by_price[:1]
    return by_price[-1:] if _DEARER.search(text) else []


def _patterns(lines: Sequence[LineView]) -> list[tuple[str, str]]:
    """(product, pattern) for whole names, the last word of each, and words or character pairs of its own."""
    names: Mapping[str, str] = {line.name: line.name_zh or "" for line in lines}
    words = {name: re.findall(r"[a-z0-9]+", name.lower()) for name in names}
    found = []
    for name, chinese in names.items():
        others = {word.rstrip("s") for other, own in words.items() if other != name for word in own}
        own = words[name]
        if own:
            found.append((name, r"\b" + r"[-\s]?".join(_word(word) for word in own) + r"\b"))
            alone = {own[-1], *(word for word in own if word.rstrip("s") not in others)} - set(_WEAK)
            found += [(name, rf"\b{_word(word)}\b") for word in alone if len(word.rstrip("s")) >= 3]
        runs = "".join(_HAN.findall(chinese))
        elsewhere = " ".join(zh for other, zh in names.items() if other != name)
        pairs = {runs[at : at + 2] for at in range(len(runs) - 1)}
        found += [(name, pair) for pair in [runs, *pairs] if pair and (pair == runs or pair not in elsewhere)]
    return found


def _word(word: str) -> str:
    """In one or in many: "boot" is heard in "boots", and the other way round."""
    if len(word) < 3 or word.isdigit():
        return re.escape(word)
    return re.escape(word.removesuffix("s")) + "(?:e?s)?"
