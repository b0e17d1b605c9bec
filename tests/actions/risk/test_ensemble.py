"""Members, fusions and what they become on disk."""

import numpy as np
import pytest
import shap
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from actions.risk import drift, features, model, sequence
from actions.risk.bands import Costs
from actions.risk.history import History
from actions.risk.members import FITS, KINDS, Boosted, Table
from actions.risk.trees import Forest
from ensemble import artifact

COSTS = Costs(100, 400, 1500, 6000)


@pytest.fixture(scope="module")
def learnt(world):
    seen, frauds = world
    history = History(seen)
    table = Table(features.matrix(seen.orders, history), [sequence.tokens(order, history) for order in seen.orders])
    return table, np.array(frauds), [order.customer_id for order in seen.orders]


@pytest.fixture(scope="module")
def fitted(learnt):
    table, happened, groups = learnt
    return model.fit(table, happened, groups, features.NAMES)


@pytest.mark.parametrize("name", list(FITS))
def test_a_member_comes_back_from_its_arrays_with_the_same_scores(name: str, learnt) -> None:
    table, happened, _ = learnt
    member = FITS[name](table, happened, 1)
    again = KINDS[name]({key: np.array(value) for key, value in member.arrays().items()})
    assert np.array_equal(member.score(table), again.score(table), equal_nan=True)


@pytest.mark.parametrize("name", list(FITS))
def test_a_member_scores_one_row_as_it_scores_many(name: str, learnt) -> None:
    table, happened, _ = learnt
    member = FITS[name](table, happened, 1)
    one = [float(member.score(table.take(np.array([row])))[0]) for row in range(0, 40, 7)]
    assert np.allclose(one, member.score(table)[np.arange(0, 40, 7)], rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in FITS if name != "isolation_forest"])
def test_a_member_finds_what_was_planted(name: str, learnt) -> None:
    table, happened, _ = learnt
    scores = FITS[name](table, happened, 1).score(table)
    assert model.precision_of(happened, scores) > 0.9


def test_the_forest_without_scikit_learn_scores_like_scikit_learn(learnt) -> None:
    rows = np.nan_to_num(learnt[0].features)
    theirs = IsolationForest(n_estimators=20, max_samples=128, random_state=0).fit(rows)
    assert np.allclose(Forest.of(theirs).score(rows), -theirs.score_samples(rows), atol=1e-9)


def test_the_reasons_of_the_trees_are_shap_values(learnt) -> None:
    table, happened, _ = learnt
    member = Boosted.fit(table, happened, 1)
    theirs = np.asarray(shap.TreeExplainer(member.booster)(table.features[:5]).values)
    theirs = theirs[..., -1] if theirs.ndim == 3 else theirs
    ours = np.array([member.explain(row)[:-1] for row in table.features[:5]])
    assert np.allclose(ours, theirs, atol=1e-6)


def test_a_saved_model_answers_as_before_and_holds_no_pickle(fitted, learnt, tmp_path) -> None:
    table, _, _ = learnt
    artifact.save(tmp_path / "risk", "risk", fitted.model.files(), data_sha256="x")
    kept = artifact.load(tmp_path / "risk", "risk")
    again = model.RiskModel.of_files(kept.json("model.json"), kept.path)
    assert np.array_equal(again.probabilities(table), fitted.model.probabilities(table))
    for file in (tmp_path / "risk").glob("*.npz"):
        with np.load(file, allow_pickle=False) as arrays:
            assert all(arrays[name].dtype != object for name in arrays)


def test_probabilities_are_probabilities_and_find_the_planted(fitted, learnt) -> None:
    table, happened, _ = learnt
    chances = fitted.model.probabilities(table)
    assert ((chances >= 0) & (chances <= 1)).all()
    assert fitted.precision[fitted.model.fusion.name] == max(fitted.precision[name] for name in model.FUSIONS)
    assert chances[happened].min() > np.median(chances[~happened])


def test_a_customer_is_never_on_both_sides_of_a_fold(learnt) -> None:
    _, _, groups = learnt
    for train, held in model.stacking.folds(groups, model.FOLDS, seed=0):
        assert not {groups[row] for row in train} & {groups[row] for row in held}


@given(st.floats(0, 1), st.floats(0, 1e7), st.floats(0, 1))
def test_a_larger_probability_never_makes_a_band_milder(probability: float, amount: float, more: float) -> None:
    order = ("low", "review", "high")
    higher = probability + (1 - probability) * more
    assert order.index(COSTS.band(higher, amount)) >= order.index(COSTS.band(probability, amount))


def test_bands_follow_the_cost_table() -> None:
    assert COSTS.band(0.01, 10000) == "low"  # 100 expected loss against 1885 for asking
    assert COSTS.band(0.30, 10000) == "review"  # 3000 against 1450
    assert COSTS.band(0.99, 10000) == "high"  # 60 for refusing against 415 for asking
    assert COSTS.band(0.30, 1000) == "low"  # 300 against 1450


def test_drift_alarms_on_a_moved_feature_and_on_no_other() -> None:
    random = np.random.default_rng(0)
    before, after = random.normal(size=(2000, 3)), random.normal(size=(2000, 3))
    after[:, 1] += 1.0
    after[:1000, 2] = np.nan  # half of it is not known any more
    found = drift.between(before, after, ["same", "moved", "lost"])
    assert set(found.alarms) == {"moved", "lost"}
    assert found.psi["same"] < 0.05


def test_a_handful_of_rows_says_nothing_about_drift() -> None:
    with pytest.raises(ValueError, match="at least 100"):
        drift.psi(np.zeros(50), np.zeros(500))
