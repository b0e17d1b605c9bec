# ruff: noqa: E501  (patterns, one idea a row)
"""Whether a draft says what the evidence says: every clause must lean on one sentence of it, with the same sign.

Numbers and names can all be right and the sentence still be false: "the label is free", "gift cards can be paid out in
cash". So each clause of a draft is held against the evidence:

- its words must be those of the evidence, of the shop's approved replies, or words that claim nothing ("of course");
- most of them must stand in one sentence, not be gathered from several ("the label" here and "free" there);
- what the evidence denies may only be denied, what it states may not be denied;
- a condition of the sentence ("if it is damaged, ...") may not be left out;
- an amount must stand where the sentence has it: "express" and the price of standard do not go together.

A question states nothing and is not checked. This is a check of words, not of logic: it refuses more than is false, so
approved sentences and sentences quoted from a passage are taken out before (see `guard.check`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlu_models import numerals
from nlu_models.frames import ATTRIBUTES_ZH, FRAME_EN, FRAME_ZH, LOADED, LOADED_ZH, UNLOCKED_EN, UNLOCKED_ZH

KEPT_OF_CONDITION = 0.4  # of the words of an "if ..." must be said with what it allows
ANCHORED = 2 / 3  # of a clause's words stand in one sentence of the evidence

_HAN = re.compile(r"[\u3400-\u9fff]+")
_WORD = re.compile(r"[a-z\u00c0-\u024f][a-z\u00c0-\u024f'-]*|\d+(?:[.,:]\d+)*")
_END = re.compile(r"(?<=[!?])\s+|\.(?:\s+|$)|[;\n\u2022]+|[。！；]|(?<=[？])")
_PART = re.compile(
    r"[,:，：、()（）\u2013\u2014]+(?!\d)|\b(?:and|or|but|so|although|while|yet)\b|并且|而且|但是|不过|或者|以及"
)
_NO_EN = re.compile(
    r"\b(?:no|not|never|none|nothing|neither|nor|cannot|without|except|excluded|unable|refuse[ds]?)\b|n't\b"
)
_NO_ZH = re.compile(
    r"(?<!特)(?<!分)(?<!区)(?:不(?!过|论|仅|但|错|好意思)|没|未(?!使用|拆)|无(?!理由|线)|别(?!的|人|家)|勿|免(?!费|运|邮|息|单))"
)
_LIST = re.compile(
    r"[,:，：()（）\u2013\u2014]+(?!\d)|\b(?:but|although|while)\b|但是|不过"
)  # "and" joins what one "not" denies
_DENYING_VERB = re.compile(r"\b(?:cannot|not|never)\b|n't\b")
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|can|cannot|could|may|must|should|will|would|do|does|has|have|costs?|takes?|gets?|goes|comes?|"
    r"pays?|needs?|means?|works?|stays?|keeps?)\b|n't\b"
)
_ASIDE = re.compile(
    r"\b(?:what|which|that|who|whom|whose|if|whether|unless|when|where|or)\b[^,.;]*\b(?:not|n't|never)\b"
)
_CONDITION = re.compile(
    r"\b(?:if|when|unless|only|provided|for (?:faulty|damaged|wrong|defective))\b[^,.;]*|(?:如果|若|只有|仅限?|除非|当)[^，。；]*|[^，。；]*(?:时|的话|有问题)(?=[，则])|[^，。；]*则"
)
_US = re.compile(r"\b(?:we|us|our|we'll|we're)\b|我们", re.IGNORECASE)
_YOU = re.compile(r"\b(?:you|your|you'll)\b|您|你", re.IGNORECASE)
_AMOUNT = re.compile(r"(?:[€$£¥￥]\s*)?\d+(?:[.,:]\d+)*")


@dataclass(frozen=True)
class Sentence:
    """One sentence of the evidence: its words and Han pairs, what of it is denied, and where its amounts stand."""

    text: str
    words: frozenset[str]
    parts: tuple[tuple[frozenset[str], bool], ...]  # between commas: (words, whether it is denied)
    condition: frozenset[str]  # words of an "if ..." in it
    amounts: tuple[tuple[frozenset[str], frozenset[str]], ...]  # of each clause: (words, amounts)


@dataclass(frozen=True)
class Ground:
    """What may be said: the sentences of the passages, the facts of the case, and words that claim nothing."""

    sentences: Sequence[Sentence]
    facts: frozenset[str]
    denied: frozenset[str]  # words of facts that are false ("waterproof": no)
    free: frozenset[str] = field(default_factory=frozenset)
    spoken: frozenset[str] = field(default_factory=frozenset)  # Chinese phrases that the facts unlock
    text: str = ""  # all of it


def ground(facts: Mapping[str, Any], passages: Iterable[str], approved_words: Iterable[str] = ()) -> Ground:
    """Args:
    approved_words: words of the shop's approved replies for this intent: a draft may use them.
    """
    texts = list(passages)
    sentences = [_sentence(text) for passage in texts for text in _END.split(passage) if text.strip()]
    known: set[str] = set()
    denied: set[str] = set()
    spoken: set[str] = set()
    for name, value in facts.items():
        own = {*terms(name.replace("_", " ")), *(w for key, w in ATTRIBUTES_ZH.items() if key in name)}
        (denied if str(value).strip().lower() in ("no", "false", "否") else known).update(own)
        known.update(terms(str(value)))
        for key, words in UNLOCKED_EN.items():
            known.update(stem(word) for word in words.split() if re.search(key, name))
        for key, words in UNLOCKED_ZH.items():
            spoken.update(word for word in words.split() if re.search(key, name))
    everything = "\n".join([*texts, *map(str, facts.values())]).lower()
    return Ground(
        sentences, frozenset(known), frozenset(denied - known), frozenset(approved_words), frozenset(spoken), everything
    )


def unsupported(said: str, held: Ground) -> list[str]:
    """The clauses of `said` that the evidence does not carry, as they are written."""
    found = []
    for sentence in _END.split(said):
        if not sentence or not sentence.strip() or sentence.rstrip().endswith(("?", "？")):
            continue
        whole = terms(sentence)
        for clause in _PART.split(sentence):
            if clause.strip() and not _carried(clause, whole, held):
                found.append(clause.strip())
    return found


def terms(text: str) -> frozenset[str]:
    """English words by their stems, numbers, and pairs of Han characters (single ones too, for words of one)."""
    low = text.lower().replace("\u2019", "'")
    out = {stem(word) for word in _WORD.findall(low)}
    for run in _HAN.findall(low):
        out.update(run[at : at + 2] for at in range(len(run) - 1))
        out.update(run)
    return frozenset(out)


def stem(word: str) -> str:
    """A light stem, as `retrieval.lexical` has one: plural, -ing, -ed and -'s are cut."""
    word = word.removesuffix("'s").replace("'", "")
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        root = word[: -len(ending)]
        if word.endswith(ending) and len(root) >= 3 and re.search(r"[aeiouy]", root):
            word = root[:-1] if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "lsz" else root
            break
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def _carried(clause: str, whole: frozenset[str], held: Ground) -> bool:
    if any(phrase in clause and phrase not in held.text for phrase in LOADED_ZH):
        return False
    words = _claiming(clause, held)
    if not words:
        return True
    denies = _denies(clause)
    if not denies and words & held.denied:
        return False
    if words <= held.facts | held.denied:
        return not denies or bool(words & held.denied)
    rest = words - held.facts
    most = max((len(rest & sentence.words) for sentence in held.sentences), default=0)
    nearest = (sentence for sentence in held.sentences if len(rest & sentence.words) == most)
    return any(_leans_on(rest, clause, whole, denies, sentence, held) for sentence in nearest)


def _claiming(clause: str, held: Ground) -> frozenset[str]:
    """The words of a clause that claim something."""
    low = clause.lower().replace("\u2019", "'")
    said = (word for word in _WORD.findall(low) if word not in FRAME_EN and numerals.value(word) is None)
    words = {stem(word) for word in said} - FRAME_STEMS
    if _AMOUNT.search(low):
        words -= {"cost", "price"}
    for phrase in sorted(held.spoken, key=lambda each: (-len(each), each)):
        low = low.replace(phrase, " ")
    for run in _HAN.findall(_PHRASES.sub(" ", low)):
        words |= _han_words(run, held)
    return frozenset(words - held.free)


def _han_words(run: str, held: Ground) -> set[str]:
    """Pairs of what stands in the evidence as it is, the longest pieces first; and what does not and is no particle."""
    words: set[str] = set()
    at = 0
    while at < len(run):
        length = next((n for n in range(len(run) - at, 1, -1) if run[at : at + n] in held.text), 1)
        piece = run[at : at + length]
        if length > 1:
            words.update(piece[n : n + 2] for n in range(length - 1))
        elif run[at : at + 2] in held.facts | held.denied:
            words.add(run[at : at + 2])
            length = 2
        elif piece not in _PARTICLES and piece not in held.facts:
            words.add(piece)
        at += length
    return words


def _leans_on(
    words: frozenset[str], clause: str, whole: frozenset[str], denies: bool, sentence: Sentence, held: Ground
) -> bool:
    inside = words & sentence.words
    outside = words - inside
    if len(inside) < ANCHORED * len(words) or outside & LOADED:
        return False
    if outside and not outside <= frozenset().union(*(each.words for each in held.sentences)):
        return False
    if len(sentence.condition & whole) < KEPT_OF_CONDITION * len(sentence.condition):
        return False
    if _US.search(clause) and not _US.search(sentence.text) and _YOU.search(sentence.text):
        return False  # "we pay the difference" where it says that the customer does
    if any(denied for part, denied in sentence.parts if part & inside) != denies:
        return False
    return _amounts_in_place(words, clause, sentence)


def _amounts_in_place(words: frozenset[str], clause: str, sentence: Sentence) -> bool:
    """The sentence has the amount, and no word of the clause belongs to another amount of it."""
    said = _amounts(clause)
    if not said:
        return True
    beside = [part for part, amounts in sentence.amounts if amounts & said]
    if not beside:
        return numerals_of(said) <= numerals_of(_amounts(sentence.text))
    near = sentence.amounts[0][0].union(*beside)
    others = (part & words for part, amounts in sentence.amounts if amounts and not amounts & said)
    return all(shared <= near for shared in others)


def numerals_of(amounts: Iterable[str]) -> frozenset[float | None]:
    return frozenset(numerals.value(amount) for amount in amounts)


def _sentence(text: str) -> Sentence:
    low = text.lower().replace("\u2019", "'")
    condition = frozenset().union(*(terms(match.group()) for match in _CONDITION.finditer(low)))
    return Sentence(
        text=text,
        words=terms(text),
        parts=tuple((terms(part), denied) for part, denied in _with_denials(low)),
        condition=frozenset(term for term in condition if term not in FRAME_STEMS and len(term) > 1),
        amounts=tuple((terms(part), _amounts(part)) for part in _with_amounts(text)),
    )


def _with_amounts(text: str) -> list[str]:
    """Parts that have an amount of their own; "3,000 mm and more for autumn" is one, "€5 and free from €60" two."""
    out: list[str] = []
    for part in _LIST.split(text):
        pieces = [piece for piece in _PART.split(part or "") if piece and piece.strip()]
        out += pieces if all(_amounts(piece) for piece in pieces) else [part] * bool(part and part.strip())
    return out or [text]


def _with_denials(low: str) -> list[tuple[str, bool]]:
    """Parts between commas and whether each is denied: "food, seeds and soil cannot come back" denies all three."""
    parts = [part for part in _LIST.split(low) if part and part.strip()]
    denied = [_denies(part) for part in parts]
    verbal = [bool(_DENYING_VERB.search(_ASIDE.sub(" ", part)) and _VERB.search(part)) for part in parts]
    for order in (range(len(parts) - 1), range(len(parts) - 1, 0, -1)):
        for at in order:
            one, other = (at, at + 1) if order.step > 0 else (at, at - 1)
            if verbal[one] and not _VERB.search(parts[other]):
                denied[other] = verbal[other] = True
    return list(zip(parts, denied, strict=True))


def _denies(text: str) -> bool:
    low = text.lower().replace("\u2019", "'")
    plain = _ASIDE.sub(" ", low)
    return bool(_NO_EN.search(plain) or _NO_ZH.search(plain))


def _amounts(text: str) -> frozenset[str]:
    return frozenset(match.group().strip("€$£¥￥ ") for match in _AMOUNT.finditer(text))


FRAME_STEMS = frozenset(stem(word) for word in FRAME_EN if "'" not in word)
_PHRASES = re.compile("|".join(sorted((re.escape(w) for w in FRAME_ZH if len(w) > 1), key=len, reverse=True)))
_PARTICLES = frozenset(word for word in FRAME_ZH if len(word) == 1) | set("零〇一二两三四五六七八九十百千万半")
