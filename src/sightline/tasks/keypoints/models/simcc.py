"""SimCC: each coordinate of a point is classified into bins, finer than a pixel, as in the head of RTMPose.

RTMPose adds an attention unit between the points, and a larger backbone; both are left out here.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.sample import Batch
from sightline.models.weights import embedded
from sightline.tasks.keypoints.models._network import (
    STRIDES,
    TUNED,
    WHOLE,
    PoseModel,
    as_objects,
    entropy,
    expectation,
    gaussian,
    target_points,
    weighted_mean,
)

CARD = ModelCard(
    name="simcc",
    summary="x and y of each point as two classifications into bins of half a pixel.",
    paper="Li et al., SimCC, ECCV 2022; Jiang et al., RTMPose, 2023",
    stride=32,
    defaults={"batch_size": 8, "lr": 1e-3, "monitor": "loss"},
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=TUNED,
    ignores=WHOLE,
    reads="objects",
)
BINS = 2
"""Bins to a pixel of the input."""
HIDDEN = 256
"""Width of the layer between the maps and the bins."""


class SimCC(PoseModel):
    """Two distributions for each point."""

    card: ClassVar[ModelCard] = CARD

    def build(self, widths: list[int], points: int, size: tuple[int, int]) -> None:
        """A map for each point at stride 16, a hidden layer, and the bins of x and y."""
        height, width = size
        self.coarse = nn.Conv2d(widths[3], points, 3, padding=1)
        self.fine = nn.Conv2d(widths[2], points, 3, padding=1)
        cells = (height // STRIDES[2]) * (width // STRIDES[2])
        self.hidden = nn.Sequential(nn.Linear(cells, HIDDEN), nn.LayerNorm(HIDDEN), nn.ReLU(inplace=True))
        self.across, self.down = nn.Linear(HIDDEN, BINS * width), nn.Linear(HIDDEN, BINS * height)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"x": (B, J, 2 W), "y": (B, J, 2 H) logits} for (B, C, H, W) images."""
        levels = self.encoder.maps(self.normalize(images))
        fine = self.fine(levels[2])
        maps = fine + F.interpolate(self.coarse(levels[3]), size=fine.shape[2:], mode="nearest")
        hidden = self.hidden(maps.flatten(2))
        return {"x": self.across(hidden), "y": self.down(hidden)}

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """The mean place around the peaks; the score is the smaller of the two shares that lie there."""
        radius = max(1, round(2 * deviation(settings)))
        places = [expectation(outputs[axis].float().softmax(2), radius) for axis in ("x", "y")]
        (x, in_x), (y, in_y) = places
        return as_objects(torch.stack([x, y], 2) / BINS, torch.minimum(in_x, in_y), settings)

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": mean over labeled points of the KL divergences of x and y from Gaussians}."""
        raw = outputs or self(batch.images)
        target, sigma = target_points(batch), deviation(self.settings)
        total = torch.zeros_like(target.weight)
        for name, at in zip(("x", "y"), target.xy.unbind(2), strict=True):
            goal = gaussian(BINS * at, raw[name].shape[2], sigma)
            total = total - (goal * raw[name].float().log_softmax(2)).sum(2) - entropy(goal)
        return {"loss": weighted_mean(total, target.weight)}


def deviation(settings: dict[str, Any]) -> float:
    """Width of the Gaussians in bins: that of heatmaps, whose cells have 4 pixels."""
    return float(settings["sigma"]) * STRIDES[0] * BINS


MODEL = SimCC
