"""Training of the sequence member: the network in torch, the loss over all items, the loop. The only file with torch.

`sequence.NextItem` imports it when it is fitted, so serving needs no torch.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import nn
from torch.nn import functional

from actions.recommendation.members import FitError
from actions.recommendation.sequence import Array, Parts, Shape

SMALL = 3000  # items; below, two threads spend their time waiting for each other
CHUNK = 64  # places whose softmax is made at a time: it stays in the cache
WARM_UP = 20  # a twentieth of the steps

Check = Callable[[Parts], float]


def train(
    shape: Shape,
    sequences: Sequence[Any],
    items: int,
    *,
    traits: sparse.csr_matrix | None = None,
    device: str = "auto",
    check: Check | None = None,
    tick: Callable[[float], None] | None = None,
) -> Parts:
    """Batches of sequences padded on the left, next-item softmax at every place; the parts that `NextItem` serves.

    Args:
        sequences: item numbers of each customer, oldest first, two at least, `shape.length` + 1 at most.
        traits: (items, traits) what each item is; an item is then its own vector plus the mean of its traits'.
        check: asked every `shape.check_every` epochs, higher is better; the best state is kept, and training ends
            when `shape.patience` checks in a row brought nothing.
        tick: told the mean loss after each epoch.

    Raises:
        FitError: the loss became NaN.
    """
    threads = torch.get_num_threads()
    if items < SMALL:
        torch.set_num_threads(1)
    try:
        return _loop(shape, sequences, items, traits, device, check, tick)
    finally:
        torch.set_num_threads(threads)


def _loop(
    shape: Shape,
    sequences: Sequence[Any],
    items: int,
    traits: sparse.csr_matrix | None,
    device: str,
    check: Check | None,
    tick: Callable[[float], None] | None,
) -> Parts:
    torch.manual_seed(shape.seed)
    where = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    net = Network(shape, items, traits).to(where)
    optimiser = torch.optim.AdamW(net.parameters(), lr=shape.learning_rate, weight_decay=shape.weight_decay)
    padded = np.full((len(sequences), shape.length + 1), items, dtype=np.int64)
    for row, own in enumerate(sequences):
        padded[row, -len(own) :] = own
    lengths = np.array([len(own) for own in sequences])
    generator = np.random.default_rng(shape.seed)
    batches = max(1, math.ceil(len(sequences) / shape.batch))
    best: tuple[float, Parts] | None = None
    step = since = 0
    for epoch in range(shape.epochs):
        net.train()
        losses = []
        # like lengths together: a batch is cut to its longest sequence
        order = np.argsort(lengths + generator.uniform(0, 6, len(lengths)), kind="stable")
        for batch in generator.permutation(batches):
            chosen = order[batch * shape.batch : (batch + 1) * shape.batch]
            rows = torch.from_numpy(padded[chosen, -int(lengths[chosen].max()) :]).to(where)
            rate = shape.learning_rate * _share_of_rate(step / (shape.epochs * batches))
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = net.loss(rows[:, :-1], rows[:, 1:])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            losses.append(loss.item())
            step += 1
        mean = float(np.mean(losses))
        if not math.isfinite(mean):
            raise FitError(f"sequence: the loss is {mean} after epoch {epoch + 1}; lower the learning rate")
        if tick:
            tick(mean)
        if check is not None and ((epoch + 1) % shape.check_every == 0 or epoch == shape.epochs - 1):
            parts = parts_of(net)
            value = check(parts)
            since += 1
            if best is None or value > best[0]:
                best, since = (value, parts), 0
            if since >= shape.patience:
                break
    return best[1] if best is not None else parts_of(net)


def _share_of_rate(done: float) -> float:
    """Linear warm-up, then a cosine down to a tenth."""
    return min(1.0, done * WARM_UP) * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done)))


class Network(nn.Module):
    """A causal transformer whose output is compared with the same item vectors it reads (tied)."""

    def __init__(self, shape: Shape, items: int, traits: sparse.csr_matrix | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.count = items
        self.items = nn.Embedding(items + 1, shape.width, padding_idx=items)
        self.places = nn.Embedding(shape.length, shape.width)
        self.blocks = nn.ModuleList([Block(shape) for _ in range(shape.layers)])
        self.last = nn.LayerNorm(shape.width)
        nn.init.normal_(self.items.weight, std=0.02)
        nn.init.normal_(self.places.weight, std=0.02)
        self.traits: nn.EmbeddingBag | None = None
        if traits is not None:
            self.traits = nn.EmbeddingBag(traits.shape[1], shape.width, mode="mean")
            nn.init.normal_(self.traits.weight, std=0.02)
            self.register_buffer("trait_items", torch.from_numpy(traits.indices.astype(np.int64)))
            self.register_buffer("trait_starts", torch.from_numpy(traits.indptr[:-1].astype(np.int64)))

    def table(self) -> torch.Tensor:
        """(items + 1, width) the vectors of the items; the last row is padding."""
        weight: torch.Tensor = self.items.weight
        if self.traits is None:
            return weight
        shared = self.traits(self.trait_items, self.trait_starts)
        return torch.cat([weight[:-1] + shared, weight[-1:]])

    def forward(self, given: torch.Tensor, table: torch.Tensor | None = None) -> torch.Tensor:
        """(rows, length) item numbers, padding on the left -> (rows, length, width)."""
        length = given.shape[1]
        places = torch.arange(self.shape.length - length, self.shape.length, device=given.device)
        table = self.table() if table is None else table
        hidden = functional.embedding(given, table) * math.sqrt(self.shape.width) + self.places(places)
        hidden = functional.dropout(hidden, self.shape.dropout, self.training)
        causal = torch.ones(length, length, dtype=torch.bool, device=given.device).tril()
        held = (given != self.count)[:, None, None, :]
        # a padded place sees itself, or its softmax would be over nothing
        seen = causal & (held | torch.eye(length, dtype=torch.bool, device=given.device))
        for block in self.blocks:
            hidden = block(hidden, seen)
        states: torch.Tensor = self.last(hidden)
        return states

    def loss(self, given: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy over all items, of the places that are not padding."""
        table = self.table()
        real = wanted != self.count
        states, targets = self(given, table)[real], wanted[real]
        if given.device.type == "cpu" and quick_in_half():
            loss: torch.Tensor = HalfSoftmax.apply(states, table[:-1], targets)  # type: ignore[no-untyped-call]
            return loss
        return functional.cross_entropy(states @ table[:-1].T, targets)


class Block(nn.Module):
    """One layer, normalised before each part."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.before, self.middle = nn.LayerNorm(shape.width), nn.LayerNorm(shape.width)
        self.into = nn.Linear(shape.width, 3 * shape.width)
        self.out = nn.Linear(shape.width, shape.width)
        self.up = nn.Linear(shape.width, 4 * shape.width)
        self.down = nn.Linear(4 * shape.width, shape.width)

    def forward(self, hidden: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        shape = self.shape
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


class HalfSoftmax(torch.autograd.Function):
    """Cross-entropy whose products run in bfloat16 and whose softmax is made once: three times as fast on a CPU
    with bfloat16 instructions; the gradient differs from the float32 one by a few thousandths.
    """

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, table: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """(places, width), (items, width), (places,) -> mean loss."""
        half_states, half_table = states.detach().bfloat16(), table.detach().bfloat16()
        count = len(targets)
        of_states, of_table = torch.empty_like(half_states), torch.zeros_like(table)
        loss = torch.zeros(())
        for start in range(0, count, CHUNK):
            inside = slice(start, start + CHUNK)
            rows, wanted = half_states[inside], targets[inside, None]
            shares = (rows @ half_table.T).float()  # (places, items), made into probabilities in place
            shares.sub_(shares.amax(1, keepdim=True))
            right = shares.gather(1, wanted)
            total = shares.exp_().sum(1, keepdim=True)
            loss += (total.log() - right).sum() / count
            shares.div_(total * count)
            slope = shares.scatter_add_(1, wanted, torch.full_like(right, -1 / count)).bfloat16()
            of_states[inside] = slope @ half_table
            of_table += slope.T @ rows
        ctx.save_for_backward(of_states, of_table)
        return loss

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        of_states, of_table = ctx.saved_tensors
        return slopes[0] * of_states.float(), slopes[0] * of_table, None


def quick_in_half() -> bool:
    """True when this CPU multiplies bfloat16 in hardware."""
    known = getattr(torch.cpu, "_is_amx_tile_supported", None)  # not public in torch 2; absent means no
    return bool(known and known())


def parts_of(net: Network) -> Parts:
    """The weights by the names that `NextItem` reads."""

    def array(tensor: Any) -> Array:
        out: Array = tensor.detach().cpu().numpy().astype(np.float32).copy()
        return out

    parts = {"items": array(net.table()), "places": array(net.places.weight)}
    parts["last.scale"], parts["last.shift"] = array(net.last.weight), array(net.last.bias)
    for layer, module in enumerate(net.blocks):
        block: Any = module
        for name in ("before", "middle"):
            norm = getattr(block, name)
            parts[f"{layer}.{name}.scale"], parts[f"{layer}.{name}.shift"] = array(norm.weight), array(norm.bias)
        for name, linear in (("in", block.into), ("out", block.out), ("up", block.up), ("down", block.down)):
            parts[f"{layer}.{name}"], parts[f"{layer}.{name}_bias"] = array(linear.weight), array(linear.bias)
    return parts
