"""`kefu evaluate nlu --data FILE`: how the live intent model does on labelled texts (CSV, JSONL, Rasa YAML)."""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from ensemble.artifact import ArtifactError
from ensemble.calibration import expected_calibration_error
from nlu_models import dataset
from nlu_models.dataset import OUT_OF_SCOPE, DatasetError, Example
from nlu_models.intent import KIND, OFF_TOPIC, IntentModel, IntentPrediction


@dataclass(frozen=True)
class Evaluation:
    """Shares over the rows of known labels; scope over all rows. NaN where there is nothing of the kind."""

    rows: int
    accuracy: float
    macro_f1: float
    ece: float
    answered: float
    accuracy_when_answered: float
    scope_auroc: float
    milliseconds: float
    members: dict[str, float]
    confusions: list[tuple[str, str, int]]


def evaluate(model: IntentModel, examples: Sequence[Example]) -> Evaluation:
    """Measure; labels out of scope (oos, empty ...) count as `out_of_scope`."""
    from sklearn.metrics import f1_score, roc_auc_score

    wanted = [OFF_TOPIC if example.label.lower() in OUT_OF_SCOPE else example.label for example in examples]
    started = time.perf_counter()
    predictions = model.predict([example.text for example in examples])
    milliseconds = (time.perf_counter() - started) * 1000 / max(1, len(examples))
    said = [prediction.label for prediction in predictions]
    right = np.array([one == other for one, other in zip(said, wanted, strict=True)])
    sure = np.array([prediction.sure for prediction in predictions])
    inside = np.array([label != OFF_TOPIC for label in wanted])
    chances = [prediction.in_scope for prediction in predictions]
    wrong = Counter((label, answer) for label, answer in zip(wanted, said, strict=True) if label != answer)
    return Evaluation(
        len(examples),
        float(right.mean()),
        float(f1_score(wanted, said, average="macro", labels=sorted(set(wanted)), zero_division=0)),
        expected_calibration_error([prediction.confidence for prediction in predictions], right),
        float(sure.mean()),
        float(right[sure].mean()) if sure.any() else float("nan"),
        float(roc_auc_score(inside, chances)) if 0 < inside.sum() < len(inside) else float("nan"),
        milliseconds,
        _members(predictions, wanted),
        [(label, answer, count) for (label, answer), count in wrong.most_common(20)],
    )


def _members(predictions: Sequence[IntentPrediction], wanted: Sequence[str]) -> dict[str, float]:
    """Share right of each member, over the rows it was asked on."""
    right: dict[str, list[bool]] = {}
    for prediction, label in zip(predictions, wanted, strict=True):
        for name, (answer, _) in prediction.members.items():
            right.setdefault(name, []).append(answer == label)
    return {name: float(np.mean(each)) for name, each in right.items()}


def main(argv: Sequence[str] | None = None) -> int:
    from bot import settings

    parser = argparse.ArgumentParser(prog="kefu evaluate nlu", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, action="append", help="file or folder; may be repeated")
    parser.add_argument("--model", type=Path, help="folder of an intent model instead of the live one")
    parser.add_argument("--json", type=Path, help="write the measures to this file")
    arguments = parser.parse_args(argv)
    console = Console()
    try:
        chosen = settings.load()
        model = IntentModel.load(arguments.model or Path(chosen.models) / KIND, threads=chosen.torch_threads)
        examples = [example for path in arguments.data for example in dataset.read(path)]
    except (ArtifactError, DatasetError, FileNotFoundError, settings.SettingError) as error:
        print(f"evaluate nlu: {error}", file=sys.stderr)
        return 1
    unknown = sorted({example.label for example in examples} - set(model.labels) - set(OUT_OF_SCOPE))
    if unknown:
        console.print(f"labels the model does not know (they count as wrong): {', '.join(unknown)}")
    result = evaluate(model, examples)
    table = Table("measure", "value", title=f"intent {model.version}, {result.rows} rows")
    for name in ("accuracy", "macro_f1", "ece", "answered", "accuracy_when_answered", "scope_auroc", "milliseconds"):
        table.add_row(name, f"{getattr(result, name):.4f}")
    for name, value in result.members.items():
        table.add_row(f"member {name}", f"{value:.4f}")
    console.print(table)
    wrong = Table("label", "answered", "times", title="most frequent mistakes")
    for label, answer, count in result.confusions:
        wrong.add_row(label, answer, str(count))
    console.print(wrong)
    if arguments.json:
        arguments.json.write_text(json.dumps(vars(result), indent=1), encoding="utf-8")
        console.print(f"written: {arguments.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
