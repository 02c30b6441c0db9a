"""Values of an image before decoding, for the checks of levels and transparency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .file_types import Source
from .headers import ceiling, has_alpha, is_wide
from .images import opened

NAN = float("nan")


@dataclass(frozen=True)
class Raw:
    """Value statistics of an image before conversion to 8 bits on white.

    Attributes:
        low: Lowest value of grey pixels of more than 8 bits; NaN for other images.
        high: The highest, likewise.
        top: The value that becomes 255 where no span is given; NaN where the image's own highest does.
        alpha: Least and most opacity, in [0, 255], and share of the pixels that are neither clear nor opaque;
            NaN where there is no transparency.
    """

    low: float = NAN
    high: float = NAN
    top: float = NAN
    alpha: tuple[float, float, float] = (NAN, NAN, NAN)


def raw(source: Source, page: int = 0) -> Raw:
    """Statistics of what conversion to 8 bits loses. Only images that can lose something are decoded.

    Raises:
        UnreadableImage: As `decode`.
    """
    with opened(source, page) as (image, kind, _):
        if is_wide(image.mode):
            top = ceiling(image, kind)
            image.load()
            values = np.asarray(image)
            low, high = float(values.min()), float(values.max())
            if top is None and image.mode == "F" and low >= 0 and high <= 1:
                top = 1.0
            return Raw(low, high, NAN if top is None else top)
        if not has_alpha(image):
            return Raw()
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
        partly = float(np.mean((alpha > 0) & (alpha < 255)))
        return Raw(alpha=(float(alpha.min()), float(alpha.max()), partly))
