"""Causal language models as they are served: likelihood, next-token probabilities, generation with a key-value cache.

Our own GPT-2 (and any model of that architecture) runs on numpy, so the nlu process needs no torch; every other causal
LM of transformers runs on torch. Radford et al. 2019; the layer is `x + attention(norm(x))`, then `x + mlp(norm(x))`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class CausalLm(Protocol):
    """`state` is opaque; it is never changed, so several continuations can share one."""

    def read(self, numbers: Sequence[int], state: Any = None) -> tuple[Floats, Any]:
        """Logits after each of `numbers` (len, vocabulary), which follow what `state` has read; and the new state."""
        ...

    @property
    def context(self) -> int:
        """Most tokens it can read in all."""
        ...


@dataclass(frozen=True)
class NumpyGpt2:
    """GPT-2 over plain arrays. `weights` has the names of transformers' GPT2LMHeadModel, without `transformer.`."""

    weights: Mapping[str, Floats]
    layers: int
    heads: int
    context: int

    def read(self, numbers: Sequence[int], state: Any = None) -> tuple[Floats, Any]:
        """See CausalLm. `state` is a list of (keys, values), each (heads, tokens, width of a head), one a layer."""
        w = self.weights
        past = 0 if state is None else state[0][0].shape[1]
        if past + len(numbers) > self.context:
            raise ValueError(f"{past + len(numbers)} tokens are more than the context of {self.context}")
        hidden = w["wte.weight"][list(numbers)] + w["wpe.weight"][past : past + len(numbers)]  # (tokens, width)
        kept = []
        for layer in range(self.layers):
            at = f"h.{layer}."
            mixed, cache = self._attention(_norm(hidden, w, at + "ln_1"), at, None if state is None else state[layer])
            kept.append(cache)
            hidden = hidden + mixed
            wide = _gelu(_linear(_norm(hidden, w, at + "ln_2"), w, at + "mlp.c_fc"))
            hidden = hidden + _linear(wide, w, at + "mlp.c_proj")
        return _norm(hidden, w, "ln_f") @ w["wte.weight"].T, kept

    def _attention(self, given: Floats, at: str, past: Any) -> tuple[Floats, tuple[Floats, Floats]]:
        tokens, width = given.shape
        joined = _linear(given, self.weights, at + "attn.c_attn").reshape(tokens, 3, self.heads, width // self.heads)
        query, key, value = joined.transpose(1, 2, 0, 3)  # each (heads, tokens, width of a head)
        if past is not None:
            key, value = np.concatenate([past[0], key], axis=1), np.concatenate([past[1], value], axis=1)
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(np.float32(width // self.heads))  # (heads, tokens, all)
        if tokens > 1:  # a token sees itself and what came before
            future = np.triu(np.ones((tokens, key.shape[1]), dtype=bool), k=key.shape[1] - tokens + 1)
            scores = np.where(future, np.float32(-1e9), scores)
        mixed = _softmax(scores) @ value
        return _linear(mixed.transpose(1, 0, 2).reshape(tokens, width), self.weights, at + "attn.c_proj"), (key, value)

    @classmethod
    def load(cls, folder: Path) -> "NumpyGpt2":
        """From `config.json` and `model.safetensors` as transformers saves them (any float type)."""
        from safetensors.numpy import load_file

        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        stored = load_file(folder / "model.safetensors")
        weights = {name.removeprefix("transformer."): value.astype(np.float32) for name, value in stored.items()}
        return cls(weights, settings["n_layer"], settings["n_head"], settings["n_positions"])


def _linear(given: Floats, weights: Mapping[str, Floats], name: str) -> Floats:
    return np.asarray(given @ weights[name + ".weight"] + weights[name + ".bias"])


def _norm(given: Floats, weights: Mapping[str, Floats], name: str) -> Floats:
    centred = given - given.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(1e-5))
    return np.asarray(centred / spread * weights[name + ".weight"] + weights[name + ".bias"])


def _gelu(given: Floats) -> Floats:
    inner = np.float32(0.7978845608) * (given + np.float32(0.044715) * given * given * given)
    return np.asarray(np.float32(0.5) * given * (1 + np.tanh(inner)))


def _softmax(scores: Floats) -> Floats:
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


class TransformersLm:
    """Any causal LM of transformers; slower to load, needs torch."""

    def __init__(self, folder: Path, *, device: str = "cpu") -> None:
        import torch
        from transformers import AutoModelForCausalLM

        self._torch, self.device = torch, device
        kind = torch.bfloat16 if device != "cpu" else torch.float32
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=kind)
        self.model: Any = model.to(device).eval()

    @property
    def context(self) -> int:
        return int(getattr(self.model.config, "max_position_embeddings", 1024))

    def read(self, numbers: Sequence[int], state: Any = None) -> tuple[Floats, Any]:
        import copy

        given = self._torch.tensor([list(numbers)], device=self.device)
        past = copy.deepcopy(state)  # transformers' caches grow in place
        with self._torch.no_grad():
            out = self.model(input_ids=given, past_key_values=past, use_cache=True)
        return out.logits[0].float().cpu().numpy(), out.past_key_values


def load(folder: Path, *, device: str = "cpu") -> CausalLm:
    """The fastest way to serve the model in `folder`."""
    kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    if kind == "gpt2" and device == "cpu":
        return NumpyGpt2.load(folder)
    return TransformersLm(folder, device=device)


def log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def log_probability(logits_before: Floats, numbers: Sequence[int]) -> float:
    """Mean log-probability a token: logits_before (len, vocabulary) are those each of `numbers` was drawn from."""
    logs = log_softmax(logits_before)
    return float(logs[np.arange(len(numbers)), list(numbers)].mean())


def generate(
    lm: CausalLm,
    last: Floats,
    state: Any,
    *,
    end: int,
    forbidden: Sequence[int] = (),
    most: int = 60,
    temperature: float = 0.7,
    top: int = 20,
    rng: np.random.Generator | None = None,
) -> tuple[list[int], float, bool]:
    """Write on from `state`, whose last logits are `last`.

    Args:
        forbidden: tokens never to be written (placeholders without a fact, control tokens).
        temperature: 0 takes the likeliest token each time.

    Returns:
        (tokens without the end, mean log-probability a token, whether it came to an end by itself).
    """
    rng = np.random.default_rng(0) if rng is None else rng
    written: list[int] = []
    total = 0.0
    for _ in range(most):
        logs = log_softmax(last)
        allowed = logs.copy()
        allowed[list(forbidden)] = -np.inf
        choice = _draw(allowed, temperature, top, rng)
        total += float(logs[choice])
        if choice == end:
            return written, total / (len(written) + 1), True
        written.append(choice)
        logits, state = lm.read([choice], state)
        last = logits[-1]
    return written, total / max(1, len(written)), False


def _draw(logs: Floats, temperature: float, top: int, rng: np.random.Generator) -> int:
    if temperature <= 0:
        return int(logs.argmax())
    best = np.argpartition(-logs, min(top, len(logs) - 1))[:top]
    chances = _softmax((logs[best] / temperature).astype(np.float32)).astype(float)
    return int(rng.choice(best, p=chances / chances.sum()))
