"""Pictures beside the figures of `kefu bench risk`: precision over recall, calibration, and what a threshold costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from bot.database import policies

Floats = NDArray[np.float64]
BINS = 10
AMOUNT_MINOR = 10_000.0  # public rows have no loss of their own: an order of 100.00


@dataclass(frozen=True)
class Scored:
    """One data set: outcomes (rows,), the scores of each system (rows,), and the calibrated ones of what ships."""

    data: str
    truth: NDArray[np.bool_]
    systems: Mapping[str, Floats]
    shipped: Floats


def bins(scores: Floats, truth: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """(mean probability, share that happened) of BINS groups of equal size, low to high."""
    groups = np.array_split(np.argsort(scores, kind="stable"), BINS)
    return np.array([scores[rows].mean() for rows in groups]), np.array([truth[rows].mean() for rows in groups])


def costs(scores: Floats, truth: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """(share reviewed, cost an order in minor units): the riskiest are reviewed, the shop's own cost table applies."""
    table = policies.defaults().mapping("risk_costs_minor")
    order = np.argsort(-scores, kind="stable")
    frauds = np.concatenate([[0], np.cumsum(truth[order])])
    reviewed = np.arange(len(scores) + 1)
    missed = (truth.sum() - frauds) * AMOUNT_MINOR * float(table["loss_percent"]) / 100
    asked = reviewed * float(table["review"]) + (reviewed - frauds) * float(table["insult"])
    return reviewed / len(scores), (missed + asked) / len(scores)


def draw(scored: Scored, folder: Path) -> Path:
    """One picture of three panels in `folder`."""
    import matplotlib  # here: drawing is not part of measuring, and the import takes a second

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (curve, calibration, cost) = pyplot.subplots(1, 3, figsize=(15, 4.5))
    for name, scores in scored.systems.items():
        filled = np.nan_to_num(scores, nan=float(np.nanmin(scores)))
        precision, recall, _ = precision_recall_curve(scored.truth, filled)
        shown = {"linewidth": 2.5} if name == "kefu" else {"linewidth": 1.0, "alpha": 0.7}
        curve.plot(recall, precision, label=name, **shown)
        cost.plot(*costs(filled, scored.truth), label=name, **shown)
    curve.set(title=f"{scored.data}: precision over recall", xlabel="recall", ylabel="precision")
    curve.legend(fontsize=7)
    said, happened = bins(scored.shipped, scored.truth)
    top = float(max(said.max(), happened.max(), 1e-3))
    calibration.plot([0, top], [0, top], color="grey", linewidth=1)
    calibration.plot(said, happened, marker="o")
    calibration.set(title="calibration of what ships", xlabel="probability said", ylabel="share that was fraud")
    cost.set(title="cost of a threshold", xlabel="share of orders reviewed", ylabel="minor units an order")
    figure.tight_layout()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"risk_curves_{scored.data}.png"
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
    return file
