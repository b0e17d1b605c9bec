"""SASRec (Kang and McAuley 2018) with the loss over all items, which is what makes it strong (Klenitskiy 2023).

A causal transformer reads what a customer did and says what comes next. Trained with torch, on the GPU when there is
one; served with numpy, so the action server needs no torch. A customer's state is their history: nothing is trained
when they click.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse

from actions.recommendation.interactions import Asker, Interactions
from actions.recommendation.members import Arrays, FitError, Scores, abstaining

Array = np.ndarray[Any, np.dtype[np.float32]]
Parts = dict[str, Array]


@dataclass(frozen=True)
class Shape:
    """Defaults fit the demo shop in seconds; `tests.benchmarks.recommend` has those of the public data."""

    width: int = 48
    layers: int = 2
    heads: int = 2
    length: int = 40  # latest events that are read
    dropout: float = 0.3
    learning_rate: float = 2e-3
    epochs: int = 8
    batch: int = 128
    weight_decay: float = 0.0
    seed: int = 0
    check_every: int = 5  # epochs
    patience: int = 3  # checks without a gain


class NextItem:
    """The member; `fit` trains, everything else is numpy."""

    name: ClassVar[str] = "sequence"

    def __init__(
        self,
        shape: Shape | None = None,
        *,
        traits: sparse.csr_matrix | None = None,
        device: str = "auto",
        tick: Callable[[float], None] | None = None,
    ):
        """
        Args:
            traits: (items, traits) what each item is (brand, category); items nobody chose yet get a vector by them.
            tick: told the mean loss after each epoch.
        """
        self.shape = shape or Shape()
        self.traits = traits
        self.device = device
        self.tick = tick

    def fit(self, data: Interactions, check: Callable[[Self], float] | None = None) -> Self:
        """Train; with `check` (higher is better, asked every few epochs) the best state is kept.

        Raises:
            FitError: the loss became NaN, or nobody has two events.
        """
        sequences = [collapsed(asker.items)[-(self.shape.length + 1) :] for asker in data.askers()]
        sequences = [items for items in sequences if len(items) >= 2]
        if not sequences:
            raise FitError("sequence: nobody has two events")
        from actions.recommendation import sequence_training  # here: it imports torch

        def checked(parts: Parts) -> float:
            self.parts_ = parts
            return check(self) if check is not None else 0.0

        self.parts_ = sequence_training.train(
            self.shape,
            sequences,
            len(data.items),
            traits=self.traits,
            device=self.device,
            check=checked if check is not None else None,
            tick=self.tick,
        )
        return self

    def scores(self, askers: Sequence[Asker]) -> Scores:
        asked = [asker.with_seeds() for asker in askers]
        items = self.parts_["items"][:-1]  # the last row is padding
        out = np.full((len(asked), len(items)), np.nan, dtype=np.float32)
        lengths = [min(len(collapsed(asker.items)), self.shape.length) for asker in asked]
        for length in sorted(set(lengths) - {0}):  # equal lengths together: no padding, no mask of it
            rows = [row for row, own in enumerate(lengths) if own == length]
            for start in range(0, len(rows), 256):
                chunk = rows[start : start + 256]
                states = self._states(np.stack([collapsed(asked[row].items)[-length:] for row in chunk]))
                out[chunk] = states @ items.T
        return abstaining(out, asked)

    def arrays(self) -> Arrays:
        shape = asdict(self.shape)
        return {
            **self.parts_,
            "shape_names": np.array(list(shape)),
            "shape_values": np.array(list(shape.values()), dtype=np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        values = dict(zip(arrays["shape_names"].tolist(), arrays["shape_values"].tolist(), strict=True))
        whole = ("width", "layers", "heads", "length", "epochs", "batch", "seed", "check_every", "patience")
        member = cls(Shape(**{name: int(value) if name in whole else value for name, value in values.items()}))
        member.parts_ = {name: array for name, array in arrays.items() if not name.startswith("shape_")}
        return member

    def _states(self, items: Any) -> Array:
        """(rows, length) item numbers -> (rows, width) the state after the last one."""
        parts, length = self.parts_, items.shape[1]
        hidden = parts["items"][items] * math.sqrt(self.shape.width) + parts["places"][-length:]
        causal = np.triu(np.full((length, length), -1e9, dtype=np.float32), 1)
        for layer in range(self.shape.layers):
            hidden = hidden + self._attended(_normed(hidden, parts, f"{layer}.before"), layer, causal)
            wide = _normed(hidden, parts, f"{layer}.middle") @ parts[f"{layer}.up"].T + parts[f"{layer}.up_bias"]
            hidden = hidden + _gelu(wide) @ parts[f"{layer}.down"].T + parts[f"{layer}.down_bias"]
        states: Array = _normed(hidden[:, -1], parts, "last")
        return states

    def _attended(self, hidden: Array, layer: int, causal: Array) -> Array:
        rows, length, width = hidden.shape
        heads = self.shape.heads
        each = hidden @ self.parts_[f"{layer}.in"].T + self.parts_[f"{layer}.in_bias"]  # (rows, length, 3 width)
        query, key, value = (
            part.reshape(rows, length, heads, width // heads).transpose(0, 2, 1, 3)
            for part in np.split(each, 3, axis=2)
        )
        weights = query @ key.transpose(0, 1, 3, 2) / math.sqrt(width // heads) + causal
        weights = np.exp(weights - weights.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        joined = (weights @ value).transpose(0, 2, 1, 3).reshape(rows, length, width)
        out: Array = joined @ self.parts_[f"{layer}.out"].T + self.parts_[f"{layer}.out_bias"]
        return out


def collapsed(items: Any) -> Any:
    """Items without immediate repeats: looking, carting and buying one product is one step."""
    if len(items) < 2:
        return items
    keep = np.ones(len(items), dtype=bool)
    keep[1:] = items[1:] != items[:-1]
    return items[keep]


def _normed(hidden: Array, parts: Mapping[str, Array], name: str) -> Array:
    mean = hidden.mean(axis=-1, keepdims=True)
    spread = np.sqrt(hidden.var(axis=-1, keepdims=True) + 1e-5)
    out: Array = (hidden - mean) / spread * parts[f"{name}.scale"] + parts[f"{name}.shift"]
    return out


def _gelu(values: Array) -> Array:
    """The tanh form, as torch's `gelu(approximate="tanh")`."""
    out: Array = 0.5 * values * (1 + np.tanh(math.sqrt(2 / math.pi) * (values + 0.044715 * values * values * values)))
    return out
