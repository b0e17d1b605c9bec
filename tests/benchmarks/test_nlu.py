"""The bench of understanding: what it may learn from, its rows, and DIET's project."""

import os
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import yaml

from ensemble.stacking import OverlappingSplits, check_disjoint
from nlu_models.dataset import Example
from tests.benchmarks import diet, nlu, nlu_speed, report
from tests.nlu_models.conftest import examples_of, tiny_encoder  # noqa: F401

DATA = Path(os.environ.get("KEFU_BENCH_DATA", report.DATA))
PUBLIC = [each.name for each in nlu.splits(DATA)] if DATA.is_dir() else []


@pytest.mark.parametrize("name", PUBLIC)
def test_no_test_row_is_trained_on(name):
    (split,) = [nlu.disjoint(each) for each in nlu.splits(DATA) if each.name == name]
    train, test = ({" ".join(one.text.lower().split()) for one in part} for part in (split.train, split.test))
    assert train
    assert test
    assert not train & test


def test_a_training_row_that_is_in_the_test_is_taken_out():
    rows = (Example("Where is  my card?", "a"), Example("lost it", "b"))
    split = nlu.Split("made", rows, (Example("where is my card?", "a"),), "accuracy")
    with pytest.raises(OverlappingSplits):
        check_disjoint(train={nlu._key(one) for one in split.train}, test={nlu._key(one) for one in split.test})
    assert [one.text for one in nlu.disjoint(split).train] == ["lost it"]


def test_shots_are_as_many_an_intent_and_the_same_each_time():
    rows = [Example(f"{label} {number}", label) for label in "abc" for number in range(30)]
    chosen = nlu._shots(rows, 10, 0)
    assert [one.label for one in chosen] == [label for label in "abc" for _ in range(10)]
    assert chosen == nlu._shots(rows, 10, 0)


def test_every_system_is_measured_and_scope_is_read_at_a_threshold_of_validation(tiny_encoder, tmp_path):  # noqa: F811
    split = nlu.Split(
        "clinc150", tuple(examples_of()), tuple(examples_of(10, seed=4)), "scope", str(tiny_encoder), None, None
    )
    asked = Namespace(seed=0, size="full", device="cpu", diet=[], keep=tmp_path, kept=None, light=str(tiny_encoder))
    rows = nlu.run(split, tiny_encoder, asked)
    found = {(row.system, row.measure): row.value for row in rows}
    systems = {
        "bert",
        "ngrams",
        "light",
        "light_linear",
        "light_neighbours",
        "linear",
        "neighbours",
        "average",
        "weighted",
        "vote",
        "stacked",
        "blend",
        "all members",
        "kefu",
    }
    assert {system for system, measure in found if measure == "in_scope_accuracy"} == systems
    assert {system for system, measure in found if measure == "ece"} == systems
    assert {"oos_recall", "oos_auroc", "over_best_member"} <= {measure for system, measure in found if system == "kefu"}
    assert found["kefu", "in_scope_accuracy"] > 0.8
    assert 0 <= found["kefu", "oos_recall"] <= 1
    # measured again from what was kept (arrays in half precision), nothing is trained
    again = nlu.run(split, tiny_encoder, Namespace(**{**vars(asked), "keep": None, "kept": tmp_path}))
    assert "train_seconds" not in {row.measure for row in again}
    accuracy = {row.system: row.value for row in again if row.measure == "in_scope_accuracy"}
    assert accuracy == pytest.approx({name: found[name, "in_scope_accuracy"] for name in systems}, abs=0.05)


def test_the_highest_threshold_leaves_the_share_right():
    chance = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.2])
    inside = np.array([True] * 5 + [False])
    wanted = np.array([0, 0, 0, 0, 0, 9])
    threshold = nlu._highest(chance, inside, np.zeros(6, int), wanted, 0.8)
    assert threshold == 0.6
    assert nlu._highest(chance, inside, np.ones(6, int), wanted, 0.8) == 0.0  # never reached: nothing is stopped


def test_what_is_rejected_counts_as_an_answer_of_its_own():
    split = nlu.Split("hint3_x", (), (), "mcc")
    system = nlu.System(np.array([[0.9, 0.1], [0.4, 0.6], [0.55, 0.45]]), np.array([True, True, False]))
    values = nlu._values(split, system, np.array([0, 1, -1]), ["a", "b"])
    assert values.tolist() == [[0, 0], [1, 1], [-1, -1]]


def test_diet_gets_the_texts_one_a_line_and_no_entity_marks():
    rows = [Example("pay [now](x)\nplease", "pay"), Example("stop", "cancel")]
    data = diet.nlu(rows)["nlu"]
    assert data == [
        {"intent": "cancel", "examples": "- stop\n"},
        {"intent": "pay", "examples": "- pay (now)(x) please\n"},
    ]
    assert "FallbackClassifier" not in yaml.safe_dump(diet.config(3))


def test_a_server_that_ends_is_told_with_what_it_said(tmp_path):
    command = ("bash", "-c", "echo cannot start; exit 3")
    with pytest.raises(RuntimeError, match="cannot start"), diet.running(command, {}, "ready", tmp_path):
        pass


def test_speed_of_encoder_and_drafts_is_measured_on_any_device(tiny_encoder):  # noqa: F811
    assert nlu_speed.parses(tiny_encoder, "cpu", 4, encoder=str(tiny_encoder), rounds=1) > 0
    assert nlu_speed.drafts("cpu", tokens=3, rounds=1) > 0
