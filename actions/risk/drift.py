"""Has the world moved? Population stability index (PSI) of each feature, last month against the month before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = 10
WATCH, ALARM = 0.1, 0.25  # the usual reading: below 0.1 stable, above 0.25 another population
FEWEST = 100  # rows on each side; fewer say nothing about a population


@dataclass(frozen=True)
class Drift:
    """PSI by feature, largest first. `alarms` are those above `ALARM`."""

    psi: Mapping[str, float]
    before: int  # rows
    after: int

    @property
    def alarms(self) -> tuple[str, ...]:
        return tuple(name for name, value in self.psi.items() if value >= ALARM)

    @property
    def watched(self) -> tuple[str, ...]:
        return tuple(name for name, value in self.psi.items() if WATCH <= value < ALARM)


def psi(before: Floats, after: Floats) -> float:
    """PSI of one feature; bins are tenths of `before`, and "not known" is a bin of its own. 0 is no change.

    Raises:
        ValueError: a side has too few rows to say anything.
    """
    if min(len(before), len(after)) < FEWEST:
        raise ValueError(f"{len(before)} and {len(after)} rows; at least {FEWEST} on each side")
    known = before[~np.isnan(before)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else np.empty(0)
    one, other = _shares(before, edges), _shares(after, edges)
    return float(((other - one) * np.log(other / one)).sum())


def between(before: Floats, after: Floats, names: Sequence[str]) -> Drift:
    """PSI of every feature. before, after: (rows, features)."""
    found = {name: psi(before[:, column], after[:, column]) for column, name in enumerate(names)}
    ordered = sorted(found.items(), key=lambda each: (-each[1], each[0]))
    return Drift(dict(ordered), len(before), len(after))


def _shares(values: Floats, edges: Floats) -> Floats:
    """Share of rows in each bin, the unknown ones last; half a row is added, so that no share is 0."""
    known = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    both = np.append(counts, len(values) - len(known)) + 0.5
    return np.asarray(both / both.sum())
