"""Messages that only name something the shop sells: "coffee maker", 咖啡豆, "red tent under 100".

To a model of sentences a bare name sounds like anything ("tea" like a goodbye, "repair kit" like the warranty). The
catalogue knows better: who writes nothing but the name of a thing asks to be shown it.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from nlu_models.gazetteer import variants

MOST_WORDS = 8
_WORD = re.compile(r"[a-z0-9\u00df-\u024f]+|[\u3400-\u9fff]+")
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

    @classmethod
    def of(cls, names: Collection[str], brands: Collection[str] = ()) -> "Things":
        """
        Args:
            names: of products and categories.
        """
        words = {spelt for name in (*names, *brands) for word in _WORD.findall(name.lower()) for spelt in _spelt(word)}
        heads = {spelt for name in names if (head := _head(name.lower())) for spelt in _spelt(head)}
        heads |= {head[at:] for head in heads if _HAN.match(head) for at in range(len(head) - 1)}
        longest = max((len(word) for word in words if _HAN.match(word)), default=0)
        return cls(frozenset(words | heads), frozenset(heads), longest)

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


def words_beside(text: str, beside: Sequence[tuple[int, int]]) -> list[str]:
    """The words of a text without those at the places `beside`, words of limits ("under", 以内), numbers, articles."""
    bare = text.lower()
    for start, end in beside:
        while end < len(bare) and "a" <= bare[end] <= "z":  # of "100 euros" the entity is "100 eur"
            end += 1
        bare = bare[:start] + " " * (end - start) + bare[end:]
    return [word for word in _WORD.findall(_LIMIT.sub(" ", bare)) if word not in _BETWEEN and not word.isdigit()]


def _head(name: str) -> str | None:
    words = [word for word in _WORD.findall(_TAIL.sub("", _BESIDE.sub(" ", name))) if not word[0].isdigit()]
    return words[-1] if words and len(words[-1]) > 1 else None


def _spelt(word: str) -> set[str]:
    """The word, and its plural or singular."""
    return {spelt for (spelt,) in variants((word,))}
