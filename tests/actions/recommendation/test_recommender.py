"""The recommender over a small shop played by hand: filters, reasons, campaigns, new products, "not for me"."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pytest

from actions.recommendation.catalogue import Campaign, Context, Facts, Past
from actions.recommendation.fusion import Weights, best_first, fitted, fuse, standardised
from actions.recommendation.interactions import Event, interactions
from actions.recommendation.members import Content, Neighbours, Popularity, ShelfPopularity, Together
from actions.recommendation.model import Model
from actions.recommendation.online import OnlineLearning, fold_in
from actions.recommendation.recommender import Recommender
from ensemble import combine
from retrieval.filters import Filters

NOW = datetime(2026, 11, 22, tzinfo=UTC)
AT = NOW.timestamp()
DAY = 86_400.0
SHELF = {"tent": "tents", "shoe": "shoes", "mug": "kitchen"}
ITEMS = [f"{kind}-{n}" for kind in SHELF for n in range(4)]


def facts(id, **more):
    kind, number = id.split("-")
    values = {
        "names": {"en": f"{kind.title()} {number}", "zh": f"{kind} {number} 号"},
        "category": SHELF.get(kind, "lighting"),
        "prices_minor": (1000 * (int(number) + 1),),
        "options": ({"color": "red" if int(number) % 2 else "blue"},),
        **more,
    }
    return Facts(id, **values)


@dataclass
class HandShop:
    """A shop made by hand; tests change its parts."""

    held: dict = field(default_factory=lambda: {id: facts(id) for id in ITEMS})
    pasts: dict = field(default_factory=dict)
    running: list = field(default_factory=list)
    sold_out: set = field(default_factory=set)

    def products(self):
        return self.held

    def past(self, customer_id, visitor_id):
        return self.pasts.get(customer_id or visitor_id, Past())

    def campaigns(self, now):
        return self.running

    def in_stock(self, ids):
        return frozenset(ids) - self.sold_out


def behaviour():
    for customer in range(40):
        kind = ("tent", "shoe", "mug")[customer % 3]
        for place, number in enumerate((0, 1, 2, 3)):
            if number != customer % 4:
                yield Event(f"c{customer}", f"{kind}-{number}", "purchase", AT - (10 - place) * DAY)
    for customer in range(40, 60):
        yield Event(f"c{customer}", "tent-0", "purchase", AT - 9 * DAY)
        yield Event(f"c{customer}", "mug-3", "purchase", AT - 9 * DAY)


def rows_of(ids):
    kinds = [*SHELF, "lamp"]
    rows = np.zeros((len(ids), len(kinds)), dtype=np.float32)
    for row, id in enumerate(ids):
        rows[row, kinds.index(id.split("-")[0])] = 1.0
    return rows


@pytest.fixture(scope="module")
def model():
    data = interactions(behaviour(), ITEMS)
    shelves = np.array([sorted(SHELF.values()).index(SHELF[id.split("-")[0]]) for id in ITEMS])
    members = [Popularity(), ShelfPopularity(shelves), Neighbours(shrink=1.0), Together(), Content(rows_of(ITEMS))]
    members = tuple(member.fit(data) for member in members)
    even = (0.2, 1.0, 1.0, 0.5, 1.0)
    groups = dict.fromkeys(("new", "few", "regular"), even)
    return Model(tuple(ITEMS), members, Weights(tuple(m.name for m in members), groups), "v1")


@pytest.fixture
def shop():
    made = HandShop()
    made.pasts["ann"] = Past(
        events=(Event("ann", "tent-0", "purchase", AT - 5 * DAY), Event("ann", "tent-1", "view", AT - DAY)),
        owned=frozenset({"tent-0"}),
    )
    return made


def ask(model, shop, who="ann", limit=5, diversity=0.0, **context):
    recommender = Recommender(model, shop, rows_of, diversity=diversity)
    return recommender.recommend(customer_id=who, visitor_id=None, context=Context(**context), limit=limit, now=NOW)


def ids(found):
    return [each.product_id for each in found]


def test_a_customer_of_tents_is_shown_tents_with_a_reason(model, shop):
    found = ask(model, shop, limit=2)
    assert all(id.startswith("tent") for id in ids(found))
    assert "Tent" in found[0].reason
    assert found[0].sources


def test_what_is_owned_is_not_shown_unless_it_is_bought_again_and_again(model, shop):
    assert "tent-0" not in ids(ask(model, shop, limit=12))
    shop.held["tent-0"] = facts("tent-0", repeatable=True)
    again = next(each for each in ask(model, shop, limit=12) if each.product_id == "tent-0")
    assert again.code == "again"


def test_what_was_returned_or_refused_is_never_shown(model, shop):
    shop.pasts["ann"] = replace(shop.pasts["ann"], returned=frozenset({"tent-1"}), refused=frozenset({"tent-2"}))
    assert not {"tent-1", "tent-2"} & set(ids(ask(model, shop, limit=12)))


def test_a_refusal_weighs_on_what_is_like_it(model, shop):
    before = ask(model, shop, who=None, seed_products=("mug-0",), limit=3)
    shop.pasts["new"] = Past(refused=frozenset({"mug-1"}))
    after = ask(model, shop, who="new", seed_products=("mug-0",), limit=3)
    assert ids(before)[0].startswith("mug")
    mugs = {each.product_id: each.score for each in before}
    assert all(
        each.score < mugs[each.product_id]
        for each in after
        if each.product_id.startswith("mug") and each.product_id in mugs
    )


def test_what_is_out_of_stock_is_not_shown_even_when_it_sold_out_a_moment_ago(model, shop):
    first = ids(ask(model, shop))[0]
    shop.sold_out.add(first)
    assert first not in ids(ask(model, shop, limit=12))
    shop.held["mug-0"] = facts("mug-0", prices_minor=(), options=())
    assert "mug-0" not in ids(ask(model, shop, limit=12))


def test_a_budget_and_a_colour_are_respected_and_named(model, shop):
    found = ask(model, shop, limit=12, wish=Filters(price_max_minor=2500, color="red"))
    assert found
    assert all(shop.held[id].price_minor <= 2500 for id in ids(found))
    assert all(shop.held[id].options[0]["color"] == "red" for id in ids(found))
    assert all("€25" in each.reason for each in found)


def test_only_what_a_search_allowed_is_shown_and_the_best_fit_to_the_words_first(model, shop):
    found = ask(model, shop, allowed={"mug-1", "mug-2"}, relevance={"mug-2": 0.9, "mug-1": 0.2})
    assert ids(found) == ["mug-2", "mug-1"]


def test_a_stranger_gets_what_is_like_the_talk_and_without_talk_what_is_popular(model, shop):
    like = ask(model, shop, who=None, limit=2, kind="similar", seed_products=("shoe-1",))
    assert all(id.startswith("shoe") for id in ids(like))
    assert "Shoe 1" in like[0].reason
    popular = ask(model, shop, who=None, limit=1)
    assert popular[0].code == "popular"
    assert ids(popular)[0] in ("tent-0", "mug-3")


def test_what_goes_with_a_thing_is_not_another_of_its_kind(model, shop):
    found = ids(ask(model, shop, who=None, limit=1, kind="together", seed_products=("tent-0",)))
    assert found == ["mug-3"]  # bought with it, though three other tents were too
    every = ids(ask(model, shop, who=None, limit=12, kind="together", seed_products=("tent-0",)))
    assert all(id.startswith("tent") for id in every[-3:])  # still there, after everything else


def test_a_present_does_not_go_by_the_own_taste(model, shop):
    shop.pasts["ann"] = replace(shop.pasts["ann"], events=shop.pasts["ann"].events * 3)
    own = ask(model, shop, limit=1)
    present = ask(model, shop, limit=12, for_somebody=True)
    assert own[0].product_id.startswith("tent")
    assert present[0].code == "popular"
    assert "tent-0" not in ids(present)  # still not what is owned


def test_what_is_owned_returned_refused_or_sold_out_stays_away_in_every_place(model, shop):
    shop.pasts["ann"] = replace(shop.pasts["ann"], returned=frozenset({"tent-1"}), refused=frozenset({"mug-3"}))
    shop.sold_out = {"tent-2"}
    for kind in ("chat", "similar", "together", "cart", "after_purchase"):
        found = ids(ask(model, shop, limit=12, kind=kind, seed_products=("tent-3",)))
        assert found
        assert not {"tent-0", "tent-1", "tent-2", "tent-3", "mug-3"} & set(found)


def test_more_spread_shows_more_of_the_catalogue(model, shop):
    def shown(diversity):
        return {id for n in range(40) for id in ids(ask(model, shop, f"c{n}", limit=3, diversity=diversity))}

    for n in range(40):
        own = [event for event in behaviour() if event.customer == f"c{n}"]
        shop.pasts[f"c{n}"] = Past(events=tuple(own))
    assert len(shown(1.0)) >= len(shown(0.0))
    few = [each.product_id.split("-")[0] for each in ask(model, shop, "c0", limit=3, diversity=1.0)]
    assert len(set(few)) > 1


def test_somebody_who_wants_no_promotions_sees_none(model, shop):
    shop.running = [CAMPAIGN]
    assert [each for each in ask(model, shop, limit=10) if each.campaign]
    shop.pasts["ann"] = replace(shop.pasts["ann"], no_promotions=True)
    assert not [each for each in ask(model, shop, limit=10) if each.campaign]


def test_what_goes_with_it_is_what_is_bought_with_it(model, shop):
    about = {"who": None, "limit": 3, "kind": "together", "seed_products": ("tent-0",)}
    mug = next(each for each in ask(model, shop, **about) if each.product_id.startswith("mug"))
    assert (mug.product_id, mug.reason) == ("mug-3", "Goes well with Tent 0")
    mug = next(each for each in ask(model, shop, language="zh", **about) if each.product_id == "mug-3")
    assert mug.reason == "和tent 0 号很搭"


def test_a_product_of_today_is_recommended_today(model, shop):
    shop.held["tent-9"] = facts("tent-9", added_at=AT)
    found = {each.product_id: each for each in ask(model, shop, limit=12)}
    assert found["tent-9"].code == "new"


def test_a_product_that_is_gone_from_the_shop_is_not_shown(model, shop):
    del shop.held["tent-2"]
    assert "tent-2" not in ids(ask(model, shop, limit=12))


def test_a_list_is_spread_over_kinds_when_that_is_wanted(model, shop):
    alike = {id.split("-")[0] for id in ids(ask(model, shop, limit=3, diversity=0.0))}
    spread = {id.split("-")[0] for id in ids(ask(model, shop, limit=3, diversity=5.0))}
    assert len(spread) == 3 > len(alike)


CAMPAIGN = Campaign("sale", {"en": "15 % off mugs", "zh": "杯子 85 折"}, category="kitchen")


def test_a_campaign_card_is_labelled_and_never_against_the_wish(model, shop):
    shop.running = [CAMPAIGN]
    found = [each for each in ask(model, shop, limit=10) if each.campaign]
    assert [(each.label, each.reason) for each in found] == [("Promotion", "15 % off mugs")]
    assert found[0].product_id.startswith("mug")
    assert not [each for each in ask(model, shop, limit=10, wish=Filters(category="tents")) if each.campaign]
    assert not [each for each in ask(model, shop, limit=10, campaigns=False) if each.campaign]


@pytest.mark.parametrize(
    "campaign",
    [
        replace(CAMPAIGN, audience={"newsletter": True}),
        replace(CAMPAIGN, audience={"orders_at_least": 5}),
        replace(CAMPAIGN, budget_minor=100, spent_minor=100),
        replace(CAMPAIGN, frequency_cap=2),
    ],
)
def test_a_campaign_keeps_to_its_audience_budget_and_cap(model, shop, campaign):
    shop.running = [campaign]
    shop.pasts["ann"] = replace(shop.pasts["ann"], campaigns_shown={"sale": 2}, orders=1)
    assert not [each for each in ask(model, shop, limit=10) if each.campaign]


def test_a_model_comes_back_from_disk_and_recommends_the_same(model, shop, tmp_path):
    model.save(tmp_path / "r", data_sha256="x", metrics={})
    again = Recommender.load(tmp_path / "r", shop, rows_of, diversity=0.0)
    found = again.recommend(customer_id="ann", visitor_id=None, context=Context(), limit=5, now=NOW)
    assert ids(found) == ids(ask(model, shop))


def test_new_behaviour_counts_and_a_newer_model_is_taken_up(model, shop, tmp_path):
    model.save(tmp_path / "r", data_sha256="x", metrics={})
    recommender = Recommender.load(tmp_path / "r", shop, rows_of)

    class Fresh:
        def look(self):
            return [Event("x", "shoe-2", "purchase", AT)] * 200

    learning = OnlineLearning(recommender, Fresh(), tmp_path / "r")
    learning.step()
    top = recommender.recommend(customer_id=None, visitor_id=None, context=Context(), limit=1, now=NOW)
    assert ids(top) == ["shoe-2"]
    before = recommender.model.version
    model.save(tmp_path / "r", data_sha256="y", metrics={"n": 1})
    learning.step()
    assert recommender.model.version in (before, Model.load(tmp_path / "r").version)
    assert fold_in(model, [Event("x", "nothing", "purchase", AT), Event("x", "tent-0", "shown", AT)]) == 0


def test_an_abstaining_member_gives_its_weight_to_the_others():
    scores = np.array([[[3.0, 1.0]], [[np.nan, np.nan]]])
    assert fuse("weighted", scores, np.array([1.0, 9.0])).argmax() == 0
    assert (fuse("average", np.full((2, 1, 3), np.nan)) == -np.inf).all()


@pytest.mark.parametrize("fusion", ["average", "weighted", "rank", "vote"])
def test_what_every_member_puts_first_comes_first(fusion):
    scores = np.random.default_rng(0).normal(size=(3, 4, 30))
    scores[:, np.arange(4), np.arange(4)] = 9.0
    fused = fuse(fusion, standardised(scores), np.ones(3))
    assert best_first(fused, 1)[:, 0].tolist() == [0, 1, 2, 3]


def test_an_unknown_fusion_is_refused():
    with pytest.raises(ValueError, match="none of average"):
        fuse("magic", np.zeros((1, 1, 2)))


def test_the_quick_weighted_mean_is_that_of_the_ensemble_and_no_opinion_counts_nothing():
    generator = np.random.default_rng(5)
    scores = generator.normal(size=(4, 6, 40)).astype(np.float32)
    weights = np.array([0.5, 1.0, 0.0, 2.0])
    assert np.allclose(fuse("weighted", scores, weights), combine.weighted(scores, weights), atol=1e-5)
    scores[1, 2], scores[0, :, 7] = np.nan, np.nan
    assert np.allclose(fuse("weighted", scores, weights), combine.weighted(scores, weights), atol=1e-5)
    scores[:, :, 9] = np.nan
    assert np.isneginf(fuse("weighted", scores, weights)[:, 9]).all()
    scores[2, :, 9] = 5.0  # only a member without weight speaks
    fused = fuse("weighted", scores, weights)
    assert (fused[:, 9] <= fused.min(axis=1)).all()


def test_scores_high_above_the_rest_keep_their_order():
    scores = np.zeros((1, 1, 3000), dtype=np.float32)
    scores[0, 0, :5] = [1, 2, 3, 4, 5]
    even = standardised(scores)[0, 0]
    assert (np.diff(even[:5]) > 0).all()
    assert even.max() < 12


def test_weights_are_found_among_thousands_of_products():
    generator = np.random.default_rng(6)
    scores = generator.normal(size=(3, 80, 3000)).astype(np.float32)
    targets = generator.integers(0, 3000, 80)
    scores[1, np.arange(80), targets] += 6  # the second member knows
    found = fitted(
        {"all": scores},
        lambda _, fused: float((best_first(fused, 10) == targets[:, None]).any(axis=1).mean()),
        ("one", "two", "three"),
    )
    assert np.argmax(found["all"]) == 1
