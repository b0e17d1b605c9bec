"""Answering a question about one product from that product's attributes and description, and from nothing else.

An attribute is found by the words people use for it; values are stated in the customer's language. What the product's
own data does not say gets no answer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from retrieval import words_zh
from retrieval.documents import Product, sentences
from retrieval.lexical import normalise, tokens


class Kind(NamedTuple):
    """An attribute: labels in both languages, its unit, and a pattern of what customers say when they mean it."""

    label_en: str
    label_zh: str
    unit: str
    asked: str


KINDS: Mapping[str, Kind] = {
    "waterproof": Kind("waterproof", "防水", "", r"water ?-?proof|rain|wet\b|防水|防雨|淋雨|下雨"),
    "water_column_mm": Kind("water column", "防水指数", "mm", r"water ?column|hydrostatic|防水指数|水压"),
    "breathable": Kind("breathable", "透气", "", r"breath|透气"),
    "windproof": Kind("windproof", "防风", "", r"wind|防风|挡风"),
    "insulated": Kind("insulated", "保暖层", "", r"insulat|lined|保暖|保温"),
    "weight_g": Kind("weight", "重量", "g", r"weigh|heavy|\blight\b|how light|kg\b|grams|多重|重量|重不重|几斤|克"),
    "temperature_c": Kind(
        "comfort temperature", "舒适温度", "°C",
        r"temperature|how (?:cold|warm)|cold|warm enough|degrees|minus|温度|零下|几度|多少度|冷不冷|够暖",
    ),
    "r_value": Kind("R-value", "R 值", "", r"r-?value|r值"),
    "fill": Kind("fill", "填充物", "", r"\bfill|filling|down or|synthetic|feather|填充|羽绒还是|里面是"),
    "material": Kind(
        "material", "材质", "", r"material|made (?:of|from)|fabric|leather|cotton|wool|wood\b|"
        r"材质|材料|面料|什么做|皮的|棉的|实木",
    ),
    "capacity_l": Kind("capacity", "容量", "l", r"capacity|how (?:big|much fits)|lit(?:re|er)|volume|容量|多少升|几升"),
    "capacity_ml": Kind("capacity", "容量", "ml", r"capacity|how (?:big|much fits)|\bml\b|volume|容量|毫升"),
    "lumens": Kind("brightness", "亮度", "lm", r"lumen|bright|亮度|流明|多亮"),
    "battery_h": Kind("battery life", "续航", "h", r"battery|how long does it (?:last|run)|run ?time|续航|电池|用多久"),
    "rechargeable": Kind("rechargeable", "可充电", "", r"recharg|usb|charge|充电"),
    "burn_time_h": Kind("burning time", "燃烧时间", "h", r"burn|燃烧"),
    "max_load_kg": Kind("maximum load", "最大承重", "kg", r"load|carry|hold|support|承重|承受|载重"),
    "strength_kn": Kind("strength", "强度", "kN", r"strength|\bkn\b|强度"),
    "certified": Kind("certified", "认证", "", r"certif|认证"),
    "dishwasher_safe": Kind("dishwasher safe", "可用洗碗机清洗", "", r"dish ?washer|洗碗机"),
    "induction": Kind("works on induction", "适用电磁炉", "", r"induction|电磁炉"),
    "oven_safe_c": Kind("oven safe to", "可入烤箱，最高", "°C", r"oven|烤箱"),
    "diameter_cm": Kind("diameter", "直径", "cm", r"diameter|how (?:big|wide)|直径|多大"),
    "width_cm": Kind("width", "宽", "cm", r"\bwid|dimension|measurements|how big|多宽|宽度|尺寸|多大"),
    "height_cm": Kind("height", "高", "cm", r"height|tall|\bhigh\b|dimension|measurements|how big|多高|高度|尺寸|多大"),
    "depth_cm": Kind("depth", "深", "cm", r"depth|deep|dimension|measurements|how big|多深|深度|尺寸|多大"),
    "length_cm": Kind("length", "长", "cm", r"length|\blong\b|dimension|measurements|how big|多长|长度|尺寸|多大"),
    "power_w": Kind("power", "功率", "W", r"power\b|watt|功率|瓦"),
    "persons": Kind("persons", "适用人数", "", r"how many (?:people|persons)|\bpeople|persons?\b|几个?人|多少人|人数"),
    "season": Kind("season", "季节", "", r"season|winter|summer|季节|冬天|夏天|几季"),
    "fit": Kind("fit", "版型", "", r"\bfit\b|fits|narrow|true to size|run (?:small|large|big)|版型|偏大|偏小|修身"),
    "washable_c": Kind("washable at", "可水洗", "°C", r"wash|clean|洗"),
    "vegan": Kind("vegan", "不含动物成分", "", r"vegan|animal|素食|动物"),
    "assembly_required": Kind("assembly required", "需要组装", "", r"assembl|put together|build|组装|安装"),
    "assembly_minutes": Kind("assembly time", "组装时间", "min", r"how long .*assembl|assembly time|组装.*多久"),
    "returnable": Kind("returnable", "可退货", "", r"return|send (?:it )?back|退"),
    "ankle": Kind("ankle", "鞋帮", "", r"ankle|鞋帮|脚踝"),
    "gas_thread": Kind("gas thread", "气罐接口", "", r"thread|cartridge|canister|接口|气罐"),
    "laptop_in": Kind("laptop up to", "可放笔记本", "in", r"laptop|notebook|笔记本|电脑"),
    "thread_count": Kind("thread count", "支数", "", r"thread count|支数|支"),
    "servings": Kind("servings", "份数", "", r"serving|portions|几份|份量"),
    "scent": Kind("scent", "香味", "", r"scent|smell|fragrance|香味|味道"),
    "flavour": Kind("flavour", "口味", "", r"flavou?r|taste|口味|味道"),
    "frost_proof": Kind("frost proof", "防冻", "", r"frost|outside in winter|防冻|耐寒"),
    "sun_hours": Kind("sun", "日照", "h", r"\bsun\b|shade|日照|阳光"),
    "grind": Kind("grind", "研磨", "", r"grind|研磨"),
}  # fmt: skip


# Narrower than what is asked about a product: a "USB cable" need not be rechargeable.
_FLAGS: Mapping[str, re.Pattern[str]] = {
    "waterproof": re.compile(r"\bwater[- ]?proof|防水|防雨"),
    "breathable": re.compile(r"\bbreathable|透气"),
    "windproof": re.compile(r"\bwind[- ]?proof|防风(?!绳)"),
    "insulated": re.compile(r"\binsulated"),
    "rechargeable": re.compile(r"\brechargeable|可充电|充电式"),
    "certified": re.compile(r"\bcertified|有?认证的"),
    "dishwasher_safe": re.compile(r"\bdish ?washer[- ](?:safe|proof)|洗碗机"),
    "induction": re.compile(r"\binduction|电磁炉"),
    "vegan": re.compile(r"\bvegan|纯素|不含动物"),
    "frost_proof": re.compile(r"\bfrost[- ]?proof|防冻|耐寒"),
}
_DOES_WITHOUT = re.compile(
    r"(?:\b(?:not|no|non|without|never|needn't|doesn't|don't|isn't|aren't)\b[^,.;!?]{0,24}"
    r"|(?:不(?:用|要|需要|必|是|会)?|无需|非|别))$"
)


@dataclass(frozen=True)
class ProductFact:
    """What the product's data says: the sentence, and where it stands (`attributes.waterproof`, `description`)."""

    text: str
    found_in: str
    value: Any = None


def product_fact(product: Product, question: str, language: str) -> ProductFact | None:
    """The answer in `language`, or None when neither attributes nor description speak of what is asked."""
    said = normalise(question)
    return (
        _from_options(product, said, language)
        or _from_attributes(product, said, language)
        or _from_description(product, said, language)
    )


@lru_cache(maxsize=1_000)
def wished(words: str) -> frozenset[str]:
    """The yes-or-no attributes that a wish names: "waterproof jackets", 防水夹克; not those it does without."""
    said = normalise(words)
    return frozenset(
        key
        for key, spoken in _FLAGS.items()
        if (found := spoken.search(said)) and not _DOES_WITHOUT.search(said[: found.start()])
    )


def is_quality(words: str) -> bool:
    """True where a wish names nothing but such attributes ("windproof?", 防水的吗): it is about what was talked of."""
    rest = normalise(words)
    for spoken in _FLAGS.values():
        rest = spoken.sub(" ", rest)
    return bool(wished(words)) and not tokens(re.sub(r"[的吗呢吧么]", " ", rest))


def statement(key: str, value: Any, language: str) -> str:
    """ "weight: 1.8 kg", "防水：是". Unknown keys are spelt as they are."""
    kind = KINDS.get(key)
    label = (kind.label_zh if language == "zh" else kind.label_en) if kind else key.replace("_", " ")
    return f"{label}：{shown(key, value, language)}" if language == "zh" else f"{label}: {shown(key, value, language)}"


def shown(key: str, value: Any, language: str) -> str:
    """A value with its unit; grams from a kilogram on are kilograms."""
    if isinstance(value, bool):
        return {"en": ("no", "yes"), "zh": ("否", "是")}[language if language == "zh" else "en"][value]
    if isinstance(value, list | tuple):
        return ("、" if language == "zh" else ", ").join(shown("", item, language) for item in value)
    if key == "weight_g" and isinstance(value, int | float) and value >= 1000:
        return f"{value / 1000:g} kg"
    unit = KINDS[key].unit if key in KINDS else ""
    said = words_zh.value(value) if language == "zh" and isinstance(value, str) else value
    return f"{said} {unit}".strip()


def _from_attributes(product: Product, said: str, language: str) -> ProductFact | None:
    asked = [
        key
        for key, value in product.attributes.items()
        if value is not None
        and re.search(KINDS[key].asked if key in KINDS else rf"\b{re.escape(_spoken(key))}\b", said)
    ]
    if not asked:
        return None
    name = product.name(language)
    if len(asked) == 1 and isinstance(product.attributes[asked[0]], bool):
        return ProductFact(
            _yes_or_no(name, asked[0], product.attributes[asked[0]], language),
            f"attributes.{asked[0]}",
            product.attributes[asked[0]],
        )
    parts = [statement(key, product.attributes[key], language) for key in asked[:4]]
    text = f"{name}：{'，'.join(parts)}。" if language == "zh" else f"{name}: {', '.join(parts)}."
    value = product.attributes[asked[0]] if len(asked) == 1 else None
    return ProductFact(text, ",".join(f"attributes.{key}" for key in asked[:4]), value)


def _yes_or_no(name: str, key: str, value: bool, language: str) -> str:
    kind = KINDS.get(key)
    if language == "zh":
        label = kind.label_zh if kind else _spoken(key)
        return f"{'是的' if value else '不是'}，{name}：{label}：{'是' if value else '否'}。"
    label = kind.label_en if kind else _spoken(key)
    return f"{'Yes' if value else 'No'}, {name}: {label}: {'yes' if value else 'no'}."


def _from_options(product: Product, said: str, language: str) -> ProductFact | None:
    """ "Which colours does it come in?" is answered from the variants."""
    for option, pattern, en, zh in (
        ("color", r"colou?rs?\b|颜色|什么色", "Colours", "颜色"),
        (
            "size",
            r"(?:which|what|available) sizes?|sizes? (?:does|do|are|is)|有(?:哪些|什么)(?:尺码|尺寸)|尺码",
            "Sizes",
            "尺码",
        ),
    ):
        values = product.option_values(option)
        if values and re.search(pattern, said):
            words = [_in_chinese(option, value) if language == "zh" else value for value in values]
            listed = ("、" if language == "zh" else ", ").join(words)
            name = product.name(language)
            text = f"{name}，{zh}：{listed}。" if language == "zh" else f"{name}, {en.lower()}: {listed}."
            return ProductFact(text, f"variants.{option}", values)
    return None


def _in_chinese(option: str, value: str) -> str:
    return words_zh.color(value) if option == "color" else words_zh.value(value)


def _from_description(product: Product, said: str, language: str) -> ProductFact | None:
    """The sentence of the description that shares the most of the question's own words; the name's do not count."""
    named = set(tokens(product.name(language))) | set(tokens(product.name("en")))
    wanted = {term for term in tokens(said) if term not in named and len(term) > 1}
    best: tuple[float, str] = (0.0, "")
    for sentence in sentences(product.description(language)):
        shared = len(wanted & set(tokens(sentence))) / max(1, len(wanted))
        best = max(best, (shared, sentence))
    return ProductFact(best[1], "description") if best[0] >= 0.5 else None


def _spoken(key: str) -> str:
    return re.sub(r"_(?:g|kg|mm|cm|m|l|ml|h|w|c|kn|in|minutes)$", "", key).replace("_", " ")
