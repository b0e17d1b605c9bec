"""`kefu tune nlu`: search the hyper-parameters of the fine-tuned BERT and of the linear members.

Each trial trains on one part of the examples and is judged on another (the validation split); a trial that is clearly
behind the earlier ones after an epoch is stopped. What is found is printed and written; nothing goes live.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ensemble.artifact import ArtifactError
from ensemble.search import Between, Choice, Report, SearchResult, Space, search
from nlu_models import dataset, encoders
from nlu_models.dataset import DatasetError, Example
from nlu_models.encoders import EncoderError

SPACE: Space = {
    "learning_rate": Between(5e-5, 4e-4, log=True, points=3),
    "frozen": Choice((-2, -4, -6)),  # all but so many upper layers, however many an encoder has
    "layer_decay": Choice((1.0, 0.9)),
    "batch": Choice((16, 32)),
    "linear_strength": Between(3.0, 100.0, log=True, points=2),
    "dropout": Choice((0.1, 0.2)),
}


def tune(
    examples: Sequence[Example],
    encoder: Path,
    *,
    method: str,
    trials: int,
    epochs: int,
    patience: int | None = None,
    seed: int = 0,
    space: Space = SPACE,
    device: str = "cpu",
    say: Any = lambda text: None,
) -> SearchResult:
    """Search; the value of a trial is BERT's validation accuracy less a tenth of its log loss."""
    from nlu_models import bert
    from nlu_models.members import LinearOnVectors

    train, held = dataset.split(dataset.group_near_duplicates(examples), 0.15, seed=seed)
    labels = dataset.labels_of(train)
    number = {label: column for column, label in enumerate(labels)}
    wanted = np.array([number[example.label] for example in train])
    held = [example for example in held if example.label in number]
    held_wanted = np.array([number[example.label] for example in held])

    def objective(parameters: dict[str, Any], report: Report) -> float:
        known = {name: value for name, value in parameters.items() if name in bert.TuneConfig.__dataclass_fields__}
        settings = replace(bert.TuneConfig(epochs=epochs, seed=seed), **known)
        parts = bert.load(encoder, frozen=settings.frozen, max_tokens=settings.max_tokens)
        hidden = bert.Hidden(parts, [example.text for example in train], device)
        unseen = bert.Hidden(parts, [example.text for example in held], device)
        strength = float(parameters.get("linear_strength", 30.0))
        probe = LinearOnVectors.fit(bert.embed(parts, hidden), wanted, len(labels), strength=strength)
        best = -np.inf

        def on_epoch(progress: bert.Progress) -> None:
            nonlocal best
            best = max(best, (progress.validation_accuracy or 0.0) - 0.1 * (progress.validation_loss or 0.0))
            report(progress.epoch, best)

        bert.fine_tune(
            parts,
            hidden,
            wanted,
            len(labels),
            settings,
            probe=(probe.weights, probe.bias),
            validation=(unseen, held_wanted),
            on_epoch=on_epoch,
        )
        return float(best)

    return search(
        objective,
        space,
        method=method,
        trials=trials,
        seed=seed,
        patience=patience,
        on_trial=lambda place, trial: say(f"trial {place + 1}: {trial.value} {trial.parameters}"),
    )


def main(argv: Sequence[str] | None = None) -> int:
    from bot import settings
    from nlu_models import train as training_cli

    parser = argparse.ArgumentParser(prog="kefu tune nlu", description=__doc__)
    parser.add_argument("--method", choices=["grid", "random", "bayesian"], default="bayesian")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--patience", type=int, default=6, help="end after so many trials in a row without a gain")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, action="append", help="instead of the project's own; may be repeated")
    arguments = parser.parse_args(argv)
    console = Console()
    try:
        chosen = settings.load()
        encoder = encoders.resolve(chosen.encoder, Path(chosen.home))
        examples = [each for path in arguments.data or [training_cli.NLU_DATA] for each in dataset.read(path)]
        training_cli.use_all_cores()
        result = tune(
            examples,
            encoder,
            method=arguments.method,
            trials=arguments.trials,
            epochs=arguments.epochs,
            patience=arguments.patience,
            seed=arguments.seed,
            device=training_cli.device_of(chosen.device),
            say=console.print,
        )
    except (ArtifactError, DatasetError, EncoderError, FileNotFoundError, settings.SettingError, ValueError) as error:
        print(f"tune nlu: {error}", file=sys.stderr)
        return 1
    table = Table("trial", "value", *SPACE)
    for place, trial in enumerate(result.trials, 1):
        value = "stopped" if trial.value is None else f"{trial.value:.4f}"
        table.add_row(str(place), value, *(f"{trial.parameters[name]:.3g}" for name in SPACE))
    console.print(table)
    path = Path(chosen.home) / "reports" / "tune-nlu.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([vars(trial) for trial in result.trials], indent=1), encoding="utf-8")
    console.print(f"best: {result.best.parameters}; all trials: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
