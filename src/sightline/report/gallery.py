"""Gallery images with targets drawn on them: target, prediction, or both side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sightline.core.report import PredictionGallery
from sightline.data.loading.preprocess import resize_to_input
from sightline.ops import draw
from sightline.runtime.targets import arrays_of

SIDE = 480
"""Longest side in pixels that an image is drawn at."""
MAX_SHOWN = 6
"""Objects up to which each has its name written; more would hide the image."""

ImageArray = np.ndarray


def scene(gallery: PredictionGallery, i: int, image: ImageArray) -> ImageArray | None:
    """Draw image i of a gallery with its targets; None if the target type has no position in the
    image.

    Args:
        gallery: Holds the targets.
        i: Number of the image.
        image: (H, W, C) uint8, as stored.

    Returns:
        (H', W', 3) uint8: target on the left, prediction on the right where both are there, and what differs
        where that can be drawn.
    """
    both = (gallery.target, gallery.prediction)
    given = [t for t in both if t is not None and t.located and t.sizes.shape[1] == 2]
    if not given:
        return None
    small, ones = _shrunk(image, [targets[i] for targets in given])
    arrays = [arrays_of(target) for target in ones]
    tiles = [target.draw(small, gallery.names, MAX_SHOWN) for target in arrays]
    if len({type(target) for target in arrays}) < len(arrays):  # of one kind, side by side
        tiles.append(arrays[1].mistakes(small, arrays[0]))
    drawn = [tile for tile in tiles if tile is not None]
    if not drawn:
        return None
    gap = np.full((small.shape[0], max(4, small.shape[1] // 100), 3), 255, dtype=np.uint8)
    whole = np.concatenate([part for tile in drawn for part in (gap, tile)][1:], axis=1)
    entries = {entry for target in arrays for entry in target.legend(gallery.names)}
    return draw.legend(whole, sorted(entries, key=lambda entry: gallery.names.index(entry[0])))


def _shrunk(image: ImageArray, ones: list[Any]) -> tuple[ImageArray, list[Any]]:
    """Resize the image to the page, in RGB, and transform its targets with it."""
    h, w = image.shape[:2]
    scale = min(SIDE / max(h, w), max(1, SIDE // (2 * max(h, w))))
    size = max(1, round(h * scale)), max(1, round(w * scale))
    places = torch.zeros(1, 2, 3, dtype=torch.float64)
    places[0, 0, 0], places[0, 1, 1] = size[1] / w, size[0] / h
    return resize_to_input(image, size), [target.warp(places, torch.tensor([size])) for target in ones]
