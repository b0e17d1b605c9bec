# ruff: noqa: E501  (a rule on one line is easier to compare with its neighbours)
"""Order numbers, e-mails, amounts, sizes, colours, dates ... in English and Chinese, by rules.

Rules come first because what they find is exact: a wrong order number costs more than a missed one. Names of products,
brands and categories come from the shop's own catalogue (`gazetteer`). Each rule sees only text that no earlier rule
took, so "2" is no quantity inside "K-100002".
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nlu_models.gazetteer import Gazetteer
from nlu_models.numerals import HAN_NUMBER, NUMBER, plain, value

Value = str | bool
Reading = Callable[[re.Match[str]], "Value | None"]


@dataclass(frozen=True)
class Entity:
    """`text[start:end]` of the message means `value`. `extractor` is rules or catalogue."""

    entity: str
    value: Value
    start: int
    end: int
    confidence: float = 1.0
    extractor: str = "rules"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Rule:
    """`pattern` (over folded text); group `v`, or all, is the span; `read` gives the value, None: not this one.

    `needs`: what every text has that the pattern is found in. It is looked for once for all rules that need it, and
    most messages have neither numbers nor colours.
    """

    entity: str
    pattern: re.Pattern[str]
    read: Reading
    needs: re.Pattern[str] | None = None


def extract(text: str, gazetteer: Gazetteer | None = None) -> list[Entity]:
    """Entities in the order written; none overlap."""
    folded = fold(text)
    found: list[Entity] = []
    taken = [False] * len(folded)
    there = {needed: needed is None or bool(needed.search(folded)) for needed in NEEDED}
    for rule in RULES:
        if there[rule.needs]:
            found.extend(_apply(rule, folded, taken))
        if rule.entity == "email" and gazetteer is not None:
            # names of the catalogue before single words: "Blue Ridge tent" is no colour
            for name in gazetteer.find(folded, taken):
                found.append(Entity(name.entity, name.value, name.start, name.end, name.confidence, "catalogue"))
                taken[name.start : name.end] = [True] * (name.end - name.start)
    return sorted(found, key=lambda entity: entity.start)


def fold(text: str) -> str:
    """Full-width letters and digits made plain, lower case, one character for each of the original."""

    if text.isascii():
        return text.lower()

    def one(letter: str) -> str:
        plain_letter = unicodedata.normalize("NFKC", letter).lower()
        return plain_letter if len(plain_letter) == 1 else letter

    return "".join(map(one, text))


def _apply(rule: Rule, folded: str, taken: list[bool]) -> Iterable[Entity]:
    for match in rule.pattern.finditer(folded):
        group = "v" if "v" in rule.pattern.groupindex else 0
        start, end = match.span(group)
        if start == end or any(taken[start:end]):
            continue
        read = rule.read(match)
        if read is None:
            continue
        taken[start:end] = [True] * (end - start)
        yield Entity(rule.entity, read, start, end)


def _rule(
    entity: str, pattern: str, read: Reading | str | bool | None = None, *, needs: re.Pattern[str] | None = None
) -> Rule:
    if read is None:
        return Rule(entity, re.compile(pattern), lambda match: _span(match), needs)
    if isinstance(read, str | bool):
        fixed: Value = read
        return Rule(entity, re.compile(pattern), lambda match: fixed, needs)
    return Rule(entity, re.compile(pattern), read, needs)


def _span(match: re.Match[str]) -> str:
    return match.group("v") if "v" in match.re.groupindex else match.group()


def _words(entity: str, table: dict[str, str]) -> list[Rule]:
    """One rule a row of pattern -> value, earlier rows first; Latin words must stand alone, Chinese ones need not."""
    any_of_them = re.compile("|".join(table))
    return [
        _rule(entity, rf"(?<![a-z])(?:{pattern})(?:(?<![a-z])|(?![a-z]))", v, needs=any_of_them)
        for pattern, v in table.items()
    ]


def _order_number(match: re.Match[str]) -> str | None:
    letter = match.group("letter") or "k"
    return f"{letter.upper()}-{match.group('digits')}"


def _number(match: re.Match[str]) -> str | None:
    number = value(match.group("n"))
    return None if number is None else plain(number)


def _phone(match: re.Match[str]) -> str | None:
    digits = re.sub(r"\D", "", match.group())
    return ("+" if match.group().startswith("+") else "") + digits if 7 <= len(digits) <= 15 else None


def _code(match: re.Match[str]) -> str:
    return re.sub(r"\D", "", match.group("v"))


EDGE = r"(?<![a-z0-9])"
END = r"(?![a-z0-9])"
MONEY_SIGN = r"(?:eur|euros?|€|usd|dollars?|\$|rmb|cny|yuan|¥|￥|元|块钱?|欧元?|刀|bucks?|quid)"
PRICE = rf"(?:{MONEY_SIGN}\s*)?(?P<n>{NUMBER})\s*(?:{MONEY_SIGN}|(?=$|[^\w%]|[\u4e00-\u9fff]))"
MONTHS = "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
DAYS = "mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs(?:day)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?"
COUNTED = (
    r"pieces?|pcs|items?|units?|pairs?|times|boxes|packs?|tents?|chairs?|jackets?|bags?|mats?|stoves?|lamps?|cups?|"
    r"candles?|cartridges?|of (?:them|those|these|it)"
)
CLASSIFIERS = "[个件双条只把张套顶盏瓶罐盒包支块本台副份]"

COLORS = {
    "dark ?green|forest(?: green)?|墨绿色?|军绿色?": "forest",
    "dark ?blue|navy(?: blue)?|藏青色?|深蓝色?|海军蓝": "navy",
    "rust(?:y red)?|锈红色?": "rust",
    "reds?|红色?(?![茶酒糖])": "red",
    "orange|橙色?|橘色": "orange",
    "yellow|黄色": "yellow",
    "green|绿色": "green",
    "blue|蓝色": "blue",
    "teal|turquoise|青色": "teal",
    "black|黑色?(?!色)": "black",
    "gr[ea]y|灰色": "grey",
    "white|白色": "white",
    "sand|beige|沙色|米色|卡其色?": "sand",
    "brown|棕色|咖啡色|褐色": "brown",
    "purple|violet|紫色": "purple",
    "pink|粉红?色": "pink",
    "oak|橡木色": "oak",
    "walnut|胡桃木?色": "walnut",
    "stainless steel|steel|silver|不锈钢色?|银色": "steel",
    "copper|铜色": "copper",
}
PAYMENT = {
    "pay ?pal|贝宝": "paypal",
    "ali ?pay|支付宝": "alipay",
    "we ?chat(?: ?pay)?|微信(?:支付|付款)?": "wechat_pay",
    "gift ?(?:card|voucher)|voucher|礼品卡|购物卡": "gift_card",
    "(?:credit|debit|bank) ?card|visa|master ?card|amex|(?:银行|信用|借记)卡": "card",
}
SHIPPING = {
    "express|next[- ]day|overnight|fast(?:er|est)? (?:shipping|delivery)|加急|特快|快递加急|次日达|最快的?(?:配送|快递)": "express",
    "standard|regular (?:shipping|delivery)|normal (?:shipping|delivery)|标准(?:配送|快递)?|普通(?:配送|快递)": "standard",
    "pick ?up|collect (?:it )?in (?:the )?store|click and collect|自提|自取|到店取": "pickup",
}
LANGUAGES = {"english|英文|英语": "en", "chinese|mandarin|中文|汉语|普通话|国语": "zh"}
ORDINALS = {
    "first|1st|第一|首": "1",
    "second|2nd|第二": "2",
    "third|3rd|第三": "3",
    "fourth|4th|第四": "4",
    "fifth|5th|第五": "5",
    "last|最后一?": "-1",
}
A_DIGIT = re.compile(r"\d")
A_NUMBER = re.compile(NUMBER)
NOT_A_VERB = "".join(
    f"(?<!{word} )" for word in ("it", "they", "that", "this", "battery", "will", "to")
)  # "does it last"
AN_ORDINAL = re.compile("|".join(ORDINALS))

RULES: tuple[Rule, ...] = (
    _rule("email", r"(?P<v>[a-z0-9][\w.+-]*@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,})(?![\w@])"),
    _rule(
        "order_number",
        rf"(?P<v>{EDGE}(?:no\.? ?|#)?(?P<letter>[kr])[-–— .#]{{0,2}}(?P<digits>\d{{4,8}})){END}",
        _order_number,
        needs=A_DIGIT,
    ),
    # a number right after the word for an order, or a six-digit one with a hash
    _rule(
        "order_number",
        rf"(?:order|订单号?|单号|return|退货单?号?)(?: (?:number|no\.?|nr\.?|is))*\s*(?:是|为|号)?\s*[:：#]?\s*(?P<v>#?(?P<letter>)(?P<digits>\d{{5,8}})){END}",
        lambda match: f"{'R' if match.group().startswith(('return', '退')) else 'K'}-{match.group('digits')}",
        needs=A_DIGIT,
    ),
    _rule("order_number", rf"(?P<v>#(?P<letter>)(?P<digits>\d{{6}})){END}", _order_number, needs=A_DIGIT),
    # other shops' numbering: "#W2378156", "W2378156", "AB-1234567"; and a long bare number that is the whole message
    _rule(
        "order_number",
        rf"(?P<v>#[a-z]{{1,3}}-?\d{{4,10}}|{EDGE}[a-z]{{1,2}}-?\d{{6,10}}){END}",
        lambda match: match.group("v").upper(),
        needs=A_DIGIT,
    ),
    _rule("order_number", r"^\W*(?P<v>\d{7,10})\W*$", needs=A_DIGIT),
    _rule("phone", rf"(?P<v>\+\d[\d ()/-]{{6,18}}\d){END}", _phone, needs=A_DIGIT),
    _rule("phone", rf"(?P<v>{EDGE}1[3-9]\d[ -]?\d{{4}}[ -]?\d{{4}}){END}", _phone, needs=A_DIGIT),
    _rule(
        "phone",
        rf"(?:phone|mobile|call me|tel\.?|手机|电话)\D{{0,12}}(?P<v>\d[\d ()/-]{{5,16}}\d){END}",
        _phone,
        needs=A_DIGIT,
    ),
    _rule(
        "date",
        rf"{EDGE}\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}{END}|{EDGE}\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{2,4}}{END}",
        needs=A_DIGIT,
    ),
    _rule("date", r"(?:\d{4}年)?\d{1,2}月\d{1,2}[日号]", needs=A_DIGIT),
    _rule(
        "date",
        rf"{EDGE}(?:\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{MONTHS})|(?:{MONTHS}) \d{{1,2}}(?:st|nd|rd|th)?)(?: \d{{4}})?{END}",
        needs=A_DIGIT,
    ),
    _rule(
        "date",
        rf"{EDGE}(?:today|tomorrow|yesterday|(?:last|next|this) (?:week|month|weekend|{DAYS})|(?:mon|tues|wednes|thurs|fri|satur|sun)days?){END}"
        r"|今天|明天|后天|昨天|前天|[上下这本]个?(?:周|星期|礼拜)[一二三四五六日天]?|(?:周|星期|礼拜)[一二三四五六日天]|上个月|下个月|这个月",
    ),
    _rule(
        "code",
        rf"(?:code|pin|otp|验证码|校验码|代码)\s*(?:is|was|是|为)?\s*[:：]?\s*(?P<v>\d{{3}}[ -]?\d{{3}}|\d{{4,8}}){END}",
        _code,
        needs=A_DIGIT,
    ),
    _rule(
        "postcode",
        rf"(?:post ?code|postal code|zip(?: code)?|plz|邮编|邮政编码)\s*(?:is|是|为)?\s*[:：]?\s*(?P<v>[a-z]{{0,2}}-?\d{{4,6}}){END}",
        lambda match: match.group("v").upper(),
        needs=A_DIGIT,
    ),
    _rule(
        "postcode",
        rf"(?P<v>{EDGE}(?:a|ch|d|at|de)-\d{{4,5}}){END}",
        lambda match: match.group("v").upper(),
        needs=A_DIGIT,
    ),
    _rule("code", r"^\W*(?P<v>\d{3}[ -]?\d{3})\W*$", _code, needs=A_DIGIT),
    _rule("postcode", r"^\W*(?P<v>\d{4,5})\W*$", needs=A_DIGIT),
    # prices: a range, an upper end, a lower end, an amount
    _rule(
        "size",
        rf"(?:size|尺码)\s*(?:from|从)?\s*(?P<v>\d{{2}}|[sml]|xs|xl)(?=\s*(?:to|换成|改成|到){END})",
        lambda match: match.group("v").upper(),
    ),
    _rule(
        "price_min",
        rf"(?:between|from|在)\s*(?:{MONEY_SIGN}\s*)?(?P<v>(?P<n>{NUMBER}))(?=\s*{MONEY_SIGN}?\s*(?:and|to|-|–|到|至|和)\s*(?:{MONEY_SIGN}\s*)?\d)",
        _number,
        needs=A_DIGIT,
    ),
    _rule(
        "price_min",
        rf"(?P<v>{EDGE}(?:{MONEY_SIGN}\s*)?(?P<n>\d[\d.,]*))(?=\s*{MONEY_SIGN}?\s*(?:-|–|到|至|to)\s*(?:{MONEY_SIGN}\s*)?\d[\d.,]*\s*{MONEY_SIGN})",
        _number,
        needs=A_DIGIT,
    ),
    _rule(
        "price_max",
        rf"(?:between|from|在)?\s*\d[\d.,]*\s*{MONEY_SIGN}?\s*(?:and|-|–|to|到|至|和)\s*(?P<v>(?:{MONEY_SIGN}\s*)?(?P<n>\d[\d.,]*)\s*{MONEY_SIGN}(?:之间)?)",
        _number,
        needs=A_DIGIT,
    ),
    _rule("price_max", rf"between\s*\S+(?:\s*{MONEY_SIGN})?\s*and\s*(?P<v>{PRICE})", _number, needs=A_NUMBER),
    _rule(
        "price_max",
        rf"{EDGE}(?:under|below|less than|cheaper than|up to|at most|max(?:imum)?(?: of)?|not (?:more|over) than|no more than|within|budget(?: is| of)?:?|for less than|不超过|最多|预算(?:是|在|只有)?|低于|少于|小于)\s*(?P<v>{PRICE})",
        _number,
        needs=A_NUMBER,
    ),
    _rule(
        "price_max",
        rf"(?P<v>(?P<n>{NUMBER})\s*{MONEY_SIGN}?)\s*(?:以下|以内|之内|内(?!存|胆|帐)|or less|or under|max\b|tops\b)",
        _number,
        needs=A_NUMBER,
    ),
    _rule(
        "price_min",
        rf"{EDGE}(?:over|above|more than|at least|from|starting at|min(?:imum)?(?: of)?|超过|高于|至少|不低于|大于)\s*(?P<v>(?:{MONEY_SIGN}\s*)?(?P<n>\d[\d.,]*)\s*{MONEY_SIGN}|{MONEY_SIGN}\s*\d[\d.,]*)",
        lambda match: _first_number(match.group("v")),
        needs=A_DIGIT,
    ),
    _rule(
        "price_min",
        rf"(?P<v>(?P<n>{NUMBER})\s*{MONEY_SIGN}?)\s*(?:以上|起(?![来床])|or more|and up|and above)",
        _number,
        needs=A_NUMBER,
    ),
    _rule(
        "amount",
        rf"(?P<v>{MONEY_SIGN}\s?(?P<n>\d[\d.,]*\d|\d)|(?P<m>\d[\d.,]*\d|\d|{HAN_NUMBER})\s?{MONEY_SIGN})(?![\w])|(?P<z>\d[\d.,]*\s?(?:元|块|欧元|欧))",
        lambda match: _first_number(match.group()),
        needs=A_NUMBER,
    ),
    # sizes
    _rule(
        "size",
        rf"(?:size|sized|in an?|尺码|尺寸|大小|码数)\s*(?:is|of|was|是|要|:|：)?\s*(?P<v>(?:xxs|xs|s|m|l|xl|xxl|xxxl|[2-5]xl|\d{{2}}(?:[.,]5)?)){END}",
        lambda match: match.group("v").upper().replace(",", "."),
    ),
    _rule("size", rf"(?P<v>{EDGE}(?:xxs|xs|xl|xxl|xxxl|[2-5]xl)){END}", lambda match: match.group("v").upper()),
    _rule(
        "size",
        r"(?P<v>(?<![a-z0-9])(?:xxs|xs|s|m|l|xl|xxl|[2-5]xl|\d{2}(?:\.5)?))\s*[码号](?![一-龥]*(?:订单|线))",
        lambda match: match.group("v").upper(),
    ),
    _rule(
        "size", r"(?P<v>[特加]?[大中小均]码)", lambda match: {"大": "L", "中": "M", "小": "S"}.get(match.group("v")[-2])
    ),
    _rule(
        "size",
        rf"(?P<v>{EDGE}(?:extra[- ]large|extra[- ]small|small|medium|large)){END}(?! (?:problem|issue|question|order|number|amount|tent|family))",
        lambda match: (
            {"extra": "X"}.get(match.group("v")[:5], "") + match.group("v").split("-")[-1].split(" ")[-1][0].upper()
        ),
    ),
    _rule("size", rf"(?P<v>{EDGE}[1-8]p){END}", lambda match: match.group("v").upper(), needs=A_DIGIT),
    _rule("size", r"^\W*(?P<v>[sml])\W*$", lambda match: match.group("v").upper()),
    _rule(
        "size",
        rf"(?P<v>{EDGE}[sml]){END}(?=\s*(?:please|instead|rather|一?件|的|吧|色|$))",
        lambda match: match.group("v").upper(),
    ),
    _rule(
        "size",
        rf"{EDGE}from\s+(?:an?\s+)?(?:size\s+)?(?P<v>[sml]|3[5-9]|4[0-9])\s+to{END}",
        lambda match: match.group("v").upper(),
    ),
    _rule(
        "size",
        rf"{EDGE}(?:to|into|for|be|want|need|takes?|wears?)\s+(?:an?\s+)?(?P<v>[sml]|3[5-9]|4[0-9]){END}(?!\s*(?:of|pieces|eur|{MONEY_SIGN}))",
        lambda match: match.group("v").upper(),
    ),
    # places in a list
    _rule(
        "ordinal",
        rf"(?:{EDGE}(?:number|no\.|option|item|#)\s*(?P<v>\d{{1,2}}){END})",
        lambda match: match.group("v"),
        needs=A_DIGIT,
    ),
    _rule("ordinal", rf"(?P<v>第\s*(?P<n>\d{{1,2}}|{HAN_NUMBER})\s*[个件款张双条只把种项]?)", _number, needs=A_NUMBER),
    *(
        _rule(
            "ordinal",
            rf"(?P<v>(?:{EDGE}(?:the |{NOT_A_VERB})(?:{pattern})(?: one| option| item)?{END}))(?![ -](?:name|time|order|week|month|year|days?|of all|class|aid|thing))"
            if pattern[0].isascii()
            else pattern,
            meaning,
            needs=AN_ORDINAL,
        )
        for row, meaning in ORDINALS.items()
        for pattern in (
            "|".join(word for word in row.split("|") if word.isascii()),
            "|".join(f"{word}[个件款张双条只把种]?" for word in row.split("|") if not word.isascii()),
        )
    ),
    # quantities
    _rule(
        "quantity",
        rf"(?P<v>{EDGE}(?P<n>\d{{1,3}}|{'|'.join(('one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'))})) ?(?:x\b|(?:more |of the |extra )?(?:{COUNTED})\b)",
        _number,
    ),
    _rule("quantity", rf"(?P<v>(?P<n>\d{{1,3}}|[一二两俩三四五六七八九十]{{1,3}}))\s*{CLASSIFIERS}(?!月)", _number),
    _rule(
        "quantity",
        rf"(?:quantity|qty|amount|数量|件数)\s*(?:is|of|to|改?[为成是到])?\s*[:：]?\s*(?P<v>(?P<n>\d{{1,3}}|{HAN_NUMBER})){END}",
        _number,
    ),
    _rule(
        "quantity",
        rf"{EDGE}(?:only|just|want|need|take|order|to|get|make it|另要|只要|改[成为])\s*(?P<v>(?P<n>\d{{1,2}}|one(?! (?:in|that|from|with|for))|two|three|four|five|six)){END}(?!\s*(?:%|days?|weeks?|hours?|years?|months?|persons?|people|man\b|euro|eur|天|周|小时|人|年|月|码))",
        _number,
    ),
    _rule("quantity", rf"(?P<v>{EDGE}x ?(?P<n>\d{{1,2}})){END}", _number, needs=A_DIGIT),
    *_words("payment_method", PAYMENT),
    *_words("shipping_method", SHIPPING),
    *_words("color", COLORS),
    *_words("language", LANGUAGES),
    _rule(
        "in_stock",
        r"\b(?:in stock|available (?:now|right now|today|immediately)|ready to ship)\b|有现?货|现货|有库存",
        True,
    ),
)

NEEDED = {rule.needs for rule in RULES}


def _first_number(text: str) -> str | None:
    found = re.search(NUMBER, text)
    number = value(found.group()) if found else None
    return None if number is None else plain(number)


def names(entities: Sequence[Entity]) -> set[str]:
    return {entity.entity for entity in entities}
