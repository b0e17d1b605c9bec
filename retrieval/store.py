"""Products and passages by id: lines of JSON mapped into memory, with what changed since on top.

A million passages cost eight bytes each of memory; the lines stay on disk until they are asked for.
"""

import functools
import json
import mmap
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from ensemble.artifact import Artifact, Content
from retrieval.documents import Passage, Product, Variant

Item = TypeVar("Item", Product, Passage)

KEPT = 4096  # items kept as read, at some 3 KB each: a search looks at the same few dozen again and again


class Store(Generic[Item]):
    """id -> item. Readers never wait; a change replaces the overlay."""

    def __init__(self, read: Callable[[Mapping[str, Any]], Item]) -> None:
        self._read: Callable[[Mapping[str, Any]], Item] = read
        self._lines: mmap.mmap | bytes = b""
        self._starts = np.zeros(1, dtype=np.int64)
        self._where: dict[str, int] = {}
        self._changed: dict[str, Item | None] = {}  # None: removed
        self._write = threading.Lock()
        self._at: Callable[[int], Item] = functools.lru_cache(KEPT)(self._read_row)  # rows are never written to

    def __len__(self) -> int:
        changed = self._changed
        new = sum(1 for id, item in changed.items() if item is not None and id not in self._where)
        gone = sum(1 for id, item in changed.items() if item is None and id in self._where)
        return len(self._where) + new - gone

    def get(self, id: str) -> Item | None:
        changed = self._changed
        if id in changed:
            return changed[id]
        row = self._where.get(id)
        return None if row is None else self._at(row)

    def ids(self) -> Iterator[str]:
        changed = self._changed
        yield from (id for id in self._where if id not in changed)
        yield from (id for id, item in changed.items() if item is not None)

    def items(self) -> Iterator[Item]:
        changed = self._changed
        for id, row in self._where.items():
            if id not in changed:
                yield self._read_row(row)
        yield from (item for item in changed.values() if item is not None)

    def put(self, items: Iterable[Item], *, remove: Iterable[str] = ()) -> None:
        with self._write:
            changed: dict[str, Item | None] = {**self._changed, **dict.fromkeys(remove)}
            changed.update((item.id, item) for item in items)
            self._changed = changed

    def files(self, prefix: str) -> dict[str, Content]:
        def write(path: Path) -> None:
            with path.open("wb") as out:
                for item in self.items():
                    out.write(line_of(item))

        return {f"{prefix}.jsonl": write}

    @classmethod
    def load(cls, artifact: Artifact, prefix: str, read: Callable[[Mapping[str, Any]], Item]) -> "Store[Item]":
        store = cls(read)
        path = artifact.path(f"{prefix}.jsonl")
        if path.stat().st_size:
            with path.open("rb") as file:
                store._lines = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        ends = [0]
        for row, line in enumerate(iter(store._lines.readline, b"") if isinstance(store._lines, mmap.mmap) else ()):
            ends.append(ends[-1] + len(line))
            store._where[_id_of(line)] = row
        store._starts = np.array(ends, dtype=np.int64)
        return store

    def _read_row(self, row: int) -> Item:
        line: Mapping[str, Any] = json.loads(self._lines[int(self._starts[row]) : int(self._starts[row + 1])])
        item: Item = self._read(line)
        return item


def line_of(item: Product | Passage) -> bytes:
    """One line of JSON with the id first."""
    return json.dumps({"id": item.id, **asdict(item)}, ensure_ascii=False).encode() + b"\n"


def read_product(data: Mapping[str, Any]) -> Product:
    product = Product(**{**data, "variants": ()})
    return replace(product, variants=tuple(Variant(**variant) for variant in data["variants"]))


def read_passage(data: Mapping[str, Any]) -> Passage:
    return Passage(**data)


def _id_of(line: bytes) -> str:
    """The id of a line without reading the rest of it."""
    decoder = json.JSONDecoder()
    text = line[line.index(b'"id": ') + 6 :].decode()
    id: str = decoder.raw_decode(text)[0]
    return id
