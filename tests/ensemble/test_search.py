"""Search on a hill whose top is known."""

import pytest

from ensemble.search import Between, Choice, search

SPACE = {"x": Between(-4.0, 4.0, points=9), "kind": Choice(("flat", "hill"))}


def height(parameters, report):
    return -((parameters["x"] - 1.0) ** 2) if parameters["kind"] == "hill" else -50.0


@pytest.mark.parametrize(("method", "trials", "off"), [("grid", 18, 0.01), ("random", 60, 0.5), ("bayesian", 40, 0.5)])
def test_every_method_finds_the_top(method, trials, off):
    result = search(height, SPACE, method=method, trials=trials, seed=1)
    assert result.best.parameters["kind"] == "hill"
    assert result.best.parameters["x"] == pytest.approx(1.0, abs=off)
    assert result.best.value == max(trial.value for trial in result.trials)


@pytest.mark.parametrize("method", ["random", "bayesian"])
def test_the_same_seed_searches_the_same_way(method):
    first = search(height, SPACE, method=method, trials=8, seed=5)
    assert first == search(height, SPACE, method=method, trials=8, seed=5)
    assert first != search(height, SPACE, method=method, trials=8, seed=6)


def test_the_search_ends_when_nothing_gets_better():
    result = search(lambda parameters, report: 1.0, SPACE, method="random", trials=50, patience=4)
    assert len(result.trials) == 5


def test_a_hopeless_trial_is_stopped_before_its_end():
    finished = []

    def objective(parameters, report):
        for step in range(5):
            report(step, parameters["x"])
        finished.append(parameters["x"])
        return parameters["x"]

    result = search(objective, {"x": Choice((5, 4, 3, 1, 6))}, method="grid", trials=5)
    assert finished == [5, 4, 3, 6]
    assert [trial.value for trial in result.trials] == [5, 4, 3, None, 6]
    assert result.best.parameters == {"x": 6}


@pytest.mark.parametrize("method", ["random", "bayesian", "grid"])
def test_whole_and_logarithmic_numbers_stay_in_their_range(method):
    space = {"n": Between(2, 64, log=True, whole=True), "rate": Between(1e-5, 1e-2, log=True)}
    result = search(lambda parameters, report: -parameters["n"], space, method=method, trials=12)
    for trial in result.trials:
        assert isinstance(trial.parameters["n"], int)
        assert 2 <= trial.parameters["n"] <= 64
        assert 1e-5 <= trial.parameters["rate"] <= 1e-2


def test_wrong_uses_are_refused():
    with pytest.raises(ValueError, match="known: grid, random, bayesian"):
        search(height, SPACE, method="guess")
    with pytest.raises(ValueError, match="at least one parameter"):
        search(height, {})
    with pytest.raises(ValueError, match="starts above 0"):
        Between(0, 1, log=True)
