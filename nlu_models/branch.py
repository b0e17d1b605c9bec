"""One pretrained BERT in training: its linear model, its fine-tuned branch and its neighbours, on any of the rows.

Everything is computed from hidden states that are made once for all texts, so members can be fitted several times (on
parts for out-of-fold opinions, on everything to be served) at the price of the fine-tuning alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ensemble.calibration import softmax
from ensemble.combine import Scores
from nlu_models import bert, onnx_encoder, scope
from nlu_models.members import LinearOnVectors, Neighbours
from nlu_models.onnx_encoder import FILES, TUNED_FILES, OnnxEncoder

Rows = NDArray[np.int64]
FEW = 20  # examples an intent: below this the few-shot recipe is used
SMOOTHED_ON = 256  # texts that int8 is fitted to
FEWEST = 100  # fewer texts than this do not show the loud channels: MPNet fitted to 21 names lost 84 points
LOSS_TOLERANCE = 0.05  # share of the log loss that int8 may add


@dataclass(frozen=True)
class Texts:
    """An encoder and the texts as it sees them: as `written`, `hidden` states, pretrained unit `vectors`, `labels`.

    `readable`: (texts,) whether the encoder knows the language of the text.
    """

    written: Sequence[str]
    parts: bert.Parts
    hidden: bert.Hidden
    vectors: bert.Floats
    labels: Rows
    classes: int
    readable: NDArray[np.bool_]

    @classmethod
    def of(
        cls, encoder: Path, texts: Sequence[str], labels: Rows, classes: int, tune: bert.TuneConfig, device: str,
        readable: NDArray[np.bool_] | None = None,
    ) -> "Texts":  # fmt: skip
        parts = bert.load(encoder, layers=tune.layers, frozen=tune.frozen, max_tokens=tune.max_tokens)
        hidden = bert.Hidden(parts, texts, device)
        known = np.ones(len(texts), dtype=bool) if readable is None else readable
        return cls(texts, parts, hidden, bert.embed(parts, hidden), labels, classes, known)


@dataclass(frozen=True)
class Branch:
    """The members of one encoder, fitted on some rows. `epochs` were run, the best of them was number `best`."""

    tuned: bert.TunedUpper
    linear: LinearOnVectors
    neighbours: Neighbours
    close: Neighbours  # on fine-tuned vectors
    epochs: tuple[bert.Progress, ...]

    @property
    def best(self) -> int:
        """The epoch whose weights were kept (by accuracy less a tenth of the loss); the last one without validation."""
        worth = [(each.validation_accuracy or 0.0) - 0.1 * (each.validation_loss or 0.0) for each in self.epochs]
        return int(np.argmax(worth)) + 1 if self.epochs and self.epochs[0].validation_loss is not None else len(worth)


def fit(
    texts: Texts,
    rows: Rows,
    tune: bert.TuneConfig,
    *,
    strength: float,
    held: Rows | None = None,
    start: bert.TunedUpper | None = None,
    like: Neighbours | None = None,
    on_epoch: Callable[[bert.Progress], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Branch:
    """Fit on `rows`; with `held` rows the best epoch is kept and the neighbours' settings are chosen on them.

    Args:
        start: fine-tuning goes on from this model instead of from the pretrained layers.
        like: neighbours whose settings are taken over.
    """
    rows = rows[texts.readable[rows]]
    unseen = None if held is None else held[texts.readable[held]]
    wanted, vectors = texts.labels[rows], texts.vectors[rows]
    linear = LinearOnVectors.fit(vectors, wanted, texts.classes, strength=strength)
    epochs: list[bert.Progress] = []

    def epoch_done(progress: bert.Progress) -> None:
        epochs.append(progress)
        if on_epoch:
            on_epoch(progress)

    hidden = texts.hidden.take(rows)
    tuned = bert.fine_tune(
        texts.parts,
        hidden,
        wanted,
        texts.classes,
        tune,
        probe=(linear.weights, linear.bias),
        start=start,
        validation=None if unseen is None else (texts.hidden.take(unseen), texts.labels[unseen]),
        on_epoch=epoch_done,
        on_step=on_step,
    )
    close = Neighbours(bert.predict(tuned, hidden)[0], wanted, texts.classes)
    if like is not None:
        neighbours = replace(like, vectors=vectors, labels=wanted)
    else:
        checked = None if unseen is None else (texts.vectors[unseen], texts.labels[unseen])
        neighbours = Neighbours.fit(vectors, wanted, texts.classes, held=checked)
    return Branch(tuned, linear, neighbours, close, tuple(epochs))


@dataclass(frozen=True)
class Said:
    """A branch about some rows: (rows, classes) chances of its members, logits, (rows,) signs of scope.

    `elsewhere`: the similarity of the nearest training text of another intent, before fine-tuning.
    """

    tuned: Scores
    linear: Scores
    neighbours: Scores
    logits: bert.Floats
    nearest: NDArray[np.float64]
    nearest_pretrained: NDArray[np.float64]
    elsewhere: NDArray[np.float64]
    energy: NDArray[np.float64]


def opinions(texts: Texts, branch: Branch, rows: Rows, off_topic: int | None) -> Said:
    """What it says about rows it was not fitted on, in training precision; NaN about texts it cannot read."""
    asked = np.flatnonzero(texts.readable[rows])
    unit, logits = bert.predict(branch.tuned, texts.hidden.take(rows[asked]))
    vectors = texts.vectors[rows[asked]]

    def all_rows(values: NDArray[np.floating]) -> NDArray[np.float64]:
        full = np.full((len(rows), *values.shape[1:]), np.nan)
        full[asked] = values
        return full

    return Said(
        all_rows(softmax(logits)),
        all_rows(branch.linear(vectors)),
        all_rows(branch.neighbours(vectors)),
        np.asarray(all_rows(logits), np.float32),
        all_rows(branch.close.nearest(unit)),
        all_rows(branch.neighbours.nearest(vectors)),
        all_rows(branch.neighbours.nearest(vectors, beside=texts.labels[rows[asked]])),
        all_rows(scope.energy(logits, off_topic)),
    )


def export(
    texts: Texts,
    branch: Branch,
    folder: Path,
    *,
    precision: str,
    threads: int,
    rows: Rows,
    tolerance: float,
    say: Callable[[str], None],
    frozen: bool = True,
) -> OnnxEncoder:
    """Write the files that are served and load them; int8 stays only if it is as good on `rows` as what was tuned.

    As good is as right, but for `tolerance`, or as sure of the right labels, but for `LOSS_TOLERANCE`: of a few hundred
    texts a dozen that were undecided may change sides (a point of accuracy either way), while the loss hardly moves.

    Args:
        frozen: whether the branch as it was pretrained is served, too.
    """
    files = {name: folder / name for name in (FILES if frozen else TUNED_FILES)}
    known = smoothed_on(texts, rows)
    onnx_encoder.export(texts.parts, branch.tuned, folder, precision=precision, texts=known, frozen=frozen)
    served = OnnxEncoder(files, threads=threads)
    rows = rows[texts.readable[rows]]
    if precision != "int8" or not len(rows):
        return served
    wanted = texts.labels[rows]
    exact = _measured(bert.predict(branch.tuned, texts.hidden.take(rows))[1], wanted)
    small = _measured(served.encode([texts.written[row] for row in rows]).logits, wanted)
    say(
        f"on {len(rows)} texts: accuracy {exact[0]:.3f}, loss {exact[1]:.3f} as trained, "
        f"accuracy {small[0]:.3f}, loss {small[1]:.3f} in int8"
    )
    if small[0] >= exact[0] - tolerance or small[1] <= exact[1] * (1 + LOSS_TOLERANCE):
        return served
    say("int8 loses too much: serving float32")
    onnx_encoder.export(texts.parts, branch.tuned, folder, precision="float32", frozen=frozen)
    return OnnxEncoder(files, threads=threads)


def smoothed_on(texts: Texts, rows: Rows) -> list[str]:
    """What int8 is fitted to: texts not among `rows`, on which it is measured, if there are enough of them.

    In folds every row is held out once, and only names of intents are left. Labels are not looked at here.
    """
    readable = np.flatnonzero(texts.readable)
    known = np.setdiff1d(readable, rows)
    if len(known) < FEWEST:
        known = readable
    return [texts.written[row] for row in known[:: max(1, len(known) // SMOOTHED_ON)]]


def _measured(logits: bert.Floats, wanted: Rows) -> tuple[float, float]:
    """(accuracy, mean log loss)."""
    chances = softmax(logits)[np.arange(len(wanted)), wanted]
    return float((logits.argmax(axis=1) == wanted).mean()), float(-np.log(np.clip(chances, 1e-9, None)).mean())
