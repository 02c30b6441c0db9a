"""Kalman filter of many boxes at once: constant speed, each coordinate a filter of its own, in closed form.

Source: Kalman, A New Approach to Linear Filtering and Prediction Problems, 1960; noise in shares of the size
of the box as in Wojke et al., Simple Online and Realtime Tracking with a Deep Association Metric, ICIP 2017.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

POSITION, SPEED = 1 / 20, 1 / 120
"""Standard deviation of a position, and of a speed for each frame, in shares of the size of the box."""


def to_centers(boxes: Floats) -> Floats:
    """(M, 4) x1, y1, x2, y2 to center x, center y, width, height."""
    near, far = boxes[:, :2], boxes[:, 2:]
    return np.concatenate([(near + far) / 2, far - near], 1)


def to_corners(centers: Floats) -> Floats:
    """The inverse of `to_centers`; a width or height below 0 counts as 0."""
    half = np.maximum(centers[:, 2:], 0) / 2
    return np.concatenate([centers[:, :2] - half, centers[:, :2] + half], 1)


class BoxFilter:
    """Filters of T boxes.

    The covariance of a coordinate and its speed is a symmetric 2 x 2 matrix; its three numbers are kept, so
    that a step is a few operations on whole arrays.

    Attributes:
        state: (5, T, 4): value, speed, variance of the value, covariance of both, variance of the speed, of
            center x, center y, width, height.
    """

    def __init__(self) -> None:
        self.state: Floats = np.zeros((5, 0, 4))

    def __len__(self) -> int:
        return int(self.state.shape[1])

    @property
    def boxes(self) -> Floats:
        """(T, 4) x1, y1, x2, y2 as they are believed to be."""
        return to_corners(self.state[0])

    def _scale(self, values: Floats) -> Floats:
        """(T, 1) size by which noise is measured: geometric mean of width and height, at least a pixel."""
        sides: Floats = np.sqrt(np.maximum(values[:, 2:3], 1) * np.maximum(values[:, 3:4], 1))
        return sides

    def predict(self, step: float, rows: NDArray[np.int64] | slice = slice(None)) -> None:
        """Move boxes by their speed.

        Args:
            step: Time since the last step, in frames.
            rows: Which boxes; by default all.
        """
        value, speed, a, b, c = self.state[:, rows]
        scale = self._scale(value) ** 2
        self.state[0, rows] = value + step * speed
        self.state[2, rows] = a + step * (2 * b + step * c) + step * scale * POSITION**2
        self.state[3, rows] = b + step * c
        self.state[4, rows] = c + step * scale * SPEED**2

    def update(self, rows: NDArray[np.int64], boxes: Floats) -> None:
        """Correct boxes by what was detected.

        Args:
            rows: (R,) which boxes.
            boxes: (R, 4) x1, y1, x2, y2 of each.
        """
        observed = to_centers(boxes)
        value, speed, a, b, c = self.state[:, rows]
        total = a + (self._scale(value) * POSITION) ** 2
        gain, gain_speed, miss = a / total, b / total, observed - value
        rest = 1 - gain
        self.state[:, rows] = [
            value + gain * miss, speed + gain_speed * miss, rest * a, rest * b, c - gain_speed * b
        ]  # fmt: skip

    def warp(self, motion: Floats) -> None:
        """Move boxes, their speeds and covariances with the image: the camera has moved.

        The filters of x and y stay apart, as if a rotation did not mix their errors; boxes stay upright.

        Args:
            motion: (2, 3) similarity from old to new places x, y.

        Source: Aharon et al., BoT-SORT, arXiv 2206.14651, 2022, section 3.2.
        """
        turn = motion[:, :2]
        scale = float(np.sqrt(abs(np.linalg.det(turn))))
        self.state[:2, :, :2] = self.state[:2, :, :2] @ turn.T
        self.state[0, :, :2] += motion[:, 2]
        self.state[2:, :, :2] = self.state[2:, :, :2] @ (turn**2).T
        self.state[:2, :, 2:] *= scale
        self.state[2:, :, 2:] *= scale**2

    def add(self, boxes: Floats) -> None:
        """Begin filters at (M, 4) boxes; their speed is unknown."""
        value = to_centers(boxes)
        scale = np.broadcast_to(self._scale(value), value.shape)
        zero = np.zeros_like(value)
        new = [value, zero, (2 * POSITION * scale) ** 2, zero, (10 * SPEED * scale) ** 2]
        self.state = np.concatenate([self.state, np.stack(new)], 1)

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Keep the boxes of a (T,) mask."""
        self.state = self.state[:, rows]
