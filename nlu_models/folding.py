"""Opinions of members on rows they were not trained on, and the members that are served in the end.

Three ways, by how many examples there are:

held out          one part is held out to choose and calibrate with, and the members fitted on the rest are served
held out, refit   the same, then the members go on learning for a little while from all rows
folds, refit      every row is held out once (few rows: each is needed for both), then all is fitted anew on all rows
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ensemble import stacking
from ensemble.combine import Scores
from ensemble.stacking import check_disjoint
from nlu_models import bert, branch, dataset
from nlu_models.branch import Branch, Texts
from nlu_models.dataset import Example
from nlu_models.intent import (
    BERT,
    LIGHT,
    LIGHT_PRETRAINED,
    NGRAMS,
    OFF_TOPIC,
    ORDER,
    PRETRAINED,
    SECOND,
    SUFFIXES,
    THIRD,
    Opinions,
)
from nlu_models.members import NGrams
from nlu_models.untuned import Untuned, Vectors

Rows = NDArray[np.int64]
Split = tuple[Rows, Rows]
Watch = Callable[[bert.Progress], None]
Step = Callable[[int, int], None]


@dataclass(frozen=True)
class Fitted:
    """All members fitted on the same rows: n-grams, a branch for each tuned encoder by its name (bert, and perhaps
    light and second), and those of an encoder that is read as it came."""

    rows: Rows
    ngrams: NGrams
    branches: Mapping[str, Branch]
    third: Untuned | None = None


def plan(
    examples: Sequence[Example], share: float, *, seed: int, folds: int = 1, off_topic_share: float
) -> list[Split]:
    """(rows to learn from, held-out rows), near-duplicates on one side; more than one fold holds every row out once."""
    if folds > 1:
        return stacking.folds([example.group for example in examples], folds, seed=seed)
    train, held = dataset.split(examples, share, seed=seed, shares={OFF_TOPIC: off_topic_share})
    known = set(dataset.labels_of(train))
    place = {id(example): row for row, example in enumerate(examples)}
    rows = [np.array(sorted(place[id(one)] for one in part if one.label in known), int) for part in (train, held)]
    check_disjoint(train={examples[row].group for row in rows[0]}, validation={examples[row].group for row in rows[1]})
    return [(rows[0], rows[1])]


def fit(
    examples: Sequence[Example],
    seen: Mapping[str, Texts],
    tunes: Mapping[str, bert.TuneConfig],
    rows: Rows,
    *,
    linear_strength: float,
    ngram_strength: float,
    vectors: Vectors | None,
    held: Rows | None = None,
    earlier: Fitted | None = None,
    go_on: bool = False,
    on_epoch: Watch | None = None,
    on_step: Step | None = None,
) -> Fitted:
    """Fit all members on `rows`.

    Args:
        seen, tunes: the texts as each tuned encoder sees them, and how it is tuned, by its name.
        vectors: the texts as the untuned encoder sees them.
        earlier: members fitted before, whose neighbours' settings are kept; with `go_on` their encoders learn on.
    """
    branches = {}
    for name, texts in seen.items():
        before = earlier.branches[name] if earlier else None
        branches[name] = branch.fit(
            texts,
            rows,
            tunes[name],
            strength=linear_strength,
            held=held,
            start=before.tuned if before and go_on else None,
            like=before.neighbours if before else None,
            on_epoch=on_epoch if name == BERT else None,
            on_step=on_step,
        )
    texts_read, first = [examples[row].text for row in rows], seen[BERT]
    ngrams = NGrams.fit(texts_read, first.labels[rows], first.classes, strength=ngram_strength)
    third = None
    if vectors is not None:
        like = earlier.third if earlier else None
        third = Untuned.fit(vectors, rows, strength=linear_strength, held=held, like=like)
    return Fitted(rows, ngrams, branches, third)


def opinions(
    examples: Sequence[Example],
    seen: Mapping[str, Texts],
    fitted: Fitted,
    held: Rows,
    off_topic: int | None,
    vectors: Vectors | None,
) -> Opinions:
    """What all members say about rows they were not fitted on.

    Raises:
        OverlappingSplits: a row was fitted on.
    """
    check_disjoint(fitted_on=fitted.rows.tolist(), held_out=held.tolist())
    said = {name: branch.opinions(texts, fitted.branches[name], held, off_topic) for name, texts in seen.items()}
    said_by = {NGRAMS: fitted.ngrams([examples[row].text for row in held])}
    more: dict[str, NDArray[np.float64]] = {}
    for name, members in ((BERT, (BERT, *PRETRAINED)), (LIGHT, (LIGHT, *LIGHT_PRETRAINED)), ("second", SECOND)):
        if name not in said:
            continue
        one, suffix = said[name], SUFFIXES[name]
        said_by |= zip(members, (one.tuned, one.linear, one.neighbours), strict=False)
        if name == "second":
            more |= {f"energy{suffix}": one.energy, f"nearest{suffix}": one.nearest}
            continue
        more |= {f"nearest_pretrained{suffix}": one.nearest_pretrained, f"elsewhere{suffix}": one.elsewhere}
        if name != BERT:  # its own are no further signs
            more[f"energy{suffix}"] = one.energy
    if vectors is not None and fitted.third is not None:
        scores, signs = fitted.third.opinions(vectors, held, SUFFIXES["third"])
        said_by |= zip(THIRD, scores, strict=True)
        more |= signs
    first = said[BERT]
    names = tuple(name for name in ORDER if name in said_by)
    return Opinions(names, np.stack([said_by[name] for name in names]), first.logits, first.nearest, None, more)


def joined(parts: Sequence[Opinions]) -> Opinions:
    """The opinions on several folds, one after the other."""
    names = parts[0].more
    return Opinions(
        parts[0].names,
        np.concatenate([part.scores for part in parts], axis=1),
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.nearest for part in parts]),
        None,
        {name: np.concatenate([part.more[name] for part in parts]) for name in names},
    )


def best_epochs(fitted: Sequence[Fitted], name: str) -> int:
    """How many epochs were best for the encoder `name`, on average over the folds."""
    return max(1, round(float(np.mean([each.branches[name].best for each in fitted]))))


def slower(tune: bert.TuneConfig, epochs: int) -> bert.TuneConfig:
    """To go on learning: half the rates."""
    return replace(
        tune,
        epochs=epochs,
        learning_rate=tune.learning_rate / 2,
        head_learning_rate=tune.head_learning_rate / 2,
    )


def share_of(scores: Scores, wanted: Rows) -> float:
    """Accuracy of chances that may be NaN."""
    return float((np.nan_to_num(scores, nan=-1.0).argmax(axis=1) == wanted).mean())
