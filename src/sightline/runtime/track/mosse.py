"""MOSSE: a correlation filter that follows one object from its first box.

Source: Bolme et al., Visual Object Tracking using Adaptive Correlation Filters, CVPR 2010.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SIDE = 64
"""Longest side in pixels of the patch that is looked at; larger ones are scaled down to it."""
CONTEXT = 2.0
"""Side of the patch in sides of the object."""
RATE, SIGMA, VIEWS = 0.03, 2.0, 8
"""Rate of learning, width of the wanted peak in pixels of the patch, and turned copies of the first patch."""
SURE = 5.0
"""Peak-to-sidelobe ratio below which the object counts as hidden: the filter learns nothing then."""


class Mosse:
    """Follows one object; its size stays.

    Args:
        image: (H, W, C) uint8 first frame.
        box: x1, y1, x2, y2 of the object in pixels.

    Attributes:
        ratio: Peak-to-sidelobe ratio of the last frame: how sure the place is; infinite in the first one.

    Raises:
        ValueError: If the box has no area, or does not lie in the frame.
    """

    def __init__(self, image: NDArray[np.uint8], box: ArrayLike) -> None:
        x1, y1, x2, y2 = np.asarray(box, dtype=np.float64)
        height, width = image.shape[:2]
        if not (x1 < x2 and y1 < y2 and x2 > 0 and y2 > 0 and x1 < width and y1 < height):
            raise ValueError(
                f"The box {x1:g},{y1:g},{x2:g},{y2:g} does not lie in the frame of {width} x {height}."
            )
        self._center, self._size = np.array([x1 + x2, y1 + y2]) / 2, np.array([x2 - x1, y2 - y1])
        extent = CONTEXT * self._size
        self._scale = max(1.0, extent.max() / SIDE)  # pixels of the image to one of the patch
        shape = np.maximum(np.rint(extent / self._scale), 8).astype(int)[::-1]
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        peak = np.exp(-((rows - shape[0] // 2) ** 2 + (columns - shape[1] // 2) ** 2) / (2 * SIGMA**2))
        self._window = np.hanning(shape[0] + 2)[1:-1, None] * np.hanning(shape[1] + 2)[1:-1]
        self._wanted, self._shape, self.ratio = np.fft.rfft2(peak), shape, np.inf
        rng = np.random.default_rng(0)
        turns = [np.eye(2), *(np.eye(2) + rng.normal(0, 0.05, (2, 2)) for _ in range(VIEWS))]
        spectra = [self._spectrum(image, turn) for turn in turns]
        self._above = self._wanted * np.mean([s.conj() for s in spectra], axis=0)
        self._below = np.mean([s * s.conj() for s in spectra], axis=0)

    @property
    def box(self) -> Floats:
        """(4,) x1, y1, x2, y2 in pixels."""
        return np.concatenate([self._center - self._size / 2, self._center + self._size / 2])

    def update(self, image: NDArray[np.uint8]) -> Floats:
        """The box of the object in the next frame (H, W, C)."""
        spectrum = self._spectrum(image)
        answer = np.fft.irfft2(spectrum * self._above / (self._below + 1e-3), s=tuple(self._shape))
        row, column = np.unravel_index(answer.argmax(), answer.shape)
        top = answer[row, column]
        answer[max(0, row - 5) : row + 6, max(0, column - 5) : column + 6] = np.nan
        rest = answer[np.isfinite(answer)]
        self.ratio = float((top - rest.mean()) / (rest.std() + 1e-9)) if len(rest) else np.inf
        if self.ratio < SURE:
            return self.box
        step = np.array([column - self._shape[1] // 2, row - self._shape[0] // 2])
        limits = np.array(image.shape[1::-1], dtype=np.float64)
        self._center = np.clip(self._center + self._scale * step, 0, limits)
        spectrum = self._spectrum(image)
        self._above = RATE * self._wanted * spectrum.conj() + (1 - RATE) * self._above
        self._below = RATE * spectrum * spectrum.conj() + (1 - RATE) * self._below
        return self.box

    def _spectrum(self, image: NDArray[np.uint8], turn: Floats | None = None) -> NDArray[np.complex128]:
        """Fourier transform of the patch about the object, with even brightness and faded edges."""
        offsets = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in self._shape[::-1])), -1).astype(float)
        places = self._center + self._scale * (offsets if turn is None else offsets @ turn.T)
        columns, rows = np.rint(places - 0.5).astype(int).transpose(2, 0, 1)
        patch = image[rows.clip(0, image.shape[0] - 1), columns.clip(0, image.shape[1] - 1)].mean(2)
        patch = np.log1p(patch)
        patch = (patch - patch.mean()) / (patch.std() + 1e-5)
        return np.fft.rfft2(patch * self._window)
