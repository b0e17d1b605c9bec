"""Questions about several products at once: "which one is windproof?", "the lightest of these?", 哪个最暖和.

Answered from the products' own attributes and prices, product by product; of what their data does not say, that is
said.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from retrieval.attributes import KINDS, product_fact, shown, wished
from retrieval.documents import Product
from retrieval.lexical import normalise

# asks for one or some of a list; "which colours does it come in" asks about one product
_ASKS = re.compile(
    r"\bwhich(?: (?!colou?rs?\b|sizes?\b)[\w-]+){0,3}? (?:is|are|has|have|weighs?|can|could|will|would|do|does|fits?|"
    r"holds?|lasts?|keeps?|comes?|needs?|works?)\b|\bwhich (?:ones?|of (?:them|these|those|the))\b|"
    r"\b(?:of|between|among) (?:them|these|those)\b|"
    r"\b(?:are|do|have|can|will) (?:they|these|those|any of|all of|both)\b|"
    r"\b(?:all|any|both|each|either|none) of (?:them|these|those)\b|\bthey(?:'re| are| all)\b|"
    r"哪(?:一)?(?:个|款|件|双|顶|些|种|只|条|把|台|几)|这(?:些|几[个款件双]|两[个款件双])|它们|都|分别|各(?:个|自|多|有)"
)
_SUPERLATIVE = re.compile(
    r"\bthe (?:most \w+|(?!best\b|rest\b|latest\b|nearest\b|test\b)\w{4,}est)\b|最(?!近|后|好|新|多|少)"
)
_SIZES = ("persons", "capacity_l", "capacity_ml", "diameter_cm", "width_cm", "length_cm")
_ONE = re.compile(r"\b(?:it|its|this one|that one)\b|(?:这|那)(?:个|款|件|双)|它(?!们)")


class Most(NamedTuple):
    """A superlative: what it is called, which attributes decide (the first that two products state), the less first."""

    en: str
    zh: str
    keys: tuple[str, ...]
    less: bool


PRICE = "price"
_MOST: Sequence[tuple[re.Pattern[str], Most]] = tuple(
    (re.compile(asked), most)
    for asked, most in (
        (
            r"\blight(?:est|er)\b|\bweighs? (?:the )?(?:least|less)|最轻|(?:更|比较)轻",
            Most("lightest", "最轻", ("weight_g",), True),
        ),
        (
            r"\bheavi(?:est|er)\b|\bweighs? (?:the )?(?:most|more)\b|最重|(?:更|比较)重",
            Most("heaviest", "最重", ("weight_g",), False),
        ),
        (
            r"\bcheap(?:est|er)\b|\b(?:least|less) expensive|\bcosts? (?:the )?(?:least|less)|最便宜|(?:更|比较)便宜",
            Most("cheapest", "最便宜", (PRICE,), True),
        ),
        (
            r"\bmost expensive|\bdearest\b|\bcosts? (?:the )?most|最贵|(?:更|比较)贵",
            Most("most expensive", "最贵", (PRICE,), False),
        ),
        (
            r"\bwarm(?:est|er)\b|最(?:暖|保暖)|(?:更|比较)(?:暖|保暖)",
            Most("warmest", "最暖和", ("temperature_c",), True),
        ),
        (r"\bwarm(?:est|er)\b|最(?:暖|保暖)|(?:更|比较)(?:暖|保暖)", Most("warmest", "最暖和", ("r_value",), False)),
        (r"\bbright(?:est|er)\b|最亮|(?:更|比较)亮", Most("brightest", "最亮", ("lumens",), False)),
        (
            r"\bmost waterproof|\bmore waterproof|(?:最|更)防水|防水(?:性能?)?最好",
            Most("most waterproof", "最防水", ("water_column_mm",), False),
        ),
        (
            r"\b(?:longest|best|longer|better) (?:battery|run ?time)|\blasts? (?:the )?(?:longest|longer)|"
            r"续航(?:时间)?(?:最|更)长|用得最久",
            Most("longest lasting", "续航最长", ("battery_h", "burn_time_h"), False),
        ),
        (r"\bstrong(?:est|er)\b|最结实|承重最", Most("strongest", "最结实", ("strength_kn", "max_load_kg"), False)),
        (
            r"\b(?:bigg|larg|roomi)(?:est|er)\b|\b(?:most|more) (?:room|space)\b|\bholds? (?:the )?most|"
            r"最(?:大|能装)|(?:更|比较)大|容量最大",
            Most("biggest", "最大", _SIZES, False),
        ),
        (
            r"\bsmall(?:est|er)\b|\bmost compact|最小|(?:更|比较)小",
            Most("smallest", "最小", _SIZES, True),
        ),
        (r"\btall(?:est|er)\b|\bhighest\b|最高", Most("tallest", "最高", ("height_cm",), False)),
        (r"\bwid(?:est|er)\b|最宽", Most("widest", "最宽", ("width_cm",), False)),
        (r"\blong(?:est|er)\b|最长", Most("longest", "最长", ("length_cm",), False)),
    )
)  # fmt: skip


_STOCK = re.compile(r"\bin stock|\bavailable\b|\bsold out|有货|现货|有库存|缺货")


@dataclass(frozen=True)
class Offer:
    """What a product costs now, in words and in minor units, and whether it can be had."""

    price: str
    price_minor: int
    in_stock: bool


@dataclass(frozen=True)
class Comparison:
    """The answer, and the products that are what was asked for; none when each has its own value."""

    text: str
    product_ids: tuple[str, ...] = ()


def asks_of_several(question: str) -> bool:
    """Whether a question is about a list, not about one product."""
    said = normalise(question)
    return asks_which(said) or bool(_SUPERLATIVE.search(said) and not _ONE.search(said))


def asks_which(question: str) -> bool:
    """Whether it says so: "which one", "these", "all of them"; "the lightest tent" may be any that there is."""
    said = normalise(question)
    return bool(_ASKS.search(said)) and not _ONE.search(said)


def compared(
    products: Sequence[Product], question: str, language: str, offers: Mapping[str, Offer]
) -> Comparison | None:
    """The answer in `language`; None when nothing is asked that the data of any of them says.

    Args:
        offers: by product id.
    """
    said = normalise(question)
    for asked, most in _MOST:
        if asked.search(said) and (answer := _most(products, most, language, offers)):
            return answer
    if _STOCK.search(said):
        stocked = {product.id: offers[product.id].in_stock for product in products}
        return _grouped(products, stocked, "有货" if language == "zh" else "in stock", language)
    for flag in sorted(wished(said)):
        label = KINDS[flag].label_zh if language == "zh" else KINDS[flag].label_en
        known = {p.id: value for p in products if isinstance(value := p.attributes.get(flag), bool)}
        if known or asks_which(said):  # not stated of any is an answer too
            return _grouped(products, known, label, language)
    return _each(products, said, language)


def _most(products: Sequence[Product], most: Most, language: str, offers: Mapping[str, Offer]) -> Comparison | None:
    for key in most.keys:
        known = {p.id: value for p in products if (value := _number(p, key, offers)) is not None}
        if len(known) < 2:
            continue
        rank = 1 if most.less else -1
        ordered = sorted((p for p in products if p.id in known), key=lambda p: rank * known[p.id])
        best = [product for product in ordered if known[product.id] == known[ordered[0].id]]
        words = {p.id: offers[p.id].price if key == PRICE else _measured(key, p, language) for p in ordered}
        names, worth = _names(best, language), words[best[0].id]
        if language == "zh":
            lines = [f"{most.zh}的是{names}：{worth}。"]
        else:
            lines = [f"The {most.en} {'is' if len(best) == 1 else 'are'} {names}: {worth}."]
        lines += [_line(product.name(language), words[product.id]) for product in ordered[len(best) :]]
        lines += _unstated([product for product in products if product.id not in known], language)
        return Comparison("\n".join(lines), tuple(product.id for product in best))
    return None


def _measured(key: str, product: Product, language: str) -> str:
    said = shown(key, product.attributes[key], language)
    return f"{said} 人" if key == "persons" and language == "zh" else f"{said} persons" if key == "persons" else said


def _number(product: Product, key: str, offers: Mapping[str, Offer]) -> float | None:
    value = offers[product.id].price_minor if key == PRICE else product.attributes.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _grouped(products: Sequence[Product], known: Mapping[str, bool], label: str, language: str) -> Comparison:
    """Yes: these, no: those."""
    lines = [f"{label}：" if language == "zh" else f"{label[0].upper()}{label[1:]}:"]
    those = {answer: [product for product in products if known.get(product.id) is answer] for answer in (True, False)}
    lines += [_line(shown("", answer, language), _names(group, language)) for answer, group in those.items() if group]
    lines += _unstated([product for product in products if product.id not in known], language)
    return Comparison("\n".join(lines), tuple(product.id for product in those[True]))


def _each(products: Sequence[Product], said: str, language: str) -> Comparison | None:
    """What each product's attributes or variants say; its description answers questions about it alone."""
    facts = {product.id: product_fact(product, said, language) for product in products}
    stated = [p for p in products if (fact := facts[p.id]) and fact.found_in != "description"]
    if not stated:
        return None
    lines = [f"• {fact.text}" for product in stated if (fact := facts[product.id])]
    lines += _unstated([product for product in products if product not in stated], language)
    return Comparison("\n".join(lines))


def _line(name: str, value: str) -> str:
    return f"• {name} – {value}"


def _unstated(products: Sequence[Product], language: str) -> list[str]:
    return [_line("未注明" if language == "zh" else "not stated", _names(products, language))] if products else []


def _names(products: Sequence[Product], language: str) -> str:
    return ("、" if language == "zh" else ", ").join(product.name(language) for product in products)
