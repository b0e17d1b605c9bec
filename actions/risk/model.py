"""The ensemble: members fitted, stacked out of fold, calibrated; and what it is on disk.

1. Every member predicts every row out of fold (a customer's rows are held out together).
2. Each member's scores get a rising curve to a probability; the fusions work on these and on the raw scores.
3. Fusions are compared on rows neither curve nor weights were fitted on; the best by average precision is kept.
4. The kept fusion gets its own curve from those held-out scores: a probability that means what it says.
5. The members are fitted again on all rows.
"""

import io
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from actions.risk.members import FITS, KINDS, Boosted, Member, Table
from ensemble import combine, stacking
from ensemble.calibration import Isotonic
from ensemble.stacking import ColumnLogistic

Floats = NDArray[np.float64]
FOLDS = 5
BOTTOM = 1e-4
# The curve is flat in places; this share of the uncalibrated score keeps the order of rows there.
ORDER = 1e-3
Told = Callable[[str], None]


class Fusion:
    """One way to make one score of the members'. `fit` sees (members, rows) out-of-fold scores and the outcomes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.curves: list[Isotonic] = []
        self.meta: ColumnLogistic | None = None
        self.weights: Floats = np.empty(0)

    def fit(self, scores: Floats, happened: NDArray[np.bool_]) -> "Fusion":
        self.curves = [_curve(row, happened) for row in scores]
        chances = self._chances(scores)
        if self.name == "weighted":
            two = np.stack([1.0 - chances, chances], axis=2)  # (members, rows, 2)
            self.weights = stacking.fit_weights(two, happened.astype(int))
        if self.name == "stacked":
            self.meta = ColumnLogistic.fit(self._meta_columns(scores), happened, penalty=1.0)
        return self

    def __call__(self, scores: Floats) -> Floats:
        """(members, rows) raw scores -> (rows,), higher is riskier."""
        if self.name == "stacked" and self.meta is not None:
            return self.meta(self._meta_columns(scores))
        chances = self._chances(scores)[:, :, None]  # (members, rows, 1)
        if self.name == "weighted":
            return combine.weighted(chances, self.weights)[:, 0]
        if self.name == "rank":
            # ranks within a batch mean nothing for one order: the curve's own rank in training stands in for it
            ranks = np.stack([_rank(curve, row) for curve, row in zip(self.curves, scores, strict=True)])
            return combine.average(ranks[:, :, None])[:, 0]
        return combine.average(chances)[:, 0]

    def chances(self, scores: Floats) -> Floats:
        """(members, rows): each member's own calibrated probability."""
        return self._chances(scores)

    def _chances(self, scores: Floats) -> Floats:
        return np.stack([curve(row) for curve, row in zip(self.curves, scores, strict=True)])

    def _meta_columns(self, scores: Floats) -> Floats:
        """Log-odds of each member's probability: what a logistic meta-learner can add up."""
        chances = np.clip(self._chances(scores), 1e-3, 1 - 1e-3)
        return np.concatenate([np.log(chances / (1 - chances)), np.clip(scores, -20, 20)])

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "curves": [curve.to_json() for curve in self.curves],
            "meta": self.meta.to_json() if self.meta else None,
            "weights": self.weights.tolist(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Fusion":
        made = cls(str(data["name"]))
        made.curves = [Isotonic.from_json(each) for each in data["curves"]]
        made.meta = ColumnLogistic.from_json(data["meta"]) if data["meta"] else None
        made.weights = np.asarray(data["weights"], dtype=float)
        return made


FUSIONS = ("average", "weighted", "rank", "stacked")


@dataclass(frozen=True)
class RiskModel:
    """`probabilities` is the answer; `member_scores` and `chances` are what stands behind it."""

    features: tuple[str, ...]
    members: Mapping[str, Member]
    fusion: Fusion
    calibration: Isotonic

    def member_scores(self, table: Table) -> Floats:
        """(members, rows) raw scores."""
        return np.stack([member.score(table) for member in self.members.values()])

    def probabilities(self, table: Table) -> Floats:
        """(rows,) calibrated probabilities."""
        return self.calibrated(self.fusion(self.member_scores(table)))

    def calibrated(self, fused: Floats) -> Floats:
        return np.asarray((1 - ORDER) * self.calibration(fused) + ORDER * fused)

    def boosted(self) -> Boosted | None:
        return next((each for each in self.members.values() if isinstance(each, Boosted)), None)

    def files(self) -> dict[str, bytes]:
        """One npz a member, and the rest as JSON."""
        shape = {"features": list(self.features), "members": list(self.members)}
        rest = {**shape, "fusion": self.fusion.to_json(), "calibration": self.calibration.to_json()}
        return {
            "model.json": json.dumps(rest).encode(),
            **{f"{name}.npz": _npz(member.arrays()) for name, member in self.members.items()},
        }

    @classmethod
    def of_files(cls, rest: Mapping[str, Any], read: Callable[[str], Any]) -> "RiskModel":
        """`read(name)` opens a member's file, verified."""
        members = {}
        for name in rest["members"]:
            with np.load(read(f"{name}.npz"), allow_pickle=False) as arrays:
                members[name] = KINDS[name](dict(arrays))
        fusion, curve = Fusion.from_json(rest["fusion"]), Isotonic.from_json(rest["calibration"])
        return cls(tuple(rest["features"]), members, fusion, curve)


@dataclass(frozen=True)
class Fitted:
    """A model and what its making showed: out-of-fold scores, and average precision of every member and fusion.

    `fusions` are all of them, fitted on the out-of-fold scores; the model holds the best.
    """

    model: RiskModel
    out_of_fold: Floats  # (rows,) of the shipped fusion, calibrated, each by curves that did not see the row
    precision: Mapping[str, float]
    fusions: Mapping[str, Fusion]


def fit(
    table: Table,
    happened: NDArray[np.bool_],
    groups: Sequence[Hashable],
    features: Sequence[str],
    *,
    names: Sequence[str] = tuple(FITS),
    seed: int = 0,
    told: Told = lambda _: None,
) -> Fitted:
    """Fit members, fusions and calibration as the module says.

    Args:
        groups: rows of one group (a customer) are never on both sides of a fold.
        told: hears what is being done, for a progress bar.
    """
    splits = stacking.folds(groups, FOLDS, seed=seed)
    scores = np.empty((len(names), len(table)))
    for position, name in enumerate(names):
        told(f"{name} out of fold")

        def fit_predict(train: NDArray[Any], held: NDArray[Any], name: str = name) -> Floats:
            member = FITS[name](table.take(train), happened[train], seed)
            return member.score(table.take(held))[:, None]

        scores[position] = stacking.out_of_fold(fit_predict, splits, len(table))[:, 0]
    told("fusions")
    fused = {name: _held_out_fusion(name, scores, happened, splits) for name in FUSIONS}
    precision = {name: precision_of(happened, row) for name, row in zip(names, scores, strict=True)}
    precision |= {name: precision_of(happened, row) for name, row in fused.items()}
    best = max(FUSIONS, key=lambda name: precision[name])
    calibration = _curve(fused[best], happened)
    told("members on all rows")
    members = {name: FITS[name](table, happened, seed) for name in names}
    fusions = {name: Fusion(name).fit(scores, happened) for name in FUSIONS}
    model = RiskModel(tuple(features), members, fusions[best], calibration)
    return Fitted(model, _held_out_calibration(fused[best], happened, splits), precision, fusions)


def precision_of(happened: NDArray[np.bool_], scores: Floats) -> float:
    """Average precision (area under precision-recall); a member without opinions has none."""
    if np.isnan(scores).all():
        return float("nan")
    return float(average_precision_score(happened, np.nan_to_num(scores, nan=float(np.nanmin(scores)))))


def _held_out_fusion(name: str, scores: Floats, happened: NDArray[np.bool_], splits: Any) -> Floats:
    found = np.empty(scores.shape[1])
    for train, held in splits:
        found[held] = Fusion(name).fit(scores[:, train], happened[train])(scores[:, held])
    return found


def _held_out_calibration(fused: Floats, happened: NDArray[np.bool_], splits: Any) -> Floats:
    found = np.empty(len(fused))
    for train, held in splits:
        curve = _curve(fused[train], happened[train])
        found[held] = (1 - ORDER) * curve(fused[held]) + ORDER * fused[held]
    return found


def _curve(scores: Floats, happened: NDArray[np.bool_]) -> Isotonic:
    if np.isnan(scores).all():
        return Isotonic((0.0, 1.0), (float(happened.mean()),) * 2)
    return Isotonic.fit(scores, happened, floor=BOTTOM)


def _rank(curve: Isotonic, scores: Floats) -> Floats:
    """Where a score stands among the curve's knots, in [0, 1]."""
    knots = np.asarray(curve.scores)
    return np.asarray(np.interp(scores, knots, np.linspace(0.0, 1.0, len(knots))))


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
