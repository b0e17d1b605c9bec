"""Product pictures of the demo shop: drawn as SVG from the product's shape and colour, the same every time.

Nothing is stored: the gateway asks for `/pictures/<product id>.svg` and gets what `picture` draws.
"""

import colorsys
import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from bot.database.demo_kinds import COLORS
from bot.database.picture_shapes import SHAPES
from bot.database.shop import Product

BACKGROUNDS = {
    "tents": "#e4ecdf",
    "sleeping_bags": "#e0e7ee",
    "backpacks": "#efe8dc",
    "jackets": "#e5e6ee",
    "shoes": "#f0e6df",
    "cooking": "#f3e9d8",
    "lighting": "#ece7f0",
    "navigation": "#dfebea",
    "climbing": "#efe2de",
    "cycling": "#e2eee6",
    "furniture": "#f1ebe1",
    "kitchen": "#f4e6de",
    "bedding": "#e8e8f2",
    "decor": "#f2e6ea",
    "garden": "#e3eedb",
}
NATURAL = {  # what a thing looks like when it has no colour to choose
    "oak": "oak",
    "walnut": "walnut",
    "pine": "sand",
    "acacia": "brown",
    "teak": "brown",
    "bamboo": "oak",
    "leather": "brown",
    "stainless steel": "steel",
    "titanium": "grey",
    "aluminium": "steel",
    "steel": "grey",
    "cast iron": "black",
    "carbon steel": "steel",
    "copper": "copper",
    "brass": "yellow",
    "glass": "teal",
    "terracotta": "rust",
    "concrete": "grey",
    "down": "white",
    "cotton": "white",
}
CACHE_SECONDS = 86400


def picture(session: Session, file: str, *, color: str | None = None) -> str | None:
    """The SVG of `<product id>.svg`, or None when there is no such product.

    Args:
        color: one of the product's colours; None is its first.
    """
    product_id, dot, kind = file.rpartition(".")
    product = session.get(Product, product_id) if dot and kind == "svg" else None
    if product is None:
        return None
    colors = {variant.options.get("color") for variant in product.variants} & set(COLORS)
    first = next(
        (variant.options["color"] for variant in product.variants if variant.options.get("color") in COLORS), None
    )
    return draw(product.id, product.category, product.attributes, color if color in colors else first)


def draw(product_id: str, category: str, attributes: Mapping[str, Any], color: str | None) -> str:
    """An SVG of 400 by 400; a product without a known shape gets a parcel."""
    main = COLORS[color or _natural(product_id, attributes)][1]
    shape = SHAPES.get(str(attributes.get("shape")), SHAPES["parcel"])
    drawn = shape.format(
        c=main, d=_shade(main, 0.66), l=_shade(main, 1.28), g="#3b3f45", w="#f7f5f0", a=_accent(product_id)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200" width="400" height="400" role="img">'
        f'<rect width="200" height="200" fill="{BACKGROUNDS.get(category, "#ececec")}"/>'
        '<ellipse cx="100" cy="172" rx="70" ry="9" fill="#000" opacity=".09"/>'
        f'<g stroke-linejoin="round" stroke-linecap="round">{drawn}</g>{_badge(attributes)}</svg>'
    )


def _natural(product_id: str, attributes: Mapping[str, Any]) -> str:
    known = NATURAL.get(str(attributes.get("material", ""))) or NATURAL.get(str(attributes.get("fill", "")))
    return known or sorted(COLORS)[_number(product_id) % len(COLORS)]


def _badge(attributes: Mapping[str, Any]) -> str:
    """Dots for the grade, so that the four products of a kind differ even in the same colour."""
    grade = int(attributes.get("grade", 0))
    return "".join(f'<circle cx="{14 + 9 * dot}" cy="14" r="3" fill="#3b3f45" opacity=".55"/>' for dot in range(grade))


def _accent(product_id: str) -> str:
    colors = [value for _, value in COLORS.values()]
    return colors[_number(product_id + "accent") % len(colors)]


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _shade(color: str, factor: float) -> str:
    """The colour darker (below 1) or lighter (above 1)."""
    red, green, blue = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    channels = colorsys.hls_to_rgb(hue, min(light * factor, 0.97), saturation)
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)
