"""BLEU: the share of the n-grams of captions that are in a reference, with a penalty for short captions."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.captions import (
    GRAMS,
    ORDER,
    grams_of_captions,
    references_in_words,
    words_of_captions,
)
from sightline.metrics.functional.rows import unpack
from sightline.metrics.functional.weighted import Array, Weighted


class Bleu(Weighted):
    """BLEU over all captions together, with n-grams of 1 to `order` words.

    As `pycocoevalcap`, but that it is 0 where no n-gram of the longest kind is right, instead of nearly 0. Of
    several references the one with the nearest length counts for the penalty, of two the shorter one.

    Args:
        order: Words of the longest n-grams, 1 to 4.

    Source: Papineni et al., BLEU: a method for automatic evaluation of machine translation, ACL 2002.
    """

    scale = "share"

    def __init__(self, order: int = ORDER) -> None:
        super().__init__()
        self.order = order
        self.card = MetricCard(
            name=f"BLEU-{order}",
            summary=f"share of n-grams of up to {order} words that a reference has, less for short captions",
            higher_is_better=True,
            best=1.0,
            target_types=("text",),
        )

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"right", "candidate": (N, 4) n-grams of each length, "words", "wanted": (N,) words}."""

        def compute() -> Statistics:
            rows = words_of_captions(evaluation)
            words = np.array([len(p) for p, _ in rows], dtype=np.float64)
            nearest = [min(map(len, t), key=lambda n: (abs(n - len(p)), n), default=0) for p, t in rows]
            candidate = np.maximum(words[:, None] - np.arange(ORDER), 0)
            return {"right": _right(evaluation), "candidate": candidate, "words": words,
                    "wanted": np.array(nearest, dtype=np.float64)}  # fmt: skip

        return evaluation.once("BLEU", compute)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        right, candidate = (weights @ stats[name][:, : self.order] for name in ("right", "candidate"))
        words, wanted = weights @ stats["words"], weights @ stats["wanted"]
        precision = np.exp(np.log(right / candidate).mean(1))
        return np.asarray(precision * np.exp(np.minimum(0.0, 1 - wanted / words)))

    def limit(self, target: Any) -> str:
        """That images have unlike numbers of references: then those with many are easier."""
        counts = references_in_words(target)
        if "to" not in counts:
            return ""
        return f"is computed with {counts} references an image: more references make it higher"


def _right(evaluation: Evaluation) -> Array:
    """(N, 4) n-grams of each length that a reference has, each as often at most as one reference has it."""
    rows, image = unpack(grams_of_captions(evaluation), GRAMS)
    result = np.zeros((len(evaluation.target), ORDER))
    if not len(rows):
        return result
    _, key = np.unique(np.stack([image.astype(np.uint64), rows["gram"]], 1), axis=0, return_inverse=True)
    key = key.reshape(-1)
    most = np.zeros(key.max() + 1, dtype=np.int64)
    candidate = rows["sentence"] == 0
    np.maximum.at(most, key[~candidate], rows["count"][~candidate].astype(np.int64))
    np.add.at(
        result,
        (image[candidate], rows["words"][candidate] - 1),
        np.minimum(most[key[candidate]], rows["count"][candidate]),
    )
    return result


METRICS = {
    "bleu-1": partial(Bleu, 1),
    "bleu-2": partial(Bleu, 2),
    "bleu-3": partial(Bleu, 3),
    "bleu-4": partial(Bleu, 4),
}
