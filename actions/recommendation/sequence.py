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

from actions.recommendation.interactions import Asker, Interactions
from actions.recommendation.members import Arrays, FitError, Scores, abstaining

Array = np.ndarray[Any, np.dtype[np.float32]]


SMALL = 3000  # items


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


class NextItem:
    """The member; `fit` trains, everything else is numpy."""

    name: ClassVar[str] = "sequence"

    def __init__(
        self, shape: Shape | None = None, *, device: str = "auto", tick: Callable[[float], None] | None = None
    ):
        """
        Args:
            tick: told the mean loss after each epoch.
        """
        self.shape = shape or Shape()
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
        import torch

        threads = torch.get_num_threads()
        if len(data.items) < SMALL:
            torch.set_num_threads(1)  # two threads on matrices this small spend their time waiting for each other
        try:
            self.parts_ = _train(self, sequences, len(data.items), check)
        finally:
            torch.set_num_threads(threads)
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
        whole = ("width", "layers", "heads", "length", "epochs", "batch", "seed")
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
    out: Array = 0.5 * values * (1 + np.tanh(math.sqrt(2 / math.pi) * (values + 0.044715 * values**3)))
    return out


def _train(member: Any, sequences: Sequence[Any], items: int, check: Callable[[Any], float] | None) -> dict[str, Array]:
    """The loop, top to bottom: batches of sequences padded on the left, next-item softmax at every place."""
    import torch
    from torch.nn import functional

    shape: Shape = member.shape
    torch.manual_seed(shape.seed)
    device = ("cuda" if torch.cuda.is_available() else "cpu") if member.device == "auto" else member.device
    net = _network(shape, items).to(device)
    optimiser = torch.optim.AdamW(net.parameters(), lr=shape.learning_rate, weight_decay=shape.weight_decay)
    padded = np.full((len(sequences), shape.length + 1), items, dtype=np.int64)
    for row, own in enumerate(sequences):
        padded[row, -len(own) :] = own
    # like lengths together: a batch is cut to its longest sequence
    generator = np.random.default_rng(shape.seed)
    lengths = np.array([len(own) for own in sequences])
    best: tuple[float, dict[str, Array]] | None = None
    batches = max(1, math.ceil(len(sequences) / shape.batch))
    total_steps = shape.epochs * batches
    step = 0
    for epoch in range(shape.epochs):
        net.train()
        losses = []
        order = np.argsort(lengths + generator.uniform(0, 6, len(lengths)), kind="stable")
        for batch in generator.permutation(batches):
            chosen = order[batch * shape.batch : (batch + 1) * shape.batch]
            width = int(lengths[chosen].max())
            rows = torch.from_numpy(padded[chosen, -width:]).to(device)
            given, wanted = rows[:, :-1], rows[:, 1:]
            # 1) linear warm-up over a twentieth, 2) cosine down to a tenth
            share = step / total_steps
            warm = min(1.0, share * 20)
            rate = shape.learning_rate * warm * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * share)))
            for group in optimiser.param_groups:
                group["lr"] = rate
            states = net(given)[wanted != items]  # (places, width)
            loss = functional.cross_entropy(states @ net.items.weight[:-1].T, wanted[wanted != items])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            losses.append(loss.item())
            step += 1
        mean = float(np.mean(losses))
        if not math.isfinite(mean):
            raise FitError(f"sequence: the loss is {mean} after epoch {epoch + 1}; lower the learning rate")
        if member.tick:
            member.tick(mean)
        if check is not None and (epoch % 5 == 4 or epoch == shape.epochs - 1):
            member.parts_ = _parts(net, shape)
            value = check(member)
            if best is None or value > best[0]:
                best = (value, member.parts_)
    return best[1] if best is not None else _parts(net, shape)


def _network(shape: Shape, items: int) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.middle = nn.LayerNorm(shape.width), nn.LayerNorm(shape.width)
            self.into = nn.Linear(shape.width, 3 * shape.width)
            self.out = nn.Linear(shape.width, shape.width)
            self.up = nn.Linear(shape.width, 4 * shape.width)
            self.down = nn.Linear(4 * shape.width, shape.width)

        def forward(self, hidden: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
            rows, length, width = hidden.shape
            parts = self.into(self.before(hidden)).chunk(3, dim=-1)  # three of (rows, length, width)
            query, key, value = (
                part.view(rows, length, shape.heads, width // shape.heads).transpose(1, 2) for part in parts
            )
            joined = functional.scaled_dot_product_attention(
                query, key, value, attn_mask=seen, dropout_p=shape.dropout if self.training else 0.0
            )
            joined = self.out(joined.transpose(1, 2).reshape(rows, length, width))
            hidden = hidden + functional.dropout(joined, shape.dropout, self.training)
            wide = functional.gelu(self.up(self.middle(hidden)), approximate="tanh")
            return hidden + functional.dropout(self.down(wide), shape.dropout, self.training)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.items = nn.Embedding(items + 1, shape.width, padding_idx=items)
            self.places = nn.Embedding(shape.length, shape.width)
            self.blocks = nn.ModuleList([Block() for _ in range(shape.layers)])
            self.last = nn.LayerNorm(shape.width)
            nn.init.normal_(self.items.weight, std=0.02)
            nn.init.normal_(self.places.weight, std=0.02)

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            length = given.shape[1]
            places = torch.arange(shape.length - length, shape.length, device=given.device)
            hidden = self.items(given) * math.sqrt(shape.width) + self.places(places)
            hidden = functional.dropout(hidden, shape.dropout, self.training)
            causal = torch.ones(length, length, dtype=torch.bool, device=given.device).tril()
            held = (given != items)[:, None, None, :]
            # a padded place sees itself, or its softmax would be over nothing
            seen = causal & (held | torch.eye(length, dtype=torch.bool, device=given.device))
            for block in self.blocks:
                hidden = block(hidden, seen)
            states: torch.Tensor = self.last(hidden)
            return states

    return Network()


def _parts(net: Any, shape: Shape) -> dict[str, Array]:
    """The weights by the names that `_states` reads."""

    def array(tensor: Any) -> Array:
        out: Array = tensor.detach().cpu().numpy().astype(np.float32).copy()
        return out

    parts = {"items": array(net.items.weight), "places": array(net.places.weight)}
    parts["last.scale"], parts["last.shift"] = array(net.last.weight), array(net.last.bias)
    for layer, block in enumerate(net.blocks):
        for name in ("before", "middle"):
            norm = getattr(block, name)
            parts[f"{layer}.{name}.scale"], parts[f"{layer}.{name}.shift"] = array(norm.weight), array(norm.bias)
        for name, linear in (("in", block.into), ("out", block.out), ("up", block.up), ("down", block.down)):
            parts[f"{layer}.{name}"], parts[f"{layer}.{name}_bias"] = array(linear.weight), array(linear.bias)
    return parts
