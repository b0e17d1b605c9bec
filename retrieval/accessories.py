"""What goes with a thing is not the thing: "tent" asks for tents, and a tent's footprint comes after them.

The last word of an English compound, and of a Chinese one, says what it is: a mouse pad is a pad, 帐篷地布 a 地布. A
name in which the word that was asked for only stands before such a word, or after "for", is of something that belongs
to it. `retrieval.hybrid` puts those behind what may be the thing itself.
"""

import re
from functools import lru_cache

from retrieval.lexical import STOPWORDS, is_han, normalise, same_thing, stem
from retrieval.same_words import ends_with

# fmt: off
GOES_WITH = frozenset(map(stem, (
    "accessories", "accessory", "adapter", "adaptor", "bag", "battery", "bracket", "cable", "cartridge", "case",
    "charger", "charging", "cleaner", "clip", "cord", "cover", "dock", "docking", "drum", "enclosure", "filter",
    "footprint", "fuser", "groundsheet", "hanger", "helmet", "holder", "holster", "hook", "hose", "ink", "insole",
    "kit", "label", "laces", "lid", "linen", "liner", "lock", "mount", "mounting", "nozzle", "organiser", "organizer",
    "pad", "pannier", "part", "parts", "peg", "pegs", "polish", "pouch", "protector", "pump", "rack", "refill",
    "remote", "repair", "replacement", "ribbon", "roller", "screws", "shelf", "skin", "sleeve", "spare", "stakes",
    "stand", "strap", "stylus", "toner", "tray", "trolley", "wax", "wipes",
)))
# fmt: on
GOES_WITH_ZH = re.compile(
    r"(?:保护|防水|防雨|防尘|专用|替换|备用|修补|清洁|收纳|充电)*"
    r"(?:地布|地钉|地席|内胆|鞋带|鞋垫|支架|壳|套(?!装)|罩|膜|充电器|充电线|数据线|充电宝|电池|适配器|转换器|转接头|"
    r"墨盒|硒鼓|滤芯|配件|零件|附件|挂钩|挂架|挂绳|背带|肩带|绑带|防风绳|收纳|包|袋|盒|垫|架|盖|刷|"
    r"清洁剂|保养|修补|护理|蜡)"
)
AFTER = 2  # words that may stand between: "tablet security enclosure"
_TAIL = re.compile(r"\s(?:for|with|without|in|under|below|against|that|which|to|on|from|by|at|of)\s.*$")
_MEASURE = re.compile(r"\b(?:sets?|pairs?|packs?|boxe?s?|kinds?|sorts?|types?) of ")  # "a set of plates" is plates
_WORD = re.compile(r"[a-z0-9]+(?:['.][a-z0-9]+)*|[,;:()|\-–—+&]")
# "keep my clothes dry" names no thing, so a dry bag may be just what is meant
_DOES = re.compile(
    r"\b(?:keep|store|carry|protect|charge|clean|fix|hang|hold|put|pack|mend|repair|organi[sz]e|transport|attach|lock)\b"
)
_WISH_ZH = re.compile(r"要|能|可以|必须|最好|不|别|带|有|适合|给|送|为")  # begins what is asked of a thing: 帐篷 要防水
_NO_THING = frozenset({"something", "anything", "things", "stuff", "gift", "present", "dry", "warm", "cold", "safe"})
_BELONGS = frozenset({"for", "fits", "fit", "compatible"})


def goes_with(name: str, wish: str) -> bool:
    """True where the name is of something for the thing that is asked for."""
    asked = _asked(wish)
    return asked is not None and _goes_with(name, asked)


def is_one(name: str, wish: str) -> bool | None:
    """True where the name is of the thing itself that is asked for; None where the wish names no thing clearly, or only
    by one Chinese character (鞋, which asks for 登山靴 too) with which the name does not end."""
    thing = _thing(wish)
    if thing is None:
        return None
    said = normalise(name)
    if len(thing) == 1 and is_han(thing):
        return True if ends_with(said, thing) else None
    there = thing in said if is_han(thing) else any(stem(word) in same_thing(thing) for word in _words(said))
    return there and not _goes_with(name, thing)


def head(wish: str, written: str) -> str | None:
    """The English word for what is asked for, stemmed; None where none is clear. Of Chinese the end of a compound says
    too little alone (洗衣机 and 咖啡机), unless it was written with 子 (椅子).

    Args:
        wish: what is searched for, in words of the shop; `written`: the message.
    """
    thing = _thing(wish)
    if thing is None or not is_han(thing):
        return thing
    return thing[-1] if f"{thing[-1]}子" in written else None


def is_called(name: str, thing: str) -> bool:
    """Whether a name ends with the word (what stands in brackets or behind a comma aside)."""
    said = normalise(name)
    if is_han(thing):
        return ends_with(said, thing)
    words = _words(re.split(r"[(,;:/|]|\s[-–—]\s", said)[0])
    return bool(words) and stem(words[-1]) in same_thing(thing)


def is_for_one(name: str, wish: str) -> bool:
    """`goes_with`, of the bare thing: 帐篷地布 goes with a 四人帐篷 too."""
    thing = _thing(wish)
    return thing is not None and _goes_with(name, thing)


def without_place(wish: str) -> tuple[str, str]:
    """(the thing, what it is for or where it goes) of "a clock for the kitchen"; no thing where none is named."""
    said = normalise(wish).strip()
    tail = _TAIL.search(said)
    if tail is None or _asked(said) is None:
        return "", said
    return said[: tail.start()], tail.group()


def _thing(wish: str) -> str | None:
    """What is asked for without what describes it: the last two characters of a Chinese compound say what it is."""
    asked = _asked(wish)
    return asked[-2:] if asked is not None and is_han(asked) else asked


@lru_cache(maxsize=1_000)
def _asked(wish: str) -> str | None:
    """The word that says what is wanted; None where that is not clear ("toner printer"), or no thing is named."""
    said = normalise(wish).strip()
    if is_han(said):
        clauses = [clause for clause in re.split(r"[^\u3400-\u9fff]+", said) if clause]
        word = next((clause for clause in clauses if not _WISH_ZH.match(clause)), clauses[0]).strip("的")
        word = word[word.rfind("的") + 1 :]  # what stands before it describes
        inside = any(found.end() < len(word) for found in GOES_WITH_ZH.finditer(word))
        return word if word and not inside else None
    if _DOES.search(said):
        return None
    words = [
        word for word in _words(_TAIL.sub("", _MEASURE.sub("", said))) if word[0].isalnum() and word not in STOPWORDS
    ]
    if not words or words[-1] in _NO_THING:
        return None
    last = stem(words[-1])
    if last not in GOES_WITH and any(stem(word) in GOES_WITH for word in words):
        return None
    return last


@lru_cache(maxsize=200_000)
def _goes_with(name: str, asked: str) -> bool:
    name = normalise(name)
    if is_han(asked):
        after = [name[found.end() :] for found in re.finditer(re.escape(asked), name)]
        return bool(after) and all(GOES_WITH_ZH.match(rest) for rest in after)
    words = _words(name)
    wanted = same_thing(asked)
    places = [place for place, word in enumerate(words) if stem(word) in wanted]
    return bool(places) and all(_before_one(words, place) or _after_for(words, place) for place in places)


def _before_one(words: list[str], place: int) -> bool:
    for word in words[place + 1 : place + 1 + AFTER]:
        if not word[0].isalpha() or word in STOPWORDS or word in _BELONGS:
            return False
        if stem(word) in GOES_WITH:
            return True
    return False


def _after_for(words: list[str], place: int) -> bool:
    for word in reversed(words[:place]):
        if word in _BELONGS:
            return True
        if not word[0].isalnum():
            return False
    return False


def _words(text: str) -> list[str]:
    return _WORD.findall(text)
