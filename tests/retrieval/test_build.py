"""Building: rows wait on the disk, so that a large catalogue takes no more memory than its index."""

import tracemalloc

import numpy as np

from retrieval.build import RowFile

WIDTH = 64


def encoded(items):
    rows = np.random.default_rng(items[0]).normal(size=(len(items), WIDTH)).astype(np.float32)
    return {f"{item}|en|b": row for item, row in zip(items, rows, strict=True)}


def test_rows_come_back_from_the_disk_as_they_were(tmp_path):
    held = RowFile(tmp_path / "rows", WIDTH)
    ticks = []
    held.encode(list(range(600)), encoded, ticks.append)
    [(ids, rows)] = held.batches()
    assert ids[256:258] == ["256|en|b", "257|en|b"]
    assert np.array_equal(rows[256:512], np.stack(list(encoded(list(range(256, 512))).values())))
    assert sum(ticks) == 600
    assert held.index().search(rows[[300]], 1)[0][0][0] == "300|en|b"


def test_encoding_holds_one_batch_in_memory(tmp_path):
    held = RowFile(tmp_path / "rows", WIDTH)
    items = list(range(40_000))
    tracemalloc.start()
    held.encode(items, encoded)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "rows").stat().st_size == 40_000 * WIDTH * 4
    assert peak < 40_000 * WIDTH * 4 * 0.8  # ids and one batch; all rows would be ten megabytes


def test_a_sample_is_spread_over_the_whole_and_nothing_gives_nothing(tmp_path):
    held = RowFile(tmp_path / "rows", WIDTH)
    assert held.sample() == {}
    assert list(held.batches()) == []
    held.encode(list(range(2_000)), encoded)
    named = [int(name.split("|")[0]) for name in held.sample(100)]
    assert 90 < len(named) < 101
    assert named[-1] > 1_900
