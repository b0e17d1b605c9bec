"""Nearest rows by cosine, with our own ids: the only file that imports faiss.

An index is a large part that never changes (Flat, HNSW or IVF by size; memory-mapped when it was loaded from disk; on
the GPU when faiss sees one) and a small exact part for what came since, plus the ids that were removed. A change
replaces the small part by a new one, so a search under way keeps the state it started with and never waits; `rebuilt`
makes a new large part while the old one serves. A wrong shape is a ValueError, a damaged folder an
`ensemble.artifact.ArtifactError`.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from ensemble.artifact import Artifact, Content
from retrieval.encoder import Rows

FLAT_UP_TO = 20_000  # below this a scan takes under 2 ms and is exact
HNSW_UP_TO = 50_000  # above, HNSW takes minutes to build (MODELS.md)
FULL_ROWS_UP_TO = 400_000  # above, rows are kept as 8 bits a number: a quarter of the memory
TRAINING_ROWS_A_CELL = 40
GOAL_RECALL = 0.996  # at 10 against the exact answer, measured while building
REBUILD_SHARE = 0.2  # the small part is searched exactly; past this share (and 2,000 rows) a rebuild pays
REBUILD_AT_LEAST = 2_000

Ids = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class _State:
    """What one search sees. `large` may be None (nothing built yet)."""

    large: Any  # what is searched: on the GPU when there is one
    store: Any  # the same on the CPU: rows are read back from it and it is what is saved
    large_ids: Ids  # (rows of large,) bytes
    small_rows: Rows  # (rows of small, dimension)
    small_ids: tuple[str, ...]
    gone: frozenset[int]  # rows of large that were removed or replaced
    kind: str
    where: Mapping[str, int] = field(default_factory=dict)  # id -> row of large; filled at the first change


class VectorIndex:
    """add / remove / search / save / load over unit rows; safe for many readers and one writer at a time."""

    def __init__(self, dimension: int, *, gpu: bool | None = None) -> None:
        self.dimension = dimension
        self.gpu = has_gpu() if gpu is None else gpu
        self._write = threading.Lock()
        nothing = np.zeros((0, dimension), dtype=np.float32)
        self._state = _State(None, None, np.array([], dtype="S1"), nothing, (), frozenset(), "flat")

    def __len__(self) -> int:
        state = self._state
        return len(state.large_ids) - len(state.gone) + len(state.small_ids)

    def __contains__(self, id: str) -> bool:
        state = self._state
        if id in state.small_ids:
            return True
        hits = np.flatnonzero(state.large_ids == id.encode())
        return any(int(row) not in state.gone for row in hits)

    @property
    def kind(self) -> str:
        """flat | hnsw | ivf | ivf8: how the large part is searched."""
        return self._state.kind

    @property
    def wants_rebuild(self) -> bool:
        state = self._state
        waiting = len(state.small_ids) + len(state.gone)
        return waiting >= REBUILD_AT_LEAST and waiting > REBUILD_SHARE * max(1, len(state.large_ids))

    @classmethod
    def built(
        cls,
        ids: Sequence[str],
        rows: Rows,
        *,
        kind: str | None = None,
        gpu: bool | None = None,
        tick: Callable[[int], None] | None = None,
    ) -> "VectorIndex":
        """An index whose large part holds all of `rows` (n, dimension)."""
        return cls.streamed(rows.shape[1], lambda: [(ids, rows)], len(ids), kind=kind, gpu=gpu, tick=tick)

    @classmethod
    def streamed(
        cls,
        dimension: int,
        batches: Callable[[], Iterable[tuple[Sequence[str], Rows]]],
        count: int,
        *,
        kind: str | None = None,
        gpu: bool | None = None,
        tick: Callable[[int], None] | None = None,
    ) -> "VectorIndex":
        """As `built`, from batches that are read twice (a training sample, then all), so no more than the index and one
        batch is in memory.

        Args:
            batches: starts a new reading of (ids, rows) batches.
            count: rows in all; decides the kind when none is given.
            tick: told how many rows were added.
        """
        index = cls(dimension, gpu=gpu)
        kind = kind or kind_for(count)
        large = _trained(kind, dimension, count, batches)
        ids: list[Ids] = []
        for batch_ids, rows in batches():
            _check(batch_ids, rows, dimension)
            large.add(np.ascontiguousarray(rows, dtype=np.float32))
            ids.append(np.array([id.encode() for id in batch_ids]))
            if tick:
                tick(len(batch_ids))
        all_ids = np.concatenate(ids) if ids else np.array([], dtype="S1")
        if kind in ("ivf", "ivf8"):
            _set_probes(large, batches)
        index._state = _State(index._placed(large), large, all_ids, index._state.small_rows, (), frozenset(), kind)
        return index

    def add(self, ids: Sequence[str], rows: Rows) -> None:
        """Add rows, or replace those of known ids; the next search finds them."""
        _check(ids, rows, self.dimension)
        last = {id: position for position, id in enumerate(ids)}  # the last of a repeated id wins
        fresh = np.asarray(rows, dtype=np.float32)[list(last.values())]
        with self._write:
            self._state = _with(_without(self._known(), last), tuple(last), fresh)

    def remove(self, ids: Iterable[str]) -> None:
        """Remove rows; unknown ids are ignored."""
        with self._write:
            self._state = _without(self._known(), dict.fromkeys(ids, 0))

    def search(self, rows: Rows, limit: int) -> list[list[tuple[str, float]]]:
        """For each query row the `limit` nearest (id, cosine), best first; fewer when the index is smaller."""
        state = self._state
        queries = np.ascontiguousarray(rows, dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.dimension:
            raise ValueError(f"queries of shape {queries.shape} for an index of dimension {self.dimension}")
        found = _search_large(state, queries, limit)
        if state.small_ids:
            scores = queries @ state.small_rows.T  # (queries, small)
            for query, line in enumerate(scores):
                best = np.argpartition(-line, min(limit, len(line)) - 1)[:limit]
                found[query] += [(state.small_ids[row], float(line[row])) for row in best]
        for hits in found:  # twice by one part is faster than once by a made key; equal scores stay in order of ids
            hits.sort(key=itemgetter(0))
            hits.sort(key=itemgetter(1), reverse=True)
        return [hits[:limit] for hits in found]

    def rows_of(self, ids: Sequence[str]) -> Rows:
        """(len(ids), dimension) the stored rows (8-bit ones decoded).

        Raises:
            KeyError: an id is not here.
        """
        with self._write:
            state = self._state = self._known()
        small = {id: row for row, id in enumerate(state.small_ids)}
        out = np.zeros((len(ids), self.dimension), dtype=np.float32)
        for position, id in enumerate(ids):
            if id in small:
                out[position] = state.small_rows[small[id]]
            elif (row := state.where[id]) not in state.gone:
                out[position] = state.store.reconstruct(row)
            else:
                raise KeyError(id)
        return out

    def scores_of(self, ids: Sequence[str], row: Rows) -> np.ndarray[Any, np.dtype[np.float64]]:
        """(len(ids),) cosines of `row` (dimension,) with the named rows; NaN for ids that are not here."""
        with self._write:
            state = self._state = self._known()
        small = {id: row for row, id in enumerate(state.small_ids)}
        out = np.full(len(ids), np.nan)
        held: list[int] = []
        for position, id in enumerate(ids):
            if id in small:
                out[position] = state.small_rows[small[id]] @ row
            elif state.where.get(id, -1) >= 0 and state.where[id] not in state.gone:
                held.append(position)
        if held:
            out[held] = self._rows_at(state, [state.where[ids[position]] for position in held]) @ row
        return out

    @staticmethod
    def _rows_at(state: _State, numbers: Sequence[int]) -> Rows:
        if hasattr(state.store, "reconstruct_batch"):
            rows: Rows = state.store.reconstruct_batch(np.array(numbers, dtype=np.int64))
            return rows
        return np.stack([state.store.reconstruct(number) for number in numbers])

    def ids(self) -> list[str]:
        state = self._state
        kept = (id.decode() for row, id in enumerate(state.large_ids.tolist()) if row not in state.gone)
        return [*kept, *state.small_ids]

    def rebuilt(self) -> "VectorIndex":
        """The same rows with everything in a new large part. Runs beside searches; `take` puts it in place."""
        ids = self.ids()

        def batches() -> Iterable[tuple[Sequence[str], Rows]]:
            for start in range(0, len(ids), 10_000):
                chunk = ids[start : start + 10_000]
                yield chunk, self.rows_of(chunk)

        return VectorIndex.streamed(self.dimension, batches, len(ids), gpu=self.gpu)

    def rebuild(self) -> None:
        """Rebuild and swap in; what is added or removed meanwhile is kept. Call it from a background thread."""
        with self._write:
            before = self._state
        new = self.rebuilt()
        with self._write:
            now, known = self._state, set(before.small_ids)
            changed = _changed(before, now)
            fresh = [row for row, id in enumerate(now.small_ids) if id not in known or row in changed]
            removed = (known - set(now.small_ids)) | _ids_at(now, now.gone - before.gone)
            self._state = new._state
            touched = [now.small_ids[row] for row in fresh]
            state = _without(self._known(), dict.fromkeys([*removed, *touched], 0))
            self._state = _with(state, tuple(touched), now.small_rows[fresh])

    def files(self, prefix: str) -> dict[str, Content]:
        """Files for `ensemble.artifact.save`, all named `prefix...`; pending changes are folded in first."""
        whole = self if not (self._state.small_ids or self._state.gone) else self.rebuilt()
        state = whole._state
        store = state.store if state.store is not None else faiss.IndexFlatIP(self.dimension)

        def write_index(path: Path) -> None:
            faiss.write_index(store, str(path))

        def write_ids(path: Path) -> None:
            with path.open("wb") as out:
                np.savez(out, ids=state.large_ids, kind=np.array(state.kind), dimension=np.array(self.dimension))

        return {f"{prefix}.faiss": write_index, f"{prefix}.ids.npz": write_ids}

    @classmethod
    def load(cls, artifact: Artifact, prefix: str, *, gpu: bool | None = None) -> "VectorIndex":
        """From a verified artifact; Flat and IVF stay on disk and are mapped into memory as they are read."""
        with np.load(artifact.path(f"{prefix}.ids.npz"), allow_pickle=False) as held:
            ids, kind, dimension = held["ids"], str(held["kind"]), int(held["dimension"])
        index = cls(dimension, gpu=gpu)
        large = _read(artifact.path(f"{prefix}.faiss"), kind)
        index._state = _State(index._placed(large), large, ids, index._state.small_rows, (), frozenset(), kind)
        return index

    def _placed(self, large: Any) -> Any:
        return _to_gpu(large) if self.gpu else large

    def _known(self) -> _State:
        """The state with its id -> row map filled; made at the first change, a server that only reads never pays."""
        state = self._state
        if state.where or not len(state.large_ids):
            return state
        if hasattr(state.store, "make_direct_map"):
            state.store.make_direct_map()  # an IVF finds a row by number only with this map
        return replace(state, where={id.decode(): row for row, id in enumerate(state.large_ids.tolist())})


def _without(state: _State, ids: Mapping[str, int]) -> _State:
    gone = {state.where[id] for id in ids if id in state.where}
    keep = [row for row, id in enumerate(state.small_ids) if id not in ids]
    return replace(
        state,
        gone=state.gone | gone,
        small_rows=state.small_rows[keep],
        small_ids=tuple(state.small_ids[row] for row in keep),
    )


def _with(state: _State, ids: tuple[str, ...], rows: Rows) -> _State:
    return replace(state, small_rows=np.concatenate([state.small_rows, rows]), small_ids=(*state.small_ids, *ids))


def kind_for(count: int) -> str:
    """Flat while exact is fast, HNSW while it builds in seconds, IVF above, then IVF with 8-bit rows to save memory."""
    if count <= FLAT_UP_TO:
        return "flat"
    if count <= HNSW_UP_TO:
        return "hnsw"
    return "ivf" if count <= FULL_ROWS_UP_TO else "ivf8"


def has_gpu() -> bool:
    """True when this faiss was built for GPUs and sees one."""
    return bool(getattr(faiss, "get_num_gpus", lambda: 0)())


def set_threads(count: int) -> None:
    """Threads of one search; servers use one, builds may use all."""
    faiss.omp_set_num_threads(count)


def _check(ids: Sequence[str], rows: Rows, dimension: int) -> None:
    if rows.ndim != 2 or rows.shape != (len(ids), dimension):
        raise ValueError(f"rows of shape {rows.shape} for {len(ids)} ids and dimension {dimension}")
    if not np.isfinite(rows).all():
        raise ValueError("rows hold NaN or infinity")


def _trained(kind: str, dimension: int, count: int, batches: Callable[[], Iterable[tuple[Sequence[str], Rows]]]) -> Any:
    if kind == "flat":
        return faiss.IndexFlatIP(dimension)
    if kind == "hnsw":
        graph = faiss.IndexHNSWFlat(dimension, 32, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = 80
        graph.hnsw.efSearch = 64
        return graph
    cells = _cells(count)
    storage = "Flat" if kind == "ivf" else "SQ8"
    index: Any = faiss.index_factory(dimension, f"IVF{cells},{storage}", faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid = 1
    index.cp.niter = 10
    index.cp.spherical = True  # unit rows: centroids on the sphere
    index.train(_sample(batches, count, min(count, cells * TRAINING_ROWS_A_CELL), dimension))
    return index


def _cells(count: int) -> int:
    """About 4 sqrt(n), a power of two: what the faiss guidelines advise for this range."""
    wanted = 4 * count**0.5
    return int(2 ** round(np.log2(max(16.0, min(wanted, count / 39)))))


def _sample(batches: Callable[[], Iterable[tuple[Sequence[str], Rows]]], count: int, size: int, dimension: int) -> Rows:
    """`size` rows drawn evenly over the whole stream (seeded), in bounded memory."""
    chosen = np.sort(np.random.default_rng(0).choice(count, size=size, replace=False))
    out = np.zeros((size, dimension), dtype=np.float32)
    start = 0
    for _, rows in batches():
        inside = np.flatnonzero((chosen >= start) & (chosen < start + len(rows)))
        out[inside] = rows[chosen[inside] - start]
        start += len(rows)
    return out


def _set_probes(large: Any, batches: Callable[[], Iterable[tuple[Sequence[str], Rows]]]) -> None:
    """The fewest cells to look into that reach GOAL_RECALL on rows moved a little away from stored ones."""
    generator = np.random.default_rng(1)
    first = next(iter(batches()))[1]
    picked = first[generator.choice(len(first), size=min(200, len(first)), replace=False)]
    noise = generator.normal(size=picked.shape).astype(np.float32)
    noise *= 0.3 / np.linalg.norm(noise, axis=1, keepdims=True)
    queries = picked + noise
    faiss.normalize_L2(queries)
    large.nprobe = large.nlist
    exact = large.search(queries, 10)[1]
    for probes in (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512):
        if probes >= large.nlist:
            break
        large.nprobe = probes
        found = large.search(queries, 10)[1]
        if np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact, strict=True)]) >= GOAL_RECALL:
            return
    large.nprobe = min(large.nlist, 512)


def _search_large(state: _State, queries: Rows, limit: int) -> list[list[tuple[str, float]]]:
    if state.large is None or not len(state.large_ids) or limit < 1:
        return [[] for _ in queries]
    wanted = min(len(state.large_ids), limit + len(state.gone))
    scores, rows = state.large.search(queries, wanted)
    found = []
    for line_scores, line_rows in zip(scores, rows, strict=True):
        hits = [
            (state.large_ids[row].decode(), float(score))
            for score, row in zip(line_scores, line_rows, strict=True)
            if row >= 0 and int(row) not in state.gone
        ]
        found.append(hits[:limit])
    return found


def _changed(before: _State, now: _State) -> set[int]:
    """Rows of the small part whose content differs from what it was for the same id."""
    old = {id: row for row, id in enumerate(before.small_ids)}
    return {
        row
        for row, id in enumerate(now.small_ids)
        if id in old and not np.array_equal(now.small_rows[row], before.small_rows[old[id]])
    }


def _ids_at(state: _State, rows: Iterable[int]) -> set[str]:
    return {state.large_ids[row].decode() for row in rows} - set(state.small_ids)


def _read(path: Path, kind: str) -> Any:
    if kind in ("ivf", "ivf8"):
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if kind == "flat" else 0)


def _to_gpu(large: Any) -> Any:
    """On the first GPU. HNSW has no GPU form and stays where it is."""
    if isinstance(large, faiss.IndexHNSW):
        return large
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, large)
