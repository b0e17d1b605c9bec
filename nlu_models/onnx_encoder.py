"""The fine-tuned encoder as it is served: three ONNX files, int8, without torch.

lower.onnx     token numbers -> hidden states; run once a text
tuned.onnx     hidden states -> unit vectors and logits of the fine-tuned branch; run on every text
frozen.onnx    hidden states -> unit vectors as pretrained; run only on texts the cheap members leave open. An encoder
               of which nobody asks for them goes without.
"""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from nlu_models.dataset import numbers_alike
from nlu_models.smoothing import STRENGTH, Feed, smooth

if TYPE_CHECKING:
    from nlu_models.bert import Parts, TunedUpper

Floats = NDArray[np.float32]
FILES = ("lower.onnx", "tuned.onnx", "frozen.onnx", "tokenizer.json", "encoder.json")
TUNED_FILES = tuple(name for name in FILES if name != "frozen.onnx")
OPSET = 17
PADDED = 1.25


@dataclass(frozen=True)
class EncoderFacts:
    """What the files do not say themselves. `precision` is int8 or float32."""

    prefix: str
    max_tokens: int
    pad: int
    width: int
    precision: str


@dataclass(frozen=True)
class Encoded:
    """A batch after the lower part and the tuned branch; rows in the order given.

    Hidden states stay in the padded batches they were computed in: (row numbers, hidden, mask).
    """

    vectors: Floats  # (texts, width), unit
    logits: Floats  # (texts, labels)
    parts: list[tuple[NDArray[np.int64], Floats, NDArray[np.int64]]]


class OnnxEncoder:
    """Loads the files; safe to call from several threads (ONNX Runtime sessions are)."""

    def __init__(self, files: Mapping[str, Path], *, threads: int = 1, device: str = "cpu") -> None:
        self.facts = EncoderFacts(**json.loads(files["encoder.json"].read_text(encoding="utf-8")))
        self.tokenizer = tokenizer_of(files["tokenizer.json"], self.facts.max_tokens)
        self.lower, self.tuned = (session(files[name], threads, device) for name in FILES[:2])
        self.frozen = session(files[FILES[2]], threads, device) if FILES[2] in files else None

    def encode(self, texts: Sequence[str], *, batch: int = 16) -> Encoded:
        """Run the lower part and the tuned branch, texts of like length together."""
        prefix = self.facts.prefix
        ids = [item.ids for item in self.tokenizer.encode_batch([prefix + numbers_alike(text) for text in texts])]
        vectors = np.zeros((len(texts), self.facts.width), np.float32)
        logits: Floats | None = None
        parts = []
        for rows in of_like_length([len(row) for row in ids], batch):
            numbers, mask = padded([ids[row] for row in rows], self.facts.pad)
            hidden = run(self.lower, {"ids": numbers, "mask": mask})[0]
            unit, scores = run(self.tuned, {"hidden": hidden, "mask": mask})
            if logits is None:
                logits = np.zeros((len(texts), scores.shape[1]), np.float32)
            vectors[rows], logits[rows] = unit, scores
            parts.append((rows, hidden, mask))
        return Encoded(vectors, np.zeros((0, 0), np.float32) if logits is None else logits, parts)

    def pretrained(self, encoded: Encoded, wanted: NDArray[np.int64]) -> Floats:
        """Unit vectors of the pretrained branch for these rows, in their order: (wanted, width)."""
        place = {int(row): number for number, row in enumerate(wanted)}
        vectors = np.zeros((len(wanted), self.facts.width), np.float32)
        for rows, hidden, mask in encoded.parts:
            inside = np.array([int(row) in place for row in rows])
            if inside.any():
                length = int(mask[inside].sum(axis=1).max())
                feed = {"hidden": hidden[inside][:, :length], "mask": mask[inside][:, :length]}
                vectors[[place[int(row)] for row in rows[inside]]] = run(self.frozen, feed)[0]
        return vectors


def tokenizer_of(path: Path, max_tokens: int) -> Tokenizer:
    """The tokenizer in a file; longer texts are cut, `padded` does the rest."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()
    return tokenizer


def of_like_length(lengths: Sequence[int], most: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers in batches of at most `most`, shortest first, each padded to at most `PADDED` times its tokens."""
    order = np.argsort(lengths, kind="stable")
    start = tokens = 0
    for end, row in enumerate(order.tolist()):
        tokens += lengths[row]
        if end - start == most or lengths[row] * (end + 1 - start) > PADDED * tokens:
            yield order[start:end]
            start, tokens = end, lengths[row]
    if start < len(order):
        yield order[start:]


def padded(ids: Sequence[Sequence[int]], pad: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """((texts, longest) token numbers, mask of those that are there)."""
    length = max(len(row) for row in ids)
    numbers = np.full((len(ids), length), pad, dtype=np.int64)
    mask = np.zeros((len(ids), length), dtype=np.int64)
    for place, row in enumerate(ids):
        numbers[place, : len(row)], mask[place, : len(row)] = row, 1
    return numbers, mask


def run(session: Any, feed: Mapping[str, NDArray[Any]]) -> Any:
    """The outputs; an input the graph makes no use of (the mask, with no frozen layer) is not in it."""
    known = {given.name for given in session.get_inputs()}
    return session.run(None, {name: value for name, value in feed.items() if name in known})


def session(path: Path, threads: int, device: str) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # other processes need the cores
    wanted = ["CUDAExecutionProvider"] if device == "cuda" else []
    providers = [name for name in (*wanted, "CPUExecutionProvider") if name in onnxruntime.get_available_providers()]
    return onnxruntime.InferenceSession(str(path), options, providers=providers)


def export(
    parts: "Parts",
    model: "TunedUpper",
    folder: Path,
    *,
    precision: str = "int8",
    texts: Sequence[str] = (),
    frozen: bool = True,
) -> None:
    """Write the files of a fine-tuned encoder into `folder`, `frozen.onnx` only where it is asked for.

    Args:
        texts: what int8 is fitted to, as the encoder will read it; a few hundred are enough.

    Raises:
        ValueError: an unknown precision.
    """
    if precision not in ("int8", "float32"):
        raise ValueError(f"precision {precision!r} must be int8 or float32")
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    modules = {"lower": parts.lower.cpu().eval(), "tuned": model.cpu().eval(), "frozen": _unit(parts)}
    mask = torch.ones((2, 5), dtype=torch.long)
    hidden = torch.zeros((2, 5, parts.width))
    feeds = _feeds(parts, texts) if precision == "int8" and texts and not parts.in_int8 else []
    if not frozen:
        del modules["frozen"]
    for name, module in modules.items():
        first = ("ids", torch.full((2, 5), 4, dtype=torch.long)) if name == "lower" else ("hidden", hidden)
        outputs = {"lower": ["states"], "tuned": ["vectors", "logits"], "frozen": ["vectors"]}[name]
        path, inputs = folder / f"{name}.onnx", [first[0], "mask"]
        export_one(module, (first[1], mask), inputs, outputs, path, precision, feeds, in_int8=parts.in_int8)
    facts = EncoderFacts(parts.prefix, parts.max_tokens, int(parts.tokenizer.pad_token_id), parts.width, precision)
    (folder / "encoder.json").write_text(json.dumps(asdict(facts)), encoding="utf-8")
    parts.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))


def _feeds(parts: "Parts", texts: Sequence[str]) -> list[dict[str, NDArray[Any]]]:
    """For each text the inputs of all graphs."""
    import torch

    feeds = []
    with torch.no_grad():
        for row in parts.tokens(texts):
            ids, mask = torch.tensor([row]), torch.ones((1, len(row)), dtype=torch.long)
            hidden = parts.lower(ids, mask)
            feeds.append({"ids": ids.numpy(), "mask": mask.numpy(), "hidden": hidden.numpy()})
    return feeds


def _unit(parts: "Parts") -> Any:
    import torch

    class UnitUpper(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.upper = parts.upper.cpu()

        def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.normalize(self.upper(hidden, mask), dim=-1)

    return UnitUpper().eval()


def export_one(
    module: Any,
    inputs: Any,
    names: list[str],
    outputs: list[str],
    path: Path,
    precision: str,
    feeds: Sequence[Feed] = (),
    *,
    strength: float = STRENGTH,
    in_int8: Sequence[str] = (),
) -> None:
    """Write one graph; with `feeds`, int8 is fitted to them (`smoothing.smooth`); `in_int8` as in `to_int8`."""
    import warnings

    import torch

    axes = {name: {0: "rows", 1: "tokens"} for name in (*names, "states", "last_hidden_state")}
    axes |= {name: {0: "rows"} for name in ("vectors", "logits")}
    wide = path.with_suffix(".wide.onnx")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of shapes that the dynamic axes above make right
        torch.onnx.export(
            module,
            inputs,
            str(wide),
            input_names=names,
            output_names=outputs,
            dynamic_axes={name: axes[name] for name in (*names, *outputs)},
            opset_version=OPSET,
            dynamo=False,  # the tracer: its graphs quantise cleanly
        )
    if precision == "float32":
        wide.replace(path)
        return
    if feeds:
        smooth(wide, feeds, strength=strength)
    to_int8(wide, path, in_int8)
    wide.unlink()


def to_int8(wide: Path, path: Path, matrices: Sequence[str] = ()) -> None:
    """Write the graph `wide` with its matrix products in int8, each channel of a matrix by a scale of its own.

    Args:
        matrices: only products with these (names begin so), and of seven bits: two products of eight overflow the 16
            bits in which processors without VNNI add them. Empty: all products, of eight bits.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    chosen = None
    if matrices:
        nodes = onnx.load(str(wide)).graph.node
        begin = tuple(matrices)
        chosen = [one.name for one in nodes if any(given.split(".")[-1].startswith(begin) for given in one.input)]
        if not chosen:
            shutil.copyfile(wide, path)
            return
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # it advises a pre-processing that changes nothing here
    try:
        quantize_dynamic(
            str(wide),
            str(path),
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=chosen is not None,
            nodes_to_quantize=chosen,
            op_types_to_quantize=["MatMul"] if chosen else None,
        )
    finally:
        logger.setLevel(level)
