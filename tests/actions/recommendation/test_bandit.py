"""The bandit: what it learns, what it logs, and that it is off by default."""

import numpy as np

from actions.recommendation.bandit import ARMS, Bandit, Outcome, leaning
from actions.recommendation.catalogue import Context
from actions.recommendation.online import OnlineLearning
from actions.recommendation.recommender import Recommender
from tests.actions.recommendation.test_recommender import NOW, HandShop, model, rows_of  # noqa: F401  # a fixture


def test_an_arm_that_is_clicked_more_is_drawn_more_and_only_in_its_context():
    bandit = Bandit(seed=1)
    bandit.update([Outcome("few", "chat", arm, 400, 120 if arm == "alike" else 10) for arm in ARMS])
    drawn = [bandit.draw("few", "chat").arm for _ in range(100)]
    assert drawn.count("alike") > 95
    elsewhere = {bandit.draw("regular", "chat").arm for _ in range(100)}
    assert len(elsewhere) == len(ARMS)


def test_the_logged_propensity_is_how_often_the_arm_is_drawn():
    bandit = Bandit(seed=2)
    bandit.update([Outcome("few", "chat", "alike", 100, 14), Outcome("few", "chat", "fitted", 100, 10)])
    draws = [bandit.draw("few", "chat") for _ in range(1000)]
    for arm in ARMS:
        logged = [each.propensity for each in draws if each.arm == arm]
        if logged:
            assert abs(np.mean(logged) - len(logged) / len(draws)) < 0.05
            assert min(logged) > 0


def test_clicks_weighed_back_by_propensity_say_what_an_arm_is_worth():
    """Inverse propensity scoring on logs of a policy that prefers another arm."""
    generator, bandit = np.random.default_rng(3), Bandit(seed=3)
    bandit.update([Outcome("few", "chat", "alike", 40, 6), Outcome("few", "chat", "fitted", 40, 4)])
    rates = dict.fromkeys(ARMS, 0.1) | {"fitted": 0.3}
    draws = [bandit.draw("few", "chat") for _ in range(4000)]
    value = [(each.arm == "fitted") * (generator.random() < rates[each.arm]) / each.propensity for each in draws]
    assert abs(np.mean(value) - 0.3) < 0.05


def test_an_arm_leans_only_its_members():
    assert leaning("popular", ("popularity", "content")).tolist() == [2.0, 1.0]
    assert leaning("fitted", ("popularity", "content")).tolist() == [1.0, 1.0]


def test_without_a_bandit_the_fitted_weights_are_used_and_logged_as_certain(model):  # noqa: F811
    recommender = Recommender(model, HandShop(), rows_of)
    found = recommender.recommend(customer_id=None, visitor_id=None, context=Context(), limit=3, now=NOW)
    assert recommender.bandit is None
    expected = {"group": "new", "place": "chat", "arm": "fitted", "propensity": 1.0}
    assert [dict(each.noted) for each in found] == [expected] * 3


def test_a_bandit_takes_up_clicks_while_it_serves(model, tmp_path):  # noqa: F811
    class Quiet:
        def look(self):
            return []

    recommender = Recommender(model, HandShop(), rows_of, bandit=Bandit(seed=4))
    clicked = [Outcome("new", "chat", arm, 500, 200 if arm == "popular" else 5) for arm in ARMS]
    OnlineLearning(recommender, Quiet(), tmp_path, load=lambda _: model, rewards=lambda: clicked).step()
    found = recommender.recommend(customer_id=None, visitor_id=None, context=Context(), limit=1, now=NOW)
    assert found[0].noted["arm"] == "popular"
    assert found[0].noted["propensity"] > 0.9
