"""Small numbers as people write them, in English words, Chinese numerals and digits."""

import re

_UNITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
    "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100,
    "a couple of": 2, "a pair of": 2, "both": 2,
}  # fmt: skip
_HAN = {
    "零": 0,
    "〇": 0,
    "一": 1,
    "二": 2,
    "两": 2,
    "俩": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
}
_TENS = {"十": 10, "百": 100, "千": 1000, "万": 10000}
HAN_NUMBER = "[零〇一二两三四五六七八九十百千万]+"
WORDS = "|".join(sorted(_UNITS, key=len, reverse=True))
NUMBER = rf"\d+(?:[.,]\d+)*|{HAN_NUMBER}|\b(?:{WORDS})\b"


def value(text: str) -> float | None:
    """The number a text means; None when it means none.

    Both "1,299.00" and "1.299,00" are 1299; "1,5" is 1.5. "三百五" is 350.
    """
    bare = text.strip().lower()
    if re.fullmatch(r"\d[\d.,]*", bare):
        return _digits(bare.rstrip(".,"))
    if bare in _UNITS:
        return float(_UNITS[bare])
    if re.fullmatch(HAN_NUMBER, bare):
        return float(_han(bare))
    return None


_FROM_HUNDRED = r"[一二两三四五六七八九][百千万][零〇一二两三四五六七八九十百千万]*"  # not 百叶窗, 万能
_LIMIT_BEFORE = r"(?<=超过|高于|低于|少于|多于|至少|最多|预算|算是|算为|大概|大约)"
_LIMIT_AFTER = r"(?=\s*(?:元|块|欧|以[内下上]|之[内下]|左右|上下))"
_AMOUNT = re.compile(rf"{_FROM_HUNDRED}|{_LIMIT_BEFORE}{HAN_NUMBER}|{HAN_NUMBER}{_LIMIT_AFTER}")


def in_digits(text: str) -> str:
    """The text with large Chinese numbers, and those that limit a price, put in digits: 两百块以内 is 200块以内.
    (一块表 is a watch.)"""

    def put(match: re.Match[str]) -> str:
        number = value(match[0])
        return match[0] if number is None or number < 10 else plain(number)

    return _AMOUNT.sub(put, text)


def _digits(text: str) -> float | None:
    decimals = re.search(r"[.,](\d{1,2})$", text)
    whole = text[: decimals.start()] if decimals else text
    whole = re.sub(r"[.,]", "", whole)
    return float(f"{whole or 0}.{decimals.group(1) if decimals else 0}")


def _han(text: str) -> int:
    total, current, last = 0, 0, 1
    for letter in text:
        if letter in _HAN:
            current = current * 10 + _HAN[letter] if last == 1 and current else _HAN[letter]
            continue
        step = _TENS[letter]
        if step == 10000:
            total, current = (total + current) * step, 0
        else:
            total, current = total + (current or 1) * step, 0
        last = step
    # "三百五" is 350: a bare digit after a hundred counts tens of it
    tail = current * last // 10 if last >= 100 and current and text[-2] in _TENS else current
    return total + tail


def plain(number: float) -> str:
    """Without a needless ".0": "80", "79.9"."""
    return str(int(number)) if number == int(number) else f"{number:g}"
