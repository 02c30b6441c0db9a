"""Training batches of images with equal rectangles, for `--resize rect`: their order, and their pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sightline.ops.resize_shape import Sides, resized_shape


def grouped(order: np.ndarray, rects: np.ndarray, batch_size: int, rng: np.random.Generator) -> np.ndarray:
    """An order of items in which consecutive batches are of one rectangle, as far as these fill batches.

    What is left over of each rectangle follows, rectangle by rectangle, in batches of several; full batches
    are in random order. Each item is there as often as before.

    Args:
        order: (M,) items in random order.
        rects: (N, 2) rectangle of each item.
        batch_size: Items of a batch.
        rng: Source of the order of batches.
    """
    _, group = np.unique(rects[order], axis=0, return_inverse=True)
    parts = [order[group == number] for number in range(group.max() + 1)]
    full = [len(part) // batch_size * batch_size for part in parts]
    alike = [part[:end] for part, end in zip(parts, full, strict=True)]
    left = [part[end:] for part, end in zip(parts, full, strict=True)]
    order = np.concatenate([*alike, *left])
    batches = len(order) // batch_size
    shuffled = order[: batches * batch_size].reshape(batches, batch_size)[rng.permutation(batches)]
    return np.concatenate([shuffled.ravel(), order[batches * batch_size :]])


def cropped(views: np.ndarray, stored: Sequence[Sequence[int]], size: Sides) -> np.ndarray:
    """Letterboxed views (B, H, W, C) as letterboxed to a smaller size that holds each image at that scale.

    Args:
        views: Of the larger size.
        stored: Height and width of each image as stored.
        size: Height and width of the smaller size.
    """
    large: Sides = (views.shape[1], views.shape[2])
    out = np.empty((len(views), *size, views.shape[3]), dtype=views.dtype)
    for i, (height, width) in enumerate(stored):
        corners = [resized_shape((height, width), sides, "letterbox")[1] for sides in (large, size)]
        top, left = (a - b for a, b in zip(*corners, strict=True))
        out[i] = views[i, top : top + size[0], left : left + size[1]]
    return out
