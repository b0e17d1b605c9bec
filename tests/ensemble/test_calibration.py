"""Calibration where the right answer is known: probabilities drawn, outcomes drawn from them, then distorted."""

import numpy as np
import pytest

from ensemble.calibration import Isotonic, Temperature, expected_calibration_error, reliability, softmax


def drawn(rows=4000, columns=5, seed=0):
    """True probabilities and labels drawn from them."""
    rng = np.random.default_rng(seed)
    chances = softmax(2 * rng.normal(size=(rows, columns)))
    labels = (chances.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1)
    return chances, labels


@pytest.mark.parametrize("distortion", [0.33, 1.0, 3.0])
def test_the_temperature_that_distorted_is_found_and_undone(distortion):
    chances, labels = drawn()
    distorted = Temperature(distortion)(chances)
    fitted = Temperature.fit(distorted, labels)
    assert fitted.temperature * distortion == pytest.approx(1.0, rel=0.1)
    assert np.abs(fitted(distorted) - chances).mean() < 0.02


def test_temperature_never_changes_the_winner_and_rows_stay_distributions():
    chances, _ = drawn(200)
    cooled = Temperature(0.2)(chances)
    assert (cooled.argmax(axis=1) == chances.argmax(axis=1)).all()
    assert np.allclose(cooled.sum(axis=1), 1)


def test_rows_of_no_class_take_no_part_in_the_fit():
    chances, labels = drawn(500)
    extra = np.concatenate([chances, chances[:100]])
    marked = np.concatenate([labels, np.full(100, -1)])
    assert Temperature.fit(extra, marked) == Temperature.fit(chances, labels)
    assert Temperature.fit(chances, np.full(500, -1)).temperature == 1.0


def test_isotonic_learns_a_rising_curve_on_any_scale():
    rng = np.random.default_rng(1)
    scores = rng.uniform(-50, 50, 5000)
    happened = rng.random(5000) < (scores + 50) / 100
    curve = Isotonic.fit(scores, happened)
    grid = np.linspace(-45, 45, 19)
    assert (np.diff(curve(grid)) >= 0).all()
    assert np.abs(curve(grid) - (grid + 50) / 100).max() < 0.08
    assert np.isnan(curve([np.nan])).all()
    assert Isotonic.from_json(curve.to_json()) == curve


def test_isotonic_with_a_floor_claims_no_certainty():
    curve = Isotonic.fit([0, 1, 2, 3], [0, 0, 1, 1], floor=0.01)
    assert np.allclose(curve([-9, 9]), [0.01, 0.99])


def test_isotonic_needs_both_outcomes():
    with pytest.raises(ValueError, match="both outcomes"):
        Isotonic.fit([0.1, 0.2], [1, 1])


def test_calibration_error_is_the_gap_between_said_and_true():
    assert expected_calibration_error([0.9] * 10, [1] * 9 + [0]) == pytest.approx(0.0)
    assert expected_calibration_error([1.0] * 10, [1] * 6 + [0] * 4) == pytest.approx(0.4)
    assert expected_calibration_error([], []) == 0.0


def test_reliability_counts_every_row_once():
    confidence = np.random.default_rng(2).random(300)
    bars = reliability(confidence, confidence > 0.5)
    assert sum(bar.rows for bar in bars) == 300
    assert bars[0].accuracy == 0
    assert bars[-1].accuracy == 1
    with pytest.raises(ValueError, match="confidences"):
        reliability([0.5], [1, 0])


def test_rows_that_come_rarely_weigh_less_in_the_curve():
    scores, happened = [0, 1, 1, 1, 2], [0, 0, 0, 1, 1]
    assert Isotonic.fit(scores, happened)(1) == pytest.approx(1 / 3)
    weighed = Isotonic.fit(scores, happened, weight=np.where(happened, 1.0, 0.25))
    assert weighed(1) == pytest.approx(1 / 1.5)
