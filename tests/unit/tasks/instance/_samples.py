"""Images of coloured rectangles and discs with their masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.core.sample import Batch
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.outlines import InstanceMasks

CLASSES = ("red", "green", "blue")
COLORS = torch.tensor([[230, 30, 30], [30, 220, 40], [40, 60, 240]], dtype=torch.uint8)
FOUR = [
    [(0, 4, 6, 30, 40), (2, 36, 30, 62, 60)],
    [(1, 8, 20, 40, 60), (0, 44, 2, 62, 24)],
    [(2, 2, 2, 34, 22), (1, 30, 34, 60, 62)],
    [(0, 20, 10, 50, 44)],
]
"""Label and corners of the objects of four images."""


def settings(variant: str, **changed: Any) -> dict[str, Any]:
    result = {
        "classes": list(CLASSES),
        "variant": variant,
        "size": [64, 64],
        "mean": [0.4, 0.4, 0.4],
        "std": [0.2, 0.2, 0.2],
        "channels": 3,
        "conf": 0.01,
        "max_objects": 20,
        "nms": 0.5,
    }
    return {**result, **changed}


def ellipse(x1: float, y1: float, x2: float, y2: float, height: int, width: int) -> Tensor:
    """(H, W) bool: the pixels whose centres lie in the ellipse in a box."""
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    a, b = (x2 - x1) / 2, (y2 - y1) / 2
    return torch.from_numpy(((columns - x1 - a) / a) ** 2 + ((rows - y1 - b) / b) ** 2 <= 1)


def image_batch(objects: list[list[tuple[int, ...]]] = FOUR, side: int = 64) -> Batch:
    """Ellipses on grey, as a batch."""
    images = torch.full((len(objects), 3, side, side), 60, dtype=torch.uint8)
    masks = []
    for image, result in zip(images, objects, strict=True):
        for label, *box in result:
            mask = ellipse(*box, side, side)
            image[:, mask] = COLORS[label][:, None]
            masks.append(mask)
    labels = torch.tensor([o[0] for result in objects for o in result], dtype=torch.int64)
    counts = torch.tensor([len(result) for result in objects])
    sizes = torch.tensor([[side, side]] * len(objects))
    target = InstanceMasks.of(sizes, counts, CroppedMasks.of(masks), labels)
    return Batch(images, target, [str(i) for i in range(len(objects))])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
