"""Maps of evidence as colors over an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FOR = np.array([(255, 235, 120), (253, 141, 30), (189, 0, 38)], dtype=np.float32)
"""Evidence for a statement, from weak to strong: yellow, orange, red (after ColorBrewer, YlOrRd)."""
AGAINST = np.array([(190, 220, 245), (70, 140, 200), (8, 48, 107)], dtype=np.float32)
"""Evidence against it: blue (after ColorBrewer, Blues)."""
STRENGTH = 0.8
"""Share of the color in the mix where the evidence is strongest."""


def colored(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, 3) colors of values in [-1, 1]."""
    place = np.clip(np.abs(values), 0, 1) * (len(FOR) - 1)
    low = np.minimum(place.astype(int), len(FOR) - 2)
    share = (place - low)[..., None]
    positive, negative = ((1 - share) * scale[low] + share * scale[low + 1] for scale in (FOR, AGAINST))
    return np.asarray(np.where(values[..., None] < 0, negative, positive), dtype=np.float32)


def overlaid(image: NDArray[np.uint8], values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A grayed image with a map over it; where there is no evidence the image is as it is.

    Args:
        image: (H, W, C) uint8, C is 1 or 3.
        values: (H, W) in [-1, 1]; below 0 is evidence against.
    """
    gray = image.mean(2, keepdims=True).repeat(3, axis=2)
    share = STRENGTH * np.clip(np.abs(values), 0, 1)[..., None] ** 0.75
    return np.asarray(((1 - share) * gray + share * colored(values)).round(), dtype=np.uint8)


def scale_bar(width: int, height: int, signed: bool) -> NDArray[np.uint8]:
    """(H, W, 3) the colors from none (or strongest against) to strongest for, over light gray."""
    line = np.linspace(-1 if signed else 0, 1, width, dtype=np.float32)[None].repeat(height, axis=0)
    return overlaid(np.full((height, width, 1), 200, dtype=np.uint8), line)
