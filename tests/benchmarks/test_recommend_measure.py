"""The measuring of recommenders on a tiny shop: sequences that always go on alike, so that what is right is known."""

import numpy as np
import pytest

from actions.recommendation.factors import Ease
from actions.recommendation.interactions import Event, interactions, leave_last_out
from actions.recommendation.members import Content, Popularity, Together
from tests.benchmarks.recommend import asked_last, cut_at_random, cut_each, following
from tests.benchmarks.recommend_measure import Asked, lists, measured, ndcg

DAY = 86_400.0
ITEMS = [f"{n:02}" for n in range(30)]


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(0)
    events = [
        Event(f"u{user:03}", ITEMS[(start + step) % 30], "purchase", step * DAY)
        for user in range(240)
        for start in [int(generator.integers(30))]
        for step in range(6)
    ]
    return interactions(events, ITEMS, weights={"purchase": 1.0})


def test_every_member_fusion_and_what_ships_is_measured_and_the_known_order_is_found(data):
    before, customers, last = leave_last_out(data)
    past, earlier_customers, earlier = leave_last_out(before)
    rows = measured(
        "tiny",
        lambda: [
            Popularity(3650.0),
            Together(within_days=2.0, shrink=1.0, half_life_days=0.5),
            Ease(regularisation=5.0, half_life_days=1.0),
            Content(np.eye(30, dtype=np.float32)),
        ],
        past, asked_last(past, earlier_customers, earlier), past, asked_last(before, customers, last),
        np.eye(30, dtype=np.float32), speed=True,
    )  # fmt: skip
    found = {(row.system, row.measure): row.value for row in rows}
    systems = {"popularity", "together", "ease", "content", "average", "rank", "vote", "weighted", "stacked", "kefu"}
    assert systems <= {system for system, _ in found}
    for measure in (
        "ndcg@10",
        "hr@10",
        "coverage@10",
        "gini@10",
        "novelty@10",
        "diversity@10",
        "per_second",
        "cpu_ms",
        "p95_ms",
    ):
        assert ("kefu", measure) in found
    assert found["kefu", "ndcg@10"] > 0.95
    assert found["popularity", "ndcg@10"] < 0.5


def test_what_one_has_is_never_in_the_list_and_a_hit_at_the_top_is_one(data):
    asker = data.askers()[0]
    scores = np.zeros((1, 30), dtype=np.float32)
    scores[0, asker.items] = 9.0
    wanted = next(n for n in range(30) if n not in asker.items)
    scores[0, wanted] = 1.0
    ranked = lists(scores, Asked([asker], [frozenset([wanted])]))
    assert not set(ranked[0]) & set(asker.items.tolist())
    assert ndcg(ranked, Asked([asker], [frozenset([wanted])]))[0] == 1.0
    assert scores[0, asker.items[0]] == 9.0  # the caller's scores stay


@pytest.mark.parametrize("cut", [cut_each, cut_at_random])
def test_a_cut_leaves_every_user_both_parts_and_shares_nothing(data, cut):
    before, after = cut(data, 0.7)
    assert len(before) + len(after) == len(data)
    assert set(before.customer) == set(after.customer)
    assert len(following(before, after).askers) == 240
