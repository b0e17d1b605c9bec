"""GPT-2: training in the manner of nanoGPT (Karpathy), on the shop's questions, intents and delexicalised replies.

A story is `text <sep> <intent> <language> {facts} <say> reply <end>`. One pass over `text <sep>` gives the likelihood
of the text and, at its end, one probability an intent; the pass goes on from there to write the reply.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nlu_models.vocabulary import Vocabulary

IGNORED = -100  # cross_entropy leaves these targets out


@dataclass(frozen=True)
class Gpt2Config:
    """Sizes of our own model and of its training."""

    # model
    layers: int = 3
    heads: int = 4
    width: int = 192
    context: int = 192
    dropout: float = 0.1
    # training
    epochs: int = 4
    batch: int = 16
    learning_rate: float = 3e-3  # small models bear, and need, high rates
    minimum_rate: float = 1e-4
    weight_decay: float = 0.1
    warm_up: float = 0.05  # share of the steps
    cpu_seconds: float | None = None  # stop after so much work, the schedule fitted to it; None: by epochs alone
    patience: int = 2
    seed: int = 0


@dataclass(frozen=True)
class Story:
    """Token numbers and, alike in length, how much each counts when it is to be predicted (0: not at all)."""

    numbers: tuple[int, ...]
    weights: tuple[float, ...]


def question_story(vocabulary: Vocabulary, text: str, intent: str) -> Story:
    """A labelled text without a reply: the text itself counts a little, the intent counts fully."""
    asked = vocabulary.question(text)
    return Story((*asked, vocabulary.number(f"<intent:{intent}>")), (*([0.2] * len(asked)), 4.0))


def reply_story(
    vocabulary: Vocabulary, text: str, intent: str, language: str, facts: Sequence[str], reply: str
) -> Story:
    """A question with its reply: the reply counts fully, the given facts not at all."""
    prompt = vocabulary.prompt(text, intent, language, facts)
    asked = len(vocabulary.question(text))
    said = vocabulary.reply(reply)
    weights = [0.2] * asked + [1.0] + [0.0] * (len(prompt) - asked - 1) + [1.0] * len(said)
    return Story((*prompt, *said), tuple(weights))


def own_model(vocabulary_size: int, config: Gpt2Config, end: int) -> Any:
    """A GPT-2 with random weights."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(config.seed)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocabulary_size,
            n_positions=config.context,
            n_embd=config.width,
            n_layer=config.layers,
            n_head=config.heads,
            resid_pdrop=config.dropout,
            embd_pdrop=config.dropout,
            attn_pdrop=config.dropout,
            bos_token_id=end,
            eos_token_id=end,
        )
    )


def pretrained_model(folder: Path, vocabulary_size: int) -> Any:
    """Any causal LM of transformers, its embeddings grown to our tokens."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.resize_token_embeddings(vocabulary_size, mean_resizing=False)
    return model


@dataclass(frozen=True)
class LmProgress:
    """One finished epoch; losses are weighted means a token."""

    epoch: int
    epochs: int
    train_loss: float
    validation_loss: float | None


def train(
    model: Any,
    sequences: Sequence[Story],
    held: Sequence[Story],
    config: Gpt2Config,
    *,
    device: str = "cpu",
    on_step: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[LmProgress], None] | None = None,
) -> Any:
    """Train in place; the weights of the best epoch by validation loss stay."""
    rng = np.random.default_rng(config.seed)
    torch.manual_seed(config.seed)
    model.to(device)
    optimizer = torch.optim.AdamW(_groups(model, config), lr=config.learning_rate, betas=(0.9, 0.95))
    steps = math.ceil(len(sequences) / config.batch) * config.epochs
    started, done, without_gain = time.process_time(), 0, 0
    best: tuple[float, dict[str, Tensor]] | None = None
    for epoch in range(config.epochs):
        model.train()
        total = weight_sum = spent = 0.0
        for rows in _batches(sequences, config.batch, rng):
            spent = (time.process_time() - started) / config.cpu_seconds if config.cpu_seconds else 0.0
            share = max((done + 1) / steps, min(spent, 1.0))
            for group in optimizer.param_groups:
                group["lr"] = _rate(share, config)
            loss, weight = _loss(model, [sequences[row] for row in rows], device)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total, weight_sum, done = total + float(loss.detach()) * weight, weight_sum + weight, done + 1
            if on_step:
                on_step(int(share * steps), steps)
            if spent >= 1.0:
                break
        checked = evaluate(model, held, device=device) if held else None
        if on_epoch:
            on_epoch(LmProgress(epoch + 1, config.epochs, total / max(weight_sum, 1e-9), checked))
        if checked is not None and (best is None or checked < best[0]):
            best = (checked, {name: value.detach().clone() for name, value in model.state_dict().items()})
            without_gain = 0
        elif checked is not None:
            without_gain += 1
        if without_gain >= config.patience or (config.cpu_seconds and spent >= 1.0):
            break
    if best is not None:
        model.load_state_dict(best[1])
    return model.eval()


@torch.no_grad()
def evaluate(model: Any, sequences: Sequence[Story], *, device: str = "cpu", batch: int = 64) -> float:
    """Weighted mean loss a token."""
    model.eval()
    total = weights = 0.0
    order = np.argsort([len(each.numbers) for each in sequences])
    for start in range(0, len(order), batch):
        loss, weight = _loss(model, [sequences[row] for row in order[start : start + batch]], device)
        total, weights = total + float(loss) * weight, weights + weight
    return total / max(weights, 1e-9)


def _loss(model: Any, chosen: Sequence[Story], device: str) -> tuple[Tensor, float]:
    longest = max(len(each.numbers) for each in chosen)
    numbers = torch.zeros((len(chosen), longest), dtype=torch.long)  # (batch, tokens)
    weights = torch.zeros((len(chosen), longest))
    for row, each in enumerate(chosen):
        numbers[row, : len(each.numbers)] = torch.tensor(each.numbers)
        weights[row, : len(each.numbers)] = torch.tensor(each.weights)
    numbers, weights = numbers.to(device), weights.to(device)[:, 1:]
    with torch.autocast(device, dtype=torch.bfloat16, enabled=device != "cpu" or _bf16_is_fast()):
        logits = model(input_ids=numbers).logits  # causal: padding on the right is never looked at
    each_loss = nn.functional.cross_entropy(
        logits[:, :-1].reshape(-1, logits.shape[-1]).float(), numbers[:, 1:].reshape(-1), reduction="none"
    )
    weight = weights.sum()
    return (each_loss * weights.reshape(-1)).sum() / weight.clamp(min=1e-9), float(weight)


def _bf16_is_fast() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _batches(sequences: Sequence[Story], size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Batches of like length in random order."""
    noisy = np.array([len(each.numbers) for each in sequences]) + rng.uniform(-3, 3, len(sequences))
    order = np.argsort(noisy)
    cut = [order[start : start + size] for start in range(0, len(order), size)]
    rng.shuffle(cut)
    return cut


def _groups(model: Any, config: Gpt2Config) -> list[dict[str, Any]]:
    """Weight decay for matrices only: biases and norms are not shrunk."""
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [each for each in wanted if each.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [each for each in wanted if each.dim() < 2], "weight_decay": 0.0},
    ]


def _rate(share: float, config: Gpt2Config) -> float:
    """1) linear warm-up, 2) cosine decay to the minimum."""
    if share < config.warm_up:
        return config.learning_rate * share / config.warm_up
    along = min(1.0, (share - config.warm_up) / (1 - config.warm_up))
    return config.minimum_rate + (config.learning_rate - config.minimum_rate) * 0.5 * (1 + math.cos(math.pi * along))


def save(model: Any, vocabulary: Vocabulary, folder: Path) -> None:
    """Half-precision safetensors, configuration and tokenizer: what `lm.load` and transformers read."""
    import copy

    half = copy.deepcopy(model).cpu().to(torch.float16)
    half.save_pretrained(folder, safe_serialization=True)
    (folder / "generation_config.json").unlink(missing_ok=True)
    vocabulary.tokenizer.save(str(folder / "tokenizer.json"))
