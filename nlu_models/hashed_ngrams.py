"""Character n-grams of many texts at once, hashed into buckets, in numpy.

scikit-learn's HashingVectorizer makes a string of every n-gram, which takes longer than everything else that is done
with them: of a message of 60 letters there are some 250.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nlu_models.dataset import normalise

BUCKETS = 2**16
LONGEST = 5
HASH = 1  # raise when a bucket comes to mean something else: trained weights are of one hash
_BASIS, _PRIME = np.uint32(0x811C9DC5), np.uint32(0x01000193)


def counted(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The n-grams of one to `LONGEST` characters within words, a space before and after each word.

    Returns:
        (text numbers, buckets, how often), one entry for each bucket a text has; by text, then by bucket. The bucket is
        FNV-1a (Fowler, Noll, Vo) over the code points, mixed as MurmurHash3 ends.
    """
    words = [normalise(text).split() for text in texts]
    spelt = [f" {word} " for found in words for word in found]
    codes = np.frombuffer("".join(spelt).encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter(map(len, spelt), np.int64, len(spelt))
    of_text = np.repeat(np.repeat(np.arange(len(texts)), list(map(len, words))), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(codes))  # characters up to the end of the word
    hashes, starts = np.full(len(codes), _BASIS), np.arange(len(codes))
    found = []
    for length in range(1, LONGEST + 1):
        longer = left[starts] >= length
        starts = starts[longer]
        hashes = (hashes[longer] ^ codes[starts + length - 1]) * _PRIME
        found.append(of_text[starts] * BUCKETS + _mixed(hashes) % BUCKETS)
    buckets, counts = np.unique(np.concatenate(found), return_counts=True)
    return buckets // BUCKETS, buckets % BUCKETS, counts.astype(np.float32)


def _mixed(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Every bit depends on every other."""
    hashes = (hashes ^ (hashes >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    hashes = (hashes ^ (hashes >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return hashes ^ (hashes >> np.uint32(16))
