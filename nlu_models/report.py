"""The report of a training: one HTML page with its plots beside it, and TensorBoard logs."""

import html
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ensemble.artifact import Manifest
from ensemble.calibration import reliability
from nlu_models.gate import GateSet

if TYPE_CHECKING:
    from nlu_models.training import Trained

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1d2328}
table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #d5dade;padding:.25rem .6rem;text-align:left}
img{max-width:100%}@media(prefers-color-scheme:dark){body{background:#16191c;color:#e4e7ea}td,th{border-color:#3a4046}}"""


class Log:
    """TensorBoard scalars of one run: `tensorboard --logdir <home>/logs/tensorboard`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._writer: Any = SummaryWriter(str(self.folder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def add(self, measure: str, value: float, step: int) -> None:
        self._writer.add_scalar(measure, value, step)


def write_intent(folder: Path, trained: "Trained", manifest: Manifest, gate_set: GateSet) -> Path:
    """Write the page of an intent training; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = list(trained.model.labels)
    wanted = np.array([labels.index(example.label) for example in trained.validation])
    fused = trained.fused
    right, confidence = fused.argmax(axis=1) == wanted, fused.max(axis=1)
    plots = {
        "Confusion (validation)": _confusion(folder / "confusion.png", wanted, fused.argmax(axis=1), labels),
        "Reliability": _reliability(folder / "reliability.png", confidence, right),
        "Risk against coverage": _risk_coverage(folder / "risk_coverage.png", confidence, right),
    }
    if trained.epochs:
        plots["Fine-tuning"] = _epochs(folder / "epochs.png", trained.epochs)
    facts = {name: value for name, value in manifest.metrics.items() if not isinstance(value, dict)}
    parts = [
        f"<h1>Intent model {html.escape(manifest.version)}</h1>",
        table(["measure", "value"], [[name, value] for name, value in facts.items()]),
        "<h2>Gate set</h2>",
        table(["model", *_names(manifest.metrics.get("gate", {}))], _rows(manifest.metrics.get("gate", {}))),
        "<h2>Members and fusions</h2><p>Accuracy and log loss in five folds of the validation rows.</p>",
        table(["way", "accuracy", "log loss"], _trials(trained)),
        *(f'<h2>{title}</h2><img src="{path.name}" alt="{title}">' for title, path in plots.items()),
        "<h2>Least certain</h2>",
        table(["text", "label", "answer", "confidence"], _least_certain(trained, labels, fused, wanted)),
        "<h2>Wrong and sure</h2>",
        table(["text", "label", "answer", "confidence"], _least_certain(trained, labels, fused, wanted, wrong=True)),
        "<h2>Slowest</h2>",
        table(["text", "milliseconds"], _slowest(trained)),
    ]
    page = folder / "index.html"
    page.write_text(document(f"Intent model {manifest.version}", parts), encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps(manifest.metrics, indent=1, ensure_ascii=False), encoding="utf-8")
    return page


def document(title: str, parts: Sequence[str]) -> str:
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    return f"{head}<style>{STYLE}</style><body>{''.join(parts)}</body></html>"


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _names(scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return list(next(iter(scores.values()), {}))


def _rows(scores: Mapping[str, Mapping[str, Any]]) -> list[list[Any]]:
    return [[name, *(f"{value:.4f}" for value in each.values())] for name, each in scores.items()]


def _trials(trained: "Trained") -> list[list[str]]:
    return [[trial.way, f"{trial.accuracy:.4f}", f"{trial.log_loss:.4f}"] for trial in trained.trials]


def _least_certain(
    trained: "Trained", labels: Sequence[str], fused: NDArray[Any], wanted: NDArray[Any], *, wrong: bool = False
) -> list[list[str]]:
    confidence = fused.max(axis=1)
    rows = np.flatnonzero(fused.argmax(axis=1) != wanted) if wrong else np.arange(len(wanted))
    order = rows[np.argsort(-confidence[rows] if wrong else confidence[rows])][:25]
    return [
        [trained.validation[row].text, labels[wanted[row]], labels[int(fused[row].argmax())], f"{confidence[row]:.3f}"]
        for row in order
    ]


def _slowest(trained: "Trained") -> list[list[str]]:
    timed = []
    for example in trained.validation[:200]:
        started = time.perf_counter()
        trained.model.judge([example.text])
        timed.append((time.perf_counter() - started, example.text))
    timed.sort(reverse=True)
    return [[text, f"{seconds * 1000:.1f}"] for seconds, text in timed[:10]]


def _axes(width: float, height: float) -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(width, height), dpi=110)
    return figure, axes


def _save(figure: Any, path: Path) -> Path:
    from matplotlib import pyplot

    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
    return path


def _confusion(path: Path, wanted: NDArray[Any], answers: NDArray[Any], labels: Sequence[str]) -> Path:
    counts = np.zeros((len(labels), len(labels)))
    np.add.at(counts, (wanted, answers), 1)
    share = counts / np.clip(counts.sum(axis=1, keepdims=True), 1, None)
    size = max(5.0, len(labels) * 0.22)
    figure, axes = _axes(size, size)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7)
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.set_xlabel("answer")
    axes.set_ylabel("label")
    return _save(figure, path)


def _reliability(path: Path, confidence: NDArray[Any], right: NDArray[Any]) -> Path:
    bars = reliability(confidence, right, bins=10)
    figure, axes = _axes(5, 4)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot([bar.confidence for bar in bars], [bar.accuracy for bar in bars], marker="o")
    axes.set_xlabel("confidence")
    axes.set_ylabel("share right")
    return _save(figure, path)


def _risk_coverage(path: Path, confidence: NDArray[Any], right: NDArray[Any]) -> Path:
    order = np.argsort(-confidence)
    wrong = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    figure, axes = _axes(5, 4)
    axes.plot(np.arange(1, len(order) + 1) / len(order), wrong)
    axes.set_xlabel("share answered, surest first")
    axes.set_ylabel("share of those wrong")
    return _save(figure, path)


def _epochs(path: Path, epochs: Sequence[Any]) -> Path:
    figure, axes = _axes(5, 4)
    numbers = [each.epoch for each in epochs]
    axes.plot(numbers, [each.train_loss for each in epochs], marker="o", label="training loss")
    axes.plot(numbers, [each.validation_loss for each in epochs], marker="o", label="validation loss")
    axes.set_xlabel("epoch")
    axes.legend()
    return _save(figure, path)
