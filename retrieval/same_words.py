"""What customers call a thing and what shops call it: "jumper" asks for the sweaters, 袜子 for the 徒步袜.

A wish is put in the words that the shop's own names hold before it is searched for. A word that a name holds stays; of
the others the first word of its group that a name holds stands in its place; and of a Chinese word that ends in 子 what
is left without it. Words that no name and no group holds are left to spelling, meaning and BM25.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from retrieval.lexical import CJK, WORD, is_han, normalise, stem

SHIPPED = Path(__file__).with_name("same_words.txt")
LONGEST = 3  # words of an English name for a thing
ALONE = 1  # a single Chinese character is often only part of a word (床 of 床单): it is read as a word standing alone


class SameWordsError(ValueError):
    """A file of words cannot be read; the message names the file, the line and the remedy."""


@dataclass(frozen=True)
class Groups:
    """Word -> the other words for the same thing, in the order they are tried; English words and phrases by stems."""

    english: Mapping[str, Sequence[str]]
    chinese: Mapping[str, Sequence[str]]

    @classmethod
    def read(cls, *files: Path) -> "Groups":
        """One group a line, its words divided by commas; lines that begin with # are remarks. Earlier files come first.

        Raises:
            SameWordsError: not UTF-8 text, or a line with only one word.
        """
        groups = [group for file in files for group in _read(file)]
        return cls(
            _others((group for group in groups if not is_han(group[0])), lambda word: " ".join(_stems(word))),
            _others((group for group in groups if is_han(group[0])), str),
        )


def of_home(home: Path) -> Groups:
    """The words that the owner wrote down (`same_words.txt` in the home folder), then those that come with Kefu.

    Raises:
        SameWordsError: the owner's file cannot be read.
    """
    own = home / SHIPPED.name
    return Groups.read(own, SHIPPED) if own.exists() else shipped()


@lru_cache(maxsize=1)
def shipped() -> Groups:
    """The words that come with Kefu."""
    return Groups.read(SHIPPED)


class Names:
    """What the names of a shop's products hold: English words and phrases by their stems, Chinese by characters."""

    def __init__(self, names: Iterable[str], groups: Groups | None = None) -> None:
        lines = {normalise(name) for name in names}
        self._said = "\n".join(f" {' '.join(_stems(line))} " for line in lines)
        self._han = "\n".join(line for line in lines if is_han(line))
        # most words are in no name: these say so at once, where a search through 100,000 names takes milliseconds
        self._parts = frozenset(self._said.split()) | frozenset(self._han)
        self._groups = groups or shipped()
        self._instead: dict[str, str | None] = {}  # the words of customers are few

    def hold(self, phrase: str) -> bool:
        """Whether a name has the phrase, its words side by side."""
        said = normalise(phrase)
        return self._parts.issuperset(said) and said in self._han if is_han(said) else self._has(_stems(said))

    def _has(self, stems: Sequence[str]) -> bool:
        return self._parts.issuperset(stems) and f" {' '.join(stems)} " in self._said

    def in_their_words(self, text: str) -> str:
        """The text with what no name holds put as another word for the same thing that one does."""
        said = normalise(text)
        return self._chinese(said) if is_han(said) else self._english(said)

    def called(self) -> frozenset[str]:
        """All words of the groups by which something of the shop is meant though no name holds them."""
        groups = (self._groups.english, self._groups.chinese)
        words = {word for group in groups for others in group.values() for word in others if not self.hold(word)}
        return frozenset(word for word in words if self.in_their_words(word) != word)

    def _other(self, word: str, others: Sequence[str]) -> str | None:
        """The first other word that a name holds. A single character never: 伞 would be held by 遮阳伞."""
        if word not in self._instead:
            self._instead[word] = next((other for other in others if len(other) > ALONE and self.hold(other)), None)
        return self._instead[word]

    def _english(self, said: str) -> str:
        groups = self._groups.english
        words = list(WORD.finditer(said))
        stems = [stem(match[0]) for match in words]
        out, done, at = "", 0, 0
        while at < len(words):
            counts = range(min(LONGEST, len(words) - at), 0, -1)
            count = next((n for n in counts if " ".join(stems[at : at + n]) in groups), 0)
            phrase = " ".join(stems[at : at + count])
            if count and not self._has(stems[at : at + count]) and (other := self._other(phrase, groups[phrase])):
                out += said[done : words[at].start()] + other
                done = words[at + count - 1].end()
            at += count or 1
        return out + said[done:]

    def _chinese(self, said: str) -> str:
        groups = self._groups.chinese
        longest = max(map(len, groups), default=0)
        out, at = "", 0
        while at < len(said):
            size = next((n for n in range(min(longest, len(said) - at), 0, -1) if self._is_word(said, at, n)), 0)
            word = said[at : at + size]
            if size <= len("桌子") and self._is_short_for(said[at : at + 2]):
                out += said[at]
                at += 2
                continue
            there = size > ALONE and self.hold(word)  # 床 is held by 吊床
            other = None if not size or there else self._other(word, groups[word])
            out += other or word or said[at]
            at += size or 1
        return out

    def _is_short_for(self, word: str) -> bool:
        """True for 桌子 where there are 餐桌; not for 裙子 where there are only 围裙, which its group does not have."""
        if len(word) < 2 or word[1] != "子" or not CJK.match(word[0]) or self.hold(word):
            return False
        kinds = [other for other in self._groups.chinese.get(word, ()) if other.endswith(word[0])]
        is_kind = word[0] in self._parts and ends_with(self._han, word[0])
        return is_kind and (not kinds or any(map(self.hold, kinds)))

    def _is_word(self, said: str, at: int, size: int) -> bool:
        around = said[max(0, at - 1) : at] + said[at + size : at + size + 1]
        return said[at : at + size] in self._groups.chinese and (size > ALONE or not CJK.search(around))


def ends_with(name: str, thing: str) -> bool:
    """Whether a Chinese name (its size in brackets aside) ends with this, and so is one: 餐桌（4 人） is a 桌."""
    return re.search(rf"{re.escape(thing)}(?![\u3400-\u9fff])", name) is not None


def _read(file: Path) -> list[list[str]]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SameWordsError(f"{file} is not UTF-8 text ({error.reason}); save it as UTF-8") from error
    except OSError as error:
        raise SameWordsError(f"{file} cannot be read ({error.strerror})") from error
    groups = []
    for number, line in enumerate(lines, 1):
        words = [normalise(word.strip()) for word in re.split("[,，、]", line) if word.strip()]
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 2:
            raise SameWordsError(f"{file}, line {number}: {line.strip()!r} has only one word; divide words by commas")
        groups.append(words)
    return groups


def _others(groups: Iterable[Sequence[str]], key: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for words in groups:
        for word in words:
            held = found.setdefault(key(word), [])
            held += [other for other in words if key(other) != key(word) and other not in held]
    return found


def _stems(said: str) -> list[str]:
    return [stem(word) for word in WORD.findall(said) if not CJK.match(word)]
