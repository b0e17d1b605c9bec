"""The gate: a new intent model goes live only if it beats the one in place on examples nobody trained on.

The gate set is kept examples (CSV files `intents_gate*.csv`) and, as conversation tests, messages with several wishes
(`two_wishes.jsonl`). An example that is also among the training examples is left out.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nlu_models import dataset
from nlu_models.dataset import Example
from nlu_models.gazetteer import Gazetteer
from nlu_models.intent import IntentModel
from nlu_models.parse import Parser


@dataclass(frozen=True)
class Message:
    """A message and the wishes in it, in order."""

    text: str
    intents: tuple[str, ...]


@dataclass(frozen=True)
class GateSet:
    examples: tuple[Example, ...]
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class GateScore:
    """Shares right; `log_loss` decides between equals. NaN where the set holds nothing of the kind."""

    accuracy: float
    log_loss: float
    wishes: float
    rows: int

    def beats(self, other: "GateScore") -> bool:
        """More right answers, or as many and better probabilities; and no real loss on several wishes."""
        if self.wishes + 0.05 < other.wishes:
            return False
        return (self.accuracy, -self.log_loss) > (other.accuracy, -other.log_loss)


def read(folder: Path, trained_on: Iterable[Example] = ()) -> GateSet:
    """The gate set of a folder without what is in `trained_on`; empty when there is no such folder."""
    seen = {dataset.normalise(example.text) for example in trained_on}
    examples = [example for path in sorted(folder.glob("intents_gate*.csv")) for example in dataset.read(path)]
    kept = tuple(example for example in examples if dataset.normalise(example.text) not in seen)
    path = folder / "two_wishes.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines if line.strip()]
    return GateSet(kept, tuple(Message(each["text"], tuple(each["intents"])) for each in found))


def score(model: IntentModel, gate: GateSet) -> GateScore:
    """How a model does on the gate set; labels the model does not know count as wrong."""
    known = list(gate.examples)
    predictions = model.predict([example.text for example in known])
    right = [prediction.label == example.label for prediction, example in zip(predictions, known, strict=True)]
    chances = [
        dict(prediction.ranking).get(example.label, 1e-3)
        for prediction, example in zip(predictions, known, strict=True)
    ]
    parsed = Parser(model, Gazetteer()).parse([message.text for message in gate.messages])
    split = [
        said_intents(answer["wishes"]) == list(message.intents)
        for answer, message in zip(parsed, gate.messages, strict=True)
    ]
    return GateScore(_mean(right), _mean(-np.log(np.clip(chances, 1e-3, None))), _mean(split), len(known))


def said_intents(wishes: Sequence[dict[str, dict[str, str]]]) -> list[str]:
    return [wish["intent"]["name"] for wish in wishes]


def _mean(values: Sequence[float] | Sequence[bool] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
