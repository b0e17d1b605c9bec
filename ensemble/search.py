"""Hyper-parameter search: grid, random, Bayesian (Optuna's TPE), each with early stopping.

A trial that is clearly worse than the earlier ones at the same step is stopped (median rule), and the whole search ends
when `patience` trials in a row brought nothing.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Report = Callable[[int, float], None]
Objective = Callable[[dict[str, Any], Report], float]


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Between:
    """A number between two (both included); `log`: spread over magnitudes; `whole`: an integer. `points`: of a grid."""

    low: float
    high: float
    log: bool = False
    whole: bool = False
    points: int = 5

    def __post_init__(self) -> None:
        if not self.low <= self.high or (self.log and self.low <= 0):
            raise ValueError(f"{self} is no range" + (": a logarithmic one starts above 0" if self.log else ""))

    def grid(self) -> tuple[float | int, ...]:
        spread = np.geomspace if self.log else np.linspace
        values = [self._number(value) for value in spread(self.low, self.high, self.points)]
        return tuple(dict.fromkeys(values))

    def draw(self, rng: np.random.Generator) -> float | int:
        if self.log:
            return self._number(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        return self._number(rng.uniform(self.low, self.high))

    def _number(self, value: float) -> float | int:
        inside = min(max(float(value), self.low), self.high)
        return round(inside) if self.whole else inside


Space = Mapping[str, Choice | Between]


class Stopped(Exception):
    """Raised by `report` inside an objective whose trial is not worth finishing; `search` catches it."""


@dataclass(frozen=True)
class Trial:
    """What was tried; `value` is None when the trial was stopped early. `steps`: reported values by step."""

    parameters: dict[str, Any]
    value: float | None
    steps: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchResult:
    """All trials in order and the best finished one."""

    trials: tuple[Trial, ...]
    best: Trial


def search(
    objective: Objective,
    space: Space,
    *,
    method: str = "bayesian",
    trials: int = 20,
    seed: int = 0,
    patience: int | None = None,
    prune: bool = True,
    on_trial: Callable[[int, Trial], None] | None = None,
) -> SearchResult:
    """Look for the parameters with the highest value of `objective(parameters, report)`.

    Args:
        objective: may call `report(step, value so far)`, which stops a hopeless trial by raising `Stopped`.
        method: grid (all combinations, at most `trials`), random or bayesian.
        patience: end after so many trials in a row without a better value; None: never.
        on_trial: called after each trial, for progress bars.

    Raises:
        ValueError: an unknown method, an empty space, or no trial finished.
    """
    if not space or trials < 1:
        raise ValueError("a search needs at least one parameter and one trial")
    done: list[Trial] = []
    proposals = _proposals(method, space, seed, done)
    without_gain, best = 0, None
    for number, parameters in enumerate(itertools.islice(proposals, trials)):
        trial = _run(objective, parameters, done if prune else [])
        done.append(trial)
        if on_trial:
            on_trial(number, trial)
        if trial.value is not None and (best is None or best.value is None or trial.value > best.value):
            best, without_gain = trial, 0
        else:
            without_gain += 1
        if patience is not None and without_gain >= patience:
            break
    if best is None:
        raise ValueError("no trial finished: every one was stopped early")
    return SearchResult(tuple(done), best)


def _run(objective: Objective, parameters: dict[str, Any], earlier: list[Trial]) -> Trial:
    steps: dict[int, float] = {}

    def report(step: int, value: float) -> None:
        steps[step] = value
        others = [trial.steps[step] for trial in earlier if step in trial.steps]
        if len(others) >= 3 and value < float(np.median(others)):
            raise Stopped

    try:
        return Trial(parameters, float(objective(parameters, report)), steps)
    except Stopped:
        return Trial(parameters, None, steps)


def _proposals(method: str, space: Space, seed: int, done: list[Trial]) -> Iterator[dict[str, Any]]:
    if method == "grid":
        return _grid(space)
    if method == "random":
        return _random(space, seed)
    if method == "bayesian":
        return _bayesian(space, seed, done)
    raise ValueError(f"no search method {method!r}; known: grid, random, bayesian")


def _grid(space: Space) -> Iterator[dict[str, Any]]:
    axes = [axis.values if isinstance(axis, Choice) else axis.grid() for axis in space.values()]
    for values in itertools.product(*axes):
        yield dict(zip(space, values, strict=True))


def _random(space: Space, seed: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    while True:
        yield {
            name: axis.values[int(rng.integers(len(axis.values)))] if isinstance(axis, Choice) else axis.draw(rng)
            for name, axis in space.items()
        }


def _bayesian(space: Space, seed: int, done: list[Trial]) -> Iterator[dict[str, Any]]:
    """Tree-structured Parzen estimator; told each trial's value when the next one is asked for."""
    import optuna  # loads slowly; only this method needs it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    while True:
        asked = study.ask()
        yield {name: _ask(asked, name, axis) for name, axis in space.items()}
        value = done[-1].value if done else None
        if value is None:
            study.tell(asked, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(asked, value)


def _ask(trial: Any, name: str, axis: Choice | Between) -> Any:
    if isinstance(axis, Choice):
        return axis.values[trial.suggest_int(name, 0, len(axis.values) - 1)]
    if axis.whole:
        return trial.suggest_int(name, int(axis.low), int(axis.high), log=axis.log)
    return trial.suggest_float(name, axis.low, axis.high, log=axis.log)
