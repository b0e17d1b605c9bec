"""Words for colours, sizes and shelves in both languages, and the vocabulary a catalogue adds to them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from retrieval.documents import Product
from retrieval.lexical import CJK, normalise

# canonical English colour -> other ways to say it
COLORS: Mapping[str, tuple[str, ...]] = {
    "red": ("crimson", "scarlet", "红色", "大红", "红"),
    "blue": ("蓝色", "蓝"),
    "navy": ("navy blue", "dark blue", "藏青色", "藏青", "深蓝色", "深蓝"),
    "green": ("forest", "moss", "墨绿色", "墨绿", "绿色", "绿"),
    "olive": ("khaki green", "橄榄绿", "军绿色", "军绿"),
    "black": ("黑色", "黑"),
    "white": ("白色", "白"),
    "grey": ("gray", "anthracite", "灰色", "灰"),
    "yellow": ("黄色", "黄"),
    "orange": ("rust", "锈红色", "橙色", "橘色", "橙"),
    "brown": ("walnut", "oak", "胡桃木色", "橡木色", "棕色", "褐色", "咖啡色"),
    "beige": ("sand", "cream", "沙色", "米色", "卡其色", "杏色"),
    "purple": ("violet", "紫色", "紫"),
    "pink": ("rose", "粉色", "粉红色", "粉红"),
    "turquoise": ("teal", "cyan", "青色", "青绿色"),
    "silver": ("steel", "不锈钢色", "银色"),
    "copper": ("铜色",),
    "gold": ("golden", "金色"),
    "natural": ("原木色", "原色"),
}
NOT_COLORS = ("白天", "黑夜", "青年", "黄金周", "灰尘", "红利", "白领", "粉丝", "orange juice")
SIZES: Mapping[str, tuple[str, ...]] = {
    "XS": ("extra small", "特小号", "加小码"),
    "S": ("small", "小号", "小码"),
    "M": ("medium", "中号", "中码"),
    "L": ("large", "大号", "大码"),
    "XL": ("extra large", "x-large", "加大号", "加大码"),
    "XXL": ("2xl", "xx-large", "double extra large", "特大号", "加加大码"),
}
# shelves as customers call them; an owner's own categories add the words of their slugs
SHELVES: Mapping[str, tuple[str, ...]] = {
    "tents": ("tent", "tents", "帐篷"),
    "sleeping_bags": ("sleeping bag", "sleeping bags", "睡袋"),
    "backpacks": ("backpack", "backpacks", "rucksack", "rucksacks", "daypack", "双肩包", "背包", "登山包"),
    "jackets": ("jacket", "jackets", "coat", "coats", "冲锋衣", "夹克", "外套", "羽绒服"),
    "shoes": (
        "shoe", "shoes", "boot", "boots", "sneaker", "sneakers", "footwear", "sandal", "sandals",
        "鞋", "鞋子", "跑鞋", "登山鞋", "徒步鞋", "靴子", "凉鞋",
    ),
    "cooking": ("cooking", "stove", "stoves", "camping cookware", "炊具", "炉具", "炉头", "户外炊具"),
    "lighting": (
        "lighting", "lamp", "lamps", "lantern", "lanterns", "headlamp", "headlamps", "headtorch", "head torch", "torch",
        "flashlight", "flashlights", "灯具", "灯", "头灯", "手电筒", "营地灯",
    ),
    "navigation": ("navigation", "compass", "compasses", "gps", "指南针", "导航"),
    "climbing": ("climbing", "攀岩", "攀登"),
    "cycling": ("cycling", "bike", "bicycle", "骑行", "自行车"),
    "furniture": ("furniture", "家具"),
    "kitchen": ("kitchen", "kitchenware", "厨房", "厨具"),
    "bedding": ("bedding", "bed linen", "床品", "床上用品", "被子", "枕头"),
    "decor": ("decor", "decoration", "decorations", "装饰", "装饰品", "摆件"),
    "garden": ("garden", "gardening", "花园", "园艺"),
}  # fmt: skip


@dataclass(frozen=True)
class Vocabulary:
    """What words of a query can mean in this catalogue: surface form (normalised) -> canonical value."""

    categories: Mapping[str, str] = field(default_factory=dict)
    brands: Mapping[str, str] = field(default_factory=dict)
    colors: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {name: dict(getattr(self, name)) for name in ("categories", "brands", "colors", "sizes")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Vocabulary":
        return cls(**{name: dict(words) for name, words in data.items()})


def vocabulary(products: Iterable[Product]) -> Vocabulary:
    """Learn what the catalogue holds; only values that occur can become a filter."""
    slugs: set[str] = set()
    brands: dict[str, str] = {}
    colors: set[str] = set()
    sizes: set[str] = set()
    for product in products:
        slugs.add(product.category)
        if product.brand:
            brands[normalise(product.brand)] = product.brand
        for variant in product.variants:
            colors.update(_values(variant.options, "color", "colour"))
            sizes.update(_values(variant.options, "size"))
    return Vocabulary(
        categories=_forms(sorted(slug for slug in slugs if slug), SHELVES, _slug_words),
        brands=brands,
        colors=_forms(sorted({*colors, *COLORS}), COLORS, lambda color: (color,)),
        sizes=_forms(sorted(sizes), SIZES, lambda size: (size,)),
    )


def color_family(color: str) -> str:
    """The canonical colour of a catalogue's own name for one ("Moss Green" -> "green"); itself when none fits."""
    text = normalise(color)
    for canonical, others in COLORS.items():
        if text == canonical or text in others:
            return canonical
    for canonical, others in COLORS.items():
        words = [canonical, *others]
        if any(re.search(rf"\b{re.escape(word)}\b", text) if word.isascii() else word in text for word in words):
            return canonical
    return text


def find_forms(text: str, forms: Mapping[str, str]) -> list[tuple[int, int, str]]:
    """(start, end, canonical) of every form in normalised `text`, longest first, none overlapping, in order."""
    found: list[tuple[int, int, str]] = []
    for form in sorted((form for form in forms if form in text), key=len, reverse=True):
        pattern = re.escape(form) if CJK.search(form) else rf"(?<![\w-]){re.escape(form)}(?![\w-])"
        for match in re.finditer(pattern, text):
            if all(match.end() <= start or match.start() >= end for start, end, _ in found):
                found.append((match.start(), match.end(), forms[form]))
    return sorted(found)


def _values(options: Mapping[str, str], *names: str) -> list[str]:
    return [str(options[name]) for name in names if options.get(name)]


def _slug_words(slug: str) -> tuple[str, ...]:
    words = slug.replace("_", " ").replace("-", " ")
    return (words, words.removesuffix("s")) if len(words) > 3 else (words,)


def _forms(values: Iterable[str], known: Mapping[str, tuple[str, ...]], own: Any) -> dict[str, str]:
    forms: dict[str, str] = {}
    for value in values:
        for form in (*own(value), *known.get(value, ())):
            forms.setdefault(normalise(form), value)
    return forms
