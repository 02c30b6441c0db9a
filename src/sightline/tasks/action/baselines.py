"""Baselines: the commonest class, one frame, and how bright and how restless the frames are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.classical import label_models
from sightline.classical.features import small_image_features
from sightline.core.targets.label import ClassLabels
from sightline.core.task import Baseline

CELLS = 8
"""Cells along each side of a map of motion."""
SIDE = 32

Features = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def baselines(classes: int) -> list[Baseline]:
    """The baselines of action recognition.

    Args:
        classes: Number of classes K.
    """
    linear = {
        "middle-frame": (
            middle_frame,
            "logistic regression on the middle frame and its edge directions",
            0.01,
        ),
        "motion-energy": (motion_energy, "logistic regression on where and when frames differ", 1.0),
        "time-profile": (
            time_profile,
            "logistic regression on the highest value, the mean and the change of each frame",
            1.0,
        ),
    }
    majority = Baseline(
        "majority",
        "always the commonest class, with the class shares as probabilities",
        lambda clips, target: label_models.majority(target, classes),
        uses_images=False,
        answer=label_models.answer,
        graph=label_models.graph,
    )
    return [majority, *(_linear(name, text, of, classes, c) for name, (of, text, c) in linear.items())]


def _linear(name: str, summary: str, features: Features, classes: int, strength: float) -> Baseline:
    """A logistic regression on features of clips (N, T, H, W, C)."""

    def learn(clips: Any, target: ClassLabels) -> label_models.State:
        return label_models.logistic(features(clips), target, classes, strength)

    return Baseline(
        name,
        summary,
        learn,
        side=SIDE,
        answer=lambda state, clips: label_models.answer(state, clips, features),
    )


def middle_frame(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, D) features of the frame in the middle of (N, T, H, W, C)."""
    return small_image_features(clips[:, clips.shape[1] // 2])


def motion_energy(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, D) mean change between neighboring frames of (N, T, H, W, C): over time in 8 x 8 cells, over space
    for each step."""
    gray = _gray(clips)
    change = np.abs(np.diff(gray, axis=1)) if gray.shape[1] > 1 else np.zeros_like(gray)
    rows, columns = (_parts(side) for side in change.shape[2:])
    where = np.add.reduceat(np.add.reduceat(change.mean(1), rows, axis=1), columns, axis=2)
    return np.concatenate([where.reshape(len(clips), -1), change.mean((2, 3))], 1)


def time_profile(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 3 T - 1) highest value and mean of each frame of (N, T, H, W, C), and how much it differs from the
    one before."""
    gray = _gray(clips)
    change = np.abs(np.diff(gray, axis=1)).mean((2, 3))
    return np.concatenate([gray.max((2, 3)), gray.mean((2, 3)), change], 1)


def _gray(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, T, H, W) in [0, 1]; values of more than 8 bits as they are."""
    scale = np.float32(255 if clips.dtype == np.uint8 else 1)
    return np.asarray(clips.mean(-1, dtype=np.float32) / scale)


def _parts(side: int) -> NDArray[np.int64]:
    """First place of each cell along a side."""
    return np.linspace(0, side, min(CELLS, side) + 1).astype(np.int64)[:-1]
