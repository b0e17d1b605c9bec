"""BERT as an intent classifier: an encoder and a linear head, tuned in two steps, served in int8.

The encoder is cut in two. The lower layers stay frozen: they run once over the training texts, and at serving time once
for both branches. The upper layers exist twice: as pretrained (for neighbours and the linear model on embeddings) and
fine-tuned with the head. The head starts as a logistic regression on the pretrained embeddings ("linear probe first"):
Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution".
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nlu_models import packed_use
from nlu_models.dataset import numbers_alike
from nlu_models.encoders import EncoderConfig, EncoderError, config

Floats = NDArray[np.float32]
WITH_POOLER = ("bert", "roberta", "xlm-roberta", "camembert", "mpnet")  # a layer nobody asks; these can go without
WIDTH = 384  # of the encoders that the training sizes were measured with
ATTENTION = ["query", "key", "value", "q", "k", "v"]  # as BERT and as MPNet name them


@dataclass(frozen=True)
class TuneConfig:
    """How the encoder is fine-tuned."""

    epochs: int = 4
    batch: int = 32
    learning_rate: float = 2e-4  # high for BERT; fits the small encoders (384 wide), see MODELS in docs
    head_learning_rate: float = 1e-3
    layer_decay: float = 1.0  # each lower layer learns this much slower than the one above
    weight_decay: float = 0.01
    warm_up: float = 0.1  # share of the steps
    dropout: float = 0.1
    label_smoothing: float = 0.0
    contrast: float = 0.0  # weight of the contrastive loss; > 0 draws batches by class instead of by length
    layers: int | None = None  # keep only so many lower layers of the encoder; None: all
    frozen: int = 0  # of these so many are not tuned (their output is computed once); -6: all but the upper six
    max_tokens: int = 64
    patience: int = 2  # epochs without a better validation loss before stopping
    best_by: str = "loss"  # which epoch is kept: loss, or accuracy (of the validation texts; a tenth of the loss off)
    seed: int = 0
    lora_rank: int = 0  # > 0: low-rank adapters instead of full fine-tuning, merged afterwards (large encoders)


def affordable(tune: TuneConfig, width: int, device: str) -> TuneConfig:
    """The same with fewer layers tuned on a CPU where an encoder is wider than `WIDTH`: the work of a layer grows with
    the square of its width. (MPNet, upper two layers, two epochs, on held-out rows of HWU64: 0.891; 0.884 with half the
    learning rate; a linear model on it as it was pretrained 0.866.)"""
    if width <= WIDTH or tune.frozen >= 0 or device != "cpu":
        return tune
    return replace(tune, frozen=min(-1, round(tune.frozen * WIDTH / width)))


class Distances(nn.Module):
    """What MPNet adds to every layer's attention for how far apart two tokens stand: tokens -> (1, heads, tokens,
    tokens). It is added where the mask is, so that its layers are called as BERT's are. Kept as pretrained."""

    def __init__(self, model: Any, longest: int) -> None:
        super().__init__()
        with torch.no_grad():
            table = model.encoder.compute_position_bias(torch.zeros(1, longest, 1))
        self.register_buffer("table", table.clone())

    def forward(self, tokens: int) -> Tensor:
        return self.get_buffer("table")[:, :, :tokens, :tokens]


class Lower(nn.Module):
    """Embeddings and the frozen layers: token numbers (rows, tokens) -> hidden states (rows, tokens, width)."""

    def __init__(self, model: Any, layers: int, distances: Distances | None = None) -> None:
        super().__init__()
        self.embeddings, self.layers = model.embeddings, nn.ModuleList(model.encoder.layer[:layers])
        self.distances = distances

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        hidden: Tensor = self.embeddings(input_ids=ids)
        return _through(self.layers, hidden, mask, self.distances)


class Upper(nn.Module):
    """The other layers and the pooling: hidden states -> one vector a row (rows, width)."""

    def __init__(self, layers: Sequence[nn.Module], pooling: str, distances: Distances | None = None) -> None:
        super().__init__()
        self.layers, self.pooling, self.distances = nn.ModuleList(layers), pooling, distances

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        hidden = _through(self.layers, hidden, mask, self.distances)
        if self.pooling == "cls":
            return hidden[:, 0]
        weight = mask[:, :, None].to(hidden.dtype)
        return (hidden * weight).sum(1) / weight.sum(1)


class TunedUpper(nn.Module):
    """Upper layers and head: hidden states -> (pooled vectors, logits)."""

    def __init__(self, upper: nn.Module, width: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.upper, self.dropout, self.head = upper, nn.Dropout(dropout), nn.Linear(width, labels)

    def forward(self, hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        pooled = self.upper(hidden, mask)
        unit = nn.functional.normalize(pooled, dim=-1)
        return unit, self.head(self.dropout(unit))


def _through(layers: nn.ModuleList, hidden: Tensor, mask: Tensor, distances: Distances | None) -> Tensor:
    bias = (1.0 - mask[:, None, None, :].to(hidden.dtype)) * -1e4  # no token looks at padding
    if distances is not None:
        bias = bias + distances(hidden.shape[1])
    for layer in layers:
        out = layer(hidden, bias)
        hidden = out[0] if isinstance(out, tuple) else out
    return hidden


@dataclass(frozen=True)
class Parts:
    """A loaded encoder, cut in two. `width` of its vectors, `prefix` put in front of every text. `in_int8`: only these
    matrices may be (how their names begin), as in `onnx_encoder.to_int8`; empty: all."""

    lower: nn.Module
    upper: nn.Module
    tokenizer: Any
    width: int
    prefix: str
    max_tokens: int
    in_int8: tuple[str, ...] = ()

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        given = [self.prefix + numbers_alike(text) for text in texts]
        ids: list[list[int]] = self.tokenizer(given, truncation=True, max_length=self.max_tokens)["input_ids"]
        return ids


def width_of(folder: Path) -> int:
    """How many numbers an encoder's vectors have."""
    from transformers import AutoConfig

    if packed_use.is_in(folder):
        return packed_use.WIDTH
    return int(AutoConfig.from_pretrained(folder).hidden_size)


def load(folder: Path, *, layers: int | None = None, frozen: int = 0, max_tokens: int = 64) -> Parts:
    """Load an encoder of the BERT family (BERT, RoBERTa, XLM-R, ELECTRA, MPNet ...), or the light one, which has no
    layers that could be left out or frozen.

    Raises:
        EncoderError: another architecture, or more layers asked for than it has.
    """
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    if packed_use.is_in(folder):
        from nlu_models import convolutions  # it is made of this module's parts

        return convolutions.load(folder, max_tokens=max_tokens)

    about: EncoderConfig = config(folder)
    sizes = AutoConfig.from_pretrained(folder)
    extra = {"add_pooling_layer": False} if sizes.model_type in WITH_POOLER else {}
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, **extra).eval()
    if not hasattr(model, "embeddings") or not hasattr(getattr(model, "encoder", None), "layer"):
        raise EncoderError(f"{folder} holds a {sizes.model_type}; an intent encoder must be of the BERT family")
    count = len(model.encoder.layer)
    kept = count if layers is None else layers
    frozen = max(0, kept + frozen) if frozen < 0 else frozen
    if not 0 < kept <= count or not 0 <= frozen <= kept:
        raise EncoderError(f"{folder} has {count} layers; cannot keep {kept} and freeze {frozen}")
    length = min(max_tokens, about.max_tokens)
    distances = Distances(model, length) if hasattr(model.encoder, "compute_position_bias") else None
    upper = Upper(list(model.encoder.layer[frozen:kept]), about.pooling, distances)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return Parts(Lower(model, frozen, distances), upper, tokenizer, int(sizes.hidden_size), about.query_prefix, length)


def batches(lengths: Sequence[int], size: int) -> list[NDArray[np.int64]]:
    """Row numbers in batches of texts of like length, so that little is padded."""
    order = np.argsort(lengths, kind="stable")
    return [order[start : start + size] for start in range(0, len(order), size)]


def padded(ids: Sequence[Sequence[int]], rows: Sequence[int] | NDArray[np.int64], pad: int) -> tuple[Tensor, Tensor]:
    """(token numbers, mask), each (rows, longest)."""
    length = max(len(ids[row]) for row in rows)
    numbers = torch.full((len(rows), length), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for place, row in enumerate(rows):
        numbers[place, : len(ids[row])] = torch.tensor(ids[row])
        mask[place, : len(ids[row])] = 1
    return numbers, mask


class Hidden:
    """Output of the frozen lower part for every text, computed once and kept in half precision, without padding."""

    @torch.no_grad()
    def __init__(self, parts: Parts, texts: Sequence[str], device: str = "cpu") -> None:
        ids = parts.tokens(texts)
        self.device = device
        self.lengths = [len(row) for row in ids]
        self.states: list[Tensor] = [torch.empty(0)] * len(ids)
        lower = parts.lower.to(device).eval()
        for rows in batches(self.lengths, 64):
            numbers, mask = (part.to(device) for part in padded(ids, rows, parts.tokenizer.pad_token_id))
            with _autocast(device):
                hidden = lower(numbers, mask)
            for place, row in enumerate(rows):
                self.states[row] = hidden[place, : self.lengths[row]].to(torch.bfloat16).clone()

    def take(self, rows: NDArray[np.int64]) -> "Hidden":
        """The same states for some of the texts, in the order of `rows`; nothing is computed or copied."""
        part = object.__new__(Hidden)
        part.device = self.device
        part.lengths = [self.lengths[row] for row in rows]
        part.states = [self.states[row] for row in rows]
        return part

    def __call__(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """(hidden states, mask) of these texts, padded: (rows, longest, width), (rows, longest)."""
        states = nn.utils.rnn.pad_sequence([self.states[row] for row in rows], batch_first=True).float()
        mask = torch.zeros(states.shape[:2], dtype=torch.long, device=self.device)
        for place, row in enumerate(rows):
            mask[place, : self.lengths[row]] = 1
        return states, mask


@torch.no_grad()
def embed(parts: Parts, hidden: Hidden, *, batch: int = 64) -> Floats:
    """Unit vectors of the pretrained encoder: (texts, width)."""
    upper = parts.upper.to(hidden.device).eval()
    vectors = np.zeros((len(hidden.lengths), parts.width), np.float32)
    for rows in batches(hidden.lengths, batch):
        with _autocast(hidden.device):
            pooled = upper(*hidden(rows))
        vectors[rows] = nn.functional.normalize(pooled.float(), dim=-1).cpu().numpy()
    return vectors


@dataclass(frozen=True)
class Progress:
    """One finished epoch of fine-tuning."""

    epoch: int
    epochs: int
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None


def fine_tune(
    parts: Parts,
    hidden: Hidden,
    labels: NDArray[np.int64],
    classes: int,
    tune: TuneConfig,
    *,
    probe: tuple[Floats, Floats] | None = None,
    start: TunedUpper | None = None,
    validation: tuple[Hidden, NDArray[np.int64]] | None = None,
    on_epoch: Callable[[Progress], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> TunedUpper:
    """Tune a copy of the upper layers and a head; `parts` stays as it was.

    Args:
        hidden: the texts, through the frozen part.
        labels: (texts,) class numbers.
        probe: (weights (classes, width), bias (classes,)) of a linear model on the pretrained unit vectors.
        start: an already tuned model to go on from instead; it is changed in place.
        validation: kept-out texts that decide when to stop; the best epoch is returned.
    """
    device = hidden.device
    torch.manual_seed(tune.seed)
    rng = np.random.default_rng(tune.seed)
    model = start or TunedUpper(copy.deepcopy(parts.upper), parts.width, classes, tune.dropout).to(device)
    if probe is not None and start is None:
        model.head.weight.data = torch.from_numpy(np.asarray(probe[0], np.float32)).to(device)
        model.head.bias.data = torch.from_numpy(np.asarray(probe[1], np.float32)).to(device)
    if tune.lora_rank:
        model.upper = _with_adapters(model.upper, tune.lora_rank)
    steps = math.ceil(len(labels) / tune.batch) * tune.epochs
    optimizer = torch.optim.AdamW(_parameter_groups(model, tune), weight_decay=tune.weight_decay, fused=True)
    peaks = [group["lr"] for group in optimizer.param_groups]
    targets = torch.from_numpy(labels).to(device)
    best: tuple[float, dict[str, Tensor]] | None = None
    done = without_gain = 0
    for epoch in range(tune.epochs):
        model.train()
        total = 0.0
        drawn = _in_pairs(labels, tune.batch, rng) if tune.contrast else _shuffled(hidden.lengths, tune.batch, rng)
        for rows in drawn:
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * _warm_up_then_linear(done, steps, tune.warm_up)
            states, mask = hidden(rows)
            with _autocast(device):
                unit, logits = model(states, mask)
            right = targets[torch.from_numpy(rows)]
            loss = nn.functional.cross_entropy(logits.float(), right, label_smoothing=tune.label_smoothing)
            if tune.contrast:
                loss = loss + tune.contrast * contrastive(unit.float(), right)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total, done = total + float(loss.detach()) * len(rows), done + 1
            if on_step:
                on_step(done, steps)
        checked = _validate(model, *validation) if validation else None
        if on_epoch:
            on_epoch(Progress(epoch + 1, tune.epochs, total / len(labels), *(checked or (None, None))))
        if checked is None:
            continue
        worth = checked[0] if tune.best_by == "loss" else 0.1 * checked[0] - checked[1]
        if best is None or worth < best[0]:
            best = (worth, {name: value.detach().clone() for name, value in model.state_dict().items()})
            without_gain = 0
        elif (without_gain := without_gain + 1) >= tune.patience:
            break
    if best is not None:
        model.load_state_dict(best[1])
    if tune.lora_rank:
        merged: Any = model.upper
        model.upper = merged.merge_and_unload()
    return model.eval()


@torch.no_grad()
def _validate(model: TunedUpper, held: Hidden, labels: NDArray[np.int64]) -> tuple[float, float]:
    _, logits = predict(model, held)
    wanted = torch.from_numpy(labels)
    loss = nn.functional.cross_entropy(torch.from_numpy(logits), wanted)
    return float(loss), float((logits.argmax(axis=1) == labels).mean())


@torch.no_grad()
def predict(model: TunedUpper, hidden: Hidden, *, batch: int = 128) -> tuple[Floats, Floats]:
    """(unit vectors (texts, width), logits (texts, classes)) of the tuned model, in training precision."""
    model.to(hidden.device).eval()
    count = len(hidden.lengths)
    vectors = np.zeros((count, model.head.in_features), np.float32)
    logits = np.zeros((count, model.head.out_features), np.float32)
    for rows in batches(hidden.lengths, batch):
        with _autocast(hidden.device):
            unit, out = model(*hidden(rows))
        vectors[rows], logits[rows] = unit.float().cpu().numpy(), out.float().cpu().numpy()
    return vectors, logits


def _shuffled(lengths: Sequence[int], size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Batches of like length in random order; which texts meet changes every epoch."""
    noisy = np.asarray(lengths) + rng.uniform(-2, 2, len(lengths))
    order = np.argsort(noisy)
    cut = [order[start : start + size] for start in range(0, len(order), size)]
    rng.shuffle(cut)
    yield from cut


def _in_pairs(labels: NDArray[np.int64], size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Batches in which (nearly) every text has another of its class: what the contrastive loss pulls together."""
    pairs: list[NDArray[np.int64]] = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        pairs += [rows[start : start + 2] for start in range(0, len(rows), 2)]
    rng.shuffle(pairs)
    for start in range(0, len(pairs), size // 2):
        yield np.concatenate(pairs[start : start + size // 2])


def contrastive(unit: Tensor, labels: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Texts of a class closer to each other than to the rest of the batch (Khosla et al. 2020, equation 2).

    Args:
        unit: (rows, width) unit vectors; labels: (rows,). Rows alone of their class take no part.
    """
    alone = torch.eye(len(labels), dtype=torch.bool, device=unit.device)
    logits = (unit @ unit.T / temperature).masked_fill(alone, -1e9)
    same = (labels[:, None] == labels[None, :]) & ~alone
    logs = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    count = same.sum(1)
    each = -(logs * same).sum(1)[count > 0] / count[count > 0]
    return each.mean() if len(each) else unit.sum() * 0.0


def _parameter_groups(model: TunedUpper, tune: TuneConfig) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = [{"params": list(model.head.parameters()), "lr": tune.head_learning_rate}]
    layers = [module for name, module in model.upper.named_modules() if name.split(".")[-2:-1] == ["layers"]]
    for depth, layer in enumerate(reversed(layers)):
        wanted = [parameter for parameter in layer.parameters() if parameter.requires_grad]
        groups.append({"params": wanted, "lr": tune.learning_rate * tune.layer_decay**depth})
    return groups


def _warm_up_then_linear(step: int, steps: int, share: float) -> float:
    warm = max(1, int(steps * share))
    return (step + 1) / warm if step < warm else max(0.0, (steps - step) / max(1, steps - warm))


def _with_adapters(upper: nn.Module, rank: int) -> Any:
    """Low-rank adapters on the attention (Hu et al. 2021); everything else stays as pretrained."""
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=ATTENTION, lora_dropout=0.0)
    return get_peft_model(upper, settings)


def _autocast(device: str) -> Any:
    """bf16 where the processor multiplies it faster; plain fp32 elsewhere."""
    useful = device != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast(device, dtype=torch.bfloat16, enabled=useful)
