"""SORT: bright regions are detected in each frame, and joined by a Kalman filter and the Hungarian algorithm.

Source: Bewley et al., Simple Online and Realtime Tracking, ICIP 2016.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import box_iou

from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.core.targets.tracks import Tracks
from sightline.core.task import DataInfo
from sightline.errors import UsageError

CARD = ModelCard(
    name="sort",
    summary="Kalman filter and Hungarian algorithm.",
    paper="Bewley et al., ICIP 2016",
    trainer="none",
)
MIN_IOU = 0.3
MAX_FRAMES_UNSEEN = 2
BRIGHT = 0.5


class Sort(Model):
    """Nothing to train."""

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: str = "no") -> None:
        super().__init__(settings)

    @staticmethod
    def settings_for(info: DataInfo, options: Any) -> dict[str, Any]:
        return {"motion": options.motion}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"tracks": (B, M, 6)}, filled up with frame 0."""
        if torch.compiler.is_exporting():
            raise UsageError("it tracks with scipy, which is no network. Predict with the run itself.")
        clips = (images.float().mean(1) / 255 > BRIGHT).cpu().numpy()
        tracks = [follow([regions(frame) for frame in clip], self.settings["motion"]) for clip in clips]
        return {"tracks": pad_sequence(tracks, batch_first=True, padding_value=0)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Any:
        rows = [part[part[:, 0] > 0].numpy() for part in answer["tracks"]]
        return Tracks.of(rows, [settings["size"]] * len(rows), [settings["frames"]] * len(rows))


def regions(bright: np.ndarray) -> np.ndarray:
    """(n, 4) boxes of connected regions of (H, W) bool."""
    found = ndimage.find_objects(ndimage.label(bright)[0])
    return np.array([[x.start, y.start, x.stop, y.stop] for y, x in found], dtype=float).reshape(-1, 4)


def follow(frames: list[np.ndarray], motion: bool) -> Tensor:
    """(M, 6) frame, identity and box of what was detected in each frame."""
    tracks: list[Track] = []
    rows, number = [], 0
    for frame, boxes in enumerate(frames, 1):
        expected = np.array([track.predict() for track in tracks]).reshape(-1, 4)
        overlap = box_iou(torch.from_numpy(expected), torch.from_numpy(boxes)).numpy()
        pairs = zip(*linear_sum_assignment(-overlap), strict=True)
        owner = {int(b): tracks[a] for a, b in pairs if overlap[a, b] >= MIN_IOU}
        for k, box in enumerate(boxes):
            if k not in owner:
                number += 1
                owner[k] = Track(number, box, motion)
                tracks.append(owner[k])
            owner[k].update(box)
            rows.append([frame, owner[k].identity, *box])
        tracks = [track for track in tracks if track.unseen <= MAX_FRAMES_UNSEEN]
    return torch.tensor(rows, dtype=torch.float64).reshape(-1, 6)


class Track:
    """Kalman filter of a box with constant speed: the state is four coordinates and their speeds."""

    def __init__(self, identity: int, box: np.ndarray, motion: bool) -> None:
        self.identity, self.unseen = identity, 0
        self.state = np.concatenate([box, np.zeros(4)])
        self.covariance = np.diag([1.0] * 4 + [100.0 * motion] * 4)
        self.step = np.eye(8) + motion * np.eye(8, k=4)
        self.noise = np.diag([0.1] * 4 + [0.1 * motion] * 4)

    def predict(self) -> np.ndarray:
        """The box that is expected in the next frame."""
        self.unseen += 1
        self.state = self.step @ self.state
        self.covariance = self.step @ self.covariance @ self.step.T + self.noise
        return self.state[:4]

    def update(self, box: np.ndarray) -> None:
        """Take in the box that was detected."""
        self.unseen = 0
        gain = self.covariance[:, :4] @ np.linalg.inv(self.covariance[:4, :4] + np.eye(4))
        self.state = self.state + gain @ (box - self.state[:4])
        self.covariance = self.covariance - gain @ self.covariance[:4]


MODEL = Sort
