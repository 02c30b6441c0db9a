"""Motion of the camera between two frames, by which trackers move what they expect.

Two steps. The shift of the whole image comes from phase correlation. Then blocks of the one image are looked
for in the other, each by phase correlation too, and a rotation, scale and shift is fitted to those that
agree; so objects that move by themselves do not count.

Sources: Aharon et al., BoT-SORT: Robust Associations Multi-Pedestrian Tracking, arXiv 2206.14651, 2022,
section 3.2 (compensation). Kuglin & Hines, The Phase Correlation Image Alignment Method, 1975. Fischler &
Bolles, Random Sample Consensus, Communications of the ACM 24, 1981.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .kalman import Floats

SIDE = 320
"""Longest side in pixels of the frames that are compared; larger ones are made smaller."""
BLOCK, STEP = 32, 24
"""Side in pixels of a block of them, and distance of blocks."""
LEAST_BLOCKS = 8
"""Blocks that must agree; else the camera counts as still, for nothing is known."""
NEAR = 0.7
"""Pixels between the place of a block and that of the fit at which they agree."""
STILL = 0.25
"""Pixels of the small frames: where the fit moves no block by more, the camera counts as still."""
TEXTURE, SURE = 2.0, 0.12
"""Least standard deviation of the gray values of a block, and least peak of its correlation."""
_DRAWS = 200


class CameraMotion:
    """Motion of the camera from frame to frame of one film."""

    def __init__(self) -> None:
        self._last: Floats | None = None

    def update(self, image: NDArray[np.uint8]) -> Floats:
        """(2, 3) similarity from places x, y in the last frame to those in this one, in pixels.

        It is the identity for the first frame, for a frame of another size, and where too few blocks agree.

        Args:
            image: (H, W, C) or (H, W) uint8 frame.
        """
        small, scale = _small(image)
        last, self._last = self._last, small
        if last is None or last.shape != small.shape:
            return np.eye(2, 3)
        motion = _between(last, small)
        motion[:, 2] *= scale
        return motion


def _small(image: NDArray[np.uint8]) -> tuple[Floats, int]:
    """Gray frame (h, w), each pixel the mean of a square of pixels, and the side of that square."""
    scale = -(-max(image.shape[:2]) // SIDE)
    height, width = (side // scale * scale for side in image.shape[:2])
    gray = image[:height, :width].astype(np.float32)
    gray = gray.mean(2) if gray.ndim == 3 else gray
    parts = gray.reshape(height // scale, scale, width // scale, scale)
    small: Floats = parts.mean((1, 3), dtype=np.float64)
    return small, scale


def _between(last: Floats, now: Floats) -> Floats:
    """(2, 3) similarity from places in `last` to those in `now`, both (h, w)."""
    (shift,), _ = _shifts(last[None], now[None])
    places, moves = _moves(last, now, np.rint(shift).astype(int))
    if len(places) < LEAST_BLOCKS:
        return np.eye(2, 3)
    return _fit(places, places + moves)


def _shifts(first: Floats, other: Floats) -> tuple[Floats, Floats]:
    """(N, 2) shift x, y of images (N, h, w) to others, to a part of a pixel, and (N,) height of the peak."""
    _, height, width = first.shape
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[1:-1]
    spectra = [np.fft.rfft2((part - part.mean((1, 2), keepdims=True)) * window) for part in (first, other)]
    cross = spectra[1] * spectra[0].conj()
    cross /= np.abs(cross) + 1e-3 * np.abs(cross).mean((1, 2), keepdims=True) + 1e-12
    answer = np.fft.irfft2(cross, s=(height, width))
    best = answer.reshape(len(answer), -1).argmax(1)
    rows, columns = np.unravel_index(best, (height, width))
    number = np.arange(len(answer))
    peak = answer[number, rows, columns]
    beside = [answer[number, rows, (columns + d) % width] for d in (-1, 1)]
    above = [answer[number, (rows + d) % height, columns] for d in (-1, 1)]
    x = _centered(columns, width) + _part(peak, *beside)
    y = _centered(rows, height) + _part(peak, *above)
    return np.stack([x, y], 1), peak


def _centered(place: NDArray[np.int64], side: int) -> Floats:
    """Places of a circle as shifts to both sides."""
    return np.where(place > side // 2, place - side, place).astype(np.float64)


def _part(peak: Floats, before: Floats, after: Floats) -> Floats:
    """(N,) share of a pixel by which peaks lie beside their middle, of values at it and at both neighbors.

    The correlation of a shift by a part of a pixel lies in two neighbors; what a blur of it adds is the same
    on both sides, and is taken off.

    Source: Foroosh et al., Extension of Phase Correlation to Subpixel Registration, IEEE Transactions on
    Image Processing 11, 2002.
    """
    low = np.minimum(after, before)
    side = np.maximum(after, before) - low
    share = side / np.maximum(side + peak - low, 1e-9)
    return np.where(after > before, share, -share)


def _moves(last: Floats, now: Floats, shift: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """(N, 2) middles of blocks of `last` that have a texture, and (N, 2) how far each is moved in `now`."""
    height, width = last.shape
    dx, dy = (int(v) for v in shift)
    tops = np.arange(max(0, -dy), min(height, height - dy) - BLOCK + 1, STEP)
    lefts = np.arange(max(0, -dx), min(width, width - dx) - BLOCK + 1, STEP)
    if not len(tops) or not len(lefts):
        return np.zeros((0, 2)), np.zeros((0, 2))
    corners = np.stack(np.meshgrid(tops, lefts, indexing="ij"), -1).reshape(-1, 2)
    inside = np.arange(BLOCK)
    rows, columns = corners[:, :1, None] + inside[:, None], corners[:, 1:, None] + inside
    first, other = last[rows, columns], now[rows + dy, columns + dx]
    textured = np.minimum(first.std((1, 2)), other.std((1, 2))) >= TEXTURE
    moves, peaks = (
        _shifts(first[textured], other[textured]) if textured.any() else (np.zeros((0, 2)), np.zeros(0))
    )
    good = (peaks >= SURE) & (np.abs(moves) <= BLOCK / 4).all(1)
    places = corners[textured][good][:, ::-1] + BLOCK / 2
    return places, moves[good] + shift


def _fit(places: Floats, goals: Floats) -> Floats:
    """(2, 3) similarity from places (N, 2) to goals (N, 2) with the most pairs that agree; the identity where
    too few do, or where these do not move.
    """
    rng = np.random.default_rng(0)
    first, other = rng.integers(0, len(places), (2, _DRAWS))
    apart = np.abs(places[first] - places[other]).sum(1) >= 2 * BLOCK
    first, other = first[apart], other[apart]
    z, w = (values[:, 0] + 1j * values[:, 1] for values in (places, goals))
    turn = (w[other] - w[first]) / (z[other] - z[first])  # a similarity is w = turn * z + shift
    turn = np.append(turn, 1)  # and a shift alone
    shift = np.append(w[first] - turn[:-1] * z[first], np.median((w - z).real) + 1j * np.median((w - z).imag))
    agree = np.abs(turn[:, None] * z + shift[:, None] - w) <= NEAR
    chosen = agree[agree.sum(1).argmax()]
    if chosen.sum() < max(LEAST_BLOCKS, len(places) // 3):
        return np.eye(2, 3)
    z, w = z[chosen], w[chosen]
    spread = z - z.mean()
    best = (spread.conj() @ (w - w.mean())) / max((spread.conj() @ spread).real, 1e-9)
    moved = w.mean() - best * z.mean()
    if (np.abs(best * z + moved - z) <= STILL).all():
        return np.eye(2, 3)
    return np.array([[best.real, -best.imag, moved.real], [best.imag, best.real, moved.imag]])
