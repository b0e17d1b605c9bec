"""Several wishes in one message: where to cut, and when not to.

A message is cut at sentence ends and at joining words; the pieces are judged by the intent model, and a cut stays only
if both sides are sure wishes of different kinds. So "my tent and my stove" stays whole, and "cancel my order and where
is my refund" becomes two.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# after punctuation; before a joining word that starts a new clause (还有 is none in 卡里还有多少, 还有货吗)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=\S)|(?<=[\u3002\uff01\uff1f\uff1b])|\n+")
_JOIN = re.compile(
    r",?\s+(?:and also|and then|and please|and|also|plus|then|besides|oh and|ps:?|p\.s\.)\s+(?=\S)"
    r"|,\s+(?=(?:can|could|how|what|where|when|is|are|do|does|please|i|also|where's|what's|when's)\b)"
    r"|[\uff0c,\u3001]?\s*(?:\u53e6\u5916|(?<![\u91cc\u4e2d\u4e0a])\u8fd8\u6709(?!\u591a|\u51e0|\u6ca1|\u8d27|\u5417)|\u987a\u4fbf|\u540c\u65f6|\u7136\u540e|\u518d\u5e2e\u6211|\u5e76\u4e14|\u5bf9\u4e86)[\uff0c,\uff1a:]?\s*"
    r"|\uff0c\s*",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^(?:(?:oh|and|also|btw|by the way|plus|then|besides|one more thing|another thing)\b[,:]?\s*"
    r"|(?:\u53e6\u5916|\u8fd8\u6709|\u5bf9\u4e86|\u987a\u4fbf|\u7136\u540e|\u8fd8\u60f3\u95ee)[\uff0c,\uff1a:]?\s*)+",
    re.IGNORECASE,
)
MIN_LATIN, MIN_HAN = 2, 3  # words, characters: shorter pieces say nothing by themselves
MOST = 4  # pieces a message is cut into at most
NEVER_ALONE = frozenset(
    {
        "inform",
        "affirm",
        "deny",
        "correct",
        "never_mind",
        "greet",
        "thanks",
        "goodbye",
        "chitchat",
        "out_of_scope",
        "help",
    }
)
# What is asked for an order is asked once for all its items: "return the jacket and the tent" is one return.
OF_ONE_ORDER = frozenset({"return_order", "exchange_order", "change_items", "cancel_order", "cancel_return", "reorder"})
SWAPS = frozenset({"exchange_order", "change_items"})
ORDERS = OF_ONE_ORDER | {
    "change_address",
    "change_payment",
    "change_shipping",
    "track_order",
    "refund_status",
    "invoice",
}
# What a piece that only names or describes things sounds like.
DESCRIBING = frozenset(
    {"product_search", "product_refine", "recommend", "check_stock", "product_question", "complaint"}
)
SEARCHES = frozenset({"product_search", "recommend", "product_refine"})
_SEARCHING = re.compile(
    r"\b(show|find|search(?:ing)?|look(?:ing)? for|recommend|suggest|do you (?:have|sell))\b|找|推荐|有没有|看看",
    re.IGNORECASE,
)
MOST_WORDS = 6  # of a piece that only names options
_OWN = re.compile(
    r"\?|\b(person|human|agent|someone|show|find|thank\w*|bye|where|when|how|what)\b|[\u3400-\u9fff]", re.I
)
_THING = re.compile(r"^(?:the|my|an?|this|that|these|those|both|one)\s", re.IGNORECASE)
_ASKING = re.compile(r"\b(where|when|status|how long|has|did)\b|哪|什么时候|多久|吗", re.IGNORECASE)
_QUESTION = re.compile(r"[?\uff1f]|\u5417|^(?:can|could|how|what|where|when|is|are|do|does)\b", re.IGNORECASE)
_WHERE = re.compile(r"\b(where|when|status|track\w*|arriv\w*)\b|哪|到了", re.IGNORECASE)
_NUMBER = re.compile(r"\d{5,}")
# "cancel it. I ordered it by mistake": why, not what else
_REASON = re.compile(
    r"^(?:(?:because|since|sorry|as)\b,?\s*)*(?:i(?:'ve| have| had)? (?:just |only |accidentally )?"
    r"(?:ordered|bought|chose|picked|clicked|pressed|entered|typed|took|made a)\b"
    r"|(?:it|this|that) was (?:an? |my )?(?:mistake|accident|error|wrong)\b)"
    r"|^(?:因为|是)?我?(?:不小心)?(?:买|拍|点|选|填|写|下)(?:错|多|重)",
    re.IGNORECASE,
)
# "order K-1 has arrived, I want another size": what led to the wish; nobody asks where it is
_ARRIVED = re.compile(
    r"\b(?:arrived|came|got here|(?:been|was) delivered|i(?:'ve| have)? (?:got|received))\b|收到|到货|(?<!没)到了",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"[?？]|^(?:has|have|had|did|is|was)\b|\b(?:where|when|how|if|whether|not|never)\b|n't\b|吗|哪|没|什么时候|多久",
    re.IGNORECASE,
)  # or whether it has come is the question
# "which delivery options do you have and what do they cost": a question about a product that names none, only "they",
# asks on about the policy before it
ABOUT_THE_SHOP = frozenset(
    {
        "ask_faq",
        "delivery_options",
        "delivery_time",
        "gift_card",
        "payment_methods",
        "promotions",
        "refund_policy",
        "warranty",
    }
)
ABOUT_A_PRODUCT = frozenset({"check_price", "check_stock", "product_question", "size_fit"})
_LEANS = re.compile(r"\b(?:it|its|they|them|that|those|these|this)\b|它们?|这些|那些|这个|那个", re.IGNORECASE)
SURE = 0.5  # calibrated confidence a piece needs


@dataclass(frozen=True)
class Piece:
    """`text` stands at `start` of the message."""

    text: str
    start: int


def pieces(text: str) -> list[Piece]:
    """The message cut at every place where a new wish could begin; a single piece when there is none."""
    cuts = sorted({(m.start(), m.end()) for pattern in (_SENTENCE, _JOIN) for m in pattern.finditer(text)})
    found, start = [], 0
    for cut_start, cut_end in [*cuts, (len(text), len(text))]:
        if cut_start < start:
            start = max(start, cut_end)
            continue
        part = text[start:cut_start]
        if _says_something(part):
            found.append(Piece(part.strip(), start + len(part) - len(part.lstrip())))
            start = cut_end
        elif cut_start == len(text) and found and part.strip():
            found[-1] = Piece(text[found[-1].start :].strip(), found[-1].start)
        # a piece too short to say anything stays with what follows: `start` is left where it is
    found = [_without_lead(piece) for piece in found]
    return found[:MOST] if len(found) > 1 else [Piece(text, 0)]


def _without_lead(piece: Piece) -> Piece:
    """ "oh and where is it" -> "where is it": the joining words mislead the intent model."""
    lead = _LEAD.match(piece.text)
    rest = piece.text[lead.end() :] if lead else piece.text
    return Piece(rest, piece.start + len(piece.text) - len(rest)) if rest else piece


def _says_something(part: str) -> bool:
    han = len(re.findall(r"[\u3400-\u9fff]", part))
    words = len(re.findall(r"[A-Za-z\u00c0-\u024f']{2,}|\d+", part))
    return han >= MIN_HAN or words >= MIN_LATIN


def describes(text: str, label: str, before: Sequence[str]) -> bool:
    """Whether a piece that sounds like a wish of its own only goes on with the one before it.

    "exchange the lamp. I want one in black": what it should become. "return the jacket and the tent": one more thing.
    "return it and have the money back on PayPal": where the money goes. "A tent, it must be waterproof": which tent.

    Args:
        before: what the pieces before it are.
    """
    if label == "product_refine" and before and before[-1] in SEARCHES:
        return True
    if not ORDERS & set(before):
        return False
    swapping, thing = bool(SWAPS & set(before)), _THING.match(text) is not None
    if label in SWAPS:
        return swapping and not _NUMBER.search(text)
    if label == "refund_status":
        return "return_order" in before and not _ASKING.search(text)
    if label == "track_order":
        return thing and bool(OF_ONE_ORDER & set(before)) and not _WHERE.search(text)
    if swapping and label not in ORDERS and len(text.split()) <= MOST_WORDS and not _OWN.search(text):
        return True  # "and power source AC adapter"
    return label in DESCRIBING and not _SEARCHING.search(text) and (swapping or thing)


def explains(text: str, label: str, others: Sequence[str]) -> bool:
    """Whether a piece only says why an order is to be changed: "I ordered it by mistake", before the wish or after it.

    Args:
        label: what the piece sounds like.
        others: what the other pieces are.
    """
    if not ORDERS & set(others):
        return False
    if label == "track_order" and ORDERS & set(others) - {label} and _ARRIVED.search(text):
        return not _OPEN.search(text)
    return not _ASKING.search(text) and not _NUMBER.search(text) and _REASON.search(text) is not None


def only_tells(text: str, parts: Sequence[Piece], number: int) -> bool:
    """Whether one of two pieces may be no more than what led to the wish: it asks nothing, and no word joins them.

    "The shoes arrived, I'd like a size up". Of 689 messages with one wish 2 are cut in two where this is asked when the
    models are sure of the whole and less of the piece, and 11 else; of 67 with two none is joined.
    """
    if len(parts) != 2 or _QUESTION.search(parts[number].text):
        return False
    between = text[parts[0].start + len(parts[0].text) : parts[1].start]
    return not re.search(r"\w", between)


def leans(text: str) -> bool:
    """Whether a piece speaks of something named before it."""
    return bool(_LEANS.search(text))


def joined(
    labels: Sequence[str],
    confidences: Sequence[float],
    things: Sequence[frozenset[str]],
    leaning: Sequence[bool] = (),
) -> list[list[int]]:
    """Which pieces belong together: lists of piece numbers, one list a wish.

    Args:
        labels, confidences: what the intent model says of each piece alone.
        things: the orders, products and categories each piece names.
        leaning: which pieces speak of "it" or "them"; empty: none does.

    A piece is a wish of its own when it is sure, its kind can stand alone, and it differs from its neighbour's, or is
    about another thing ("cancel K-1. cancel K-2 too"); every other piece is part of the wish before it (or, at the
    start, of the one after it).
    """
    groups: list[list[int]] = []
    kinds: list[str | None] = []
    for number in range(len(labels)):
        alone = confidences[number] >= SURE and labels[number] not in NEVER_ALONE
        before = frozenset[str]().union(*(things[each] for each in groups[-1])) if groups else frozenset()
        other_thing = bool(before and things[number] and before.isdisjoint(things[number]))
        asks_on = (
            bool(leaning and leaning[number] and groups and not things[number])
            and labels[number] in ABOUT_A_PRODUCT
            and kinds[-1] in ABOUT_THE_SHOP
        )
        if groups and (not alone or asks_on or (labels[number] == kinds[-1] and not other_thing)):
            groups[-1].append(number)
        elif groups and kinds[-1] is None and alone:
            groups[-1].append(number)
            kinds[-1] = labels[number]
        else:
            groups.append([number])
            kinds.append(labels[number] if alone else None)
    return groups


def cut(text: str, parts: Sequence[Piece], groups: Sequence[Sequence[int]]) -> list[Piece]:
    """The message's own text from the start of each group to the start of the next, joining words left out."""
    ends = [parts[group[-1]].start + len(parts[group[-1]].text) for group in groups]
    return [
        Piece(text[parts[group[0]].start : end], parts[group[0]].start) for group, end in zip(groups, ends, strict=True)
    ]
