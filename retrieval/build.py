"""Build the search index of the shop: `kefu index`.

Reads products and help documents from the database, encodes them, builds the dense and the BM25 side, measures what
unrelated texts look like to this encoder, calibrates the threshold, and saves it all as one artifact. Skipped when
nothing it is made from changed.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.exc import SQLAlchemyError

from bot import settings as bot_settings
from bot.database.engine import open_engine, open_readers
from ensemble import artifact
from ensemble.artifact import ArtifactError, Manifest
from retrieval import calibrate
from retrieval.documents import Document, Passage, Product, cut
from retrieval.encoder import Encoder, EncoderError, Rows, search_encoder
from retrieval.index import VectorIndex, set_threads
from retrieval.lexical import LexicalIndex
from retrieval.lexicon import vocabulary
from retrieval.search import KIND, languages_of, lexical_product_text, passage_rows, product_rows
from retrieval.shop_source import read_documents, read_products
from retrieval.store import line_of

ENCODED_TOGETHER = 256
READ_TOGETHER = 10_000
SAMPLED = 8_000
FORMAT = "5"  # of the artifact: raised when older ones can no longer be read

Tick = Callable[[int], None]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Built:
    """What was made, for the closing line."""

    manifest: Manifest
    products: int
    documents: int
    passages: int


def build(
    folder: Path,
    products: Sequence[Product],
    documents: Sequence[Document],
    encoder: Encoder,
    *,
    tick: Tick | None = None,
) -> Built:
    """Encode, index, calibrate and save."""
    passages = [passage for document in documents for passage in cut(document)]
    spoken = [(product, language) for product in products for language in languages_of(product)]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=folder.parent) as scratch:
        product_side = RowFile(Path(scratch) / "products", encoder.dimension)
        passage_side = RowFile(Path(scratch) / "passages", encoder.dimension)
        product_side.encode(spoken, lambda part: product_rows(part, encoder), tick)
        passage_side.encode(passages, lambda part: passage_rows(part, encoder), tick)
        known = calibrate.known_questions(encoder)
        fitted = calibrate.calibrated(product_side.sample(), passage_side.sample(), known, encoder.name)
        files = {
            **product_side.index().files("products"),
            **LexicalIndex.built((product.id, lexical_product_text(product)) for product in products).files("products"),
            **passage_side.index().files("passages"),
            **LexicalIndex.built((passage.id, passage.searchable) for passage in passages).files("passages"),
            "known.npz": known.write,
            "products.jsonl": _lines(products),
            "passages.jsonl": _lines(passages),
            "vocabulary.json": json.dumps(vocabulary(products).to_json(), ensure_ascii=False).encode(),
            "search.json": json.dumps(
                {
                    "format": FORMAT,
                    "encoder": encoder.name,
                    "products": fitted.products.to_json(),
                    "passages": fitted.passages.to_json(),
                }
            ).encode(),
        }
    manifest = artifact.save(
        folder, KIND, files, data_sha256=data_sha256(products, documents, encoder.name), metrics=fitted.metrics
    )
    return Built(manifest, len(products), len(documents), len(passages))


def data_sha256(products: Iterable[Product], documents: Iterable[Document], encoder_name: str) -> str:
    """Checksum of what an index is made from. Stock and price are followed live and do not count."""
    parts: list[bytes] = [
        FORMAT.encode(),
        encoder_name.encode(),
        calibrate.FITTED.read_bytes(),
        calibrate.QUESTIONS.read_bytes(),
    ]
    parts += [line_of(_without_stock(product)) for product in products]
    parts += [json.dumps([d.id, d.language, d.title, d.body, d.topic, d.kind, d.url]).encode() for d in documents]
    return artifact.sha256_of(*parts)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="kefu index", description=__doc__.split("\n")[0])
    parser.add_argument("--force", action="store_true", help="build although nothing changed")
    options = parser.parse_args(arguments)
    console = Console()
    settings = bot_settings.load()
    folder = settings.models / KIND
    readers = open_readers(open_engine(settings.database_url))
    try:
        with readers() as session:
            products, documents = list(read_products(session)), list(read_documents(session))
        encoder = search_encoder(settings.encoder, settings.models, settings.english_encoder, threads=2)
        if not options.force and artifact.is_current(folder, KIND, data_sha256(products, documents, encoder.name)):
            console.print(f"index: {folder} is up to date")
            return 0
        built = _with_progress(console, folder, products, documents, encoder)
    except SQLAlchemyError as error:
        print(
            f"the database cannot be read ({type(error).__name__}); run `kefu migrate` and `kefu seed` first",
            file=sys.stderr,
        )
        return 1
    except (EncoderError, ArtifactError) as error:
        print(error, file=sys.stderr)
        return 1
    console.print(
        f"index: {built.products} products and {built.documents} documents ({built.passages} passages) in {folder}"
    )
    return 0


def _with_progress(
    console: Console, folder: Path, products: Sequence[Product], documents: Sequence[Document], encoder: Encoder
) -> Built:
    total = sum(len(languages_of(product)) for product in products) + sum(len(cut(document)) for document in documents)
    set_threads(2)
    columns = (TextColumn("index"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("index", total=total)
        return build(folder, products, documents, encoder, tick=lambda count: progress.advance(task, count))


class RowFile:
    """Rows on disk while an index is made: what is in memory is one batch, their ids, and the index itself."""

    def __init__(self, file: Path, dimension: int) -> None:
        self.ids: list[str] = []
        self.dimension = dimension
        self._file = file
        file.touch()

    def encode(
        self, items: Sequence[Item], encode: Callable[[Sequence[Item]], dict[str, Rows]], tick: Tick | None = None
    ) -> None:
        """Append the rows of all items."""
        with self._file.open("ab") as out:
            for start in range(0, len(items), ENCODED_TOGETHER):
                part = items[start : start + ENCODED_TOGETHER]
                rows = encode(part)
                self.ids += rows
                out.write(np.stack(list(rows.values())).astype(np.float32).tobytes())
                if tick:
                    tick(len(part))

    def batches(self) -> Iterator[tuple[Sequence[str], Rows]]:
        """(ids, rows), read from the disk anew."""
        for start in range(0, len(self.ids), READ_TOGETHER):
            ids = self.ids[start : start + READ_TOGETHER]
            count, offset = len(ids) * self.dimension, start * self.dimension * 4
            rows = np.fromfile(self._file, dtype=np.float32, count=count, offset=offset)
            yield ids, rows.reshape(len(ids), self.dimension)

    def sample(self, most: int = SAMPLED) -> dict[str, Rows]:
        """Some rows, evenly from the whole, enough to measure the scale of cosines."""
        step = max(1, len(self.ids) // most)
        if not self.ids:
            return {}
        rows: Rows = np.memmap(self._file, np.float32, "r", shape=(len(self.ids), self.dimension))
        # an odd step takes texts and headings in turn
        return {self.ids[at]: np.array(rows[at]) for at in range(0, len(self.ids), step | 1)}

    def index(self) -> VectorIndex:
        return VectorIndex.streamed(self.dimension, self.batches, len(self.ids), gpu=False)


def _lines(items: Iterable[Product | Passage]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("wb") as out:
            out.writelines(_iter_lines(items))

    return write


def _iter_lines(items: Iterable[Product | Passage]) -> Iterator[bytes]:
    for item in items:
        yield line_of(item)


def _without_stock(product: Product) -> Product:
    variants: tuple[Any, ...] = tuple(replace(variant, stock=0, price_minor=0) for variant in product.variants)
    return replace(product, variants=variants)


if __name__ == "__main__":
    sys.exit(main())
