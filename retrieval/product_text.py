"""A product as text to be embedded and indexed, one language at a time."""

import re
from typing import Any

from retrieval.attributes import KINDS, statement
from retrieval.documents import Product

# how the demo shop draws and grades its products; says nothing to a customer
NOT_SPOKEN = ("shape", "grade", "returnable", "hazardous")


def product_text(product: Product, language: str) -> str:
    """Name, shelf, options, attributes and description; what a customer may say of it."""
    options = sorted({value for variant in product.variants for value in variant.options.values() if value})
    lines = [
        product.name(language),
        " ".join(part for part in (product.category.replace("_", " "), product.brand or "") if part),
        ", ".join(options),
        "; ".join(said for said in _attributes(product, language) if not _in_description(product, said, language)),
        product.description(language),
    ]
    return "\n".join(line for line in lines if line)


def lexical_text(product: Product, languages: list[str]) -> str:
    """Every language in one text, the names three times: a word of the name says more than one of the description."""
    names = " ".join(product.names.values())
    return "\n".join([names, names, *(product_text(product, language) for language in languages)])


def _in_description(product: Product, said: str, language: str) -> bool:
    """Many shops repeat the attributes in the description; twice the words would take twice the time to embed."""
    description = product.description(language).lower()
    return all(part.strip().lower() in description for part in re.split("[:：]", said))


def _attributes(product: Product, language: str) -> list[str]:
    said: list[str] = []
    for key, value in product.attributes.items():
        if value is False or value is None or key in NOT_SPOKEN:
            continue
        if value is True:
            kind = KINDS.get(key)
            said.append((kind.label_zh if language == "zh" else kind.label_en) if kind else key.replace("_", " "))
        elif key == "kind":
            said.append(_slug(value))
        else:
            said.append(statement(key, value, language))
    return said


def _slug(value: Any) -> str:
    return str(value).replace("_", " ")
