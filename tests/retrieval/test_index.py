"""The vector index: same answers whatever it is made of, changes seen at once, searches never blocked."""

import threading

import numpy as np
import pytest

from ensemble import artifact
from ensemble.artifact import ArtifactError
from retrieval.encoder import unit
from retrieval.index import VectorIndex, has_gpu, kind_for


def rows(count, dimension=16, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32))


def ids(count):
    return [f"id-{number}" for number in range(count)]


@pytest.fixture(params=["flat", "hnsw", "ivf", "ivf8"])
def kind(request):
    return request.param


def test_the_row_itself_is_its_nearest(kind):
    held = rows(500)
    index = VectorIndex.built(ids(500), held, kind=kind, gpu=False)
    found = index.search(held[:20], 3)
    assert [hits[0][0] for hits in found] == ids(20)
    assert all(hits[0][1] == pytest.approx(1.0, abs=0.05) for hits in found)
    assert all(hits == sorted(hits, key=lambda hit: -hit[1]) for hits in found)


def test_an_added_row_is_found_by_the_next_search(kind):
    index = VectorIndex.built(ids(300), rows(300), kind=kind, gpu=False)
    new = rows(1, seed=9)
    index.add(["new"], new)
    assert index.search(new, 1)[0][0] == ("new", pytest.approx(1.0, abs=1e-5))
    assert len(index) == 301
    assert "new" in index


def test_a_replaced_row_is_found_where_it_is_now_and_not_where_it_was(kind):
    held = rows(300)
    index = VectorIndex.built(ids(300), held, kind=kind, gpu=False)
    index.add(["id-5"], -held[5:6])
    assert index.search(-held[5:6], 1)[0][0][0] == "id-5"
    assert index.search(held[5:6], 5)[0][0][0] != "id-5"
    assert len(index) == 300


def test_a_removed_row_is_gone_and_the_list_stays_full(kind):
    held = rows(300)
    index = VectorIndex.built(ids(300), held, kind=kind, gpu=False)
    index.remove(["id-7", "nobody"])
    hits = index.search(held[7:8], 10)[0]
    assert len(hits) == 10
    assert "id-7" not in [id for id, _ in hits]
    assert "id-7" not in index


def test_a_rebuild_changes_no_answer(kind):
    held = rows(400)
    index = VectorIndex.built(ids(300), held[:300], kind=kind, gpu=False)
    index.add(ids(400)[300:], held[300:])
    index.remove(ids(10))
    before = [[id for id, _ in hits] for hits in index.search(held[50:60], 1)]
    index.rebuild()
    assert [[id for id, _ in hits] for hits in index.search(held[50:60], 1)] == before
    assert len(index) == 390
    assert sorted(index.ids()) == sorted(ids(400)[10:])


def test_what_is_added_while_a_rebuild_runs_is_not_lost():
    held = rows(2000)
    index = VectorIndex.built(ids(1000), held[:1000], gpu=False)
    adding = threading.Thread(target=lambda: [index.add([f"id-{n}"], held[n : n + 1]) for n in range(1000, 1400)])
    adding.start()
    for _ in range(5):
        index.rebuild()
    adding.join()
    assert sorted(index.ids()) == sorted(ids(1400))
    assert index.search(held[1399:1400], 1)[0][0][0] == "id-1399"


def test_searches_go_on_while_rows_are_added():
    held = rows(3000)
    index = VectorIndex.built(ids(1000), held[:1000], gpu=False)
    wrong = []

    def search():
        for n in range(200):
            if index.search(held[n : n + 1], 1)[0][0][0] != f"id-{n}":
                wrong.append(n)

    readers = [threading.Thread(target=search) for _ in range(3)]
    for reader in readers:
        reader.start()
    for n in range(1000, 1200):
        index.add([f"id-{n}"], held[n : n + 1])
    for reader in readers:
        reader.join()
    assert not wrong


def test_a_saved_index_comes_back_with_its_changes(tmp_path, kind):
    held = rows(300)
    index = VectorIndex.built(ids(300), held, kind=kind, gpu=False)
    index.add(["new"], rows(1, seed=9))
    index.remove(["id-0"])
    artifact.save(tmp_path / "index", "index", index.files("things"), data_sha256="x")
    loaded = VectorIndex.load(artifact.load(tmp_path / "index", "index"), "things", gpu=False)
    assert sorted(loaded.ids()) == sorted(index.ids())
    assert loaded.search(rows(1, seed=9), 1)[0][0][0] == "new"
    loaded.add(["later"], rows(1, seed=10))
    assert loaded.search(rows(1, seed=10), 1)[0][0][0] == "later"


def test_a_damaged_index_is_refused_by_name(tmp_path):
    index = VectorIndex.built(ids(30), rows(30), gpu=False)
    artifact.save(tmp_path / "index", "index", index.files("things"), data_sha256="x")
    file = tmp_path / "index" / "things.faiss"
    file.write_bytes(file.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(ArtifactError, match=r"things\.faiss.*kefu index"):
        artifact.load(tmp_path / "index", "index")


def test_rows_come_back_as_they_were_given():
    held = rows(50)
    index = VectorIndex.built(ids(40), held[:40], gpu=False)
    index.add(ids(50)[40:], held[40:])
    assert np.allclose(index.rows_of(["id-3", "id-45"]), held[[3, 45]])
    index.remove(["id-3"])
    with pytest.raises(KeyError):
        index.rows_of(["id-3"])


def test_more_hits_than_rows_can_be_asked_for():
    index = VectorIndex.built(ids(4), rows(4), gpu=False)
    assert len(index.search(rows(2), 50)[0]) == 4
    assert VectorIndex(16, gpu=False).search(rows(2), 5) == [[], []]


def test_rows_of_another_width_are_refused():
    with pytest.raises(ValueError, match="dimension 16"):
        VectorIndex(16, gpu=False).add(["a"], rows(1, dimension=8))
    with pytest.raises(ValueError, match="NaN"):
        VectorIndex(16, gpu=False).add(["a"], np.full((1, 16), np.nan, dtype=np.float32))


def test_the_kind_follows_the_size():
    assert [kind_for(n) for n in (400, 30_000, 100_000, 1_000_000)] == ["flat", "hnsw", "ivf", "ivf8"]


def test_an_index_streams_in_from_batches():
    held = rows(1000)

    def batches():
        for start in range(0, 1000, 100):
            yield ids(1000)[start : start + 100], held[start : start + 100]

    seen = []
    index = VectorIndex.streamed(16, batches, 1000, kind="ivf", gpu=False, tick=seen.append)
    assert sum(seen) == 1000
    assert index.search(held[777:778], 1)[0][0][0] == "id-777"


@pytest.mark.skipif(not has_gpu(), reason="no GPU that this faiss can use")
def test_the_gpu_finds_what_the_cpu_finds(kind):
    held = rows(2000)
    on_gpu = VectorIndex.built(ids(2000), held, kind=kind, gpu=True)
    on_cpu = VectorIndex.built(ids(2000), held, kind=kind, gpu=False)
    assert [hits[0][0] for hits in on_gpu.search(held[:50], 1)] == [hits[0][0] for hits in on_cpu.search(held[:50], 1)]
