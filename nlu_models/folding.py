"""Opinions of members on rows they were not trained on, and the members that are served in the end.

Three ways, by how many examples there are:

held out          one part is held out to choose and calibrate with, and the members fitted on the rest are served
held out, refit   the same, then the members go on learning for a little while from all rows
folds, refit      every row is held out once (few rows: each is needed for both), then all is fitted anew on all rows
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ensemble import stacking
from ensemble.combine import Scores
from ensemble.stacking import check_disjoint
from nlu_models import bert, branch, dataset
from nlu_models.branch import Branch, Texts
from nlu_models.dataset import Example
from nlu_models.intent import LIGHT, MEMBERS, OFF_TOPIC, ORDER, SECOND, SUFFIXES, THIRD, Opinions
from nlu_models.members import NGrams
from nlu_models.untuned import Untuned, Vectors

Rows = NDArray[np.int64]
Split = tuple[Rows, Rows]
Watch = Callable[[bert.Progress], None]
Step = Callable[[int, int], None]


@dataclass(frozen=True)
class Fitted:
    """All members fitted on the same rows: n-grams, a branch for each tuned encoder, and by name (light, third) those
    of encoders that are read as they came."""

    rows: Rows
    ngrams: NGrams
    branches: tuple[Branch, ...]
    untuned: Mapping[str, Untuned] = field(default_factory=dict)


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
    seen: Sequence[Texts],
    tunes: Sequence[bert.TuneConfig],
    rows: Rows,
    *,
    linear_strength: float,
    ngram_strength: float,
    vectors: Mapping[str, Vectors],
    held: Rows | None = None,
    earlier: Fitted | None = None,
    go_on: bool = False,
    on_epoch: Watch | None = None,
    on_step: Step | None = None,
) -> Fitted:
    """Fit all members on `rows`.

    Args:
        vectors: the texts as untuned encoders see them, by name.
        earlier: members fitted before, whose neighbours' settings are kept; with `go_on` their BERTs learn on.
    """
    branches = []
    for number, (texts, tune) in enumerate(zip(seen, tunes, strict=True)):
        before = earlier.branches[number] if earlier else None
        branches.append(
            branch.fit(
                texts,
                rows,
                tune,
                strength=linear_strength,
                held=held,
                start=before.tuned if before and go_on else None,
                like=before.neighbours if before else None,
                on_epoch=on_epoch if number == 0 else None,
                on_step=on_step,
            )
        )
    texts_read = [examples[row].text for row in rows]
    ngrams = NGrams.fit(texts_read, seen[0].labels[rows], seen[0].classes, strength=ngram_strength)
    untuned = {
        name: Untuned.fit(
            seen_by, rows, strength=linear_strength, held=held, like=earlier.untuned[name] if earlier else None
        )
        for name, seen_by in vectors.items()
    }
    return Fitted(rows, ngrams, tuple(branches), untuned)


def opinions(
    examples: Sequence[Example],
    seen: Sequence[Texts],
    fitted: Fitted,
    held: Rows,
    off_topic: int | None,
    vectors: Mapping[str, Vectors],
) -> Opinions:
    """What all members say about rows they were not fitted on.

    Raises:
        OverlappingSplits: a row was fitted on.
    """
    check_disjoint(fitted_on=fitted.rows.tolist(), held_out=held.tolist())
    first = branch.opinions(seen[0], fitted.branches[0], held, off_topic)
    words = fitted.ngrams([examples[row].text for row in held])
    said_by = dict(zip(MEMBERS, (words, first.tuned, first.linear, first.neighbours), strict=True))
    more = {"nearest_pretrained": first.nearest_pretrained, "elsewhere": first.elsewhere}
    for texts, other in zip(seen[1:], fitted.branches[1:], strict=True):
        said = branch.opinions(texts, other, held, off_topic)
        said_by |= zip(SECOND, (said.tuned, said.linear), strict=True)
        more |= {
            "energy_2": said.energy,
            "nearest_2": said.nearest,
            "nearest_pretrained_2": said.nearest_pretrained,
            "elsewhere_2": said.elsewhere,
        }
    for name, members in (("light", LIGHT), ("third", THIRD)):
        if name in vectors:
            scores, signs = fitted.untuned[name].opinions(vectors[name], held, SUFFIXES[name])
            said_by |= zip(members, scores, strict=True)
            more |= signs
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


def best_epochs(fitted: Sequence[Fitted], number: int) -> int:
    """How many epochs were best for encoder `number`, on average over the folds."""
    return max(1, round(float(np.mean([each.branches[number].best for each in fitted]))))


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
