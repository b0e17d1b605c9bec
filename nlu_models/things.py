"""What the catalogue knows of the things that messages name.

`Things.only`: to a model of sentences a bare name ("coffee maker", 咖啡豆) sounds like anything, "tea" like a goodbye,
"repair kit" like the warranty; who writes nothing but the name of a thing asks to be shown it.

`Things.plainer`: "do you have bookshelves?" is the same question as "do you have lamps?", whose word the examples hold;
the models judge both readings (`nlu_models.parse`).
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nlu_models.gazetteer import variants

MOST_WORDS = 8
INTENTS_KNOWN = 3  # whose examples hold a word: the models know it in any sentence
LONGEST_RUN = 6  # characters
MOST_IN_KIND = 4  # words
SHORTEST_ALONE = 5  # letters of the last word of a kind that may stand for it
KNOWN, KNOWN_MANY, KNOWN_ZH = "lamp", "lamps", "灯"
# last words of names that mean something else in sentences: "print the invoice", "in that case"
_OF_SENTENCES = frozenset((
    "bank", "board", "bottle", "box", "can", "card", "case", "change", "charge", "charger", "code", "collection",
    "cover", "delivery", "device", "filter", "frame", "gift", "guide", "kit", "label", "light", "lights", "lock",
    "maker", "mount", "number", "order", "organiser", "pack", "parcel", "pass", "phone", "plan", "point", "print",
    "protector", "return", "service", "set", "size", "stand", "store", "tracker", "voucher", "watch",
))  # fmt: skip
_WORD = re.compile(r"[a-z0-9\u00df-\u024f]+|[\u3400-\u9fff]+", re.IGNORECASE)
_HAN = re.compile(r"[\u3400-\u9fff]")
_BESIDE = re.compile(r"\([^)]*\)|（[^）]*）")  # how many it is for, its size
_TAIL = re.compile(r"(?:\s(?:for|with|without|in|from|by)\s|\s?[,;:|/]|\s[-–—]\s).*$")
_BETWEEN = frozenset(("a", "an", "some", "any", "and", "or", "with", "for", "of", "in", "please", "new", "cheap"))
_LIMIT = re.compile(
    r"\b(?:under|below|over|above|up to|(?:less|more) than|at (?:most|least)|max(?:imum)?|between|from|to|around|about|"
    r"sizes?|colou?r|euros?|eur|usd|dollars?|pounds?|gbp|cny|rmb)\b|"
    r"以[内下上]|之[内下]|左右|上下|不超过|低于|高于|最多|至少|预算|[元块]钱?|欧元?|[码号]|颜色|色"
)
_BETWEEN_HAN = frozenset(("的", "和", "或", "个", "一个", "一款", "一件", "一双", "一顶"))


@dataclass(frozen=True)
class Things:
    """`words` of the names of a catalogue, and `heads`, those that say what a thing is: the last of a name in either
    language, of a Chinese compound any end of it (工具包 of 修补工具包)."""

    words: frozenset[str]
    heads: frozenset[str]
    longest: int  # characters of a Chinese word
    kinds: frozenset[tuple[str, ...]] = frozenset()  # what several products are called, its words; of Chinese one

    @classmethod
    def of(
        cls,
        names: Collection[str],
        brands: Collection[str] = (),
        known: Collection[str] = frozenset(),
        called: Collection[str] = (),
    ) -> "Things":
        """
        Args:
            names: of products and categories.
            known: words that the models know in any sentence (`well_known`); kinds that are called so need no other.
            called: what customers call kinds of things beside their names.
        """
        written = {word for name in (*names, *brands, *called) for word in _WORD.findall(name.lower())}
        words = {spelt for word in written for spelt in _spelt(word)}
        endings = Counter(ending for name in set(names) if (ending := _ending(name.lower())))
        also = {tuple(_WORD.findall(name.lower())) for name in called}
        last = {words[-1] for words in (*endings, *also) if words}
        heads = {spelt for word in last if len(word) > 1 for spelt in _spelt(word)}
        heads |= {head[at:] for head in heads if _HAN.match(head) for at in range(len(head) - 1)}
        longest = max((len(word) for word in words if _HAN.match(word)), default=0)
        kinds = {*_kinds(endings), *(kind for words in also if _is_of_things(words) for kind in variants(words))}
        return cls(
            frozenset(words | heads),
            frozenset(heads),
            longest,
            frozenset(kind for kind in kinds if not all(word in known for word in kind)),
        )

    def only(self, text: str, beside: Sequence[tuple[int, int]] = ()) -> bool:
        """Whether the text is the name of a thing and nothing else.

        Args:
            beside: places in the text of what narrows a wish (a colour, a size, a price).
        """
        said = words_beside(_BESIDE.sub(lambda found: " " * len(found[0]), text), beside)
        if not 0 < len(said) <= MOST_WORDS:
            return False
        pieces = [piece for word in said for piece in (self._cut(word) if _HAN.match(word) else (word,))]
        return bool(pieces) and pieces[-1] in self.heads and self.words.issuperset(pieces)

    def plainer(self, text: str) -> str | None:
        """The text with every kind of thing in it called a lamp (灯); None when it names none."""
        found = [(match[0].lower(), *match.span()) for match in _WORD.finditer(text)]
        said, at, done = "", 0, 0  # up to `done` of the text is in `said`
        while at < len(found):
            word, start, end = found[at]
            if _HAN.match(word):
                said += text[done:start] + self._plainer_han(text[start:end])
                done, at = end, at + 1
                continue
            length = next((n for n in range(MOST_IN_KIND, 0, -1) if self._is_kind(found[at : at + n], n)), 0)
            if length:
                last, _, end = found[at + length - 1]
                said += text[done:start] + (KNOWN_MANY if last.endswith("s") and not last.endswith("ss") else KNOWN)
                done = end
            at += max(length, 1)
        said += text[done:]
        return None if said == text else said

    def _is_kind(self, found: Sequence[tuple[str, int, int]], length: int) -> bool:
        return len(found) == length and tuple(word for word, _, _ in found) in self.kinds

    def _plainer_han(self, run: str) -> str:
        said, at = "", 0
        while at < len(run):
            length = next(
                (n for n in range(min(self.longest, len(run) - at), 1, -1) if (run[at : at + n],) in self.kinds), 0
            )
            said += KNOWN_ZH if length else run[at]
            at += max(length, 1)
        return said

    def _cut(self, run: str) -> list[str]:
        """Chinese characters in the longest words of the catalogue; what is no such word stays one piece."""
        pieces, at = [], 0
        while at < len(run):
            length = next(
                (n for n in range(min(self.longest, len(run) - at), 0, -1) if self._known(run[at : at + n])), None
            )
            if length is None:
                return [run]
            if run[at : at + length] not in _BETWEEN_HAN:
                pieces.append(run[at : at + length])
            at += length
        return pieces

    def _known(self, piece: str) -> bool:
        return piece in self.words or piece in _BETWEEN_HAN


def well_known(examples: Mapping[str, str]) -> frozenset[str]:
    """Words, and runs of Chinese characters, that the examples (text -> intent) of several intents hold."""
    intents: dict[str, set[str]] = {}
    for text, intent in examples.items():
        for word in _WORD.findall(text.lower()):
            pieces = [word] if not _HAN.match(word) else _runs(word)
            for piece in pieces:
                intents.setdefault(piece, set()).add(intent)
    return frozenset(piece for piece, those in intents.items() if len(those) >= INTENTS_KNOWN)


def _runs(word: str) -> list[str]:
    lengths = range(2, LONGEST_RUN + 1)
    return [word[at : at + length] for length in lengths for at in range(len(word) - length + 1)]


def _kinds(endings: Mapping[tuple[str, ...], int]) -> Iterator[tuple[str, ...]]:
    """What at least two names end in ("cast-iron skillet"), and its last word where that is no word of sentences
    ("skillet", not "set"); with plural and singular.

    Args:
        endings: last words of names, and how many names have them.
    """
    shared: Counter[tuple[str, ...]] = Counter()
    for words, count in endings.items():
        for length in range(1, len(words) + 1):
            shared[words[-length:]] += count
    for words in endings:
        longer = [kind for length in range(2, len(words) + 1) if shared[kind := words[-length:]] > 1]
        for kind in longer:
            yield from variants(kind)
        last = words[-1]
        if shared[(last,)] > 1 and len(last) >= (SHORTEST_ALONE if longer else 2) and last not in _OF_SENTENCES:
            yield from variants((last,))


def _is_of_things(words: tuple[str, ...]) -> bool:
    """Whether words of customers for a thing mean one in sentences, too ("charger" need not)."""
    return 0 < len(words) <= MOST_IN_KIND and (len(words) > 1 or words[0] not in _OF_SENTENCES)


def _ending(name: str) -> tuple[str, ...]:
    """The last words of a name, without its size; of a Chinese one the last run of characters."""
    words = [word for word in _WORD.findall(_TAIL.sub("", _BESIDE.sub(" ", name))) if not word[0].isdigit()]
    if not words or _HAN.match(words[-1]):
        return tuple(words[-1:])
    return tuple(words[-MOST_IN_KIND:])


def words_beside(text: str, beside: Sequence[tuple[int, int]]) -> list[str]:
    """The words of a text without those at the places `beside`, words of limits ("under", 以内), numbers, articles."""
    bare = text.lower()
    for start, end in beside:
        while end < len(bare) and "a" <= bare[end] <= "z":  # of "100 euros" the entity is "100 eur"
            end += 1
        bare = bare[:start] + " " * (end - start) + bare[end:]
    return [word for word in _WORD.findall(_LIMIT.sub(" ", bare)) if word not in _BETWEEN and not word.isdigit()]


def _spelt(word: str) -> set[str]:
    """The word, and its plural or singular."""
    return {spelt for (spelt,) in variants((word,))}
