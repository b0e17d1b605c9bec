"""Members that learn a linear model of the whole matrix: EASE and alternating least squares; both fold in askers."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from scipy import linalg, sparse

from actions.recommendation.interactions import Asker, Interactions, history_matrix
from actions.recommendation.members import Arrays, FitError, Scores, abstaining


class Ease:
    """Shallow autoencoder in closed form (Steck 2019, eq. 8), with the history's decay at scoring time.

    One inverse of (items, items): seconds for thousands of items; above `most_items` the fit is refused.
    """

    name: ClassVar[str] = "ease"

    def __init__(
        self,
        *,
        regularisation: float = 200.0,
        half_life_days: float | None = 60.0,
        power: float = 0.5,
        most_items: int = 20_000,
    ) -> None:
        self.regularisation = regularisation
        self.half_life_days = half_life_days
        self.power = power
        self.most_items = most_items

    def fit(self, data: Interactions) -> Self:
        if len(data.items) > self.most_items:
            raise FitError(f"ease: {len(data.items)} items, and an inverse of that size does not fit; leave it out")
        seen = data.matrix()
        seen.data = seen.data**self.power
        gram = np.asarray((seen.T @ seen).todense(), dtype=np.float32)
        gram[np.diag_indices_from(gram)] += self.regularisation
        inverse = linalg.inv(gram, overwrite_a=True, check_finite=False)
        weights = -inverse / np.diag(inverse)[None, :]
        weights[np.diag_indices_from(weights)] = 0.0
        if not np.isfinite(weights).all():
            raise FitError("ease: weights hold NaN; raise the regularisation")
        self.weights_ = np.ascontiguousarray(weights, dtype=np.float32)  # else each product with it copies it first
        return self

    def scores(self, askers: Sequence[Asker]) -> Scores:
        asked = [asker.with_seeds() for asker in askers]
        history = history_matrix(asked, len(self.weights_), half_life_days=self.half_life_days, power=self.power)
        return abstaining(np.asarray(history @ self.weights_, dtype=np.float32), asked)

    def arrays(self) -> Arrays:
        settings = [self.regularisation, self.half_life_days or 0.0, self.power, self.most_items]
        return {"weights": self.weights_.astype(np.float16), "settings": np.array(settings)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        regularisation, half_life, power, most = arrays["settings"].tolist()
        member = cls(regularisation=regularisation, half_life_days=half_life or None, power=power, most_items=int(most))
        member.weights_ = np.ascontiguousarray(arrays["weights"], dtype=np.float32)
        return member


class Factors:
    """Implicit-feedback matrix factorisation by alternating least squares (Hu, Koren and Volinsky 2008).

    Only the item side is kept: an asker's factors are solved from the history when asked (fold-in), so a click of a
    second ago counts and no customer has to be in the training data.
    """

    name: ClassVar[str] = "factors"

    def __init__(
        self,
        *,
        size: int = 48,
        regularisation: float = 5.0,
        rounds: int = 12,
        half_life_days: float | None = 90.0,
        alpha: float = 2.0,
    ) -> None:
        self.size = size
        self.regularisation = regularisation
        self.rounds = rounds
        self.half_life_days = half_life_days
        self.alpha = alpha

    def fit(self, data: Interactions) -> Self:
        from implicit.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        seen = history_matrix(data.askers(), len(data.items), half_life_days=self.half_life_days, power=0.5)
        with threadpool_limits(1, "blas"):  # implicit runs its own threads; BLAS threads beside them only wait
            model = AlternatingLeastSquares(
                factors=self.size,
                regularization=self.regularisation,
                iterations=self.rounds,
                alpha=self.alpha,
                random_state=0,
                num_threads=1,
                use_gpu=False,
            )
            model.fit(seen, show_progress=False)
        items = np.asarray(model.item_factors, dtype=np.float32)
        if not np.isfinite(items).all():
            raise FitError("factors: NaN in the item factors")
        self.items_ = items
        return self

    def scores(self, askers: Sequence[Asker]) -> Scores:
        asked = [asker.with_seeds() for asker in askers]
        history = history_matrix(asked, len(self.items_), half_life_days=self.half_life_days, power=0.5)
        return abstaining((self.folded_in(history) @ self.items_.T).astype(np.float32), asked)

    def folded_in(self, history: sparse.csr_matrix) -> Scores:
        """(askers, size): each asker's factors, the least-squares solution for fixed items (eq. 4 of the paper)."""
        gram = self.items_.T @ self.items_ + self.regularisation * np.eye(self.size, dtype=np.float32)
        out = np.zeros((history.shape[0], self.size), dtype=np.float32)
        for row in range(history.shape[0]):
            inside = slice(history.indptr[row], history.indptr[row + 1])
            items = self.items_[history.indices[inside]]
            extra = self.alpha * history.data[inside]
            left = gram + (items * np.maximum(extra - 1, 0)[:, None]).T @ items
            out[row] = np.linalg.solve(left, items.T @ np.maximum(extra, 1e-6))
        return out

    def arrays(self) -> Arrays:
        settings = [self.size, self.regularisation, self.rounds, self.half_life_days or 0.0, self.alpha]
        return {"items": self.items_, "settings": np.array(settings)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        size, regularisation, rounds, half_life, alpha = arrays["settings"].tolist()
        member = cls(
            size=int(size),
            regularisation=regularisation,
            rounds=int(rounds),
            half_life_days=half_life or None,
            alpha=alpha,
        )
        member.items_ = np.asarray(arrays["items"], dtype=np.float32)
        return member
