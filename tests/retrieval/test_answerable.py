"""Whether a question has an answer at all: scales by language, doubt by known questions, weights that are saved."""

from dataclasses import replace

import numpy as np
import pytest

from retrieval.calibrate import calibrated, passage_weights, scale_of
from retrieval.fit import Asked, best, fit, read_questions, threshold
from retrieval.hybrid import FEATURES, Known, Weights
from tests.benchmarks.test_question_sets import rows


def test_weights_survive_being_saved():
    held = Weights(scales=((0.4, 0.1), (0.5, 0.1), (0.6, 0.1), (0.7, 0.1)), asked=(0.5, -0.5), doubt=-1.0)
    assert Weights.from_json(held.to_json()) == held


def test_each_pair_of_languages_has_its_own_scale():
    held = Weights(scales=((0.4, 0.1), (0.5, 0.2), (0.6, 0.3), (0.7, 0.4)))
    assert held.scale(False, True) == (0.5, 0.2)
    assert held.scale(True, False) == (0.6, 0.3)
    assert Weights(floor=0.1, spread=0.2).scale(True, True) == (0.1, 0.2)


def test_a_question_like_one_without_an_answer_is_doubted_and_one_like_an_answered_one_is_not():
    answered = np.array([False, False, True])
    known = Known(np.eye(3, dtype=np.float32), np.zeros(3, dtype=bool), answered)
    weights = Weights(floor=0.0, spread=0.1)
    assert known.doubt(np.array([0.9, 0.1, 0.1], np.float32), False, weights) > 3
    assert known.doubt(np.array([0.1, 0.1, 0.9], np.float32), False, weights) < -3


def test_a_known_question_vouches_for_itself_but_not_while_weights_are_fitted():
    known = Known(np.eye(3, dtype=np.float32), np.zeros(3, dtype=bool), np.array([False, False, True]))
    itself, weights = np.array([0.0, 0.0, 1.0], np.float32), Weights(floor=0.0, spread=0.1)
    assert known.doubt(itself, False, weights) == pytest.approx(-10)
    assert known.doubt(itself, False, weights, itself=False) == pytest.approx(0)


def test_a_passage_of_another_topic_than_the_known_question_steps_back():
    topics = ("contact", "care", "")
    known = Known(np.eye(3, dtype=np.float32), np.zeros(3, dtype=bool), np.array([True, True, False]), topics)
    weights, row = Weights(floor=0.0, spread=0.1), np.array([0.9, 0.2, 0.1], np.float32)
    assert known.elsewhere(row, False, weights, ["contact", "care", "unheard of", ""]) == pytest.approx([0, 7, 0, 0])
    far = np.array([0.2, 0.1, 0.1], np.float32)
    assert known.elsewhere(far, False, weights, ["contact", "care"]) == pytest.approx([0, 0])


def test_the_scale_of_unrelated_texts_is_none_without_texts():
    assert scale_of([], [np.ones(2, np.float32)]) is None


def test_fitting_finds_what_tells_right_from_wrong():
    generator = np.random.default_rng(0)
    asked = []
    for number in range(80):
        features = np.zeros((5, len(FEATURES)))
        features[:, 0] = generator.normal(size=5)
        right = np.zeros(5, dtype=bool)
        if number % 2:
            right[0] = True
            features[0, 0] += 6
        asked.append(Asked(features, right, np.zeros(2, np.float32), 0.0))
    weights, bias = fit(asked)
    made = replace(Weights(), **dict(zip(FEATURES, map(float, weights), strict=True)), bias=bias)
    scores = np.array([best(made, each)[0] for each in asked])
    has = np.array([each.right.any() for each in asked])
    least = threshold(scores, has)
    assert (scores[has] > least).mean() > 0.9
    assert (scores[~has] > least).mean() <= 0.02


def test_what_the_question_says_counts_only_with_the_encoder_it_was_learnt_on():
    assert passage_weights("another").asked == ()
    assert passage_weights("another").threshold > 0


@pytest.mark.parametrize("name", ["unanswerable", "answerable"])
def test_no_question_of_a_benchmark_is_one_that_is_learnt_from(name):
    learnt = {question.text.lower() for question in read_questions()}
    assert not learnt & {row["question"].lower() for row in rows(name)}


def test_a_help_centre_whose_headings_are_alike_does_not_make_its_texts_look_unrelated():
    generator = np.random.default_rng(0)
    body, asked = (generator.normal(size=(60, 16)).astype(np.float32) for _ in range(2))
    known = Known(asked, np.zeros(60, dtype=bool), np.zeros(60, dtype=bool))
    texts = {f"{n}|en|b": row for n, row in enumerate(body)}
    alike = {f"{n}|en|h": body.mean(axis=0) for n in range(60)}
    apart = {f"{n}|en|h": row for n, row in enumerate(generator.normal(size=(60, 16)).astype(np.float32))}
    scales = [calibrated({}, {**texts, **headings}, known).passages.scales for headings in (alike, apart)]
    assert scales[0] == scales[1] != ()
