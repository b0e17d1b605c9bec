"""What the pictures of the risk bench show, on outcomes known by construction."""

from pathlib import Path

import numpy as np

from tests.benchmarks import risk_curves

SCORES = np.linspace(0, 1, 200)
TRUTH = SCORES > 0.9  # the riskiest twenty


def test_bins_go_from_low_to_high_and_hold_what_happened():
    said, happened = risk_curves.bins(SCORES, TRUTH)
    assert (np.diff(said) > 0).all()
    assert happened.tolist() == [0.0] * 9 + [1.0]


def test_reviewing_exactly_the_frauds_costs_least():
    share, cost = risk_curves.costs(SCORES, TRUTH)
    assert share[int(cost.argmin())] == 0.1
    assert cost[0] == 0.1 * risk_curves.AMOUNT_MINOR, "reviewing nobody loses every fraud"


def test_one_picture_a_data_set(tmp_path: Path):
    file = risk_curves.draw(risk_curves.Scored("made", TRUTH, {"kefu": SCORES, "one": SCORES[::-1]}, SCORES), tmp_path)
    assert file.name == "risk_curves_made.png"
    assert file.stat().st_size > 10_000
