"""DeepPose: regression of the points, and a second stage that looks at a crop around each of them.

Toshev and Szegedy regress normalized coordinates from the whole image, then refine each point in a crop
around the first prediction; the second stage learns from crops around displaced annotations, drawn with the
errors of the first stage. Theirs is an AlexNet for each stage and three stages; here the first stage is the
encoder of the other methods, and one small network refines all points.
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
    target_points,
    weighted_mean,
)

CARD = ModelCard(
    name="deeppose",
    summary="Regression of all points, refined once in a crop around each.",
    paper="Toshev, Szegedy, DeepPose: Human Pose Estimation via Deep Neural Networks, CVPR 2014",
    stride=32,
    defaults={"batch_size": 8, "lr": 1e-3, "monitor": "loss"},
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=TUNED,
    ignores=("sigma", *WHOLE),
    reads="objects",
)
WIDTH, HIDDEN = 64, 512
"""Channels that are flattened, and width of the layer after them."""
CROP, PIXELS = 0.25, 32
"""Side of a crop as a share of the longer side of the input, and in pixels."""
LEAST_SPREAD = 0.02
"""Least deviation of the displaced crops in training, as a share of the longer side."""


class DeepPose(PoseModel):
    """Coordinates by regression, twice."""

    card: ClassVar[ModelCard] = CARD

    def build(self, widths: list[int], points: int, size: tuple[int, int]) -> None:
        """Layers on the flattened last map, and the network of the second stage."""
        height, width = size
        self.squeeze = nn.Sequential(*convolution(widths[3], WIDTH, size=1))
        cells = (height // STRIDES[3]) * (width // STRIDES[3])
        self.first = nn.Sequential(
            nn.Linear(WIDTH * cells, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.Linear(HIDDEN, 2 * points),
        )
        channels = self.settings["channels"]
        self.refine = nn.Sequential(
            *convolution(channels, 32, stride=2), *convolution(32, 64, stride=2),
            *convolution(64, 64, stride=2), nn.Flatten(),
            nn.Linear(64 * (PIXELS // 8) ** 2, 128), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.shift = nn.Parameter(torch.zeros(points, 128, 2))  # at first nothing is displaced

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"first", "points": (B, J, 2)} in pixels of the input, for (B, C, H, W) images."""
        pixels = self.normalize(images)
        first = self._start(pixels)
        return {"first": first, "points": first + self._displacement(pixels, first)}

    def _start(self, pixels: Tensor) -> Tensor:
        """(B, J, 2) points of the first stage."""
        flat = self.squeeze(self.encoder.maps(pixels)[-1]).flatten(1)
        middle = torch.tensor(self.settings["size"], device=pixels.device).flip(0) / 2
        place: Tensor = self.first(flat).unflatten(1, (-1, 2))
        return middle + place * self._side

    @property
    def _side(self) -> float:
        """Longer side of the input: the unit of coordinates."""
        return float(max(self.settings["size"]))

    def _displacement(self, pixels: Tensor, centers: Tensor) -> Tensor:
        """(B, J, 2) where points lie from the centers of crops of normalized images, in pixels."""
        b, j = centers.shape[:2]
        height, width = self.settings["size"]
        far = torch.tensor([width, height], dtype=centers.dtype, device=centers.device)
        steps = (torch.arange(PIXELS, device=centers.device, dtype=centers.dtype) + 0.5) / PIXELS - 0.5
        square = torch.stack([steps.repeat(PIXELS), steps.repeat_interleave(PIXELS)], 1)
        grid = centers[:, :, None] + CROP * self._side * square
        crops = F.grid_sample(pixels, 2 * grid / far - 1, align_corners=False)  # (B, C, J, PIXELS ** 2)
        crops = crops.transpose(1, 2).reshape(b * j, pixels.shape[1], PIXELS, PIXELS)
        features = self.refine(crops).view(b, j, -1)
        return CROP * self._side * torch.einsum("bjf,jfc->bjc", features, self.shift)

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """The refined points. Regression gives no confidence: all scores are 1."""
        points = outputs["points"].float()
        return as_objects(points, torch.ones_like(points[:, :, 0]), settings)

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": the sum of both stages, "first", "second": squared errors in percent of the longer side}.

        In training, crops are around annotated points, displaced by normally distributed errors as large as
        those of the first stage.
        """
        target = target_points(batch)
        if outputs is not None or not self.training:
            raw = outputs or self(batch.images)
            first, second = (self._error(raw[name], target.xy) for name in ("first", "points"))
        else:
            pixels = self.normalize(batch.images)
            points = self._start(pixels)
            first = self._error(points, target.xy)
            spread = weighted_mean(first.detach(), target.weight).div(2).sqrt() / 100
            noise = torch.randn(target.xy.shape, generator=rng, device=rng.device).to(target.xy)
            centers = target.xy + spread.clamp(min=LEAST_SPREAD, max=CROP / 3) * self._side * noise
            second = self._error(centers + self._displacement(pixels, centers), target.xy)
        terms = {"first": weighted_mean(first, target.weight), "second": weighted_mean(second, target.weight)}
        return {"loss": terms["first"] + terms["second"], **terms}

    def _error(self, points: Tensor, target: Tensor) -> Tensor:
        """(B, J) squared distance in (percent of the longer side)^2."""
        return (100 * (points.float() - target) / self._side).square().sum(2)


MODEL = DeepPose
