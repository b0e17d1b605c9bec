"""The search for hyper-parameters, on tiny data."""

import pytest

from ensemble.search import Between, Choice
from nlu_models import train
from nlu_models.tune import tune
from tests.nlu_models.conftest import examples_of

SPACE = {"learning_rate": Between(1e-3, 3e-3, log=True, points=2), "frozen": Choice((1,)), "batch": Choice((16,))}


@pytest.mark.parametrize("method", ["grid", "random", "bayesian"])
def test_each_method_finds_a_finished_trial(tiny_encoder, method):
    found = tune(examples_of(8), tiny_encoder, method=method, trials=2, epochs=1, space=SPACE)
    assert 1 <= len(found.trials) <= 2
    assert found.best.value is not None
    assert 1e-3 <= found.best.parameters["learning_rate"] <= 3e-3


def test_the_projects_own_space_fits_encoders_of_few_layers(tiny_encoder):
    assert tune(examples_of(8), tiny_encoder, method="random", trials=2, epochs=1).best.value is not None


def test_the_full_size_brings_the_other_encoder_along():
    assert train.second_of("offline", "full", None) == "offline-en"
    assert train.second_of("offline-large", "full", None) == "offline"
    assert train.second_of("offline", "small", None) is None
    assert train.second_of("/some/folder", "full", None) is None
    assert train.second_of("offline", "small", "/some/folder") == "/some/folder"
    assert train.second_of("offline", "full", "none") is None


def test_the_third_encoder_is_the_large_one_of_search_in_the_full_size_or_what_is_named():
    assert train.third_of("offline-large", "full", None) == "offline-large"
    assert train.third_of("offline-large", "small", None) is None
    assert train.third_of("offline-en", "full", None) is None
    assert train.third_of("offline-en", "small", "/some/folder") == "/some/folder"
    assert train.third_of("offline-large", "full", "none") is None
