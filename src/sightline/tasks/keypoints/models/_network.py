"""Base class of the networks that place one object in each image: settings, targets, reading of outputs."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.skeleton import Skeleton
from sightline.core.targets.keypoints import VISIBLE, Keypoints
from sightline.core.task import DataInfo
from sightline.models import registry
from sightline.models.weights.download import Pretrained
from sightline.tasks.keypoints.models._encoder import Encoder
from sightline.tasks.keypoints.options import KeypointOptions

STRIDES = (4, 8, 16, 32)
"""Pixels to a cell of each map of the encoder."""
TUNED = {"freeze": "all-but-13", "layer_decay": 0.9, "freeze_bn": True}
"""Recipe where installed weights of the encoder are tuned: the blocks up to stride 4 stay as they are."""
WHOLE = ("conf", "nms", "max_objects", "mosaic", "mosaic_until")
"""Options of models that read whole images with all their objects; these place one."""


class Points(NamedTuple):
    """Targets of a batch with one object for each image.

    Attributes:
        xy: (B, J, 2) in pixels of the input.
        weight: (B, J) 1 where a point is labeled (also hidden), else 0.
    """

    xy: Tensor
    weight: Tensor


class PoseModel(Model):
    """A network that gives J points for each image, of one object.

    Args:
        settings: See `settings_for`; the recipe's `size`, `mean`, `std` and `channels` beside it.
        pretrained: Published weights of the encoder: no, auto or yes.
    """

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        size: tuple[int, int] = tuple(settings["size"])  # type: ignore[assignment]
        if settings["backbone"] == "own":
            self.encoder: Any = Encoder(settings["channels"])
        else:
            self.encoder = registry.pyramid(
                settings["backbone"],
                channels=settings["channels"],
                size=size,
                pretrained=pretrained,
                strides=STRIDES,
            )
        widths = [width for width, _ in self.encoder.levels]
        self.build(widths, len(settings["skeleton"]["names"]), size)

    @abstractmethod
    def build(self, widths: list[int], points: int, size: tuple[int, int]) -> None:
        """Add what follows the encoder.

        Args:
            widths: Channels of its maps, finest first.
            points: J.
            size: Height and width of the input.
        """

    @classmethod
    def settings_for(cls, info: DataInfo, options: KeypointOptions) -> dict[str, Any]:
        """Settings that follow from the data and the options.

        Raises:
            UnknownName: If there is no such backbone.
        """
        assert info.classes is not None
        backbone = "own" if options.backbone in ("auto", "own") else options.backbone
        if backbone != "own":
            registry.card(backbone)
        return {
            "classes": list(info.classes.names),
            "class_ids": list(info.classes.ids),
            "skeleton": dict(info.statistics["skeleton"]),
            "items": info.statistics.get("items", "images"),
            "merged": info.statistics.get("merged", []),
            "backbone": backbone,
            "sigma": options.sigma,
            "conf": 0.0,
            "nms": 1.0,
            "max_objects": 1,
            "thresholds": [0.0] * len(info.classes),  # the object of an image is never left out
        }

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Keypoints:
        """One object for each image whose score is above `conf`."""
        size = torch.tensor(settings["size"], device=answer["scores"].device)
        real = answer["scores"] > settings["conf"]
        points = answer["points"][real].float()
        return Keypoints(
            counts=real.sum(1),
            sizes=size.repeat(len(real), 1),
            boxes=answer["boxes"][real].float(),
            labels=answer["labels"][real].long(),
            scores=answer["scores"][real].float(),
            points=points,
            visibility=torch.full(points.shape[:2], VISIBLE, dtype=torch.int8, device=points.device),
            skeleton=Skeleton.from_json(settings["skeleton"]),
            point_scores=answer["point_scores"][real].float(),
        )

    def backbone(self) -> nn.Module:
        """The encoder; what follows it is always trained."""
        encoder: nn.Module = self.encoder
        return encoder


def as_objects(points: Tensor, scores: Tensor, settings: dict[str, Any]) -> dict[str, Tensor]:
    """The form of `Model.postprocess`: one object for each image.

    Args:
        points: (B, J, 2) in pixels of the input.
        scores: (B, J) in [0, 1].
        settings: Of the model.

    Returns:
        {"boxes": (B, 1, 4), "scores", "labels": (B, 1), "points": (B, 1, J, 2), "point_scores": (B, 1, J)};
        the box is around the points, within the input, at least a pixel wide.
    """
    height, width = settings["size"]
    far = torch.tensor([width, height], dtype=points.dtype, device=points.device)
    low = torch.minimum(points.amin(1).clamp(min=0), far - 1)
    high = torch.maximum(torch.minimum(points.amax(1), far), low + 1)
    score = scores.mean(1, keepdim=True).clamp(min=1e-6)
    return {
        "boxes": torch.cat([low, high], 1)[:, None],
        "scores": score,
        "labels": torch.zeros_like(score, dtype=torch.int64),
        "points": points[:, None],
        "point_scores": scores[:, None],
    }


def target_points(batch: Batch) -> Points:
    """The first object of each image that is no crowd; images without one have weight 0."""
    target: Keypoints = batch.targets
    if target.crowd is not None:
        target = replace(target, crowd=None).select(~target.crowd)
    device = batch.images.device
    n, j = len(target), len(target.skeleton)
    xy, weight = torch.zeros(n, j, 2, device=device), torch.zeros(n, j, device=device)
    image = target.image
    first = torch.ones_like(image, dtype=torch.bool)
    first[1:] = image[1:] != image[:-1]
    where = image[first].to(device)
    xy[where] = target.points[first].to(device)
    weight[where] = (target.visibility[first] > 0).float().to(device)
    return Points(xy, weight)


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of values (B, J) by weight (B, J); 0 where no point has any."""
    return (values * weight).sum() / weight.sum().clamp(min=1)


def gaussian(at: Tensor, cells: int, sigma: float) -> Tensor:
    """(B, J, cells) Gaussian around positions (B, J), in cells, that sums to 1.

    Cells have their centers at 0.5, 1.5, ...
    """
    centers = torch.arange(cells, device=at.device, dtype=at.dtype) + 0.5
    return (-((centers - at[..., None]) ** 2) / (2 * sigma**2)).softmax(2)


def entropy(share: Tensor) -> Tensor:
    """Entropy along the last axis."""
    return -(share * share.clamp(min=1e-12).log()).sum(-1)


def expectation(share: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Soft argmax around the peak: (B, J) mean position in cells, and (B, J) share of what lies there.

    Args:
        share: (B, J, cells) at least 0.
        radius: Cells on either side of the peak that count.
    """
    centers = torch.arange(share.shape[2], device=share.device, dtype=share.dtype) + 0.5
    peak = share.argmax(2, keepdim=True).to(share.dtype) + 0.5
    near = share * ((centers - peak).abs() <= radius).to(share.dtype)
    total = near.sum(2)
    return (near * centers).sum(2) / total.clamp(min=1e-12), total
