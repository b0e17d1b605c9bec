"""An encoder as it was pretrained: a linear model and neighbours on its vectors, no fine-tuning.

A large one, the third, tells near intents apart that two smaller ones, tuned, confuse; to tune it would take hours on
two cores, to read all texts with it once takes minutes. BANKING77, on top of two BERTs: 0.946 to 0.950.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble.combine import Scores
from nlu_models import encoders, packed_use, sentence_export
from nlu_models.dataset import numbers_alike
from nlu_models.encoders import EncoderError
from nlu_models.members import LinearOnVectors, Neighbours
from nlu_models.onnx_encoder import of_like_length, padded, run, session, tokenizer_of

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
FILES = ("model.onnx", "tokenizer.json", "encoder.json")
BATCH = 32
FITTED_ON = 256  # texts that int8 is fitted to, where the encoder comes without


@dataclass(frozen=True)
class Facts:
    """What the files do not say themselves. `pooling` of token states is mean or cls."""

    prefix: str
    pooling: str
    max_tokens: int
    pad: int


class SentenceEncoder:
    """Texts to unit vectors by one ONNX graph; safe to call from several threads."""

    def __init__(self, files: Mapping[str, Path], *, threads: int = 1, device: str = "cpu") -> None:
        self.facts = Facts(**json.loads(files["encoder.json"].read_text(encoding="utf-8")))
        self.tokenizer = tokenizer_of(files["tokenizer.json"], self.facts.max_tokens)
        self.session = session(files["model.onnx"], threads, device)

    def __call__(self, texts: Sequence[str]) -> Floats:
        """(texts, width) unit; texts of like length are read together."""
        said = [self.facts.prefix + numbers_alike(text) for text in texts]
        ids = [item.ids for item in self.tokenizer.encode_batch(said)]
        found: dict[int, Floats] = {}
        for rows in of_like_length([len(row) for row in ids], BATCH):
            found.update(zip(rows.tolist(), self._read([ids[row] for row in rows]), strict=True))
        return np.stack([found[row] for row in range(len(texts))]) if texts else np.zeros((0, 0), np.float32)

    def _read(self, ids: Sequence[Sequence[int]]) -> Floats:
        numbers, mask = padded(ids, self.facts.pad)
        feed = {"input_ids": numbers, "attention_mask": mask, "token_type_ids": np.zeros_like(mask)}
        states = run(self.session, feed)[0]  # (texts, tokens, width)
        if self.facts.pooling == "cls":
            pooled = states[:, 0]
        else:
            pooled = (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return np.asarray(pooled / np.linalg.norm(pooled, axis=1, keepdims=True), np.float32)


def export(source: Path, folder: Path, texts: Sequence[str]) -> None:
    """Put the three files of the encoder in `source` into `folder`; its int8 graph is made where it has none.

    Args:
        texts: what a new graph is fitted to.

    Raises:
        EncoderError: the light encoder, which is only there to be tuned.
    """
    if packed_use.is_in(source):
        raise EncoderError("offline-light cannot be --third: it is tuned, as --light, --second or KEFU_ENCODER")
    folder.mkdir(parents=True)
    config = encoders.config(source)
    if not (source / sentence_export.FILE).exists():
        made = folder / "source"  # a folder of somebody else is not written into
        shutil.copytree(source, made)
        chosen = texts[:: max(1, len(texts) // FITTED_ON)]
        sentence_export.export(made, [config.query_prefix + numbers_alike(text) for text in chosen])
        shutil.move(made / sentence_export.FILE, folder / "model.onnx")
        shutil.rmtree(made)
    else:
        shutil.copyfile(source / sentence_export.FILE, folder / "model.onnx")
    shutil.copyfile(source / "tokenizer.json", folder / "tokenizer.json")
    pad = int(json.loads((source / "config.json").read_text(encoding="utf-8")).get("pad_token_id") or 0)
    facts = Facts(config.query_prefix, config.pooling, min(config.max_tokens, sentence_export.LONGEST), pad)
    (folder / "encoder.json").write_text(json.dumps(asdict(facts)), encoding="utf-8")


@dataclass(frozen=True)
class Vectors:
    """The texts as it sees them: (texts, width) unit `vectors`, `labels`, and which texts it can read."""

    vectors: Floats
    labels: Rows
    classes: int
    readable: NDArray[np.bool_]

    @classmethod
    def of(
        cls, encoder: SentenceEncoder, texts: Sequence[str], labels: Rows, classes: int, readable: NDArray[np.bool_]
    ) -> "Vectors":
        known = np.flatnonzero(readable)
        read = encoder([texts[row] for row in known.tolist()])
        vectors = np.zeros((len(texts), read.shape[1]), np.float32)
        vectors[known] = read
        return cls(vectors, labels, classes, readable)


@dataclass(frozen=True)
class Untuned:
    """The two members of one encoder, fitted on the same rows."""

    linear: LinearOnVectors
    neighbours: Neighbours

    @classmethod
    def fit(
        cls, seen: Vectors, rows: Rows, *, strength: float, held: Rows | None = None, like: "Untuned | None" = None
    ) -> "Untuned":
        """Fit on `rows`; the neighbours' settings are chosen on the `held` ones, or taken over from `like`."""
        rows = rows[seen.readable[rows]]
        vectors, wanted = seen.vectors[rows], seen.labels[rows]
        linear = LinearOnVectors.fit(vectors, wanted, seen.classes, strength=strength)
        if like is not None:
            return cls(linear, replace(like.neighbours, vectors=vectors, labels=wanted))
        if held is not None:
            held = held[seen.readable[held]]
        checked = None if held is None else (seen.vectors[held], seen.labels[held])
        return cls(linear, Neighbours.fit(vectors, wanted, seen.classes, held=checked))

    def __call__(self, vectors: Floats) -> tuple[Scores, NDArray[np.float64]]:
        """((2, rows, classes) chances, (rows,) similarity of the nearest training text)."""
        near, nearest = self.neighbours.scored(vectors)
        return np.stack([self.linear(vectors), near]), nearest

    def opinions(self, seen: Vectors, rows: Rows, suffix: str) -> tuple[Scores, dict[str, NDArray[np.float64]]]:
        """((2, rows, classes) chances, signs of scope by name, which ends in `suffix`) about rows it was not fitted on;
        NaN about those it cannot read."""
        asked = np.flatnonzero(seen.readable[rows])
        vectors = seen.vectors[rows[asked]]
        said, nearest = self(vectors)
        scores = np.full((2, len(rows), seen.classes), np.nan)
        scores[:, asked] = said
        elsewhere = self.neighbours.nearest(vectors, beside=seen.labels[rows[asked]])
        signs = {}
        for name, values in (("nearest_pretrained", nearest), ("elsewhere", elsewhere)):
            signs[f"{name}{suffix}"] = np.full(len(rows), np.nan)
            signs[f"{name}{suffix}"][asked] = values
        return scores, signs

    def arrays(self) -> dict[str, dict[str, NDArray[Any]]]:
        return {"linear": self.linear.arrays(), "neighbours": self.neighbours.arrays()}
