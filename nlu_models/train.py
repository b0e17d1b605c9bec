"""`kefu train nlu|reply`: train, measure, and put the new model in place of the old one if it is better.

kefu train nlu        BERT and its ensemble -> <home>/models/intent
kefu train reply      GPT-2: intents and replies -> <home>/models/reply
kefu rollback KIND    the previous model of a kind goes live again
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ensemble import artifact
from ensemble.artifact import ArtifactError
from nlu_models import dataset, encoders, gate
from nlu_models.dataset import DatasetError
from nlu_models.encoders import EncoderError
from nlu_models.intent import KIND, IntentModel

PROJECT = Path(__file__).resolve().parent.parent
NLU_DATA = PROJECT / "bot" / "dialogue" / "data" / "nlu"
GATE_DATA = PROJECT / "tests" / "benchmarks" / "data"
# The full size: another BERT that errs elsewhere. MiniLM tuned in all its layers is right on 0.917 of HWU64's test,
# offline-large in its upper two on 0.911, at five times the work.
SECOND_OF = {"offline": "offline-en", "offline-en": "offline", "offline-large": "offline"}
LAYOUT = "6"  # raise when the trained files change: it is part of the checksum that training skips by


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _arguments(argv)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: waiting threads leave the cores to others
    from bot import settings

    console = Console()
    try:
        chosen = settings.load()
        if arguments.verb == "rollback":
            manifest = artifact.rollback(Path(chosen.models) / arguments.kind, arguments.kind)
            console.print(f"{arguments.kind}: back to {manifest.version} of {manifest.created_at}")
            return 0
        train = _train_intent if arguments.verb == "intent" else _train_reply
        return train(chosen, arguments, console)
    except (ArtifactError, EncoderError, DatasetError, settings.SettingError, FileNotFoundError, ValueError) as error:
        print(f"train {arguments.verb}: {error}", file=sys.stderr)
        return 1


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="kefu train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, what in (("intent", "train the intent ensemble"), ("reply", "train the GPT-2 that words replies")):
        one = verbs.add_parser(verb, help=what)
        one.add_argument("--force", action="store_true", help="train even when nothing has changed")
        one.add_argument("--size", choices=["small", "full"], help="instead of KEFU_TRAIN_SIZE")
        one.add_argument("--seed", type=int, default=0)
        one.add_argument(
            "--data", type=Path, action="append", help="examples instead of the project's; may be repeated"
        )
        one.add_argument("--accept", action="store_true", help="put the model in place even if it is not better")
    verbs.choices["intent"].add_argument(
        "--lora", type=int, default=0, metavar="RANK", help="adapters of this rank only"
    )
    verbs.choices["intent"].add_argument(
        "--second", metavar="ENCODER", help="a second BERT beside KEFU_ENCODER, or none (default: the other offline one"
        " with --size full, none with small)",
    )  # fmt: skip
    verbs.choices["intent"].add_argument(
        "--third", metavar="ENCODER", help="one more encoder, which is not tuned, or none (default: offline-large with"
        " --size full where KEFU_ENGLISH_ENCODER names it)",
    )  # fmt: skip
    verbs.choices["intent"].add_argument(
        "--light", metavar="ENCODER", default="offline-light", help="the encoder that is asked first, or none"
    )
    back = verbs.add_parser("rollback", help="put the previous model in place again")
    back.add_argument("kind", choices=["intent", "reply", "index", "recommendation", "risk"])
    return parser.parse_args(argv)


def second_of(encoder: str, size: str, wanted: str | None) -> str | None:
    """The name of the second encoder, if there is to be one."""
    if wanted is not None:
        return None if wanted == "none" else wanted
    return SECOND_OF.get(encoder) if size == "full" else None


def third_of(english_encoder: str, size: str, wanted: str | None) -> str | None:
    """The name of the third encoder, if there is to be one."""
    if wanted is not None:
        return None if wanted == "none" else wanted
    return "offline-large" if size == "full" and english_encoder == "offline-large" else None


def device_of(wanted: str) -> str:
    """cuda when it is asked for, or on auto when there is one."""
    import torch

    return "cuda" if wanted in ("cuda", "auto") and torch.cuda.is_available() else "cpu"


def _train_intent(chosen: Any, arguments: argparse.Namespace, console: Console) -> int:
    from nlu_models.training import SIZES  # torch loads slowly

    folder = Path(chosen.models) / KIND
    sources = arguments.data or [NLU_DATA]
    size = arguments.size or chosen.train_size
    encoder = encoders.resolve(chosen.encoder, Path(chosen.home))
    config = SIZES[size]
    config = replace(config, seed=arguments.seed, tune=replace(config.tune, lora_rank=arguments.lora))
    second_name = second_of(chosen.encoder, size, arguments.second)
    second = encoders.resolve(second_name, Path(chosen.home)) if second_name else None
    third_name = third_of(chosen.english_encoder, size, arguments.third)
    third = encoders.resolve(third_name, Path(chosen.home)) if third_name else None
    light = None if arguments.light == "none" else encoders.resolve(arguments.light, Path(chosen.home))
    pretrained = [_fingerprint(folder) for folder in (encoder, light, second, third) if folder]
    checksum = artifact.sha256_of(*sources, *pretrained, repr(config), LAYOUT)
    if not arguments.force and artifact.is_current(folder, KIND, checksum):
        console.print(f"intent: {artifact.read_manifest(folder, KIND).version} is up to date")
        return 0
    examples = [example for source in sources for example in dataset.read(source)]
    from nlu_models import report, training  # torch loads slowly; an up-to-date model needs none of it

    use_all_cores()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name, bars(console) as bar:
        task = bar.add_task("fine-tuning BERT", total=None)
        with report.Log(Path(chosen.home) / "logs" / "tensorboard" / f"intent-{time.strftime('%Y%m%d-%H%M%S')}") as log:

            def on_epoch(progress: Any) -> None:
                for measure, value in asdict(progress).items():
                    if measure not in ("epoch", "epochs") and value is not None:
                        log.add(measure, value, progress.epoch)

            trained = training.train_intent(
                examples,
                encoder,
                config,
                Path(name),
                second=second,
                second_english_only=second_name in encoders.ENGLISH_ONLY,
                light=light,
                third=third,
                third_english_only=third_name in encoders.ENGLISH_ONLY,
                device=device_of(chosen.device),
                threads=chosen.torch_threads,
                say=lambda text: console.print(f"intent: {text}"),
                on_step=lambda done, steps: bar.update(task, completed=done, total=steps),
                on_epoch=on_epoch,
            )
        gate_set = gate.read(GATE_DATA, examples)
        verdict = _judge(folder, trained.model, gate_set, arguments.accept, console)
        seconds = round(time.monotonic() - started, 1)
        metrics = {"gate": verdict.scores, "train_seconds": seconds, "size": size, "encoder": chosen.encoder}
        metrics |= {"light_encoder": arguments.light, "second_encoder": second_name, "third_encoder": third_name}
        target = folder if verdict.live else folder.with_name(f"{KIND}.candidate")
        manifest = training.save(trained, target, data_sha256=checksum, metrics=metrics)
        pages = report.write_intent(
            Path(chosen.home) / "reports" / f"intent-{manifest.version}", trained, manifest, gate_set
        )
    console.print(f"intent: {manifest.version} {'is live' if verdict.live else 'is NOT live'} ({seconds} s)")
    console.print(f"intent: accuracy {trained.metrics['accuracy']}, gate {verdict.scores}; report: {pages}")
    return 0


class _Verdict:
    """Whether the new model goes live, and the measured scores."""

    def __init__(self, live: bool, scores: dict[str, Any]) -> None:
        self.live, self.scores = live, scores


def _judge(folder: Path, model: IntentModel, gate_set: gate.GateSet, accept: bool, console: Console) -> _Verdict:
    new = gate.score(model, gate_set)
    scores: dict[str, Any] = {"new": asdict(new)}
    try:
        old_model = IntentModel.load(folder)
    except ArtifactError:  # none yet, or damaged: anything whole is better
        return _Verdict(True, scores)
    if set(old_model.labels) != set(model.labels):
        console.print("intent: the intents have changed, so the model in place no longer fits the dialogue")
        return _Verdict(True, scores)
    old = gate.score(old_model, gate_set)
    scores["old"] = asdict(old)
    if accept or not gate_set.examples or new.beats(old):
        return _Verdict(True, scores)
    console.print(
        f"intent: {old_model.version} stays: it is right on {old.accuracy:.3f} of the gate set, the new one on "
        f"{new.accuracy:.3f}; --accept puts the new one in place all the same"
    )
    return _Verdict(False, scores)


def _train_reply(chosen: Any, arguments: argparse.Namespace, console: Console) -> int:
    from nlu_models import reply_training

    return reply_training.run(chosen, arguments, console)


def _fingerprint(encoder: Path) -> str:
    """Which encoder it was: the checksum of a prepared one, else its configuration."""
    manifest = encoder / artifact.MANIFEST
    return artifact.sha256_of(manifest if manifest.exists() else encoder / "config.json")


def use_all_cores() -> None:
    import torch

    torch.set_num_threads(max(1, len(os.sched_getaffinity(0))))


def bars(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


if __name__ == "__main__":
    sys.exit(main())
