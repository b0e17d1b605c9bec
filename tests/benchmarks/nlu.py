"""`kefu bench nlu`: the intent ensemble on public data sets, every member and every fusion, beside its best member.

Each data set is split by its authors; training and choosing happen on train (and validation) rows alone, and the rows
are proven disjoint from the test rows before anything is trained. Folders read: banking77, clinc150, hwu64,
hint3*, smp2017_zh.
"""

import gzip
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ensemble.calibration import expected_calibration_error
from ensemble.stacking import check_disjoint
from nlu_models import dataset, encoders, training
from nlu_models.dataset import OUT_OF_SCOPE, Example
from nlu_models.fusion import WAYS, Fusion
from nlu_models.intent import MEMBERS, OFF_TOPIC, fuse, signs_of
from tests.benchmarks import report
from tests.benchmarks.report import Row


@dataclass(frozen=True)
class Split:
    """One data set: `train` may be held out from for validation; `measure` is accuracy, mcc, macro_f1 or scope."""

    name: str
    train: tuple[Example, ...]
    test: tuple[Example, ...]
    measure: str
    encoder: str = "offline-en"


def disjoint(split: Split) -> Split:
    """The same split without training rows whose text is also in the test; what is left is proven disjoint."""
    unseen = {_key(example) for example in split.test}
    kept = tuple(example for example in split.train if _key(example) not in unseen)
    check_disjoint(train={_key(example) for example in kept}, test=unseen)
    return replace(split, train=kept)


def _key(example: Example) -> str:
    return " ".join(example.text.lower().split())


def splits(data: Path, *, seed: int = 0) -> Iterator[Split]:
    """Every data set that is there, smallest first."""
    for folder in sorted(data.glob("hint3*")):
        for train in sorted(folder.glob("*_train.csv")):
            name, kind = train.name.removesuffix("_train.csv"), "subset"
            test = folder / f"{name.removesuffix('_' + kind)}_test.csv"
            if test.exists():
                shown = "hint3_sofmattress" if name == "sofmattress_v2" else f"hint3_{name}"
                yield Split(shown, _read(train), _read(test), "mcc")
    folder = data / "smp2017_zh"
    if folder.is_dir():
        tests = [example for path in sorted(folder.glob("test*.csv")) for example in _read(path)]
        # without published test labels the development rows are the test
        test = tuple(tests) or _read(folder / "develop.csv")
        train = _read(folder / "train.csv") + (_read(folder / "develop.csv") if tests else ())
        yield Split("smp2017_zh", train, test, "macro_f1", "offline")
    folder = data / "banking77"
    if folder.is_dir():
        train, test = _read(folder / "train.csv"), _read(folder / "test.csv")
        yield Split("banking77_10shot", _shots(train, 10, seed), test, "accuracy")
    folder = data / "hwu64"
    if folder.is_dir():
        train = _read(folder / "train.csv") + _read(folder / "valid.csv")
        yield Split("hwu64", train, _read(folder / "test.csv"), "accuracy")
    folder = data / "banking77"
    if folder.is_dir():
        yield Split("banking77", _read(folder / "train.csv"), _read(folder / "test.csv"), "accuracy")
    if (path := data / "clinc150" / "data_full.json.gz").exists():
        rows = json.loads(gzip.decompress(path.read_bytes()))

        def part(*names: str) -> tuple[Example, ...]:
            return tuple(_example(text, label) for name in names for text, label in rows[name])

        yield Split("clinc150", part("train", "val", "oos_train", "oos_val"), part("test", "oos_test"), "scope")


def _read(path: Path) -> tuple[Example, ...]:
    return tuple(_example(example.text, example.label) for example in dataset.read(path))


def _example(text: str, label: str) -> Example:
    return Example(text, OFF_TOPIC if label.lower() in OUT_OF_SCOPE else label)


def _shots(examples: Sequence[Example], count: int, seed: int) -> tuple[Example, ...]:
    rng = np.random.default_rng(seed)
    chosen: list[Example] = []
    for label in dataset.labels_of(examples):
        rows = [example for example in examples if example.label == label]
        chosen += [rows[place] for place in rng.permutation(len(rows))[:count]]
    return tuple(chosen)


def run(split: Split, encoder: Path, epochs: int) -> list[Row]:
    """Train on the split's training rows, measure every member, fusion and the served cascade on its test rows."""
    split = disjoint(split)
    base = training.SIZES["full"]
    config = replace(base, tune=replace(base.tune, epochs=epochs, frozen=0, learning_rate=2e-4, patience=3))
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as work:
        trained = training.train_intent(split.train, encoder, config, Path(work))
        seconds = time.perf_counter() - started
        labels = list(trained.model.labels)
        texts = [example.text for example in split.test]
        wanted = np.array([labels.index(one.label) if one.label in labels else -1 for one in split.test])
        began = time.perf_counter()
        opinions = trained.model.members.ask(texts)
        rate = len(texts) / (time.perf_counter() - began)
        number = {label: place for place, label in enumerate(labels)}
        held = np.array([number[example.label] for example in trained.validation])
        systems = dict(zip(MEMBERS, opinions.scores, strict=True))
        for way in WAYS:
            fitted = Fusion.fit(way, MEMBERS, trained.opinions.scores, held)
            systems[way] = fitted(opinions.scores)
        served = training.as_served(opinions, trained.model.decision.cascade)
        systems["cascade"] = fuse(served, trained.model.decision)
        systems["kefu"] = trained.model.decision.full(opinions.scores)
        rows = [
            Row(split.name, system, split.measure if split.measure != "scope" else "in_scope_accuracy", *measured)
            for system, scores in systems.items()
            if (measured := _measured(split, scores, wanted, labels))
        ]
        rows += _over_best(split, systems, wanted, labels)
        rows.append(_ece(split, systems["kefu"], wanted))
        if split.measure == "scope" and trained.model.decision.scope is not None:
            chance = trained.model.decision.scope(signs_of(served, systems["cascade"], labels))
            rows += _scope(split, chance)
        rows.append(Row(split.name, "kefu", "train_seconds", seconds))
        rows.append(Row(split.name, "kefu", "parses_per_second_all_members", rate))
    return rows


def _values(split: Split, scores: np.ndarray, wanted: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """(cases, 2): answer and label, over the rows the measure counts."""
    answers = scores.argmax(axis=1)
    off = labels.index(OFF_TOPIC) if OFF_TOPIC in labels else -1
    label = np.where(wanted < 0, off, wanted)
    if split.measure == "scope":
        keep = wanted != off
        answers, label = answers[keep], label[keep]
    if split.measure == "mcc" and off < 0:
        sure = scores.max(axis=1) >= 0.5  # a model without a class for it rejects what it is unsure of
        answers = np.where(sure, answers, -1)
    return np.stack([answers, label], axis=1)


def _statistic(split: Split, sample: np.ndarray) -> float:
    from sklearn.metrics import f1_score, matthews_corrcoef

    if split.measure == "mcc":
        return float(matthews_corrcoef(sample[:, 1], sample[:, 0]))
    if split.measure == "macro_f1":
        return float(f1_score(sample[:, 1], sample[:, 0], average="macro", zero_division=0))
    return float((sample[:, 0] == sample[:, 1]).mean())


def _measured(
    split: Split, scores: np.ndarray, wanted: np.ndarray, labels: Sequence[str]
) -> tuple[float, float, float]:
    return report.interval(_values(split, scores, wanted, labels), lambda sample: _statistic(split, sample), rounds=300)


def _over_best(split: Split, systems: dict[str, np.ndarray], wanted: np.ndarray, labels: Sequence[str]) -> list[Row]:
    """The ensemble less its best member, on the same drawn rows."""
    values = {name: _values(split, scores, wanted, labels) for name, scores in systems.items()}
    best = max(MEMBERS, key=lambda name: _statistic(split, values[name]))
    joined = np.concatenate([values["kefu"], values[best]], axis=1)
    gain = report.interval(
        joined, lambda sample: _statistic(split, sample[:, :2]) - _statistic(split, sample[:, 2:]), rounds=300
    )
    return [Row(split.name, f"kefu over {best}", "over_best_member", *gain)]


def _ece(split: Split, scores: np.ndarray, wanted: np.ndarray) -> Row:
    known = wanted >= 0
    right = scores[known].argmax(axis=1) == wanted[known]
    return Row(split.name, "kefu", "ece", expected_calibration_error(scores[known].max(axis=1), right))


def _scope(split: Split, chance: np.ndarray) -> list[Row]:
    """AUROC, and the share of off-topic texts stopped at the threshold that keeps 96 % of the others."""
    from sklearn.metrics import roc_auc_score

    inside = np.array([example.label != OFF_TOPIC for example in split.test])
    threshold = np.quantile(chance[inside], 0.04)
    return [
        Row(split.name, "kefu", "oos_auroc", float(roc_auc_score(inside, chance))),
        Row(split.name, "kefu", "oos_recall", *report.interval(chance[~inside] < threshold, rounds=300)),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    from bot import settings

    parser = report.parser("nlu", "Intents, scope and calibration on public data sets")
    parser.add_argument("--only", action="append", help="name of a data set; may be repeated")
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args(argv)
    home = Path(settings.load().home)
    chosen = [each for each in splits(arguments.data) if not arguments.only or each.name in arguments.only]
    if not chosen:
        print(f"bench nlu: no data sets in {arguments.data}")
        return 2
    rows: list[Row] = []
    with report.progress() as bar:
        task = bar.add_task("data sets", total=len(chosen))
        for split in chosen:
            rows += run(split, encoders.resolve(split.encoder, home), arguments.epochs)
            bar.advance(task)
    report.write(rows, title="nlu", json_file=arguments.json, plots=arguments.plots)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
