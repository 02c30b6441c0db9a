"""Draw predictions onto pictures: one function per target type."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

LEAST = 160
"""Pictures narrower than this are enlarged by a whole factor, so that the words fit."""


def captioned(image: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """The picture with a line of text in a white strip under it.

    Args:
        image: (H, W, C) uint8, C is 1 or 3.
        text: What to write.

    Returns:
        (H', W', 3) uint8.
    """
    rgb = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    factor = max(1, -(-LEAST // rgb.shape[1]))
    rgb = rgb.repeat(factor, axis=0).repeat(factor, axis=1)
    size = max(12, rgb.shape[1] // 28)
    font = ImageFont.load_default(size)
    strip = Image.new("RGB", (rgb.shape[1], int(size * 1.8)), "white")
    ImageDraw.Draw(strip).text((size // 3, size // 3), text, fill="black", font=font)
    return np.concatenate([rgb, np.asarray(strip)], axis=0)
