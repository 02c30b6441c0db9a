"""Gallery images with targets drawn on them: target, prediction, or both side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from sightline.core.report import Gallery
from sightline.core.targets.masks import VOID
from sightline.data.loading.preprocess import view
from sightline.ops import draw

SIDE = 480
"""Longest side in pixels that a picture is drawn at."""
FEW = 6
"""Objects up to which each has its name written; more would hide the picture."""

Picture = np.ndarray


def scene(gallery: Gallery, i: int, image: Picture) -> Picture | None:
    """Draw image i of a gallery with its targets; None if the target type has no position in the image.

    Args:
        gallery: Holds the targets.
        i: Number of the picture.
        image: (H, W, C) uint8, as stored.

    Returns:
        (H', W', 3) uint8: truth on the left, prediction on the right where both are there, and what differs
        where that can be drawn.
    """
    drawable = [t for t in (gallery.truth, gallery.prediction) if t is not None and t.kind in _DRAWN]
    if not drawable:
        return None
    small, ones = _shrunk(image, [targets[i] for targets in drawable])
    tiles = [_DRAWN[target.kind](small, target, gallery.names) for target in ones]
    if [target.kind for target in ones] == ["masks", "masks"]:
        tiles.append(draw.difference(small, ones[1].map(0), ones[0].map(0), VOID))
    gap = np.full((tiles[0].shape[0], max(4, tiles[0].shape[1] // 100), 3), 255, dtype=np.uint8)
    whole = np.concatenate([part for tile in tiles for part in (gap, tile)][1:], axis=1)
    return draw.legend(whole, _colours(ones, gallery.names))


def _shrunk(image: Picture, ones: list[Any]) -> tuple[Picture, list[Any]]:
    """Resize the image to the page, in RGB, and transform its targets with it."""
    h, w = image.shape[:2]
    scale = min(SIDE / max(h, w), max(1, SIDE // (2 * max(h, w))))
    size = max(1, round(h * scale)), max(1, round(w * scale))
    places = torch.zeros(1, 2, 3, dtype=torch.float64)
    places[0, 0, 0], places[0, 1, 1] = size[1] / w, size[0] / h
    return view(image, size), [target.moved(places, torch.tensor([size])) for target in ones]


def _colours(ones: list[Any], names: Sequence[str]) -> list[tuple[str, draw.Colour]]:
    """Legend entries: the classes in class maps, with their colors; boxes have labels instead."""
    maps = [target for target in ones if target.kind == "masks"]
    classes = sorted({int(k) for target in maps for k in np.unique(target.map(0)) if k != VOID})
    return [(names[k], draw.colour_of(k)) for k in classes if k < len(names)]


def _instances(small: Picture, target: Any, names: Sequence[str]) -> Picture:
    few = len(target.labels) <= FEW
    scores = None if target.scores is None else target.scores.numpy()
    return draw.boxes(small, target.boxes.numpy(), target.labels.numpy(), scores, names if few else None)


def _outlines(small: Picture, target: Any, names: Sequence[str]) -> Picture:
    """Draw instance masks, each object in its own color; labels are drawn if there are few."""
    tinted = draw.objects(small, target.bitmaps, np.arange(len(target.labels)))
    return _instances(tinted, target, names) if 0 < len(target.labels) <= FEW else tinted


def _masks(small: Picture, target: Any, names: Sequence[str]) -> Picture:
    del names
    return draw.regions(small, target.map(0), VOID)


_DRAWN: dict[str, Callable[[Picture, Any, Sequence[str]], Picture]] = {
    "instances": _instances,
    "outlines": _outlines,
    "masks": _masks,
}
"""How a kind of target is drawn."""
