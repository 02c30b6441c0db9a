"""Shared parts of the scores of captions: words, and runs of up to four words (n-grams)."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import lru_cache

import numpy as np

from sightline.core.metric import Evaluation
from sightline.core.targets.text import Captions
from sightline.metrics.functional.caption_words import caption_words
from sightline.metrics.functional.rows import pack
from sightline.metrics.functional.weighted import Array

ORDER = 4
"""Words of the longest n-grams."""
GRAMS = np.dtype([("sentence", "u2"), ("gram", "u8"), ("words", "u1"), ("count", "u2")])
"""How often an n-gram is in sentence 0 (the prediction) or 1, 2, ... (the references) of an image."""
Words = tuple[str, ...]
WordLists = list[tuple[Words, list[Words]]]


def words_of_captions(evaluation: Evaluation) -> WordLists:
    """Of each image the words of the prediction, and those of each reference."""

    def compute() -> WordLists:
        prediction: Captions = evaluation.prediction
        target: Captions = evaluation.target
        rows = zip(prediction.texts, target.texts, strict=True)
        return [(caption_words(p[0] if p else ""), [caption_words(text) for text in t]) for p, t in rows]

    return evaluation.once("caption words", compute)


def grams_of_captions(evaluation: Evaluation) -> Array:
    """(N,) packed records of `GRAMS`: sentence by sentence, n-grams in the order of their numbers."""

    def compute() -> Array:
        rows = words_of_captions(evaluation)
        records = [
            (i, k, gram, words, count)
            for i, (prediction, references) in enumerate(rows)
            for k, sentence in enumerate((prediction, *references))
            for gram, words, count in ngrams(sentence)
        ]
        table = np.array(records, dtype=[("image", "i8"), *GRAMS.descr])
        return pack(table[[*GRAMS.names]].astype(GRAMS), table["image"], len(rows))  # type: ignore[misc]

    return evaluation.once("caption n-grams", compute)


@lru_cache(maxsize=1 << 16)
def ngrams(words: Words) -> list[tuple[int, int, int]]:
    """(number, words, count) of each n-gram of a sentence, by number: the same on every machine."""
    counts = Counter(words[i : i + n] for n in range(1, ORDER + 1) for i in range(len(words) - n + 1))
    return sorted((_number(gram), len(gram), count) for gram, count in counts.items())


@lru_cache(maxsize=1 << 20)
def _number(gram: Words) -> int:
    return int.from_bytes(hashlib.blake2b("\0".join(gram).encode(), digest_size=8).digest(), "little")


def common_length(first: Words, second: Words) -> int:
    """Words of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for word in first:
        before = 0
        for j, other in enumerate(second, 1):
            before, row[j] = row[j], before + 1 if word == other else max(row[j], row[j - 1])
    return row[-1]


def references_in_words(target: Captions) -> str:
    """How many references the images have: "5", or "1 to 12"."""
    counts = [len(row) for row in target.texts] or [0]
    low, high = min(counts), max(counts)
    return f"{low}" if low == high else f"{low} to {high}"
