"""What a customer's words ask of a product beside its kind: price, shelf, size, colour, brand, stock.

`understand` reads them out of a message in English or Chinese and returns the filters and the words that are left to
search for. With the filters of the turn before, it reads follow-ups: "and in blue?", "cheaper ones", "更便宜的".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from retrieval.attributes import is_quality, wished
from retrieval.documents import Product, Variant
from retrieval.lexical import CJK, normalise, tokens
from retrieval.lexicon import NOT_COLORS, Vocabulary, color_family, find_forms

_SHOWN = ("shown", "shown_prices_minor")  # of Filters: what was shown, no wish
MOST_SPARE = 2  # a tent for four is offered to two, one for eight is not
AROUND = 0.2  # "around 100" is 80 to 120
LEAST_BARE_MINOR = 5000  # smaller numbers without a word for money may be sizes: 38到40的

NUMBER = r"(\d{1,3}(?:[ ,]\d{3})+(?:\.\d{1,2})?(?!\d)|\d+(?:[.,]\d{1,2})?)"
MONEY_BEFORE = r"(?:[€$£¥￥]|eur|usd|gbp|cny|rmb)?\s*"
MONEY_AFTER = r"\s*(?:€|\$|£|¥|euros?|eur|bucks|dollars?|pounds?|usd|gbp|cny|rmb|元钱?|块钱?|欧元?)?"
PRICE = rf"{MONEY_BEFORE}{NUMBER}{MONEY_AFTER}"
NOT_A_PRICE = (
    r"(?!\s*(?:[°%]|degrees?|kg|g\b|grams?|kilos?|l\b|lit(?:er|re)s?|m\b|cm|mm|inch|hours?|days?|people|persons?|人|公斤|克|升|"
    r"厘米|米|度|天|小时|寸|码|号|件|\d)|[.,]\d)"
)

BETWEEN = [
    re.compile(rf"(?:between|from)?\s*{PRICE}{NOT_A_PRICE}\s*(?:to|and|-|–|~|到|至|—)\s*{PRICE}{NOT_A_PRICE}"),
]
AT_MOST = [
    re.compile(
        rf"(?:under|below|less than|cheaper than|at most|up to|max(?:imum)?(?: of)?|no more than|not more than|within|"
        rf"budget(?: is| of)?:?|<=?|不超过|不高于|低于|少于|最多|便宜过|预算(?:是|为)?)\s*{PRICE}{NOT_A_PRICE}"
    ),
    re.compile(rf"{PRICE}\s*(?:or less|or under|or below|max(?:imum)?|tops|以下|以内|之内|之下|内(?!胆)|封顶)"),
]
AT_LEAST = [
    re.compile(
        rf"(?:over|above|more than|at least|starting (?:at|from)|min(?:imum)?(?: of)?|>=?|不低于|高于|多于|至少|超过)"
        rf"\s*{PRICE}{NOT_A_PRICE}"
    ),
    re.compile(rf"{PRICE}\s*(?:or more|and up|and above|以上|起)"),
]
ABOUT = [
    re.compile(rf"(?:around|about|approximately|roughly|大约|大概|约|差不多)\s*{PRICE}{NOT_A_PRICE}"),
    re.compile(rf"{PRICE}\s*(?:左右|上下)"),
]
PLAIN_PRICE = re.compile(rf"(?:[€$£¥￥]\s*{NUMBER}|{NUMBER}\s*(?:€|\$|£|¥|euros?\b|eur\b|元|块|欧元?))")

IN_STOCK = re.compile(
    r"\b(?:(?:is|are|that(?:'s| is| are)|only)?\s*in stock|available(?: now)?|ready to ship)\b|"
    r"现货|有货(?:的|吗)?|有库存"
)
CHEAPER = re.compile(
    r"\b(?:anything |something |any |a bit |a little )?(?:cheaper|less expensive|more affordable|lower[- ]priced?)"
    r"(?: ones?| options?| alternatives?)?\b|(?:更|再|有没有)?便宜(?:一?点|些|一些|的)+|便宜点|太贵了?|更便宜"
)
DEARER = re.compile(
    r"\b(?:more expensive|pricier|higher[- ](?:end|priced?)|better quality|premium)(?: ones?| options?)?\b|"
    r"(?:更|再)?(?:贵|高端|高档)(?:一?点|些|一些|的)+|更好的"
)
# "anything lighter?" after a search asks for the same thing with more of a quality
_QUALITY = "轻|暖和?|大|小|厚|薄|长|短|结实|亮|软|宽"
HIGHER = re.compile(
    r"\b(?:anything |something |any |a )?"
    r"(light|warm|big|bigg|larg|small|thick|thinn?|long|short|strong|bright|soft|wid)er(?: ones?)?\b"
    r"|\bas (light|warm|big|large|small|thick|thin|long|short|strong|bright|soft|wide) as possible\b"
    rf"|越({_QUALITY})越好|(?:更|再)?({_QUALITY})(?:一?点|些|一些)(?:的)?|更({_QUALITY})的"
)
SPELT = {"bigg": "big", "larg": "large", "thinn": "thin", "wid": "wide"}
CHEAPEST = re.compile(
    r"\b(?:the |your )?(?:cheapest|least expensive|lowest[- ]priced?)(?: ones?)?\b|最便宜的?|最低价的?"
)
DEAREST = re.compile(
    r"\b(?:the |your )?(?:most expensive|priciest|dearest|top[- ]of[- ]the[- ]range)(?: ones?)?\b|最贵的?|最高档的?"
)
ADDS = re.compile(
    r"^\W*(?:and |or |but |what about |how about |also )*(?:for|with|without|made of) \S"
    r"|^\W*(?:(?:and|but) )?(?:it |they )?(?:also )?(?:must|should|ha(?:s|ve) to|needs? to) (?:also )?"
    r"(?:be|have|come with) \S"
    r"|的(?:呢|吗|有吗|有没有)?\W*$"
)
# "and windproof?" after jackets is another wish of them
ALSO = re.compile(r"^\W*(?:and|but|also|or)\b|^\W*(?:还要|也要|还得|也得|要|得|最好|并且|而且|那)")
PEOPLE = re.compile(r"\bfor \d+(?: people| persons?)?\b|\b\d+[- ]persons?\b|[一二两三四五六七八\d]\s*个?人(?:用|的)?")
# "a tent for two", "4-person tent", "双人帐篷": how many must have room. Not "for two weeks", "for 60 €".
_COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
_COUNT = rf"(\d{{1,2}}|{'|'.join(_COUNTS)})"
ROOM = re.compile(
    rf"\bfor {_COUNT}(?: (?:people|persons?|adults?|campers|of us)\b|(?=\s*(?:$|[,.!?;]|under|below|with|and|in|that)))"
    rf"|\b{_COUNT}[- ]?(?:persons?|people|man)\b|([一二两双三四五六七八]|\d{{1,2}})\s*个?人(?:[睡住用坐](?:的|得下))?"
)
_HAN_COUNTS = {"一": 1, "二": 2, "两": 2, "双": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8}
_WEIGHT = r"(\d+(?:[.,]\d+)?|\b(?:half )?an?|\bone|\btwo)\s*(kg|kilos?|kilograms?|g|grams?|公斤|千克|克)"
_SPOKEN_AMOUNTS = {"a": 1.0, "an": 1.0, "one": 1.0, "two": 2.0, "half a": 0.5, "half an": 0.5}
LIGHTER_THAN = re.compile(
    r"\b(?:(?:that )?(?:weighs?|weighing) )?(?:under|below|less than|lighter than|at most|up to|max(?:imum)?|"
    r"(?:no|not) (?:more|heavier|over)(?: than)?)"
    rf" {_WEIGHT}(?![a-z])|(?:(?:不|别|不能|不要)超过|低于|少于|轻于|最多)\s*{_WEIGHT}"
    rf"|{_WEIGHT}\s*(?:or less|max|以下|以内|之内)"
)
NOT_COLOR = re.compile(r"(?:\b(?:not|no|except|without|but not|anything but)\s+(?:in |the )?|不要|不是|除了|别的?)\s*$")
MORE = re.compile(r"^\W*(?:(?:show|give)(?: me)? )?(?:some )?(?:more|others?|other ones)"
                  r"(?: (?:results|options|please))?\W*$|"
                  r"^(?:还有(?:别的|其他的?|吗|没有)*|更多|换一批|再来(?:一些|几个)|其他的?)\W*$")  # fmt: skip
NO_LIMIT = re.compile(
    r"\b(?:any price|price does(?:n't| not) matter|no budget|regardless of price)\b|价格(?:不限|无所谓)|不限价"
)
FOLLOW_UP = re.compile(
    r"^\W*(?:and|or|but|also|what about|how about|do you have (?:it|them|that|this|one)|in|only|just|with|without|"
    r"那|那么|有没有|要|换成|换|还是|如果)?"
    r"(?:\s*(?:and|or|but|the|same|it|them|that|this|those|these|ones?|in|for|a|an|do|you|have|is|are|there|any|only|"
    r"just|please|color|colour|size|made|by|from|of|show|me|i|want|prefer|need|must|should|have|has|needs?|to|be|fit|"
    r"suit|hold|sleep|room|enough|weigh|not|no|的|呢|吗|吧|有|要|我|颜色|尺码|大小|号|码|款|"
    r"款式|牌子|品牌|一?样|同款|只|看|给|必须|至少|最好|不能|不要|别|能|得|住得?下|睡得?下|睡|住|装得?下|够|就行|就好|可以|也|都))*\W*$"
)
ANY_OF = {
    "color": re.compile(r"\b(?:any|all|other) colou?rs?\b|颜色(?:不限|随便|都可以)"),
    "size": re.compile(r"\b(?:any|all) sizes?\b|尺码不限"),
    "brand": re.compile(r"\b(?:any|all|other) brands?\b|品牌不限|其他牌子"),
}
FILLER = re.compile(
    r"\b(?:i(?:'m| am)? (?:looking|searching) for|i (?:want|need|would like)|looking for|search(?:ing)? for|"
    r"show me|find me|do you (?:have|sell)|have you got|can you (?:show|find)(?: me)?|please|hi|hello|"
    r"(?:what |which )?(?:can|could|do|would) you (?:recommend|suggest|advise)(?: me)?|"
    r"(?:recommend|suggest)(?: me| us)?|"
    r"for (?:my|our)|any(?:thing)?|some(?:thing)?|for less|price[ds]?|cost(?:s|ing)?|colou?r(?:ed)?|size[ds]?)\b|"
    r"请问|你们|你好|有(?:什么|啥)好?(?:的|东西)?|有没有|我想要?(?:买|找)?|我要(?:买|找)?|帮我(?:找|看)?(?:一下)?|找(?:一下)?|想买|推荐|看看|价格|颜色|"
    r"尺码|的话|吗|呢|吧"
)


@dataclass(frozen=True)
class Filters:
    """What products must be, and what was shown. Prices in minor units. `query` is what is searched for."""

    query: str = ""
    category: str | None = None
    brand: str | None = None
    color: str | None = None
    not_color: str | None = None
    size: str | None = None
    price_min_minor: int | None = None
    price_max_minor: int | None = None
    persons: int | None = None  # that must have room
    weight_max_g: int | None = None
    in_stock: bool = False
    language: str | None = None  # of documents; products speak every language the shop wrote
    shown: tuple[str, ...] = ()  # products shown for these filters, for "more" and "cheaper"
    shown_prices_minor: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Only what is set; fits a slot."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> "Filters":
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in (data or {}).items() if name in known}
        for name in _SHOWN:
            values[name] = tuple(values.get(name, ()))
        return cls(**values)

    @property
    def narrows(self) -> bool:
        """True when something beside the words is asked for."""
        limits = (self.price_min_minor, self.price_max_minor, self.persons, self.weight_max_g)
        named = (self.category, self.brand, self.color, self.not_color, self.size, self.in_stock)
        return any(named) or any(limit is not None for limit in limits)

    def narrowed_by(self, other: "Filters") -> "Filters":
        """The same wish in words, with what `other` says beside the words."""
        beside = {name: value for name, value in other.to_json().items() if name not in ("query", *_SHOWN)}
        return replace(self, **beside)

    def variants_of(self, product: Product) -> list[Variant]:
        """The variants that fulfil size, colour, price and stock together; a product without any is not shown."""
        if self.category and product.category != self.category:
            return []
        if self.brand and normalise(product.brand or "") != normalise(self.brand):
            return []
        if not self.suits(product.attributes):
            return []
        return [variant for variant in product.variants if self._fits(variant)]

    def suits(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a product of these attributes has room for so many and is as light as that."""
        return has_room(attributes, self.persons) and is_light(attributes, self.weight_max_g)

    def _fits(self, variant: Variant) -> bool:
        color = variant.options.get("color") or variant.options.get("colour")
        if self.color and (not color or self.color not in (normalise(color), color_family(color), color)):
            return False
        if self.not_color and color and self.not_color in (normalise(color), color_family(color)):
            return False
        if self.size and normalise(variant.options.get("size", "")) != normalise(self.size):
            return False
        if self.price_min_minor is not None and variant.price_minor < self.price_min_minor:
            return False
        if self.price_max_minor is not None and variant.price_minor > self.price_max_minor:
            return False
        return variant.stock > 0 or not self.in_stock


def has_room(attributes: Mapping[str, Any], persons: int | None) -> bool:
    """True for a thing made for so many or a few more; also for one that says nothing of how many it is for."""
    room = attributes.get("persons")
    return persons is None or not isinstance(room, int | float) or persons <= room <= persons + MOST_SPARE


def is_light(attributes: Mapping[str, Any], weight_max_g: int | None) -> bool:
    """True for a thing known to weigh no more."""
    weight = attributes.get("weight_g")
    return weight_max_g is None or (isinstance(weight, int | float) and weight <= weight_max_g)


def understand(text: str, vocabulary: Vocabulary, previous: Filters | None = None) -> Filters:
    """Filters of a message; with `previous`, those of the turn before that this one does not change.

    A message that names a new thing ("and tents?") starts afresh but for the budget-free parts; one that only adds or
    changes a wish ("in blue", "under 50", "cheaper ones") keeps the rest.
    """
    said = normalise(text).strip()
    if previous is not None and MORE.match(said):
        return previous
    filters, rest = _read(said, vocabulary)
    if previous is None:
        return replace(filters, query=_query(rest))
    relative = bool(CHEAPER.search(said) or DEARER.search(said) or NO_LIMIT.search(said))
    bare = NO_LIMIT.sub(" ", DEARER.sub(" ", CHEAPER.sub(" ", rest)))
    for start, end, _ in reversed(find_forms(bare, vocabulary.brands)):
        bare = bare[:start] + " " + bare[end:]
    for pattern in ANY_OF.values():
        bare = pattern.sub(" ", bare)
    new_thing = filters.category is not None and filters.category != previous.category
    higher = HIGHER.search(said)
    bare = PEOPLE.sub(" ", ROOM.sub(" ", HIGHER.sub(" ", bare)))
    follow_up = not new_thing and (relative or bool(higher) or FOLLOW_UP.match(bare.strip()) or not _query(bare))
    another = is_quality(said) or bool(ALSO.search(said) and wished(said))
    adds = not new_thing and filters.category is None and previous.query and (ADDS.search(said) or another)
    if not (follow_up or adds):
        return replace(filters, query=_query(rest))
    followed = _follow(previous, filters, said)
    quality = next((word for word in higher.groups() if word), "") if higher else ""
    wish = f"{SPELT.get(quality, quality)} {_room(said)}".strip() if follow_up else _query(rest)
    if another:  # before the thing, as one says it: what stands last is what is wanted
        return replace(followed, query=f"{ALSO.sub('', wish).strip()} {previous.query}".strip())
    return replace(followed, query=_with_wish(previous.query, wish))


def _room(said: str) -> str:
    """The words that say for how many."""
    match = PEOPLE.search(said) or ROOM.search(said)
    return match.group().strip() if match else ""


def _with_wish(query: str, wish: str) -> str:
    """ "tent for 2 people" with "for 4 people" is a tent for 4; any other wish is added."""
    for pattern in (ROOM, PEOPLE):
        query = pattern.sub(" ", query) if pattern.search(wish) else query
    return re.sub(r"\s+", " ", f"{query} {wish}").strip()


def by_price(text: str) -> int:
    """1 for "the cheapest", -1 for "the most expensive", 0 when no extreme is asked for."""
    said = normalise(text)
    return 1 if CHEAPEST.search(said) else -1 if DEAREST.search(said) else 0


def wants_cheaper(text: str) -> bool:
    return bool(CHEAPER.search(normalise(text)))


def wants_more(text: str) -> bool:
    return bool(MORE.match(normalise(text).strip()))


def _follow(previous: Filters, new: Filters, said: str) -> Filters:
    values: dict[str, Any] = {}
    names = ("category", "brand", "color", "not_color", "size", "price_min_minor", "price_max_minor", "persons")
    for name in (*names, "weight_max_g"):
        if (value := getattr(new, name)) is not None:
            values[name] = value
    for name, pattern in ANY_OF.items():
        if pattern.search(said):
            values[name] = None
    if NO_LIMIT.search(said):
        values["price_min_minor"] = values["price_max_minor"] = None
    merged = replace(previous, **values)
    prices = sorted(previous.shown_prices_minor)
    if CHEAPER.search(said) and prices and new.price_max_minor is None:
        merged = replace(merged, price_max_minor=prices[0] - 1, price_min_minor=None)
    if DEARER.search(said) and prices and new.price_min_minor is None:
        merged = replace(merged, price_min_minor=prices[-1] + 1, price_max_minor=None)
    return replace(merged, in_stock=previous.in_stock or new.in_stock, shown=(), shown_prices_minor=())


def _read(said: str, vocabulary: Vocabulary) -> tuple[Filters, str]:
    """Filters in normalised words, and the words without those that are only filters (a shelf's name stays)."""
    weight, rest = _weight(said)
    low, high, rest = _prices(rest)
    in_stock = bool(IN_STOCK.search(rest))
    rest = IN_STOCK.sub(" ", rest)
    color, unwanted, rest = _color(rest, vocabulary)
    size, rest = _size(rest, vocabulary)
    brands = find_forms(rest, vocabulary.brands)
    categories = list(dict.fromkeys(value for _, _, value in find_forms(rest, vocabulary.categories)))
    return (
        Filters(
            category=categories[0] if len(categories) == 1 else None,
            brand=brands[0][2] if len({value for _, _, value in brands}) == 1 else None,
            color=color,
            not_color=unwanted,
            size=size,
            price_min_minor=low,
            price_max_minor=high,
            persons=_persons(said),
            weight_max_g=weight,
            in_stock=in_stock,
        ),
        rest,
    )


def _prices(said: str) -> tuple[int | None, int | None, str]:
    for pattern in BETWEEN:
        # "2 to 4 people" and "10-12" without any sign of money are not prices
        if (match := pattern.search(said)) and _is_money(match, said):
            cheap, dear = sorted(_minor(group) for group in match.groups()[:2])
            return cheap, dear, _cut(said, match)
    for patterns, kind in ((AT_MOST, "max"), (AT_LEAST, "min"), (ABOUT, "about")):
        for pattern in patterns:
            if match := pattern.search(said):
                value = _minor(match.group(1))
                rest = _cut(said, match)
                if kind == "about":
                    return round(value * (1 - AROUND)), round(value * (1 + AROUND)), rest
                if kind == "max":
                    low, _, rest = _prices(rest) if rest.strip() else (None, None, rest)
                    return low, value, rest
                return value, None, rest
    if match := PLAIN_PRICE.search(said):  # "for my mother, 60 €" names a budget
        return None, _minor(match.group(1) or match.group(2)), _cut(said, match)
    return None, None, said


def _is_money(match: re.Match[str], said: str) -> bool:
    """Whether two numbers are prices: by a word or sign for it, or large and without a unit (一百到两百的帐篷)."""
    if re.search(r"between|from|[€$£¥￥元块欧]|eur|usd", match.group()):
        return True
    large = all(_minor(number) >= LEAST_BARE_MINOR for number in match.groups()[:2])
    return large and re.match(r"\s*(?:的|之间|$)", said[match.end() :]) is not None and "到" in match.group()


def _persons(said: str) -> int | None:
    """How many must have room; the words stay, they are also what a name says."""
    match = ROOM.search(said)
    return _count(match) or None if match else None


def _count(match: re.Match[str]) -> int:
    word = next(group for group in match.groups() if group)
    return int(word) if word.isdigit() else _HAN_COUNTS.get(word) or _COUNTS.index(word) + 1


def _in_figures(match: re.Match[str]) -> str:
    """ "For two people" and 两个人睡的 as names say it, which have figures: "2-person tent", 帐篷（2 人）."""
    if CJK.search(match.group()):
        return f" {_count(match)} 人"  # nothing between it and the thing: 人帐篷 ends with what is asked for
    return f" for {_count(match)} persons " if match.group().startswith("for") else f" {_count(match)}-person "


def _weight(said: str) -> tuple[int | None, str]:
    """(grams at most, the words without it)."""
    match = LIGHTER_THAN.search(said)
    if match is None:
        return None, said
    number, unit = [group for group in match.groups() if group]
    amount = _SPOKEN_AMOUNTS.get(number) or float(number.replace(",", "."))
    grams = amount * (1 if unit in ("g", "gram", "grams", "克") else 1000)
    return round(grams), _cut(said, match)


def _color(said: str, vocabulary: Vocabulary) -> tuple[str | None, str | None, str]:
    """(colour wanted, colour not wanted, the words without it)."""
    hidden = said
    for word in NOT_COLORS:
        hidden = hidden.replace(word, "\0" * len(word))
    found = find_forms(hidden, vocabulary.colors)
    values = list(dict.fromkeys(value for _, _, value in found))
    if len(values) != 1:
        return None, None, said  # two colours are left to the words ("black and white")
    start, end, value = found[0]
    before, after = said[:start], said[end:]
    if NOT_COLOR.search(before):
        return None, value, NOT_COLOR.sub(" ", before) + " " + after
    return value, None, before + " " + after


def _size(said: str, vocabulary: Vocabulary) -> tuple[str | None, str]:
    """A size after "size", or a size that stands alone and can be nothing else; a lone number never."""
    named = re.search(r"(?:\bsizes?|尺码|尺寸|码数|eu)\s*:?\s*([a-z0-9][a-z0-9./-]*)|([a-z0-9]+)\s*(?:码|号)", said)
    if named:
        value = vocabulary.sizes.get(named.group(1) or named.group(2))
        if value:
            return value, _cut(said, named)
    forms = {form: value for form, value in vocabulary.sizes.items() if not form.isdigit() and len(form) > 1}
    forms = {form: value for form, value in forms.items() if form not in ("small", "large", "medium")}
    after_in = re.search(r"\bin (?:an? )?(small|medium|large|[smlx]{1,3})\b", said)
    if after_in and (value := vocabulary.sizes.get(after_in.group(1))):
        return value, _cut(said, after_in)
    found = find_forms(said, forms)
    if len({value for _, _, value in found}) == 1:
        start, end, value = found[0]
        return value, said[:start] + " " + said[end:]
    return None, said


def _minor(number: str) -> int:
    """ "1,200.50" or "79,90" as minor units."""
    text = number.replace(" ", "")
    text = text.replace(",", ".") if re.search(r",\d{1,2}$", text) else text.replace(",", "")
    return round(float(text) * 100)


def _cut(said: str, match: re.Match[str]) -> str:
    return said[: match.start()] + " " + said[match.end() :]


def _query(rest: str) -> str:
    """What is left to search for; "" when only small words are."""
    rest = ROOM.sub(_in_figures, rest)
    rest = DEAREST.sub(" ", CHEAPEST.sub(" ", rest))
    words = _plain(rest)
    return words if tokens(words) else ""


def _plain(rest: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"[?!？！,，。;；]", " ", FILLER.sub(" ", rest))).strip(" .-的")
