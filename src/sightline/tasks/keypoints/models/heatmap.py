"""Heatmaps: an encoder, a decoder with skip connections, and a map of probabilities for each point.

After Xiao et al. (SimpleBaseline), whose decoder has no skip connections and whose maps are regressed. Here a
map is a distribution over its cells at stride 4, learnt by cross-entropy against a Gaussian around the point;
the point is the mean of the distribution around its peak, which is finer than a cell (soft argmax, as Sun et
al., Integral Human Pose Regression, ECCV 2018, within a window).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.sample import Batch
from sightline.models.weights import embedded
from sightline.tasks.keypoints.models._encoder import convolution
from sightline.tasks.keypoints.models._network import (
    STRIDES,
    TUNED,
    WHOLE,
    PoseModel,
    as_objects,
    entropy,
    gaussian,
    target_points,
    weighted_mean,
)

CARD = ModelCard(
    name="heatmap",
    summary="A heatmap for each point at stride 4, read by a soft argmax around its peak.",
    paper="Xiao, Wu, Wei, Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018",
    stride=32,
    defaults={"batch_size": 8, "lr": 1e-3, "monitor": "loss"},
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=TUNED,
    tuned_gain=False,
    ignores=WHOLE,
    reads="objects",
)
WIDTH = 64
"""Channels of the decoder."""


class Heatmap(PoseModel):
    """A distribution over the cells of a map for each point."""

    card: ClassVar[ModelCard] = CARD

    def build(self, widths: list[int], points: int, size: tuple[int, int]) -> None:
        """Lateral convolutions, smoothing after each sum, and the maps."""
        self.lateral = nn.ModuleList(nn.Conv2d(width, WIDTH, 1) for width in widths)
        self.smooth = nn.ModuleList(nn.Sequential(*convolution(WIDTH, WIDTH)) for _ in widths)
        self.maps = nn.Conv2d(WIDTH, points, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"heatmaps": (B, J, H / 4, W / 4) logits} for (B, C, H, W) images."""
        levels = self.encoder.maps(self.normalize(images))
        x: Tensor | None = None
        for lateral, smooth, level in zip(
            reversed(self.lateral), reversed(self.smooth), reversed(levels), strict=True
        ):
            side = lateral(level)
            x = smooth(side if x is None else side + F.interpolate(x, size=side.shape[2:], mode="nearest"))
        return {"heatmaps": self.maps(x)}

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """The mean place of each map around its peak; the score is the probability that lies there."""
        maps = outputs["heatmaps"].float()
        height, width = maps.shape[2:]
        share = maps.flatten(2).softmax(2)
        peak = share.argmax(2, keepdim=True)
        radius = window(settings)
        place = torch.arange(height * width, device=maps.device)
        x, y = place % width, place // width
        near = ((x - peak % width).abs() <= radius) & ((y - peak // width).abs() <= radius)
        share = share * near.to(share.dtype)
        total = share.sum(2)
        centers = torch.stack([x, y], 1).to(share.dtype) + 0.5
        points = STRIDES[0] * (share @ centers) / total[:, :, None].clamp(min=1e-12)
        return as_objects(points, total, settings)

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": mean over labeled points of the KL divergence of the map from a Gaussian}."""
        maps = (outputs or self(batch.images))["heatmaps"].float()
        target, sigma = target_points(batch), self.settings["sigma"]
        x, y = (target.xy / STRIDES[0]).unbind(2)
        across, down = gaussian(x, maps.shape[3], sigma), gaussian(y, maps.shape[2], sigma)
        log = maps.flatten(2).log_softmax(2).view_as(maps)
        cross = -torch.einsum("bjh,bjhw,bjw->bj", down, log, across)
        return {"loss": weighted_mean(cross - entropy(across) - entropy(down), target.weight)}


def window(settings: dict[str, Any]) -> int:
    """Cells on either side of a peak that are looked at: two deviations of the Gaussian."""
    return max(1, round(2 * float(settings["sigma"])))


MODEL = Heatmap
