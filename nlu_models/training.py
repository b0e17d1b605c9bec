"""Training the intent model from examples: members on one part, fusion, calibration and scope on the other."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble import artifact
from ensemble.calibration import expected_calibration_error
from ensemble.combine import Scores
from ensemble.stacking import check_disjoint
from nlu_models import bert, dataset, onnx_encoder
from nlu_models.dataset import Example
from nlu_models.fusion import Cascade, Trial, choose
from nlu_models.intent import (
    CHEAP,
    KIND,
    MEMBERS,
    OFF_TOPIC,
    Decision,
    IntentModel,
    Members,
    Opinions,
    arrays_to,
    fuse,
    signs_of,
)
from nlu_models.members import LinearOnVectors, Neighbours, NGrams
from nlu_models.onnx_encoder import FILES, OnnxEncoder
from nlu_models.scope import Scope

Say = Callable[[str], None]


@dataclass(frozen=True)
class IntentConfig:
    """What `train_intent` may vary. `tune` holds the fine-tuning of BERT."""

    tune: bert.TuneConfig = field(default_factory=bert.TuneConfig)
    validation_share: float = 0.15
    ngram_strength: float = 30.0
    linear_strength: float = 30.0
    seed: int = 0
    precision: str = "int8"
    tolerance: float = 0.01  # int8 may lose so much validation accuracy, else the model is served in float32


SIZES = {
    # small: upper third of the encoder, about three CPU minutes for 4,000 examples; full: two thirds, to the end
    "small": IntentConfig(bert.TuneConfig(epochs=4, frozen=8, patience=1)),
    "full": IntentConfig(bert.TuneConfig(epochs=10, frozen=2, learning_rate=1e-4, patience=3)),
}


@dataclass(frozen=True)
class Trained:
    """A trained model still in memory, with what was measured. `scores` are the members' on the validation rows."""

    model: IntentModel
    files: Mapping[str, bytes | Path]
    validation: Sequence[Example]
    opinions: Opinions
    fused: Scores
    trials: Sequence[Trial]
    metrics: Mapping[str, Any]
    epochs: Sequence[bert.Progress]


def train_intent(
    examples: Sequence[Example],
    encoder: Path,
    settings: IntentConfig,
    work: Path,
    *,
    device: str = "cpu",
    threads: int = 1,
    say: Say = lambda text: None,
    on_step: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[bert.Progress], None] | None = None,
) -> Trained:
    """Train all members and what joins them.

    Args:
        examples: labelled texts; label `out_of_scope` is off topic and teaches the scope as well.
        encoder: folder of a BERT-like encoder.
        work: folder for the exported files; must outlive the result until it is saved.

    Raises:
        ValueError: fewer than two labels.
    """
    grouped = dataset.group_near_duplicates(examples)
    train, held = dataset.split(grouped, settings.validation_share, seed=settings.seed)
    check_disjoint(train={example.group for example in train}, validation={example.group for example in held})
    labels = dataset.labels_of(train)
    if len(labels) < 2:
        raise ValueError(f"an intent model needs at least two labels, got {labels}")
    held = [example for example in held if example.label in set(labels)]
    tune = replace(settings.tune, seed=settings.seed)
    say(f"{len(train)} examples of {len(labels)} intents to learn from, {len(held)} to choose and calibrate with")
    parts = bert.load(encoder, layers=tune.layers, frozen=tune.frozen, max_tokens=tune.max_tokens)
    texts, wanted = _columns(train, labels)
    held_texts, held_wanted = _columns(held, labels)
    started = time.monotonic()
    hidden, held_hidden = bert.Hidden(parts, texts, device), bert.Hidden(parts, held_texts, device)
    vectors = bert.embed(parts, hidden)
    linear = LinearOnVectors.fit(vectors, wanted, len(labels), strength=settings.linear_strength)
    say(f"pretrained vectors and their linear model: {time.monotonic() - started:.0f} s")
    epochs: list[bert.Progress] = []

    def epoch_done(progress: bert.Progress) -> None:
        epochs.append(progress)
        if on_epoch:
            on_epoch(progress)

    started = time.monotonic()
    tuned = bert.fine_tune(
        parts,
        hidden,
        wanted,
        len(labels),
        tune,
        probe=(linear.weights, linear.bias),
        validation=(held_hidden, held_wanted) if held else None,
        on_epoch=epoch_done,
        on_step=on_step,
    )
    tuned_vectors, _ = bert.predict(tuned, hidden)
    say(f"BERT fine-tuned: {time.monotonic() - started:.0f} s, {len(epochs)} epochs")
    ngrams = NGrams.fit(texts, wanted, len(labels), strength=settings.ngram_strength)
    started = time.monotonic()
    exact = bert.predict(tuned, held_hidden)[1].argmax(axis=1) == held_wanted
    served = _served(parts, tuned, work, settings, threads, held_texts, held_wanted, exact, say)
    held_vectors = bert.embed(parts, held_hidden)
    neighbours = Neighbours.fit(vectors, wanted, len(labels), held=(held_vectors, held_wanted))
    close = Neighbours(tuned_vectors, wanted, len(labels))
    members = Members(tuple(labels), served, ngrams, linear, neighbours, close)
    opinions = members.ask(held_texts)
    decision, trials = decide(opinions, held, labels, MEMBERS, seed=settings.seed)
    opinions_served = as_served(opinions, decision.cascade)
    fused = fuse(opinions_served, decision)
    say(f"exported, fused and calibrated: {time.monotonic() - started:.0f} s; fusion: {decision.full.way}")
    files: dict[str, bytes | Path] = {f"encoder/{name}": work / name for name in FILES}
    files |= {
        "ngrams.npz": arrays_to(ngrams.arrays()),
        "linear.npz": arrays_to(linear.arrays()),
        "neighbours.npz": arrays_to(neighbours.arrays()),
        "tuned.npz": arrays_to(close.arrays()),
    }
    metrics = measure(opinions_served, fused, held, labels, decision)
    model = IntentModel(members, decision, "unsaved")
    return Trained(model, files, held, opinions, fused, trials, metrics, epochs)


def _columns(examples: Sequence[Example], labels: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    number = {label: column for column, label in enumerate(labels)}
    wanted = np.array([number[example.label] for example in examples], dtype=np.int64)
    return [example.text for example in examples], wanted


def _served(
    parts: bert.Parts,
    tuned: bert.TunedUpper,
    work: Path,
    settings: IntentConfig,
    threads: int,
    texts: Sequence[str],
    wanted: NDArray[np.int64],
    exact: NDArray[np.bool_],
    say: Say,
) -> OnnxEncoder:
    """Export in the wanted precision; int8 is kept only if it is as accurate as what was trained."""
    files = {name: work / name for name in FILES}
    onnx_encoder.export(parts, tuned, work, precision=settings.precision)
    served = OnnxEncoder(files, threads=threads)
    if settings.precision != "int8" or not len(texts):
        return served
    small = served.encode(texts).logits.argmax(axis=1) == wanted
    say(f"accuracy of BERT on validation: {exact.mean():.3f} as trained, {small.mean():.3f} in int8")
    if small.mean() >= exact.mean() - settings.tolerance:
        return served
    say("int8 loses too much: serving float32")
    onnx_encoder.export(parts, tuned, work, precision="float32")
    return OnnxEncoder(files, threads=threads)


def decide(
    opinions: Opinions, held: Sequence[Example], labels: Sequence[str], members: Sequence[str], *, seed: int = 0
) -> tuple[Decision, list[Trial]]:
    """Choose the fusion, fit the cascade, the scope and the confidence below which the bot asks back."""
    _, wanted = _columns(held, labels)
    groups = [example.group for example in held]
    full, trials = choose(members, opinions.scores, wanted, groups=groups, seed=seed)
    cascade = Cascade.fit(members, CHEAP, opinions.scores, wanted, full)
    served = as_served(opinions, cascade)  # scope and confidence are fitted on what serving will see
    fused = fuse(served, Decision(cascade, full, None, 0.0))
    in_scope = np.array([example.label != OFF_TOPIC for example in held])
    known = None
    if not in_scope.all() and in_scope.any():
        known = Scope.fit(signs_of(served, fused, labels), in_scope)
    return Decision(cascade, full, known, _min_confidence(fused, wanted)), trials


def as_served(opinions: Opinions, cascade: Cascade) -> Opinions:
    """The opinions without those of the dear members on rows the cascade settles early."""
    settled = cascade.settled(opinions.scores[: len(CHEAP)])
    scores = opinions.scores.copy()
    scores[len(CHEAP) :, settled] = np.nan
    likelihood = opinions.likelihood
    if likelihood is not None:
        likelihood = np.where(settled, np.nan, likelihood)
    return replace(opinions, scores=scores, likelihood=likelihood)


def _min_confidence(fused: Scores, wanted: NDArray[np.int64], *, wrong_share: float = 0.6) -> float:
    """Below this confidence at least `wrong_share` of the answers on validation are wrong; 0 when nowhere so."""
    confidence, right = fused.max(axis=1), fused.argmax(axis=1) == wanted
    for limit in (0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15):
        low = confidence < limit
        if low.sum() >= 5 and (~right[low]).mean() >= wrong_share:
            return limit
    return 0.0


def measure(
    opinions: Opinions, fused: Scores, held: Sequence[Example], labels: Sequence[str], decision: Decision
) -> dict[str, Any]:
    """Figures on the validation rows, which fusion and calibration have seen: for the report, not for publication."""
    from sklearn.metrics import f1_score

    _, wanted = _columns(held, labels)
    best = fused.argmax(axis=1)
    each = {
        name: round(float((scores[asked].argmax(axis=1) == wanted[asked]).mean()), 4)
        for name, scores in zip(decision.full.members, opinions.scores, strict=False)
        if (asked := ~np.isnan(scores).all(axis=1)).any()
    }
    settled = decision.cascade.settled(opinions.scores[: len(CHEAP)])
    metrics = {
        "accuracy": round(float((best == wanted).mean()), 4),
        "macro_f1": round(float(f1_score(wanted, best, average="macro")), 4),
        "ece": round(expected_calibration_error(fused.max(axis=1), best == wanted), 4),
        "members": each,
        "fusion": decision.full.way,
        "settled_by_cheap_members": round(float(settled.mean()), 4),
        "validation_rows": len(held),
        "by_language": {
            tongue: round(float((best == wanted)[rows].mean()), 4)
            for tongue in ("en", "zh")
            if (rows := np.array([example.language == tongue for example in held])).any()
        },
    }
    if decision.scope is not None:
        metrics |= _scope_metrics(opinions, fused, held, labels, decision.scope)
    return metrics


def _scope_metrics(
    opinions: Opinions, fused: Scores, held: Sequence[Example], labels: Sequence[str], known: Scope
) -> dict[str, Any]:
    from sklearn.metrics import roc_auc_score

    in_scope = np.array([example.label != OFF_TOPIC for example in held])
    chance = known(signs_of(opinions, fused, labels))
    return {
        "scope_auroc": round(float(roc_auc_score(in_scope, chance)), 4),
        "in_scope_kept": round(float((chance[in_scope] >= known.threshold).mean()), 4),
        "out_of_scope_stopped": round(float((chance[~in_scope] < known.threshold).mean()), 4),
    }


def save(trained: Trained, folder: Path, *, data_sha256: str, metrics: Mapping[str, Any]) -> artifact.Manifest:
    """Write the artifact, with the members' validation scores, so that GPT-2 can join without training anew."""
    import json

    rows = [{"text": example.text, "label": example.label, "group": example.group} for example in trained.validation]
    opinions: dict[str, NDArray[Any]] = {
        "scores": trained.opinions.scores.astype(np.float16),
        "logits": trained.opinions.logits.astype(np.float16),
        "nearest": trained.opinions.nearest,
    }
    files = {
        **trained.files,
        "decision.json": json.dumps(trained.model.decision.to_json()).encode(),
        "validation.json": json.dumps(rows, ensure_ascii=False).encode(),
        "validation.npz": arrays_to(opinions),
    }
    return artifact.save(
        folder,
        KIND,
        files,
        data_sha256=data_sha256,
        labels=trained.model.labels,
        metrics={**trained.metrics, **metrics},
    )
