"""Baselines: one sentence for all images, and captions of the nearest training images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from sightline.classical.features import small_image_features
from sightline.core.targets.text import Captions
from sightline.core.task import Baseline
from sightline.metrics.functional.caption_words import caption_words
from sightline.metrics.functional.captions import ngrams

NEIGHBORS = 12
"""Nearest images whose captions are asked for the one that is most like the others."""
COLORS = 4
"""Levels of each channel of a histogram of colors."""
Features = Callable[[Any], NDArray[np.float32]]


def baselines() -> list[Baseline]:
    """The baselines of captions."""
    return [
        Baseline(
            "commonest",
            "always the commonest training caption; of equally common ones that with the commonest words",
            lambda _, target: _constant(target),
            uses_images=False,
        ),
        Baseline(
            "nearest",
            "a caption of the nearest training image by edges (HOG), a thumbnail and colors",
            lambda images, target: _nearest(images, target, looks, 1),
        ),
        Baseline(
            "consensus",
            f"of the captions of the {NEIGHBORS} nearest training images, by the frozen network, that which "
            "is most like the others (Devlin et al., 2015)",
            lambda features, target: _nearest(features, target, _unit, NEIGHBORS),
            frozen=True,
        ),
    ]


def looks(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, D) edges, thumbnail and colors of images (N, H, W, C)."""
    levels = (images.astype(np.int64) * COLORS) // (np.iinfo(images.dtype).max + 1)
    weights = COLORS ** np.arange(images.shape[3])
    codes = (levels * weights).sum(3).reshape(len(images), -1)
    bins = COLORS ** images.shape[3]
    colors = np.stack([np.bincount(row, minlength=bins) for row in codes]) / codes.shape[1]
    return np.concatenate([small_image_features(images), np.sqrt(colors)], 1).astype(np.float32)


def _unit(features: Any) -> NDArray[np.float32]:
    """Features of length 1, so that nearest is by cosine."""
    values = np.asarray(features, dtype=np.float32)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9))


def _constant(target: Captions) -> Callable[[Any], Captions]:
    texts = [text for row in target.texts for text in row]
    counts = Counter(caption_words(text) for text in texts)
    images = Counter(g for row in target.texts for g in {g for text in row for g in _grams(text)})

    def typical(text: str) -> tuple[int, float, str]:
        grams = _grams(text)
        return counts[caption_words(text)], sum(images[g] for g in grams) / max(len(grams), 1), text

    best = max(texts, key=typical)
    return lambda new: _said([best] * len(new))


def _nearest(images: Any, target: Captions, features: Features, neighbors: int) -> Callable[[Any], Captions]:
    """A function from images to the caption of their neighbors that is most like the others."""
    index = NearestNeighbors(n_neighbors=min(neighbors, len(target))).fit(features(images))

    def answer(new: Any) -> Captions:
        rows = index.kneighbors(features(new), return_distance=False)
        return _said([consensus([t for i in row for t in target.texts[i]]) for row in rows.tolist()])

    return answer


def consensus(texts: Sequence[str]) -> str:
    """Of several captions the one with the most n-grams in common with each of the others, as a share."""
    grams = [_grams(text) for text in texts]

    def likeness(i: int) -> float:
        return sum(2 * len(grams[i] & other) / max(len(grams[i]) + len(other), 1) for other in grams)

    return texts[max(range(len(texts)), key=lambda i: (likeness(i), -i))]


def _grams(text: str) -> set[int]:
    return {gram for gram, _, _ in ngrams(caption_words(text))}


def _said(texts: Sequence[str]) -> Captions:
    n = len(texts)
    return Captions(tuple((text,) for text in texts), torch.ones(n), torch.ones(n, dtype=torch.bool))
