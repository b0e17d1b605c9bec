"""The contract of every member, on behaviour whose answer is known by construction.

Two tastes: even customers take even products, odd ones odd products; each lacks exactly one product of its taste.
"""

import numpy as np
import pytest

from actions.recommendation.factors import Ease, Factors
from actions.recommendation.interactions import (
    Asker,
    Event,
    SharedRows,
    interactions,
    leave_last_out,
    refuse_shared,
    split_by_time,
)
from actions.recommendation.members import Content, FitError, Neighbours, Popularity, ShelfPopularity, Together
from actions.recommendation.sequence import NextItem, Shape, collapsed

ITEMS = [f"p{n:02}" for n in range(12)]
DAY = 86_400.0


def missing(customer):
    """The one product of the customer's own taste that they do not have."""
    return customer % 2 + 2 * ((customer // 2) % 6)


def events():
    for customer in range(60):
        own = [n for n in range(customer % 2, 12, 2) if n != missing(customer)]
        for place, item in enumerate(own):
            yield Event(f"c{customer:02}", ITEMS[item], "purchase", DAY * (place + 1) + customer)


DATA = interactions(events(), ITEMS)
SHELVES = np.arange(12) % 2
ROWS = np.zeros((12, 3), dtype=np.float32)
ROWS[np.arange(12), np.arange(12) % 2] = 1.0
MAKERS = {
    "popularity": Popularity,
    "shelf": lambda: ShelfPopularity(SHELVES),
    "neighbours": lambda: Neighbours(shrink=1.0),
    "ease": lambda: Ease(regularisation=5.0),
    "factors": lambda: Factors(size=4, regularisation=0.1),
    "content": lambda: Content(ROWS),
    "together": Together,
    "sequence": lambda: NextItem(Shape(width=16, heads=2, layers=1, length=8, epochs=12, batch=16), device="cpu"),
}
PERSONAL = [name for name in MAKERS if name != "popularity"]


@pytest.fixture(scope="module")
def fitted():
    return {name: make().fit(DATA) for name, make in MAKERS.items()}


@pytest.mark.parametrize("name", PERSONAL)
def test_the_missing_product_of_ones_own_taste_comes_first(fitted, name):
    askers = DATA.askers(now=DAY * 8)
    scores = fitted[name].scores(askers)
    right = 0
    for row, asker in enumerate(askers):
        open_to = [n for n in range(12) if n not in asker.items]
        right += max(open_to, key=lambda n: scores[row, n]) == missing(row)
    assert right >= 48  # of 60; a guess among what is left would find 9


@pytest.mark.parametrize("name", MAKERS)
def test_scores_are_askers_by_items_and_the_same_asked_alone_or_together(fitted, name):
    askers = DATA.askers(now=DAY * 8)[:7]
    together = fitted[name].scores(askers)
    assert together.shape == (7, 12)
    alone = np.concatenate([fitted[name].scores([asker]) for asker in askers])
    assert np.allclose(together, alone, atol=1e-4, equal_nan=True)


@pytest.mark.parametrize("name", PERSONAL)
def test_a_stranger_gets_no_opinion(fitted, name):
    assert np.isnan(fitted[name].scores([Asker(now=DAY * 8)])).all()


@pytest.mark.parametrize("name", PERSONAL)
def test_a_stranger_who_talks_about_a_product_is_answered(fitted, name):
    scores = fitted[name].scores([Asker(now=DAY * 8, seeds=(4,))])[0]
    assert np.nanmax(scores[[0, 2, 6, 8, 10]]) > np.nanmax(scores[[1, 3, 5, 7, 9, 11]])


@pytest.mark.parametrize("name", MAKERS)
def test_a_member_comes_back_from_its_arrays_as_it_was(fitted, name, tmp_path):
    member = fitted[name]
    with (tmp_path / "m.npz").open("wb") as out:
        np.savez(out, **member.arrays())
    with np.load(tmp_path / "m.npz", allow_pickle=False) as held:
        back = type(member).from_arrays({key: held[key] for key in held.files})
    askers = DATA.askers(now=DAY * 8)[:5]
    assert np.allclose(back.scores(askers), member.scores(askers), atol=2e-3, equal_nan=True)


@pytest.mark.parametrize("name", MAKERS)
def test_asking_leaves_the_asker_as_it_was(fitted, name):
    asker = DATA.askers(now=DAY * 8)[3]
    before = asker.items.copy()
    fitted[name].scores([asker])
    assert (asker.items == before).all()


def test_popularity_fades_and_counts_what_is_new():
    old = [Event("a", "p00", "purchase", 0.0)] * 3
    new = [Event("b", "p01", "purchase", 90 * DAY)] * 2
    member = Popularity(half_life_days=30).fit(interactions([*old, *new], ITEMS))
    assert member.scores([Asker()])[0].argmax() == 1
    for _ in range(3):
        member.update(2, 5.0, 91 * DAY)
    assert member.scores([Asker()])[0].argmax() == 2


def test_together_answers_with_what_follows_a_purchase():
    rows = [Event(f"c{n}", "p00", "purchase", n * 10.0) for n in range(20)]
    rows += [Event(f"c{n}", "p05", "purchase", n * 10.0 + 2 * DAY) for n in range(20)]
    rows += [Event(f"d{n}", "p07", "purchase", n * 10.0) for n in range(60)]
    member = Together().fit(interactions(rows, ITEMS))
    assert member.scores([Asker(now=5 * DAY, seeds=(0,))])[0].argmax() == 5


def test_content_scores_a_product_it_was_not_fitted_on():
    member = Content(ROWS).fit(DATA)
    asker = Asker(now=DAY, seeds=(1,))
    like, unlike, unknown = member.scores_of([asker], np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=np.float32))[0]
    assert like > unlike
    assert np.isnan(unknown)


def test_ease_refuses_what_it_cannot_invert():
    with pytest.raises(FitError, match="12 items"):
        Ease(most_items=10).fit(DATA)


def test_a_sequence_that_always_goes_on_alike_is_learnt():
    rows = [Event(f"c{n}", ITEMS[(n + step) % 12], "view", step * 10.0) for n in range(60) for step in range(6)]
    member = NextItem(Shape(width=16, heads=2, layers=1, length=8, epochs=25, batch=16), device="cpu")
    member.fit(interactions(rows, ITEMS))
    askers = [Asker(np.array([n, (n + 1) % 12]), np.ones(2), np.zeros(2)) for n in range(12)]
    assert (member.scores(askers).argmax(axis=1) == (np.arange(12) + 2) % 12).all()


def test_the_sequence_served_with_numpy_is_the_one_trained_with_torch():
    torch = pytest.importorskip("torch")
    from actions.recommendation.sequence_training import Network, parts_of

    shape = Shape(width=16, heads=2, layers=2, length=6)
    net = Network(shape, 12).eval()
    member = NextItem(shape)
    member.parts_ = parts_of(net)
    items = np.array([[3, 1, 4, 1], [5, 9, 2, 6]])
    with torch.no_grad():
        expected = net(torch.from_numpy(items))[:, -1].numpy()
    assert np.allclose(member._states(items), expected, atol=1e-4)


def test_the_quick_softmax_has_the_loss_and_slopes_of_the_exact_one():
    torch = pytest.importorskip("torch")
    from actions.recommendation.sequence_training import CHUNK, HalfSoftmax

    torch.manual_seed(0)
    states, table = torch.randn(2 * CHUNK + 5, 16), torch.randn(40, 16) * 0.3
    targets = torch.randint(0, 40, (len(states),))
    slopes = []
    for loss_of in (HalfSoftmax.apply, lambda s, t, y: torch.nn.functional.cross_entropy(s @ t.T, y)):
        one, other = states.clone().requires_grad_(), table.clone().requires_grad_()
        loss = loss_of(one, other, targets)
        loss.backward()
        slopes.append((loss.item(), one.grad, other.grad))
    assert slopes[0][0] == pytest.approx(slopes[1][0], rel=5e-3)
    for quick, exact in zip(slopes[0][1:], slopes[1][1:], strict=True):
        assert ((quick - exact).norm() / exact.norm()).item() < 0.02


def test_an_item_nobody_chose_gets_its_vector_from_its_traits():
    pytest.importorskip("torch")
    from scipy import sparse

    traits = sparse.csr_matrix(np.eye(2, dtype=np.float32)[np.arange(12) % 2])
    seen = DATA.rows(DATA.item != 10)
    member = NextItem(
        Shape(width=16, heads=2, layers=1, length=8, epochs=40, batch=16, weight_decay=0.1), traits=traits, device="cpu"
    ).fit(seen)
    vectors = member.parts_["items"]
    even, odd = vectors[[0, 2, 4, 6, 8]].mean(axis=0), vectors[[1, 3, 5, 7, 9, 11]].mean(axis=0)
    assert vectors[10] @ even > vectors[10] @ odd


def test_repeats_of_one_product_are_one_step():
    assert collapsed(np.array([1, 1, 2, 2, 2, 1])).tolist() == [1, 2, 1]


def test_training_data_that_holds_test_rows_is_refused():
    past, later = split_by_time(DATA, 0.3)
    refuse_shared(past, later)
    with pytest.raises(SharedRows, match="share") as error:
        refuse_shared(DATA, later)
    assert error.value.count == len(later)


def test_leaving_the_last_out_takes_one_event_of_each():
    rest, customers, last = leave_last_out(DATA)
    assert len(rest) == len(DATA) - 60
    assert len(customers) == 60
    assert last[0] == DATA.item[np.flatnonzero(DATA.customer == 0)[-1]]
