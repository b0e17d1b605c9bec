"""Features as the members that need it see them: no NaN, centred, of one scale."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FEW = 0.001  # a column known in a smaller share of rows than this gets no "unknown" twin


@dataclass(frozen=True)
class Scaling:
    """(features,) means and scales of the known values. NaN becomes the mean, and 1 in the column's "unknown" twin."""

    means: Floats
    scales: Floats
    twins: NDArray[np.int64]  # columns that are unknown often enough to say so

    def __call__(self, rows: Floats) -> Floats:
        """(rows, features) -> (rows, features + twins)."""
        scaled = (rows - self.means) / self.scales
        unknown = np.isnan(rows)
        clipped = np.clip(np.where(unknown, 0.0, scaled), -8.0, 8.0)
        return np.concatenate([clipped, unknown[:, self.twins].astype(float)], axis=1)

    @classmethod
    def fit(cls, rows: Floats) -> "Scaling":
        known = ~np.isnan(rows)
        counts = np.clip(known.sum(axis=0), 1, None)
        means = np.where(known, rows, 0.0).sum(axis=0) / counts
        spread = np.sqrt(np.where(known, (rows - means) ** 2, 0.0).sum(axis=0) / counts)
        share = 1.0 - known.mean(axis=0)
        twins = np.flatnonzero((share > FEW) & (share < 1.0 - FEW))
        return cls(means, np.where(spread > 0, spread, 1.0), twins)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"means": self.means, "scales": self.scales, "twins": self.twins}
