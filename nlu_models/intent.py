"""IntentModel: what does the customer want? Members, fusion, calibration and scope behind one call.

What is word for word an example is answered from it. Of every other text the cheapest members are asked first: n-grams
and a fine-tuned light encoder, then a linear model and neighbours on its pretrained vectors. What these leave open goes
to the fine-tuned BERT, then to the same two on its pretrained vectors, to a second BERT, at last to a third encoder and
to GPT-2, where there are such.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble import artifact
from ensemble.calibration import softmax
from ensemble.combine import Scores, cascade
from nlu_models import language, scope
from nlu_models.fusion import Cascade, Fusion
from nlu_models.members import LinearOnVectors, Neighbours, NGrams
from nlu_models.onnx_encoder import FILES, TUNED_FILES, Encoded, OnnxEncoder
from nlu_models.seen import Seen
from nlu_models.untuned import FILES as UNTUNED_FILES
from nlu_models.untuned import SentenceEncoder, Untuned

KIND = "intent"
OFF_TOPIC = "out_of_scope"
NGRAMS = "ngrams"
LIGHT = "light"
LIGHT_PRETRAINED = ("light_linear", "light_neighbours")
BERT = "bert"
PRETRAINED = ("linear", "neighbours")
MEMBERS = (NGRAMS, BERT, *PRETRAINED)  # those of every model
SECOND = ("bert_2",)
THIRD = ("linear_3", "neighbours_3")
GPT2 = "gpt2"
ORDER = (NGRAMS, LIGHT, *LIGHT_PRETRAINED, BERT, *PRETRAINED, *SECOND, *THIRD, GPT2)
# whose sign of scope it is: `Opinions.more` by the member that gives it
SIGN_OF = {
    "energy_light": LIGHT,
    "nearest_pretrained_light": LIGHT_PRETRAINED[0],
    "elsewhere_light": LIGHT_PRETRAINED[0],
    "nearest_pretrained": PRETRAINED[0],
    "elsewhere": PRETRAINED[0],
    "energy_2": SECOND[0],
    "nearest_2": SECOND[0],
    "nearest_pretrained_3": THIRD[0],
    "elsewhere_3": THIRD[0],
}
SUFFIXES = {BERT: "", LIGHT: "_light", "second": "_2", "third": "_3"}  # of the signs that an encoder gives

Rows = NDArray[np.int64]
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


def steps(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Who is asked when: each step sees the texts that all before it leave open."""
    first = (NGRAMS, LIGHT) if LIGHT in names else (NGRAMS, BERT)
    order = (first, LIGHT_PRETRAINED, (BERT,), PRETRAINED, SECOND, (*THIRD, GPT2))
    found: list[tuple[str, ...]] = []
    for step in order:
        known = {name for earlier in found for name in earlier}
        if new := tuple(name for name in step if name in names and name not in known):
            found.append(new)
    return found


@dataclass(frozen=True)
class Opinions:
    """What the members called `names` said about some texts: `scores` (members, rows, classes), NaN where not asked."""

    names: tuple[str, ...]
    scores: Scores
    logits: NDArray[np.float32]
    nearest: NDArray[np.float64]
    likelihood: NDArray[np.float64] | None = None
    more: dict[str, NDArray[np.float64]] = field(default_factory=dict)  # `scope.MORE` and `ELSEWHERE`, (rows,) each

    def of(self, names: Sequence[str]) -> Scores:
        """The scores of these members, in their order."""
        return np.asarray(self.scores[[self.names.index(name) for name in names]])


@dataclass(frozen=True)
class Decision:
    """Everything fitted on validation data; replaced as a whole when GPT-2 joins. The `stages` are those of a cascade:
    what none of them settles is fused by `full`, from all members."""

    stages: tuple[Cascade, ...]
    full: Fusion
    scope: scope.Scope | None
    min_confidence: float

    @property
    def least_in_scope(self) -> float:
        """Below this probability a text is not answered."""
        return self.scope.threshold if self.scope else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "stages": [stage.to_json() for stage in self.stages],
            "full": self.full.to_json(),
            "scope": self.scope.to_json() if self.scope else None,
            "min_confidence": self.min_confidence,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Decision":
        known = scope.Scope.from_json(data["scope"]) if data["scope"] else None
        # models of earlier days have a first and perhaps a second stage by these names
        stages = data["stages"] if "stages" in data else [one for one in (data["cascade"], data.get("middle")) if one]
        full = Fusion.from_json(data["full"])
        return cls(tuple(map(Cascade.from_json, stages)), full, known, data["min_confidence"])

    def through(
        self, rows: int, classes: int, ask: Callable[[Sequence[str], Rows], Scores], brief: Sequence[bool] = ()
    ) -> Scores:
        """Stage by stage: (rows, classes) calibrated chances, each row by the stage that settled it.

        Args:
            ask: (names of members, row numbers) -> (members, row numbers, classes).
            brief: (rows,) for which nobody is asked after the fine-tuned light encoder, or BERT where there is no light
                one, settled or not; empty: none.
        """
        last_of_brief = LIGHT if any(LIGHT in stage.fusion.members for stage in self.stages) else BERT
        short = np.asarray(brief, dtype=bool) if len(brief) else np.zeros(rows, dtype=bool)

        def judged(stage: Cascade, left: Rows) -> tuple[Scores, NDArray[np.bool_]]:
            scores = ask(stage.fusion.members, left)
            chances = stage.fusion(scores)
            settled = stage.settles(scores, chances)
            return chances, settled | short[left] if last_of_brief in stage.fusion.members else settled

        stages = [partial(judged, stage) for stage in self.stages]
        return cascade(stages, lambda left: self.full(ask(self.full.members, left)), rows, classes)


@dataclass(frozen=True)
class Second:
    """Another BERT, of which only the fine-tuned branch is read; it errs elsewhere. (A linear model on what it was
    before took a quarter of its time and added nothing: log loss of all members out of fold on BANKING77 0.2417 with
    and without it, on SOFMattress 0.2515 and 0.2508.)

    `english_only`: it cannot read Chinese, and has no opinion on it.
    """

    encoder: OnnxEncoder
    tuned: Neighbours
    english_only: bool = False

    def __call__(self, texts: Sequence[str], off_topic: int | None) -> tuple[Scores, Mapping[str, NDArray[np.float64]]]:
        """((1, texts, classes) chances, signs by name); every text must be one it reads."""
        encoded = self.encoder.encode(texts)
        signs = {
            "energy_2": scope.energy(encoded.logits, off_topic),
            "nearest_2": self.tuned.nearest(encoded.vectors),
        }
        return softmax(encoded.logits)[None], signs


@dataclass(frozen=True)
class Third:
    """An encoder that is read as it came, and its members; `english_only` as of the second."""

    encoder: SentenceEncoder
    members: Untuned
    english_only: bool = False

    def __call__(self, texts: Sequence[str], off_topic: int | None) -> tuple[Scores, Mapping[str, NDArray[np.float64]]]:
        """As of the second; distances know nothing of a class that is off topic."""
        said, nearest = self.members(self.encoder(texts))
        return said, {"nearest_pretrained_3": nearest}


@dataclass(frozen=True)
class Light:
    """The light encoder, and the two members on its pretrained vectors."""

    encoder: OnnxEncoder
    linear: LinearOnVectors
    neighbours: Neighbours


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
    light: Light | None = None
    second: Second | None = None
    third: Third | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The members, in the order of the first axis of their scores."""
        known = {*MEMBERS, *((LIGHT, *LIGHT_PRETRAINED) if self.light else ())}
        known |= {*(SECOND if self.second else ()), *(THIRD if self.third else ()), *((GPT2,) if self.gpt2 else ())}
        return tuple(name for name in ORDER if name in known)

    def ask(self, texts: Sequence[str]) -> Opinions:
        """All members on all texts."""
        asked = _Asking(self, texts)
        asked(self.names, np.arange(len(texts)))
        return asked.opinions

    def judge(self, texts: Sequence[str], decision: Decision, brief: Sequence[bool] = ()) -> tuple[Opinions, Scores]:
        """What was said about the texts, the dear members asked only where the cheap ones leave one open (and about
        `brief` ones not at all), and the (texts, classes) chances that come of it."""
        asked = _Asking(self, texts)
        fused = decision.through(len(texts), len(self.labels), asked, brief)
        return asked.opinions, fused


class _Asking:
    """One batch of texts on its way through the members; each member sees a text once at most."""

    def __init__(self, members: Members, texts: Sequence[str]) -> None:
        self.members, self.texts, self.names = members, texts, members.names
        rows, classes = len(texts), len(members.labels)
        self.off_topic = off_topic_of(members.labels)
        self._asked: set[str] = set()
        self._encoded: dict[str, tuple[Encoded, Rows]] = {}  # by light and BERT, and the place of each text in it
        nothing = np.full(rows, np.nan)
        scores, logits = np.full((len(self.names), rows, classes), np.nan), np.full((rows, classes), np.nan, np.float32)
        self.opinions = Opinions(self.names, scores, logits, nothing, nothing.copy() if members.gpt2 else None, {})

    def __call__(self, names: Sequence[str], rows: Rows) -> Scores:
        """What these members say about these texts: (members, rows, classes), NaN where one cannot read."""
        for step in ((NGRAMS,), (LIGHT,), LIGHT_PRETRAINED, (BERT,), PRETRAINED, SECOND, THIRD, (GPT2,)):
            if step[0] in names and step[0] not in self._asked:
                self._asked.add(step[0])
                self._ask(step, rows)
        places = [self.names.index(name) for name in names]
        return np.asarray(self.opinions.scores[places][:, rows])

    def _ask(self, step: Sequence[str], rows: Rows) -> None:
        members, known, at = self.members, self.opinions, self.names.index(step[0])
        texts = [self.texts[row] for row in rows.tolist()]
        if step[0] == NGRAMS:
            known.scores[at, rows] = members.ngrams(texts)
        elif step[0] == BERT:
            encoded = self._encode(BERT, members.encoder, texts, rows)
            known.logits[rows] = encoded.logits
            known.nearest[rows] = members.tuned.nearest(encoded.vectors)
        elif step[0] == LIGHT and members.light:
            encoded = self._encode(LIGHT, members.light.encoder, texts, rows)
            self._sign("energy_light", rows, scope.energy(encoded.logits, self.off_topic))
        elif step[0] == GPT2 and members.gpt2 and known.likelihood is not None:
            known.scores[at, rows], known.likelihood[rows] = members.gpt2(texts)
        elif step == PRETRAINED:
            self._pretrained(step, rows, BERT, members.encoder, members.linear, members.neighbours)
        elif step == LIGHT_PRETRAINED and members.light:
            light = members.light
            self._pretrained(step, rows, LIGHT, light.encoder, light.linear, light.neighbours)
        else:
            other = {SECOND[0]: members.second, THIRD[0]: members.third}.get(step[0])
            if other:
                rows = _readable(self.texts, rows, other.english_only)
                if len(rows):
                    self._put(step, rows, *other([self.texts[row] for row in rows.tolist()], self.off_topic))

    def _encode(self, name: str, encoder: OnnxEncoder, texts: Sequence[str], rows: Rows) -> Encoded:
        """What the tuned encoder says about these texts."""
        encoded, place = encoder.encode(texts), np.full(len(self.texts), -1)
        place[rows] = np.arange(len(rows))
        self._encoded[name] = encoded, place
        self.opinions.scores[self.names.index(name), rows] = softmax(encoded.logits)
        return encoded

    def _pretrained(
        self,
        step: Sequence[str],
        rows: Rows,
        name: str,
        encoder: OnnxEncoder,
        linear: LinearOnVectors,
        neighbours: Neighbours,
    ) -> None:
        """The members on what the encoder was before, of texts it has encoded."""
        encoded, place = self._encoded[name]
        vectors = encoder.pretrained(encoded, place[rows])
        near, nearest = neighbours.scored(vectors)
        self._put(step, rows, np.stack([linear(vectors), near]), {f"nearest_pretrained{SUFFIXES[name]}": nearest})

    def _put(self, step: Sequence[str], rows: Rows, said: Scores, signs: Mapping[str, NDArray[np.float64]]) -> None:
        first = self.names.index(step[0])
        self.opinions.scores[first : first + len(step), rows] = said
        for name, values in signs.items():
            self._sign(name, rows, values)

    def _sign(self, name: str, rows: Rows, values: NDArray[np.float64]) -> None:
        self.opinions.more.setdefault(name, np.full(len(self.texts), np.nan))[rows] = values


def as_served(opinions: Opinions, decision: Decision) -> tuple[Opinions, Scores]:
    """Of what all members said the part that would have been asked for, and the (rows, classes) chances of it."""
    members, rows, classes = opinions.scores.shape
    shown = np.zeros((members, rows), dtype=bool)

    def ask(names: Sequence[str], wanted: Rows) -> Scores:
        places = np.array([opinions.names.index(name) for name in names])
        shown[places[:, None], wanted] = True
        return np.asarray(opinions.scores[places][:, wanted])

    fused = decision.through(rows, classes, ask)
    seen = dict(zip(opinions.names, shown, strict=True))
    likelihood = opinions.likelihood
    return replace(
        opinions,
        scores=np.where(shown[:, :, None], opinions.scores, np.nan),
        logits=np.where(seen[BERT][:, None], opinions.logits, np.nan),
        nearest=np.where(seen[BERT], opinions.nearest, np.nan),
        likelihood=np.where(seen[GPT2], likelihood, np.nan) if likelihood is not None and GPT2 in seen else None,
        more={name: np.where(seen[SIGN_OF[name]], values, np.nan) for name, values in opinions.more.items()},
    ), fused


def _readable(texts: Sequence[str], rows: Rows, english_only: bool) -> Rows:
    """The rows that an encoder can read."""
    if not english_only:
        return rows
    return rows[[language.detect(texts[row]) != "zh" for row in rows.tolist()]]


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
            _ngrams(stored),
            LinearOnVectors.from_arrays(arrays_from(stored.path("linear.npz"))),
            Neighbours.from_arrays(arrays_from(stored.path("neighbours.npz"))),
            Neighbours.from_arrays(arrays_from(stored.path("tuned.npz"))),
            light=_light(stored, threads, device),
            second=_second(stored, threads, device),
            third=_third(stored, threads, device),
        )
        seen = Seen(stored.json("seen.json")) if "seen.json" in stored.manifest.files else None
        return cls(members, Decision.from_json(stored.json("decision.json")), stored.manifest.version, seen)

    def predict(self, texts: Sequence[str], parts: Sequence[str] = ()) -> list[IntentPrediction]:
        """One prediction a text, in order, and then one for each of the `parts` of texts, which the cheapest members
        judge alone. (Of 67 messages with two wishes 59 are read right so, and 57 when BERT is asked where they are
        unsure; of 685 with one, 6 are cut in two, and 11.)"""
        every = [*texts, *parts]
        known = [self.seen.label(text) for text in every]
        new = [number for number, label in enumerate(known) if label is None]
        judged = iter(self.judge([every[number] for number in new], [number >= len(texts) for number in new]))
        return [next(judged) if label is None else _known(label) for label in known]

    def judge(self, texts: Sequence[str], brief: Sequence[bool] = ()) -> list[IntentPrediction]:
        """What the models say, whether a text was seen before or not; `brief` as in `Decision.through`."""
        if not texts:
            return []
        opinions, fused = self.members.judge(texts, self.decision, brief)
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
    if "second/linear.npz" in stored.manifest.files:
        raise _earlier(stored, "a linear model on its second encoder is no member any more")
    encoder = OnnxEncoder(
        {name: stored.path(f"second/encoder/{name}") for name in TUNED_FILES}, threads=threads, device=device
    )
    near = Neighbours.from_arrays(arrays_from(stored.path("second/tuned.npz")))
    return Second(encoder, near, bool(stored.json("second/second.json")["english_only"]))


def _ngrams(stored: artifact.Artifact) -> NGrams:
    try:
        return NGrams.from_arrays(arrays_from(stored.path("ngrams.npz")))
    except ValueError as error:
        raise _earlier(stored, str(error)) from error


def _earlier(stored: artifact.Artifact, what: str) -> artifact.ArtifactError:
    return artifact.ArtifactError(
        stored.folder, f"{stored.folder} was made by an earlier Kefu: {what}; run `kefu train nlu`"
    )


def _light(stored: artifact.Artifact, threads: int, device: str) -> Light | None:
    if "light/linear.npz" not in stored.manifest.files:
        return None
    if "light/model.onnx" in stored.manifest.files:
        raise _earlier(stored, "its light encoder was not tuned")
    encoder = OnnxEncoder(
        {name: stored.path(f"light/encoder/{name}") for name in FILES}, threads=threads, device=device
    )
    linear, neighbours = (arrays_from(stored.path(f"light/{part}.npz")) for part in ("linear", "neighbours"))
    return Light(encoder, LinearOnVectors.from_arrays(linear), Neighbours.from_arrays(neighbours))


def _third(stored: artifact.Artifact, threads: int, device: str) -> Third | None:
    if "third/third.json" not in stored.manifest.files:
        return None
    files = {file: stored.path(f"third/{file}") for file in UNTUNED_FILES}
    linear, neighbours = (arrays_from(stored.path(f"third/{part}.npz")) for part in ("linear", "neighbours"))
    members = Untuned(LinearOnVectors.from_arrays(linear), Neighbours.from_arrays(neighbours))
    english_only = bool(stored.json("third/third.json")["english_only"])
    return Third(SentenceEncoder(files, threads=threads, device=device), members, english_only)


def arrays_to(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as npz bytes."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def arrays_from(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
