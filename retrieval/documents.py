"""What can be found: products with their variants, help documents, and the passages they are cut into.

Plain data; `retrieval.shop_source` makes them from the database, `read_markdown` and `read_jsonl` from files.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retrieval.hidden import visible

PASSAGE_CHARACTERS = 600  # about 150 tokens of English, 400 of Chinese: inside every encoder's window of 512
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")


class DocumentError(Exception):
    """A file of documents cannot be read; the message names file, line and rule."""


@dataclass(frozen=True)
class Variant:
    """One thing that can be put in the cart: its options, price in minor units, and pieces in stock."""

    sku: str
    options: Mapping[str, str] = field(default_factory=dict)
    price_minor: int = 0
    stock: int = 0
    list_price_minor: int | None = None


@dataclass(frozen=True)
class Product:
    """A product of the catalogue; `names` and `descriptions` by language, one of them at least."""

    id: str
    names: Mapping[str, str]
    descriptions: Mapping[str, str] = field(default_factory=dict)
    category: str = ""
    brand: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    currency: str = "EUR"
    picture: str | None = None
    url: str | None = None

    def name(self, language: str) -> str:
        return self.names.get(language) or next(iter(self.names.values()), self.id)

    def description(self, language: str) -> str:
        return self.descriptions.get(language) or next(iter(self.descriptions.values()), "")

    @property
    def price_minor(self) -> int:
        """The lowest price of a variant in stock, of any variant when nothing is."""
        prices = [v.price_minor for v in self.variants if v.stock > 0] or [v.price_minor for v in self.variants]
        return min(prices, default=0)

    @property
    def in_stock(self) -> bool:
        return any(variant.stock > 0 for variant in self.variants)

    def option_values(self, name: str) -> list[str]:
        """Values of an option over all variants ("color" -> ["red", "blue"]), in catalogue order."""
        return list(dict.fromkeys(v.options[name] for v in self.variants if v.options.get(name)))


@dataclass(frozen=True)
class Document:
    """A help document in one language; `topic` ties its translations together, `body` is Markdown."""

    id: str
    language: str
    title: str
    body: str
    topic: str = ""
    kind: str = "faq"
    url: str | None = None


@dataclass(frozen=True)
class Passage:
    """A piece of a help document that can stand alone. `heading` is the path of headings above it."""

    id: str
    document_id: str
    language: str
    title: str
    text: str
    heading: str = ""
    topic: str = ""
    kind: str = "faq"
    url: str | None = None

    @property
    def searchable(self) -> str:
        """The text that is embedded and indexed: the title says what the passage is about."""
        parts = [self.title, self.heading if self.heading != self.title else "", self.text]
        return "\n".join(part for part in parts if part)


def cut(document: Document, *, limit: int = PASSAGE_CHARACTERS) -> list[Passage]:
    """Passages of at most `limit` characters, cut at headings first, then paragraphs, then sentences."""
    passages: list[Passage] = []
    for heading, text in _sections(tables_as_lines(visible(document.body))):
        for piece in _pieces(text, limit):
            passages.append(
                Passage(
                    id=f"{document.id}#{len(passages)}",
                    document_id=document.id,
                    language=document.language,
                    title=document.title,
                    text=piece,
                    heading=heading,
                    topic=document.topic,
                    kind=document.kind,
                    url=document.url,
                )
            )
    return passages


def sentences(text: str) -> list[str]:
    """Sentences of English or Chinese text; Markdown marks are dropped, a list entry is a sentence."""
    plain = plain_text(text)
    parts = re.split(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])|(?<=[。！？；])|\n+", plain)
    return [part.strip() for part in parts if part and part.strip()]


def plain_text(markdown: str) -> str:
    """Markdown without its marks: links keep their words, lists and headings their lines."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    text = re.sub(r"^\s{0,3}(?:#{1,6}|[-*+]|\d+[.)])\s+", "", text, flags=re.MULTILINE)
    return re.sub(r"[*_`]{1,3}([^*_`]+)[*_`]{1,3}", r"\1", text).strip()


def tables_as_lines(markdown: str) -> str:
    """Each row of a Markdown table as a line of its own that names its columns: it can be quoted alone.

    `| to | standard |` over `| Germany | 2-3 |` becomes `- Germany: standard 2-3`.
    """
    lines: list[str] = []
    columns: list[str] | None = None
    for line in markdown.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.strip().startswith("|") else None
        if cells is None:
            columns = None
            lines.append(line)
        elif columns is None:
            columns = cells
        elif not all(set(cell) <= {"-", ":"} for cell in cells):
            named = ", ".join(f"{name} {cell}" for name, cell in zip(columns[1:], cells[1:], strict=False) if cell)
            lines.append(f"- {cells[0]}: {named}" if named else f"- {cells[0]}")
    return "\n".join(lines)


def read_markdown(path: Path, *, language: str) -> Document:
    """One Markdown file; its first heading is the title, its name the topic."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    found = next(((n, m) for n, line in enumerate(lines) if (m := HEADING.match(line))), None)
    title = found[1].group(2) if found else path.stem.replace("_", " ")
    body = "\n".join(lines[found[0] + 1 :]) if found else text
    return Document(id=path.stem, language=language, title=title, body=body, topic=path.stem)


def read_jsonl(path: Path) -> Iterator[Document]:
    """Documents of a JSON Lines file, one at a time (a million stream through).

    Raises:
        DocumentError: a line is no JSON object or lacks `id`, `title` or `body`.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _document(path, number, line)


def _document(path: Path, number: int, line: str) -> Document:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DocumentError(f"{path} line {number}: not JSON ({error})") from None
    missing = [key for key in ("id", "title", "body") if not isinstance(row, dict) or not row.get(key)]
    if missing:
        raise DocumentError(f"{path} line {number}: {', '.join(missing)} missing; a document has id, title and body")
    known = {"topic", "kind", "url"} & row.keys()
    return Document(
        id=str(row["id"]),
        language=row.get("language", "en"),
        title=row["title"],
        body=row["body"],
        **{key: row[key] for key in known},
    )


def passages_of(documents: Iterable[Document]) -> Iterator[Passage]:
    for document in documents:
        yield from cut(document)


def _sections(body: str) -> Iterator[tuple[str, str]]:
    """(heading path, text under it); text before the first heading has the path ""."""
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    for line in [*body.splitlines(), None]:
        match = HEADING.match(line) if line is not None else None
        if line is not None and not match:
            lines.append(line)
            continue
        text = "\n".join(lines).strip()
        if text:
            yield " / ".join(name for _, name in path), text
        lines = []
        if match:
            level = len(match.group(1))
            path = [(depth, name) for depth, name in path if depth < level] + [(level, match.group(2))]


def _pieces(text: str, limit: int) -> Iterator[str]:
    """Paragraphs packed together up to `limit`; a longer paragraph is cut between sentences, at last anywhere."""
    held = ""
    for part in _small_parts(text, limit):
        if held and len(held) + len(part) + 1 > limit:
            yield held
            held = part
        else:
            held = f"{held}\n{part}" if held else part
    if held:
        yield held


def _small_parts(text: str, limit: int) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        paragraph = paragraph.strip()
        if len(paragraph) <= limit:
            if paragraph:
                yield paragraph
            continue
        for sentence in sentences(paragraph):
            for start in range(0, len(sentence), limit):
                yield sentence[start : start + limit]
