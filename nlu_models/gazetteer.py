# ruff: noqa: E501  (a category a line)
"""Names from the shop's own catalogue: products, brands, categories; found in text in spite of small typing mistakes.

Two letters swapped, one missing, one too many or one wrong are forgiven in words of five letters and more.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

_TOKEN = re.compile(r"[a-z0-9\u00df-\u024f]+|[\u3400-\u9fff]")
_HAN = re.compile(r"[\u3400-\u9fff]")

# words people use for the categories of an outdoor-and-home shop, beside the shop's own names of them
CATEGORY_WORDS: Mapping[str, tuple[str, ...]] = {
    "tents": ("tent", "tarp", "hammock", "帐篷", "天幕", "吊床"),
    "sleeping_bags": ("sleeping bag", "sleeping mat", "sleeping pad", "air mat", "睡袋", "睡垫", "防潮垫", "充气垫"),
    "backpacks": ("backpack", "rucksack", "daypack", "duffel", "背包", "双肩包", "登山包", "驮包"),
    "jackets": ("jacket", "fleece", "coat", "anorak", "parka", "raincoat", "冲锋衣", "羽绒服", "抓绒衣", "雨衣", "外套", "夹克"),
    "shoes": ("shoe", "boot", "trail runner", "hiking shoe", "sandal", "跑鞋", "登山鞋", "徒步鞋", "鞋子", "靴子", "凉鞋", "鞋"),
    "cooking": ("stove", "camping stove", "gas cartridge", "cookset", "camping pot", "炉子", "炉头", "气罐", "炊具", "套锅"),
    "lighting": ("headlamp", "head torch", "lantern", "flashlight", "torch", "头灯", "营地灯", "手电筒", "手电"),
    "navigation": ("gps", "compass", "altimeter", "power bank", "navigation", "指南针", "导航", "充电宝", "对讲机"),
    "climbing": ("climbing", "harness", "carabiner", "climbing rope", "quickdraw", "攀岩", "安全带", "快挂", "主锁", "登山绳"),
    "cycling": ("bike", "bicycle", "cycling", "helmet", "pannier", "骑行", "自行车", "头盔", "单车"),
    "furniture": ("furniture", "sofa", "armchair", "shelf", "camp chair", "家具", "沙发", "书架", "桌子", "椅子"),
    "kitchen": ("kitchen", "knife", "frying pan", "saucepan", "kettle", "teapot", "厨房", "菜刀", "平底锅", "水壶", "锅"),
    "bedding": ("bedding", "duvet", "pillow", "blanket", "bed linen", "床上用品", "被子", "枕头", "毯子", "床单"),
    "decor": ("decor", "candle", "vase", "rug", "poster", "装饰", "蜡烛", "花瓶", "地毯", "挂画"),
    "garden": ("garden", "hose", "plant pot", "watering can", "园艺", "花盆", "水管", "浇水壶"),
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """`text[start:end]` names something of the catalogue."""

    entity: str
    value: str
    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class Gazetteer:
    """`names` maps (kind, value) to how it may be written, e.g. ("product", "p001") -> ("Bergfuchs trekking tent",).

    `called`: what customers call things that no name is called ("jumper" of a fleece jacket); they name no entity.
    """

    names: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    called: frozenset[str] = frozenset()

    @cached_property
    def _phrases(self) -> dict[tuple[str, ...], tuple[str, str]]:
        """Token sequences -> (kind, value); a sequence that several products share names none of them."""
        phrases: dict[tuple[str, ...], tuple[str, str]] = {}
        shared: set[tuple[str, ...]] = set()
        for (kind, value), written in self.names.items():
            for name in written:
                for words in variants(tokens(name)):
                    if words in phrases and phrases[words] != (kind, value):
                        shared.add(words)
                    phrases.setdefault(words, (kind, value))
        return {words: meant for words, meant in phrases.items() if words not in shared or meant[0] != "product"}

    @cached_property
    def _by_first(self) -> dict[str, list[tuple[str, ...]]]:
        """Phrases by their first token, longest first."""
        by_first: dict[str, list[tuple[str, ...]]] = {}
        for words in sorted(self._phrases, key=len, reverse=True):
            by_first.setdefault(words[0], []).append(words)
        return by_first

    @cached_property
    def _spellings(self) -> dict[str, set[str]]:
        """What is left of each first word of five letters or more when one letter is dropped -> those words."""
        spellings: dict[str, set[str]] = {}
        for words in self._phrases:
            for word in words:
                for shortened in _deletions(word):
                    spellings.setdefault(shortened, set()).add(word)
        return spellings

    def find(self, folded: str, taken: Sequence[bool]) -> Iterator[Found]:
        """Names in `folded` (lower case), longest first at each place, none over taken characters."""
        placed = [(match.group(), match.start(), match.end()) for match in _TOKEN.finditer(folded)]
        at = 0
        while at < len(placed):
            found = self._at(placed, at, taken)
            if found is None:
                at += 1
                continue
            yield found[0]
            at += found[1]

    def _at(self, placed: Sequence[tuple[str, int, int]], at: int, taken: Sequence[bool]) -> tuple[Found, int] | None:
        for first in self._readings(placed[at][0]):
            for words in self._by_first.get(first, ()):
                piece = placed[at : at + len(words)]
                if len(piece) < len(words) or not all(map(close, (given[0] for given in piece), words)):
                    continue
                start, end = piece[0][1], piece[-1][2]
                if any(taken[start:end]):
                    continue
                kind, value = self._phrases[words]
                exact = all(given[0] == word for given, word in zip(piece, words, strict=True))
                return Found(kind, value, start, end, 1.0 if exact else 0.8), len(words)
        return None

    def _readings(self, token: str) -> list[str]:
        if token in self._by_first:
            return [token]
        near = {word for shortened in _deletions(token) for word in self._spellings.get(shortened, ())}
        return sorted(word for word in near if word in self._by_first and close(token, word))


def from_catalogue(products: Iterable[tuple[str, str, str | None, str | None]], categories: Iterable[str]) -> Gazetteer:
    """Build from rows.

    Args:
        products: (id, name, Chinese name or None, brand or None).
        categories: slugs in use; those known here get the words people use for them.
    """
    names: dict[tuple[str, str], tuple[str, ...]] = {}
    for id, name, chinese, brand in products:
        names["product", id] = tuple(filter(None, (name, chinese)))
        if brand:
            names.setdefault(("brand", brand), (brand,))
    for slug in categories:
        names["category", slug] = (slug.replace("_", " "), *CATEGORY_WORDS.get(slug, ()))
    return Gazetteer(names)


def tokens(text: str) -> tuple[str, ...]:
    """Lower-case words; every Han character is one."""
    return tuple(_TOKEN.findall(text.lower()))


def variants(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words and, in Latin script, the plural or singular of the last one."""
    if not words:
        return
    yield words
    last = words[-1]
    if _HAN.match(last) or last.isdigit():
        return
    if last.endswith("ies"):
        yield (*words[:-1], last[:-3] + "y")
    elif last.endswith("ves"):  # shelves, knives
        yield from ((*words[:-1], last[:-3] + end) for end in ("f", "fe", "ve"))
    elif last.endswith("s") and not last.endswith("ss"):
        yield (*words[:-1], last[:-1])
    else:
        if last.endswith(("f", "fe")):
            yield (*words[:-1], re.sub("fe?$", "ves", last))
        yield (*words[:-1], last + ("es" if last.endswith(("s", "x", "ch", "sh")) else "s"))


def _deletions(word: str) -> set[str]:
    """The word and all ways to drop one letter; only for words long enough to recognise with a mistake in them."""
    if len(word) < 5 or word.isdigit():
        return set()
    return {word, *(word[:place] + word[place + 1 :] for place in range(len(word)))}


def close(one: str, other: str) -> bool:
    """At most one letter missing, too many, wrong, or two neighbours swapped; both at least five letters long."""
    if one == other:
        return True
    if min(len(one), len(other)) < 5 or abs(len(one) - len(other)) > 1 or one[0] != other[0]:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    left, right = one[start:], other[start:]
    if len(left) == len(right):
        return left[1:] == right[1:] or (left[:2] == right[1::-1] and left[2:] == right[2:])
    return left[1:] == right if len(left) > len(right) else right[1:] == left
