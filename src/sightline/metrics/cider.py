"""CIDEr-D: how like the references a caption is, where rare words count more than frequent ones."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.captions import GRAMS, ORDER, grams_of_captions, references_in_words
from sightline.metrics.functional.rows import unpack
from sightline.metrics.functional.weighted import Array, Weighted, mean

SIGMA = 6.0
"""Words of difference in length by which the likeness falls to 0.6."""
BEST = 10.0
Grams = tuple[Array, Array, Array, Array, Array]
"""Of (R,) n-grams: the sentence, whether it is a prediction, the image, the number of words, the count."""


class Cider(Weighted):
    """Cosine of the n-grams of a caption and of each reference, weighted by their rarity; 0 to 10.

    Known as CIDEr in `pycocoevalcap` and in papers (CIDEr-D: with counts that are clipped, and a penalty for
    another length). How rare an n-gram is follows from the references of the images that are scored, so that
    the value changes with them; for intervals the rarity is kept, and images are left out of the mean only.

    Source: Vedantam et al., CIDEr: consensus-based image description evaluation, CVPR 2015.
    """

    card = MetricCard(
        name="CIDEr",
        summary="likeness to the references by n-grams, of which rare ones count more; 0 to 10",
        higher_is_better=True,
        best=BEST,
        target_types=("text",),
    )
    scale: ClassVar = "ratio"

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """{"grams": (N,) packed n-grams, "references": (N,) how many}."""
        counts = np.array([len(row) for row in evaluation.target.texts], dtype=np.float64)
        return {"grams": grams_of_captions(evaluation), "references": counts}

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`; the rarity of n-grams is that of all N images under each weighting."""
        return mean(scores_of_images(stats), weights)

    def limit(self, target: Any) -> str:
        """How many references there are, which the value depends on."""
        return (
            f"is computed with {references_in_words(target)} references an image, and rarity from the "
            f"references of these {len(target):,} images: compare it on the same images only"
        )


def scores_of_images(stats: Statistics) -> Array:
    """(N,) CIDEr of each image, in [0, 10]."""
    rows, image = unpack(stats["grams"], GRAMS)
    n = len(stats["grams"])
    if not len(rows):
        return np.zeros(n)
    first = np.concatenate([[0], np.cumsum(1 + stats["references"].astype(np.int64))])
    sentence = first[image] + rows["sentence"]
    _, gram = np.unique(rows["gram"], return_inverse=True)
    gram = gram.reshape(-1)
    value = rows["count"] * _rarity(gram, image, rows["sentence"] > 0, n)
    order, total = rows["words"] - 1, int(first[-1])
    squares = np.zeros((total, ORDER))
    np.add.at(squares, (sentence, order), value**2)
    lengths = np.bincount(sentence, weights=rows["count"] * (order == 1), minlength=total)
    candidate = rows["sentence"] == 0
    key, place = _pairs(gram, image, candidate)
    dots = np.zeros((total, ORDER))
    np.add.at(dots, (sentence[key], order[key]), np.minimum(value[place], value[key]) * value[key])
    owner = np.repeat(np.arange(n), np.diff(first))
    norms = np.sqrt(squares * squares[first[owner]])
    cosines = np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0).mean(1)
    penalty = np.exp(-((lengths[first[owner]] - lengths) ** 2) / (2 * SIGMA**2))
    cosines = cosines * penalty
    cosines[first[:-1]] = 0  # the prediction itself
    sums = np.bincount(owner, weights=cosines, minlength=n)
    return np.asarray(BEST * sums / np.maximum(stats["references"], 1))


def _rarity(gram: Array, image: Array, reference: Array, n: int) -> Array:
    """(R,) logarithm of the number of images for each whose references have an n-gram."""
    pairs = np.unique(np.stack([gram[reference], image[reference]], 1), axis=0)
    counts = np.bincount(pairs[:, 0], minlength=int(gram.max()) + 1)
    return np.asarray((np.log(n) - np.log(np.maximum(counts, 1)))[gram])


def _pairs(gram: Array, image: Array, candidate: Array) -> tuple[Array, Array]:
    """Rows of references whose n-gram is in the prediction of their image too, and the rows of that."""
    key = image * (int(gram.max()) + 1) + gram
    mine = np.flatnonzero(candidate)
    mine = mine[np.argsort(key[mine], kind="stable")]
    others = np.flatnonzero(~candidate)
    if not len(mine):
        return others[:0], mine
    place = np.minimum(np.searchsorted(key[mine], key[others]), len(mine) - 1)
    hit = key[mine[place]] == key[others]
    return others[hit], mine[place[hit]]


METRIC = Cider
