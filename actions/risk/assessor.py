"""The live assessor: one request, one answer with reasons, in milliseconds. Without a usable model: review."""

import logging
import math
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session

from actions.risk import features, reading, rules, sequence, words
from actions.risk.bands import Costs, stricter
from actions.risk.history import History
from actions.risk.members import Table
from actions.risk.model import RiskModel
from actions.risk.types import Reason, RiskAssessment, RiskRequest, both, undecided
from ensemble import artifact
from ensemble.artifact import MANIFEST, ArtifactError

log = logging.getLogger(__name__)
KIND = "risk"


@dataclass(frozen=True)
class Loaded:
    """A model and the numbers it was made with. `usual` is the share of frauds it was trained on."""

    model: RiskModel
    costs: Costs
    usual: float
    version: str


class Assessor:
    """Answers `assess`. A model that is missing, damaged, or made for other features is a reason to review; it is
    looked for again when its folder changes, so `kefu train risk` takes effect without a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problem = "no risk model has been loaded"
        self._loaded: Loaded | None = None
        self._stamp: float | None = None
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path) -> "Assessor":
        """Open what `kefu train risk` wrote. Never fails; `problem` says what is wrong, if anything."""
        assessor = cls(Path(folder))
        assessor._current()
        return assessor

    @property
    def ready(self) -> bool:
        return self._loaded is not None

    def assess(self, session: Session, request: RiskRequest) -> RiskAssessment:
        """Score the order as it would be after the request, with what is known at `request.at` and nothing later."""
        loaded = self._current()
        if loaded is None:
            return undecided(both(self.problem, f"风险模型不可用：{self.problem}"))
        try:
            order, seen = reading.around(session, request)
        except LookupError as error:
            return undecided(both(str(error), "找不到要评估的订单"))
        history = History(seen)
        row = features.vector(order, history)
        table = Table(row[None, :], [sequence.tokens(order, history)])
        named = dict(zip(features.NAMES, map(float, row), strict=True))
        scores = loaded.model.member_scores(table)
        score = float(loaded.model.calibrated(loaded.model.fusion(scores))[0])
        if not math.isfinite(score):
            return undecided(both("the model gave no number", "风险模型没有给出分数"))
        chances = dict(zip(loaded.model.members, map(float, loaded.model.fusion.chances(scores)[:, 0]), strict=True))
        amount = max(request.amount_minor, 0)
        floor, reasons = rules.applied(rules.Facts(request, named, amount, reading.limits(session)))
        return RiskAssessment(
            score=score,
            band=stricter(loaded.costs.band(score, amount), floor),
            reasons=(*reasons, *_explained(loaded, row, named, chances)),
            members={name: chance for name, chance in chances.items() if math.isfinite(chance)},
            model_version=loaded.version,
            features={name: value for name, value in named.items() if math.isfinite(value)},
        )

    def _current(self) -> Loaded | None:
        """The model in the folder now; it is read when the manifest is another than the one read last."""
        stamp = _stamp(self.folder)
        if stamp != self._stamp or (self._loaded is None and self._stamp is None):
            with self._lock:
                if stamp != self._stamp or self._loaded is None:
                    self._stamp = stamp
                    self._read()
        return self._loaded

    def _read(self) -> None:
        try:
            self._loaded = _load(self.folder)
        except (ArtifactError, KeyError, ValueError) as error:
            # a model that was good stays in use when its successor is damaged
            self.problem = f"the risk model cannot be used: {error}"
            log.error("%s", self.problem)


def _stamp(folder: Path) -> float | None:
    try:
        return (folder / MANIFEST).stat().st_mtime_ns / 1.0
    except OSError:
        return None


def _load(folder: Path) -> Loaded:
    kept = artifact.load(folder, KIND)
    model = RiskModel.of_files(kept.json("model.json"), kept.path)
    if model.features != features.NAMES:
        raise ValueError("it was trained on other features; run `kefu train risk --force`")
    settings = kept.json("settings.json")
    return Loaded(model, Costs.from_json(settings["costs"]), float(settings["usual"]), kept.manifest.version)


def _explained(
    loaded: Loaded, row: np.ndarray, named: dict[str, float], chances: dict[str, float]
) -> tuple[Reason, ...]:
    trees = loaded.model.boosted()
    found = words.of_trees(trees.explain(row)[:-1], features.NAMES, named) if trees is not None else []
    return (*found, *words.of_members(chances, loaded.usual))
