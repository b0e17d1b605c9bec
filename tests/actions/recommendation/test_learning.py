"""Daily learning: a new model is live only when it is better on purchases that neither has seen."""

import numpy as np
import pytest

from actions.recommendation.catalogue import Facts
from actions.recommendation.evaluate import cases_of, ndcg_of
from actions.recommendation.interactions import Event, SharedRows, interactions, split_by_time
from actions.recommendation.learn import judge
from actions.recommendation.train import still_good, train

DAY = 86_400.0
ITEMS = [f"p{n:02}" for n in range(20)]
FACTS = {
    id: Facts(id, {"en": id}, "odd" if n % 2 else "even", prices_minor=(1000,), options=({},))
    for n, id in enumerate(ITEMS)
}


def buys(first_day, last_day, step, seed):
    """Customers who buy `step` further on the day after they looked at a product: a habit that can change."""
    generator = np.random.default_rng(seed)
    for day in range(first_day, last_day):
        for _ in range(25):
            who, seen = f"c{generator.integers(0, 150):03}", int(generator.integers(0, 20))
            at = day * DAY + float(generator.uniform(0, DAY / 2))
            yield Event(who, ITEMS[seen], "view", at)
            yield Event(who, ITEMS[(seen + step) % 20], "purchase", at + 600)


@pytest.fixture(scope="module")
def old():
    events = list(buys(0, 40, 3, seed=1))
    return train(events, FACTS, None, device="cpu"), events


def test_training_measures_itself_on_what_came_later(old):
    made, events = old
    systems = made.metrics["systems"]
    assert {"kefu", "popularity", "average", "weighted"} <= set(systems)
    assert systems["kefu"]["ndcg@10"] > systems["popularity"]["ndcg@10"]
    assert made.metrics["events"] == len(events)


def test_when_habits_change_the_new_model_wins(old):
    made, events = old
    verdict = judge(made.model, 40 * DAY, [*events, *buys(40, 80, 8, seed=2)], FACTS, None)
    assert verdict.live
    assert verdict.new > verdict.old


def test_with_too_little_that_is_new_the_old_model_stays(old):
    made, events = old
    verdict = judge(made.model, 40 * DAY, [*events, *buys(40, 41, 3, seed=3)][: len(events) + 20], FACTS, None)
    assert not verdict.live
    assert "since the last training" in verdict.why


def test_a_start_trains_again_only_when_much_is_new(old, tmp_path):
    made, events = old
    made.model.save(tmp_path / "r", data_sha256="x", metrics=made.metrics)
    assert still_good(tmp_path / "r", FACTS, events)
    assert still_good(tmp_path / "r", FACTS, [*events, *events[:50]])
    assert not still_good(tmp_path / "r", FACTS, events * 2)
    assert not still_good(tmp_path / "nowhere", FACTS, events)


def test_cases_hold_what_was_bought_afterwards_and_not_owned_before():
    rows = [
        Event("a", "p01", "purchase", DAY),
        Event("a", "p01", "purchase", 9 * DAY),
        Event("a", "p02", "purchase", 9 * DAY),
    ]
    data = interactions(rows, ITEMS)
    past, later = data.rows(data.at < 5 * DAY), data.rows(data.at > 5 * DAY)
    cases = cases_of(past, later)
    known = [row for row, group in enumerate(cases.groups) if group == "few"]
    assert [cases.targets[row] for row in known] == [frozenset({2})]
    perfect = np.zeros((len(cases.askers), 20))
    perfect[:, 2] = 1.0
    assert ndcg_of(perfect, cases)[known[0]] == 1.0
    with pytest.raises(SharedRows):
        cases_of(data, later)


def test_a_split_by_time_shares_nothing():
    data = interactions(buys(0, 10, 3, seed=4), ITEMS)
    past, later = split_by_time(data, 0.2)
    assert len(past) + len(later) == len(data)
    assert past.at.max() <= later.at.min()
