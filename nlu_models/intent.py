"""IntentModel: what does the customer want? Members, fusion, calibration and scope behind one call.

What is word for word an example is answered from it. The cheap members (fine-tuned BERT, n-grams) see every other text;
the linear model and the neighbours on pretrained vectors only the texts that the cheap ones leave open; a second BERT,
a third encoder and GPT-2, where there are such, what then is open still.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble import artifact
from ensemble.calibration import softmax
from ensemble.combine import Scores
from nlu_models import language, scope
from nlu_models.fusion import Cascade, Fusion
from nlu_models.members import LinearOnVectors, Neighbours, NGrams
from nlu_models.onnx_encoder import FILES, OnnxEncoder
from nlu_models.seen import Seen
from nlu_models.third import FILES as THIRD_FILES
from nlu_models.third import SentenceEncoder, Third

KIND = "intent"
OFF_TOPIC = "out_of_scope"
CHEAP = ("bert", "ngrams")
DEAR = ("linear", "neighbours")
MEMBERS = (*CHEAP, *DEAR)
SECOND = ("bert_2", "linear_2")
THIRD = ("linear_3", "neighbours_3")
GPT2 = "gpt2"

Gpt2Opinion = Callable[[Sequence[str]], tuple[Scores, NDArray[np.float64]]]


@dataclass(frozen=True)
class IntentPrediction:
    """The answer for one text. `in_scope` is a probability; `ranking` is best first; members that were asked only."""

    label: str
    confidence: float
    in_scope: float
    ranking: tuple[tuple[str, float], ...]
    members: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    sure: bool = True


@dataclass(frozen=True)
class Opinions:
    """What the members said about some texts: `scores` (members, rows, classes), NaN where not asked."""

    scores: Scores
    logits: NDArray[np.float32]
    nearest: NDArray[np.float64]
    likelihood: NDArray[np.float64] | None = None
    more: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)  # `scope.MORE` and `ELSEWHERE`, (rows,) each


@dataclass(frozen=True)
class Decision:
    """Everything fitted on validation data; replaced as a whole when GPT-2 joins."""

    cascade: Cascade
    full: Fusion
    scope: scope.Scope | None
    min_confidence: float
    middle: Cascade | None = None  # the second stage, before the second BERT and GPT-2 are asked

    @property
    def least_in_scope(self) -> float:
        """Below this probability a text is not answered."""
        return self.scope.threshold if self.scope else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "cascade": self.cascade.to_json(),
            "middle": self.middle.to_json() if self.middle else None,
            "full": self.full.to_json(),
            "scope": self.scope.to_json() if self.scope else None,
            "min_confidence": self.min_confidence,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Decision":
        known = scope.Scope.from_json(data["scope"]) if data["scope"] else None
        middle = Cascade.from_json(data["middle"]) if data.get("middle") else None
        full = Fusion.from_json(data["full"])
        return cls(Cascade.from_json(data["cascade"]), full, known, data["min_confidence"], middle)


@dataclass(frozen=True)
class Second:
    """Another pretrained BERT with its own fine-tuned branch and its own linear model; it errs elsewhere.

    `english_only`: it cannot read Chinese, and has no opinion on it.
    """

    encoder: OnnxEncoder
    linear: LinearOnVectors
    neighbours: Neighbours  # on pretrained vectors; only the distance is used, for scope
    tuned: Neighbours
    english_only: bool = False

    def __call__(self, texts: Sequence[str], off_topic: int | None) -> tuple[Scores, Mapping[str, NDArray[np.float64]]]:
        """((2, texts, classes) chances, signs by name); every text must be one it reads."""
        encoded = self.encoder.encode(texts)
        vectors = self.encoder.pretrained(encoded, np.arange(len(texts)))
        signs = {
            "energy_2": scope.energy(encoded.logits, off_topic),
            "nearest_2": self.tuned.nearest(encoded.vectors),
            "nearest_pretrained_2": self.neighbours.nearest(vectors),
        }
        return np.stack([softmax(encoded.logits), self.linear(vectors)]), signs


@dataclass(frozen=True)
class ServedThird:
    """A third encoder and its members; `english_only` as of the second."""

    encoder: SentenceEncoder
    members: Third
    english_only: bool = False

    def __call__(self, texts: Sequence[str], off_topic: int | None) -> tuple[Scores, Mapping[str, NDArray[np.float64]]]:
        """As of the second; distances know nothing of a class that is off topic."""
        said, nearest = self.members(self.encoder(texts))
        return said, {"nearest_pretrained_3": nearest}


@dataclass(frozen=True)
class Members:
    """The trained members and the labels that are their columns."""

    labels: tuple[str, ...]
    encoder: OnnxEncoder
    ngrams: NGrams
    linear: LinearOnVectors
    neighbours: Neighbours  # on pretrained vectors
    tuned: Neighbours  # on fine-tuned vectors, which cost nothing more; only their distance is used, for scope
    gpt2: Gpt2Opinion | None = None
    second: Second | None = None
    third: ServedThird | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The members, in the order of the first axis of their scores."""
        others = (*(SECOND if self.second else ()), *(THIRD if self.third else ()), *((GPT2,) if self.gpt2 else ()))
        return (*MEMBERS, *others)

    def ask(self, texts: Sequence[str], cascade: Cascade | None = None, middle: Cascade | None = None) -> Opinions:
        """All members on all texts; with a cascade (and its second stage) the dear ones only on what it leaves open."""
        encoded = self.encoder.encode(texts)
        scores = np.full((len(self.names), len(texts), len(self.labels)), np.nan)
        scores[0], scores[1] = softmax(encoded.logits), self.ngrams(texts)
        is_open = np.ones(len(texts), dtype=bool) if cascade is None else ~cascade.settled(scores[:2])
        rows = np.flatnonzero(is_open)
        likelihood = None
        more: dict[str, NDArray[np.float64]] = {}
        if len(rows):
            vectors = self.encoder.pretrained(encoded, rows)
            scores[2, rows] = self.linear(vectors)
            scores[3, rows], nearest = self.neighbours.scored(vectors)
            _put(more, "nearest_pretrained", rows, nearest, len(texts))
            if middle is not None:
                rows = rows[~middle.settled(scores[: len(MEMBERS), rows])]
        if len(rows):
            for other, names in ((self.second, SECOND), (self.third, THIRD)):
                if other:
                    self._ask_other(other, names, texts, rows, scores, more)
            if self.gpt2:
                likelihood = np.full(len(texts), np.nan)
                scores[-1, rows], likelihood[rows] = self.gpt2([texts[row] for row in rows.tolist()])
        return Opinions(scores, encoded.logits, self.tuned.nearest(encoded.vectors), likelihood, more)

    def _ask_other(
        self,
        other: Second | ServedThird,
        names: Sequence[str],
        texts: Sequence[str],
        rows: NDArray[np.int64],
        scores: Scores,
        more: dict[str, NDArray[np.float64]],
    ) -> None:
        rows = _readable(texts, rows, other.english_only)
        if not len(rows):
            return
        said, signs = other([texts[row] for row in rows.tolist()], off_topic_of(self.labels))
        first = self.names.index(names[0])
        scores[first : first + len(names), rows] = said
        for name, values in signs.items():
            _put(more, name, rows, values, len(texts))


def _readable(texts: Sequence[str], rows: NDArray[np.int64], english_only: bool) -> NDArray[np.int64]:
    """The rows that an encoder can read."""
    return rows[[not english_only or language.detect(texts[row]) != "zh" for row in rows.tolist()]]


def _put(
    more: dict[str, NDArray[np.float64]], name: str, rows: NDArray[np.int64], values: NDArray[np.float64], count: int
) -> None:
    more.setdefault(name, np.full(count, np.nan))[rows] = values


def off_topic_of(labels: Sequence[str]) -> int | None:
    """The column of the class of no scope, if it was trained."""
    return list(labels).index(OFF_TOPIC) if OFF_TOPIC in labels else None


class IntentModel:
    """Loaded once, asked in batches; replaced as a whole, never changed."""

    def __init__(self, members: Members, decision: Decision, version: str, seen: Seen | None = None) -> None:
        self.members, self.decision, self.version = members, decision, version
        self.seen = seen or Seen({})

    @property
    def labels(self) -> tuple[str, ...]:
        return self.members.labels

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1, device: str = "cpu") -> "IntentModel":
        """Verify and load.

        Raises:
            ArtifactError: missing or damaged; names the command that makes it.
        """
        stored = artifact.load(folder, KIND)
        encoder = OnnxEncoder({name: stored.path(f"encoder/{name}") for name in FILES}, threads=threads, device=device)
        members = Members(
            stored.manifest.labels,
            encoder,
            NGrams.from_arrays(arrays_from(stored.path("ngrams.npz"))),
            LinearOnVectors.from_arrays(arrays_from(stored.path("linear.npz"))),
            Neighbours.from_arrays(arrays_from(stored.path("neighbours.npz"))),
            Neighbours.from_arrays(arrays_from(stored.path("tuned.npz"))),
            second=_second(stored, threads, device),
            third=_third(stored, threads, device),
        )
        seen = Seen(stored.json("seen.json")) if "seen.json" in stored.manifest.files else None
        return cls(members, Decision.from_json(stored.json("decision.json")), stored.manifest.version, seen)

    def predict(self, texts: Sequence[str]) -> list[IntentPrediction]:
        """One prediction a text, in order."""
        known = [self.seen.label(text) for text in texts]
        judged = iter(self.judge([text for text, label in zip(texts, known, strict=True) if label is None]))
        return [next(judged) if label is None else _known(label) for label in known]

    def judge(self, texts: Sequence[str]) -> list[IntentPrediction]:
        """What the models say, whether a text was seen before or not."""
        if not texts:
            return []
        opinions = self.members.ask(texts, self.decision.cascade, self.decision.middle)
        fused = fuse(opinions, self.decision)
        in_scope = self.in_scope(opinions, fused)
        return [self._prediction(row, opinions, fused, float(in_scope[row])) for row in range(len(texts))]

    def in_scope(self, opinions: Opinions, fused: Scores) -> Scores:
        """(texts,) probability that the shop serves what is asked."""
        if self.decision.scope is None:
            return np.asarray(fused.max(axis=1))
        return self.decision.scope(signs_of(opinions, fused, self.labels))

    def _prediction(self, row: int, opinions: Opinions, fused: Scores, in_scope: float) -> IntentPrediction:
        order = np.argsort(-fused[row])[:5]
        ranking = tuple((self.labels[column], float(fused[row, column])) for column in order)
        label, confidence = ranking[0]
        said = {
            name: (self.labels[int(scores.argmax())], float(scores.max()))
            for name, scores in zip(self.members.names, opinions.scores[:, row], strict=True)
            if not np.isnan(scores).all()
        }
        inside = label == OFF_TOPIC or in_scope >= self.decision.least_in_scope
        sure = inside and confidence >= self.decision.min_confidence
        return IntentPrediction(label, confidence, in_scope, ranking, said, sure)


def _known(label: str) -> IntentPrediction:
    in_scope = 0.0 if label == OFF_TOPIC else 1.0
    return IntentPrediction(label, 1.0, in_scope, ((label, 1.0),), {"seen": (label, 1.0)})


def fuse(opinions: Opinions, decision: Decision) -> Scores:
    """(rows, classes) calibrated probabilities, each row by the stage of the cascade that settled it."""
    scores = opinions.scores
    first = np.isnan(scores[len(CHEAP) :]).all(axis=(0, 2))
    second = ~first & np.isnan(scores[len(MEMBERS) :]).all(axis=(0, 2)) & (decision.middle is not None)
    last = ~first & ~second
    fused = np.zeros(scores.shape[1:])
    if first.any():
        fused[first] = decision.cascade.cheap(scores[: len(CHEAP), first])
    if second.any() and decision.middle is not None:
        fused[second] = decision.middle.cheap(scores[: len(MEMBERS), second])
    if last.any():
        fused[last] = decision.full(scores[: len(decision.full.members), last])
    return fused


def signs_of(opinions: Opinions, fused: Scores, labels: Sequence[str]) -> Scores:
    """The scope signs of these texts."""
    return scope.signs(
        logits=opinions.logits,
        nearest=opinions.nearest,
        fused=fused,
        scores=opinions.scores,
        off_topic=off_topic_of(labels),
        likelihood=opinions.likelihood,
        more=opinions.more,
    )


def _second(stored: artifact.Artifact, threads: int, device: str) -> Second | None:
    if "second/second.json" not in stored.manifest.files:
        return None
    encoder = OnnxEncoder(
        {name: stored.path(f"second/encoder/{name}") for name in FILES}, threads=threads, device=device
    )
    return Second(
        encoder,
        LinearOnVectors.from_arrays(arrays_from(stored.path("second/linear.npz"))),
        Neighbours.from_arrays(arrays_from(stored.path("second/neighbours.npz"))),
        Neighbours.from_arrays(arrays_from(stored.path("second/tuned.npz"))),
        bool(stored.json("second/second.json")["english_only"]),
    )


def _third(stored: artifact.Artifact, threads: int, device: str) -> ServedThird | None:
    if "third/third.json" not in stored.manifest.files:
        return None
    encoder = SentenceEncoder(
        {name: stored.path(f"third/{name}") for name in THIRD_FILES}, threads=threads, device=device
    )
    linear, neighbours = (arrays_from(stored.path(f"third/{name}.npz")) for name in ("linear", "neighbours"))
    members = Third(LinearOnVectors.from_arrays(linear), Neighbours.from_arrays(neighbours))
    return ServedThird(encoder, members, bool(stored.json("third/third.json")["english_only"]))


def arrays_to(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as npz bytes."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def arrays_from(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
