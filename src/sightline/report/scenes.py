"""Pictures of a gallery with what is in them drawn in: truth, prediction, or both side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sightline.core.report import Gallery
from sightline.data.view import view
from sightline.ops import draw

SIDE = 480
"""Longest side in pixels that a picture is drawn at."""
FEW = 6
"""Objects up to which each has its name written; more would hide the picture."""

Picture = np.ndarray


def scene(gallery: Gallery, i: int, image: Picture) -> Picture | None:
    """Picture i of a gallery with its targets drawn in; None where they do not lie in the picture.

    Args:
        gallery: Holds the targets.
        i: Number of the picture.
        image: (H, W, C) uint8, as stored.

    Returns:
        (H', W', 3) uint8: truth on the left, prediction on the right where both are there.
    """
    tiles = []
    for targets in (gallery.truth, gallery.prediction):
        if targets is not None and targets.kind in _DRAWN:
            tiles.append(_DRAWN[targets.kind](image, targets[i], gallery.names))
    if len(tiles) < 2:
        return tiles[0] if tiles else None
    gap = np.full((tiles[0].shape[0], max(4, tiles[0].shape[1] // 100), 3), 255, dtype=np.uint8)
    return np.concatenate([tiles[0], gap, tiles[1]], axis=1)


def _instances(image: Picture, target: Any, names: Sequence[str]) -> Picture:
    """Boxes, on the picture at a size that a page can show."""
    h, w = image.shape[:2]
    scale = min(SIDE / max(h, w), max(1, SIDE // (2 * max(h, w))))
    small = view(image, (max(1, round(h * scale)), max(1, round(w * scale))))
    few = len(target.labels) <= FEW
    factor = np.array([small.shape[1] / w, small.shape[0] / h] * 2)
    scores = None if target.scores is None else target.scores.numpy()
    return draw.boxes(
        small, target.boxes.numpy() * factor, target.labels.numpy(), scores, names if few else None
    )


_DRAWN: dict[str, Callable[[Picture, Any, Sequence[str]], Picture]] = {"instances": _instances}
"""How a kind of target is drawn."""
