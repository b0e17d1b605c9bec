"""Why a product is recommended, in a few words of the customer's language, from the evidence that weighed most."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from actions.recommendation.catalogue import Facts, Wish


@dataclass(frozen=True)
class Evidence:
    """What spoke for a product: a code of `TEXTS` and what fills its sentence."""

    code: str
    other: str = ""  # name of the product it is like, bought with, bought before
    facts: tuple[str, ...] = field(default_factory=tuple)


TEXTS: Mapping[str, tuple[str, str]] = {
    "matches": ("matches your wish: {facts}", "符合您的要求：{facts}"),
    "goes_with": ("goes well with {other}", "和{other}很搭"),
    "bought": ("because you bought {other}", "因为您买过{other}"),
    "looked": ("because you looked at {other}", "因为您看过{other}"),
    "others": ("others who liked {other} chose this", "喜欢{other}的顾客也选了这款"),
    "like": ("similar to {other}", "与{other}相似"),
    "again": ("you bought it before; time for more?", "您之前买过，需要补货吗？"),
    "shelf": ("popular on the shelf you like", "您常逛的类别里的热销款"),
    "popular": ("popular right now", "近期热销"),
    "new": ("new in the shop", "新品上架"),
    "campaign": ("{other}", "{other}"),
}
LABEL = {"en": "Promotion", "zh": "推广"}


def sentence(evidence: Evidence, language: str) -> str:
    english, chinese = TEXTS[evidence.code]
    text = chinese if language == "zh" else english
    joined = ("，" if language == "zh" else ", ").join(evidence.facts)
    filled = text.format(other=evidence.other, facts=joined)
    return filled[:1].upper() + filled[1:]


def matching(facts: Facts, wish: Wish | None, language: str, currency: str = "€") -> tuple[str, ...]:
    """The parts of a wish this product fulfils, as words: "under €80", "blue", "size M"."""
    if wish is None:
        return ()
    said: list[str] = []
    chinese = language == "zh"
    if wish.price_max_minor is not None:
        amount = f"{currency}{wish.price_max_minor / 100:g}"
        said.append(f"{amount} 以内" if chinese else f"within {amount}")
    if wish.color:
        said.append(_color(facts, wish.color))
    if wish.size:
        said.append(f"{wish.size} 码" if chinese else f"size {wish.size}")
    if wish.brand:
        said.append(wish.brand)
    persons: Any = facts.attributes.get("persons")
    if persons and (facts.category == "tents" or wish.persons is not None):
        exactly = wish.persons in (None, persons)
        people = "person" if persons == 1 else "people"
        english = f"for {persons} {people}" if exactly else f"room for {persons}"
        said.append((f"{persons} 人用" if exactly else f"可容纳 {persons} 人") if chinese else english)
    weight: Any = facts.attributes.get("weight_g")
    if wish.weight_max_g is not None and weight:
        known = f"{weight / 1000:g} kg" if weight >= 1000 else f"{weight:g} g"
        said.append(f"仅重 {known}" if chinese else f"only {known}")
    return tuple(said)


def _color(facts: Facts, wanted: str) -> str:
    named = {str(options.get("color", "")) for options in facts.options}
    return wanted if wanted in named or not named else next(iter(sorted(named)), wanted) if len(named) == 1 else wanted
