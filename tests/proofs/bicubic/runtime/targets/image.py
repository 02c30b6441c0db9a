"""The image that is predicted of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.targets._sampled import sampled
from ..rows import Row
from .base import Image, Outputs, Settings, TargetArrays, way_back


@dataclass(frozen=True, eq=False)
class ImageArrays(TargetArrays):
    """(sH, sW, C) uint8, s times as large as the stored image."""

    pixels: NDArray[np.uint8]
    kind = "image"
    located = True
    outputs = ("image",)

    @classmethod
    def decode(cls, outputs: Outputs, settings: Settings, stored: tuple[int, int]) -> ImageArrays:
        channels = np.rint(outputs["image"] * 255).clip(0, 255).astype(np.uint8)
        times = channels.shape[1] // settings["size"][0]
        place = way_back(settings, stored) * (1, 1, times)
        if tuple(settings["size"]) != tuple(stored):
            window = (0, 0, stored[1] * times, stored[0] * times)
            channels = np.stack([sampled(channel, place, window, 0) for channel in channels])
        return cls(channels.transpose(1, 2, 0))

    def record(self, names: Sequence[str], outputs: Sequence[str] = ()) -> Row:
        height, width, _ = self.pixels.shape
        return {"width": width, "height": height, "brightness": round(float(self.pixels.mean()), 3)}

    def annotate(self, image: Image, row: Row, names: Sequence[str]) -> Image:
        """The predicted image itself, in RGB."""
        return np.broadcast_to(self.pixels, (*self.pixels.shape[:2], 3))


TARGET = ImageArrays
