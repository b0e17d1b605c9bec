"""Training the intent model from examples: members on one part, fusion, calibration and scope on the other."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble import artifact
from ensemble.calibration import expected_calibration_error
from ensemble.combine import Scores
from nlu_models import bert, branch, dataset, folding, language
from nlu_models.dataset import Example
from nlu_models.fusion import BLEND, Cascade, Fusion, Trial, choose, held_out, log_loss
from nlu_models.intent import (
    BERT,
    KIND,
    LIGHT,
    OFF_TOPIC,
    SECOND,
    SIGN_OF,
    THIRD,
    Decision,
    IntentModel,
    Light,
    Members,
    Opinions,
    Second,
    Third,
    arrays_to,
    as_served,
    off_topic_of,
    signs_of,
    steps,
)
from nlu_models.onnx_encoder import FILES, TUNED_FILES
from nlu_models.scope import ELSEWHERE, Scope
from nlu_models.seen import Seen
from nlu_models.untuned import FILES as UNTUNED_FILES
from nlu_models.untuned import SentenceEncoder, Vectors
from nlu_models.untuned import export as export_untuned

Say = Callable[[str], None]


LIGHT_TUNE = bert.TuneConfig(
    epochs=5, learning_rate=1e-3, head_learning_rate=1e-2, dropout=0.3, label_smoothing=0.1, best_by="accuracy"
)


@dataclass(frozen=True)
class IntentConfig:
    """What `train_intent` may vary. `tune` holds the fine-tuning of BERT, `second_tune` that of a second one,
    `light_tune` that of the light encoder, on held-out rows of HWU64 right on 0.924 so, on 0.913 at twice the rate."""

    tune: bert.TuneConfig = field(default_factory=bert.TuneConfig)
    second_tune: bert.TuneConfig = field(default_factory=bert.TuneConfig)
    light_tune: bert.TuneConfig = LIGHT_TUNE
    most_visits: int = 0  # > 0: fewer epochs where there are many examples, so that so many are seen in all
    few_epochs: int = 0  # > 0: so many epochs where most intents have few examples, whose names then are examples too
    few_contrast: float = 0.0
    spare: float = 0.02  # share by which the log loss may grow for a second or third encoder less; < 0: all are asked
    validation_share: float = 0.15
    refit: bool = False  # learn from the held-out rows as well, once everything is chosen
    top_up: int = 2  # epochs over all rows with which a refit goes on; 0: it starts anew
    folds: int = 6  # a refit of few examples ...
    fold_below: int = 2000  # ... fewer than this: every row is held out once
    ngram_strength: float = 30.0
    linear_strength: float = 30.0
    seed: int = 0
    precision: str = "int8"
    tolerance: float = 0.01  # int8 may lose so much accuracy (see branch.export), else the model is served in float32


SIZES = {
    # small: the upper four layers, three CPU minutes for 4,000 examples; full: the upper six (all of MiniLM, half of
    # E5), to the end, a second encoder where there is one. Both learn from all rows in the end (small ones of four
    # seeds are right on 0.963 of the gate set on average, without it on 0.956).
    "small": IntentConfig(bert.TuneConfig(epochs=4, frozen=-4, patience=2), refit=True),  # one bad epoch is no end
    "full": IntentConfig(
        bert.TuneConfig(epochs=6, frozen=-6, best_by="accuracy", patience=2),
        bert.TuneConfig(epochs=2, frozen=-4, best_by="accuracy", patience=2),
        most_visits=36_000,
        few_epochs=8,
        refit=True,
    ),
}
DEAR = {"second": SECOND, "third": THIRD}  # the members of the encoders that need not be
STAGE_ROWS = 100  # fewer held-out rows left open are too few to fit another stage on
OFF_TOPIC_SHARE = 0.4  # of the off-topic texts held out in a refit: they are few, and scope is fitted on these alone


@dataclass(frozen=True)
class Trained:
    """A trained model still in memory, with what was measured. `opinions` are the members' on the validation rows."""

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
    second: Path | None = None,
    second_english_only: bool = False,
    light: Path | None = None,
    third: Path | None = None,
    third_english_only: bool = False,
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
        second: folder of another encoder, whose members are asked where the cheap ones leave a text open.
        second_english_only: the second one is not asked about Chinese.
        light: folder of an encoder so fast that it is asked before all others; it reads all languages.
        third: folder of one more encoder, which is not tuned; `third_english_only` as of the second.

    Raises:
        ValueError: fewer than two labels.
    """
    grouped = dataset.group_near_duplicates(examples)
    labels = dataset.labels_of(grouped)
    if len(labels) < 2:
        raise ValueError(f"an intent model needs at least two labels, got {labels}")
    in_folds = settings.refit and len(grouped) < settings.fold_below
    off_topic_share = OFF_TOPIC_SHARE if settings.refit else settings.validation_share
    splits = folding.plan(
        grouped,
        settings.validation_share,
        seed=settings.seed,
        folds=settings.folds if in_folds else 1,
        off_topic_share=off_topic_share,
    )
    folders = {BERT: encoder, **({LIGHT: light} if light else {}), **({"second": second} if second else {})}
    recipes = {BERT: settings.tune, LIGHT: settings.light_tune, "second": settings.second_tune}
    tunes = {
        name: bert.affordable(_recipe(settings, recipes[name], grouped), bert.width_of(folder), device)
        for name, folder in folders.items()
    }
    if named := _names(labels) if _few(settings, grouped) else []:
        places = len(grouped) + np.arange(len(named))
        splits = [(np.concatenate([train, places]), out) for train, out in splits]
        grouped = [*grouped, *named]
    for number, (train, out) in enumerate(splits):
        say(f"part {number + 1}: {len(train)} examples of {len(labels)} intents to learn from, {len(out)} held out")
    started = time.monotonic()
    texts, wanted = _columns(grouped, labels)
    english = np.array([language.detect(text) != "zh" for text in texts], dtype=bool)
    seen = {
        name: branch.Texts.of(
            folder,
            texts,
            wanted,
            len(labels),
            tunes[name],
            device,
            english if name == "second" and second_english_only else None,
        )
        for name, folder in folders.items()
    }
    read = english if third_english_only else np.ones(len(texts), dtype=bool)
    reader = _reader(third, work / "third", texts, threads) if third and read.any() else None
    vectors = Vectors.of(reader, texts, wanted, len(labels), read) if reader else None
    say(f"pretrained vectors: {time.monotonic() - started:.0f} s")
    epochs: list[bert.Progress] = []

    def epoch_done(progress: bert.Progress) -> None:
        epochs.append(progress)
        if on_epoch:
            on_epoch(progress)

    def fit(tuning: Mapping[str, bert.TuneConfig], rows: NDArray[np.int64], **more: Any) -> folding.Fitted:
        more |= {"linear_strength": settings.linear_strength, "ngram_strength": settings.ngram_strength}
        return folding.fit(grouped, seen, tuning, rows, vectors=vectors, on_step=on_step, **more)

    started = time.monotonic()
    parts = []
    off_topic = off_topic_of(labels)
    fitted = []
    for number, (train, out) in enumerate(splits):
        fitted.append(fit(tunes, train, held=out, on_epoch=epoch_done if number == 0 else None))
        if settings.refit:
            parts.append(folding.opinions(grouped, seen, fitted[-1], out, off_topic, vectors))
            say(f"part {number + 1}: right on held-out rows: {_shares(parts[-1], wanted[out])}")
    say(f"BERT fine-tuned: {time.monotonic() - started:.0f} s, {len(epochs)} epochs")
    held_rows = np.concatenate([out for _, out in splits])
    held = [grouped[row] for row in held_rows]
    final = fitted[-1]
    said = folding.joined(parts) if settings.refit else None
    spared = dispensable(said, held, labels, settings.spare, seed=settings.seed) if said else ()
    if said and spared:
        say(f"as sure of held-out rows without the {' and the '.join(spared)} encoder, which goes unasked")
        said = without(said, spared)
        seen = {name: texts for name, texts in seen.items() if name not in spared}
        tunes = {name: tune for name, tune in tunes.items() if name not in spared}
        reader, vectors = (None, None) if "third" in spared else (reader, vectors)
    if settings.refit:
        started = time.monotonic()
        go_on = settings.top_up > 0 and not in_folds
        again = {
            name: folding.slower(tune, settings.top_up)
            if go_on
            else replace(tune, epochs=folding.best_epochs(fitted, name))
            for name, tune in tunes.items()
        }
        final = fit(again, np.arange(len(grouped)), earlier=final, go_on=go_on)
        say(f"fitted on all {len(grouped)} examples: {time.monotonic() - started:.0f} s")
    started = time.monotonic()
    members, files = _members(seen, final, labels, work, settings, threads, held_rows, second_english_only, say)
    if reader and final.third:
        members = replace(members, third=Third(reader, final.third, third_english_only))
        files |= {f"third/{file}": work / "third" / file for file in UNTUNED_FILES}
        files |= {f"third/{part}.npz": arrays_to(arrays) for part, arrays in final.third.arrays().items()}
        files["third/third.json"] = json.dumps({"english_only": third_english_only}).encode()
    opinions = said or members.ask([example.text for example in held])
    rarer = 1.0 if in_folds else settings.validation_share / off_topic_share
    decision, trials = decide(opinions, held, labels, seed=settings.seed, rarer=rarer)
    opinions_served, fused = as_served(opinions, decision)
    say(f"exported, fused and calibrated: {time.monotonic() - started:.0f} s; fusion: {decision.full.way}")
    metrics = measure(opinions_served, fused, held, labels, decision) | {"unasked_encoders": list(spared)}
    seen_before = Seen.of(examples)
    files["seen.json"] = json.dumps(seen_before.to_json(), ensure_ascii=False).encode()
    model = IntentModel(members, decision, "unsaved", seen_before)
    return Trained(model, files, held, opinions, fused, trials, metrics, epochs)


def _reader(source: Path, folder: Path, texts: Sequence[str], threads: int) -> SentenceEncoder:
    export_untuned(source, folder, texts)
    return SentenceEncoder({name: folder / name for name in UNTUNED_FILES}, threads=threads)


def _few(settings: IntentConfig, examples: Sequence[Example]) -> bool:
    counts = Counter(example.label for example in examples)
    return settings.few_epochs > 0 and float(np.median(list(counts.values()))) <= branch.FEW


def _names(labels: Sequence[str]) -> list[Example]:
    """The intents' own names as examples: `card_arrival` says what it is about. They are only ever learnt from."""
    words = {label: " ".join(re.split(r"[\W_]+", label)).strip().lower() for label in labels if label != OFF_TOPIC}
    return [Example(text, label, "en", f"name of {label}") for label, text in words.items() if text]


def _recipe(settings: IntentConfig, tune: bert.TuneConfig, examples: Sequence[Example]) -> bert.TuneConfig:
    """The fine-tuning that fits the data: more epochs where examples are few, fewer where they are many."""
    tune = replace(tune, seed=settings.seed)
    if _few(settings, examples):
        return replace(tune, epochs=settings.few_epochs, contrast=settings.few_contrast, patience=settings.few_epochs)
    if settings.most_visits:
        return replace(tune, epochs=int(np.clip(round(settings.most_visits / len(examples)), 2, tune.epochs)))
    return tune


def _shares(said: Opinions, wanted: NDArray[np.int64]) -> dict[str, float]:
    shares = zip(said.names, said.scores, strict=True)
    return {name: round(folding.share_of(scores, wanted), 4) for name, scores in shares}


def _columns(examples: Sequence[Example], labels: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    number = {label: column for column, label in enumerate(labels)}
    wanted = np.array([number[example.label] for example in examples], dtype=np.int64)
    return [example.text for example in examples], wanted


def _members(
    seen: Mapping[str, branch.Texts],
    final: folding.Fitted,
    labels: Sequence[str],
    work: Path,
    settings: IntentConfig,
    threads: int,
    checked: NDArray[np.int64],
    second_english_only: bool,
    say: Say,
) -> tuple[Members, dict[str, bytes | Path]]:
    """The members of the tuned encoders as they are served, and the files they are made of."""
    served = {}
    files: dict[str, bytes | Path] = {"ngrams.npz": arrays_to(final.ngrams.arrays())}
    for name, texts in seen.items():
        one, place = final.branches[name], "" if name == BERT else f"{name}/"
        pretrained = name != "second"  # of which only the fine-tuned branch is asked
        served[name] = branch.export(
            texts,
            one,
            work / name,
            precision=settings.precision,
            threads=threads,
            rows=checked[:2000],
            tolerance=settings.tolerance,
            say=lambda text, name=name: say(f"{name}: {text}"),  # type: ignore[misc]
            frozen=pretrained,
        )
        files |= {f"{place}encoder/{file}": work / name / file for file in (FILES if pretrained else TUNED_FILES)}
        if pretrained:
            files[f"{place}linear.npz"] = arrays_to(one.linear.arrays())
            files[f"{place}neighbours.npz"] = arrays_to(one.neighbours.arrays())
        if name != LIGHT:  # how near the tuned ones are is no sign that the light one gives
            files[f"{place}tuned.npz"] = arrays_to(one.close.arrays())
    first, light, second = final.branches[BERT], final.branches.get(LIGHT), final.branches.get("second")
    made = Members(tuple(labels), served[BERT], final.ngrams, first.linear, first.neighbours, first.close)
    if light:
        made = replace(made, light=Light(served[LIGHT], light.linear, light.neighbours))
    if second:
        other = Second(served["second"], second.close, second_english_only)
        made = replace(made, second=other)
        files["second/second.json"] = json.dumps({"english_only": second_english_only}).encode()
    return made, files


def decide(
    opinions: Opinions, held: Sequence[Example], labels: Sequence[str], *, seed: int = 0, rarer: float = 1.0
) -> tuple[Decision, list[Trial]]:
    """Choose the fusion, fit the cascade, the scope and the confidence below which the bot asks back.

    Args:
        rarer: how often an off-topic text comes for each that is held out.
    """
    _, wanted = _columns(held, labels)
    groups = [example.group for example in held]
    full, trials = choose(opinions.names, opinions.scores, wanted, groups=groups, seed=seed)
    decided = Decision(_stages(opinions, wanted, full), full, None, 0.0)
    served, fused = as_served(opinions, decided)  # scope and confidence are fitted on what serving will see
    in_scope = np.array([example.label != OFF_TOPIC for example in held])
    if not in_scope.all() and in_scope.any():
        known = Scope.fit(signs_of(served, fused, labels), in_scope, rarer=rarer)
    else:  # nothing off topic was ever shown: what it would look like is made up from the rows themselves
        strange, chances = as_served(absent(opinions, wanted), decided)
        known = Scope.fit_without(
            signs_of(served, fused, labels),
            signs_of(strange, chances, labels),
            lambda answered: _matthews(np.concatenate([fused, chances]), answered, wanted),
        )
    weight = np.where(in_scope, 1.0, rarer)
    return replace(decided, scope=known, min_confidence=_min_confidence(fused, wanted, weight)), trials


def dispensable(
    opinions: Opinions, held: Sequence[Example], labels: Sequence[str], spare: float, *, seed: int = 0
) -> tuple[str, ...]:
    """The encoders of `DEAR` that all members together do as well without, on held-out rows.

    Each set of encoders is blended and judged in five folds of these rows by log loss. Of the sets whose loss is at
    most this share above the least one that with the fewest encoders is asked, of those as many the surest; below zero
    none goes unasked.
    """
    there = [name for name, members in DEAR.items() if members[0] in opinions.names]
    if not there or spare < 0:
        return ()
    _, wanted = _columns(held, labels)
    groups = [example.group for example in held]
    losses = {}
    for spared in (some for count in range(len(there) + 1) for some in combinations(there, count)):
        rest = without(opinions, spared)
        fused = held_out(BLEND, rest.names, rest.scores, wanted, groups=groups, seed=seed)
        losses[spared] = log_loss(fused, wanted)
    enough = min(losses.values()) * (1 + spare)
    return min(losses, key=lambda spared: (losses[spared] > enough, -len(spared), losses[spared]))


def without(opinions: Opinions, spared: Sequence[str]) -> Opinions:
    """The same opinions as if these encoders of `DEAR` had not been there."""
    gone = {member for name in spared for member in DEAR[name]}
    names = tuple(name for name in opinions.names if name not in gone)
    more = {sign: values for sign, values in opinions.more.items() if SIGN_OF[sign] not in gone}
    return replace(opinions, names=names, scores=opinions.of(names), more=more)


def _stages(opinions: Opinions, wanted: NDArray[np.int64], full: Fusion) -> tuple[Cascade, ...]:
    """One stage a step but for the last, each fitted on what those before it leave open, if that is enough."""
    slow = full(opinions.scores)
    stages: list[Cascade] = []
    left, asked = np.arange(len(wanted)), tuple[str, ...]()
    *early, last = steps(opinions.names)
    for step in early:
        asked = (*asked, *step)
        if stages and len(left) < STAGE_ROWS:
            break
        scores = opinions.of(asked)[:, left]
        dear = step == early[-1] and THIRD[0] in last
        stages.append(Cascade.fit(asked, step, scores, wanted[left], slow[left], before_dear=dear))
        left = left[~stages[-1].settles(scores, stages[-1].fusion(scores))]
    return tuple(stages)


STRANGE = 1 / 3  # share of the texts that the shop does not serve, where it is not known


def absent(opinions: Opinions, wanted: NDArray[np.int64]) -> Opinions:
    """The same held-out texts as if their own intent did not exist: what customers ask and the shop does not serve."""
    scores = opinions.scores.copy()
    scores[:, np.arange(len(wanted)), wanted] = 1e-6
    scores /= scores.sum(axis=2, keepdims=True)
    unlike = {name: opinions.more[other] for name, other in ELSEWHERE.items() if other in opinions.more}
    return replace(opinions, scores=scores, more={**opinions.more, **unlike})


def rejection_limit(answers: Callable[[Opinions], Scores], opinions: Opinions, wanted: NDArray[np.int64]) -> float:
    """The confidence below which a member or fusion that knows no off-topic texts best rejects: the limit with the best
    Matthews correlation over held-out texts and `absent` ones."""
    chances = np.concatenate([answers(opinions), answers(absent(opinions, wanted))])
    limits = np.arange(0.0, 0.96, 0.02)
    worth = [_matthews(chances, chances.max(axis=1) >= limit, wanted) for limit in limits]
    return float(limits[int(np.argmax(worth))])


def _matthews(chances: Scores, answered: NDArray[np.bool_], wanted: NDArray[np.int64]) -> float:
    """Of texts followed by the same ones as strangers, which are a `STRANGE` share; who is not answered is told so."""
    from sklearn.metrics import matthews_corrcoef

    truth = np.concatenate([wanted, np.full(len(wanted), -1)])
    weight = np.where(truth >= 0, 1 - STRANGE, STRANGE)
    return float(matthews_corrcoef(truth, np.where(answered, chances.argmax(axis=1), -1), sample_weight=weight))


def _min_confidence(fused: Scores, wanted: NDArray[np.int64], weight: Scores, *, wrong_share: float = 0.6) -> float:
    """Below this confidence at least `wrong_share` of the answers on validation are wrong; 0 when nowhere so."""
    confidence, right = fused.max(axis=1), fused.argmax(axis=1) == wanted
    for limit in (0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15):
        low = confidence < limit
        if low.sum() >= 5 and np.average(~right[low], weights=weight[low]) >= wrong_share:
            return limit
    return 0.0


def settled(served: Opinions, decision: Decision) -> dict[str, float]:
    """Share of the texts that are settled after each stage, by the last member it asks."""
    spoken = np.logical_not(np.isnan(served.scores).all(axis=2))  # (members, rows)
    shares = {}
    for stage in decision.stages:
        later = [place for place, name in enumerate(served.names) if name not in stage.fusion.members]
        shares[stage.fusion.members[-1]] = round(1 - float(np.any(spoken[later], axis=0).mean()), 4)
    return shares


def measure(
    opinions: Opinions, fused: Scores, held: Sequence[Example], labels: Sequence[str], decision: Decision
) -> dict[str, Any]:
    """Figures on the validation rows, which fusion and calibration have seen: for the report, not for publication."""
    from sklearn.metrics import f1_score

    _, wanted = _columns(held, labels)
    best = fused.argmax(axis=1)
    each = {
        name: round(float((scores[asked].argmax(axis=1) == wanted[asked]).mean()), 4)
        for name, scores in zip(opinions.names, opinions.scores, strict=True)
        if (asked := ~np.isnan(scores).all(axis=1)).any()
    }
    metrics = {
        "accuracy": round(float((best == wanted).mean()), 4),
        "macro_f1": round(float(f1_score(wanted, best, average="macro")), 4),
        "ece": round(expected_calibration_error(fused.max(axis=1), best == wanted), 4),
        "members": each,
        "fusion": decision.full.way,
        "settled": settled(opinions, decision),
        "validation_rows": len(held),
        "by_language": {
            tongue: round(float((best == wanted)[rows].mean()), 4)
            for tongue in ("en", "zh")
            if (rows := np.array([example.language == tongue for example in held])).any()
        },
    }
    if decision.scope is not None and OFF_TOPIC in labels:
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
    rows = [{"text": example.text, "label": example.label, "group": example.group} for example in trained.validation]
    opinions: dict[str, NDArray[Any]] = {
        "scores": trained.opinions.scores.astype(np.float16),
        "logits": trained.opinions.logits.astype(np.float16),
        "nearest": trained.opinions.nearest,
        **{f"more_{name}": values for name, values in trained.opinions.more.items()},
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
