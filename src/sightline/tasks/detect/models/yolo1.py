"""YOLO v1: a grid of cells; each cell predicts the objects whose center it contains."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.core.task import DataInfo
from sightline.errors import UnknownName, UsageError
from sightline.models.backbones._backbone import Backbone
from sightline.models.detection import postprocess
from sightline.ops.boxes import from_centers, iou, to_centers
from sightline.ops.topk import leading
from sightline.tasks.detect.options import DetectOptions

CARD = ModelCard(
    name="yolo1",
    summary="YOLO v1, for study: 7x7 cells with two boxes each (variants small, full with 24 layers).",
    paper="Redmon, Divvala, Girshick, Farhadi, You Only Look Once, CVPR 2016",
    parameters=271_703_550,
    counted="20 classes, 3x448x448, variant full",
    stride=32,
    defaults={"optimizer": "adamw", "lr": 1e-3, "weight_decay": 5e-4, "batch_size": 16, "ema": 0.998},
    ignores=("nms",),
)

GRID, BOXES = 7, 2
"""Cells along each side, and boxes of each cell."""
COORD, EMPTY = 5.0, 0.5
"""Weights of the place of boxes and of boxes without an object (section 2.2)."""
OVERLAP = 0.5
"""Of two boxes of a class that overlap more, the worse goes. The paper does not say how much."""

_FULL = (
    "64/7/2 M 192 M 128/1 256 256/1 512 M 256/1 512 256/1 512 256/1 512 256/1 512 512/1 1024 M "
    "512/1 1024 512/1 1024 1024 1024/3/2 1024 1024"
)
"""Figure 3 of the paper: filters/kernel/stride, kernel 3 and stride 1 where left out; M halves by maxima."""
_SMALL = (32, 64, 128, 128, 256, 256)


class Yolo1Network(Backbone):
    """The convolutional layers, and the fully connected ones as their head.

    Args:
        layers: (B, C, H, W) to maps of 7 x 7, or near that.
        head: (B, D) to all that is said of the cells.
    """

    def __init__(self, layers: nn.Sequential, head: nn.Sequential) -> None:
        super().__init__()
        self.layers, self.head = layers, head

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) normalized images to (B, D): the flattened feature map."""
        maps: Tensor = self.layers(x)
        if maps.shape[-2:] != (GRID, GRID):  # images of another size than the network was made for
            maps = F.adaptive_avg_pool2d(maps, GRID)
        return maps.flatten(1)


class Yolo1(Model):
    """The network of the paper, or a small one with batch norm that learns on small data.

    Args:
        settings: See `settings_for`.
        pretrained: There are no published weights; must be "no" or "auto".
    """

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: str = "no") -> None:
        super().__init__(settings)
        if pretrained == "yes":
            raise UsageError("No published weights of yolo1 are known. Leave --pretrained out.")
        outputs = BOXES * 5 + len(settings["classes"])
        full = settings["variant"] == "full"
        layers = _full(settings["channels"]) if full else _small(settings["channels"], settings["size"])
        wide, hidden = (1024, 4096) if full else (_SMALL[-1], 512)
        head = nn.Sequential(
            nn.Linear(wide * GRID**2, hidden),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Dropout(0.5 if full else 0.0),
            nn.Linear(hidden, GRID**2 * outputs),
        )
        self.network = Yolo1Network(layers, head)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.1)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @staticmethod
    def settings_for(info: DataInfo, options: DetectOptions) -> dict[str, Any]:
        """Settings that follow from the data and the options."""
        assert info.classes is not None
        variant = options.variant or "small"
        if variant not in ("small", "full"):
            raise UnknownName("variant of yolo1", variant, ("small", "full"))
        if options.backbone not in ("auto", "own"):
            raise UsageError(f"yolo1 has a network of its own. Received --backbone {options.backbone}.")
        return {
            "classes": list(info.classes.names),
            "class_ids": list(info.classes.ids),
            "variant": variant,
            "conf": options.conf,
            "max_objects": options.max_objects,
            "nms": OVERLAP,
        }

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs of each cell.

        Returns:
            "cells" (B, 7, 7, 10 + K), row by row: for each of the two boxes x and y of the centre within
            the cell, in cells, the square roots of width and height as shares of the image, and the
            confidence; then the score of each class.
        """
        outputs: Tensor = self.network(self.normalize(images))
        return {"cells": outputs.view(len(outputs), GRID, GRID, -1)}

    def backbone(self) -> nn.Module:
        """The whole network; `--freeze` freezes its convolutional layers."""
        return self.network

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """All pairs of box and class with class-specific confidence (equation 1 of the paper)."""
        cells = outputs["cells"].float()
        scale = torch.tensor(settings["size"], device=cells.device).flip(0).repeat(2).to(cells)
        boxes = (_boxes(cells).clamp(0, 1) * scale).flatten(1, 3)
        likely = cells.clamp(0, 1)
        sure = _box_outputs(likely)[..., 4:]
        scores = (sure * likely[..., None, 5 * BOXES :]).flatten(1, 3)
        labels = torch.arange(scores.shape[2], device=cells.device).expand(scores.shape)
        each = boxes[:, :, None].expand(*scores.shape, 4)
        return {"boxes": each.flatten(1, 2), "scores": scores.flatten(1), "labels": labels.flatten(1)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Instances:
        """Detections above `conf` after NMS, best first."""
        return postprocess.select(answer, settings)[0]

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": the sum, "place", "object", "empty", "class"}; see `yolo1_loss`."""
        cells = (outputs or self(batch.images))["cells"]
        height, width = batch.images.shape[-2:]
        parts = yolo1_loss(cells.float(), batch.targets, (height, width))
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}


def yolo1_loss(cells: Tensor, target: Instances, size: tuple[int, int]) -> dict[str, Tensor]:
    """The parts of equation 3 of the paper, summed over cells, mean over images.

    The box of a cell that overlaps an object most is responsible for it; its confidence is to be that
    overlap. A cell has one object: of several, the largest. Groups (crowd) are left out.

    Args:
        cells: (B, S, S, 5 * boxes + K) float32, see `Yolo1.forward`.
        target: The objects.
        size: (height, width) of the images in pixels.
    """
    images, grid = cells.shape[:2]
    target = target.select(_largest(target, grid, size))
    height, width = size
    share = target.boxes.float() / target.boxes.new_tensor([width, height, width, height])
    goal = to_centers(share)
    spot = (goal[:, :2] * grid).clamp(0, grid - 1e-4)
    column, row = spot.floor().long().unbind(1)
    cells_of_objects = cells[target.image, row, column]
    boxes = _box_outputs(cells_of_objects)
    with torch.no_grad():
        overlaps = iou(_boxes(cells)[target.image, row, column], share[:, None])
        overlap, responsible = overlaps.max(1)
    chosen = boxes[torch.arange(len(boxes), device=boxes.device), responsible]
    place = (chosen[:, :2] - spot.frac()).square().sum() + (
        chosen[:, 2:4] - goal[:, 2:].sqrt()
    ).square().sum()
    right = (chosen[:, 4] - overlap).square().sum()
    everywhere = cells[..., 4 : 5 * BOXES : 5].square().sum()
    kind = F.one_hot(target.labels, cells.shape[-1] - 5 * BOXES)
    return {
        "place": COORD * place / images,
        "object": right / images,
        "empty": EMPTY * (everywhere - chosen[:, 4].square().sum()) / images,
        "class": (cells_of_objects[:, 5 * BOXES :] - kind).square().sum() / images,
    }


def _largest(target: Instances, grid: int, size: tuple[int, int]) -> Tensor:
    """(M,) bool: the largest object of each cell that contains its center; crowds and empty boxes are left
    out.
    """
    real = (target.boxes[:, 2:] > target.boxes[:, :2]).all(1)
    if target.crowd is not None:
        real = real & ~target.crowd
    steps = target.boxes.new_tensor([grid / size[1], grid / size[0]])
    cell = (to_centers(target.boxes)[:, :2] * steps).long().clamp(0, grid - 1)
    number = (target.image * grid + cell[:, 1]) * grid + cell[:, 0]
    w, h = (target.boxes[:, 2:] - target.boxes[:, :2]).unbind(1)
    largest = torch.zeros_like(real)
    largest[leading(number, torch.where(real, w * h, -1), 1)] = True
    return largest & real


def _box_outputs(cells: Tensor) -> Tensor:
    """Reshape (..., 5 * boxes + K) to (..., boxes, 5): the outputs of each box."""
    return cells[..., : 5 * BOXES].reshape(*cells.shape[:-1], BOXES, 5)


def _boxes(cells: Tensor) -> Tensor:
    """(B, S, S, boxes, 4) xyxy relative to the image."""
    grid = cells.shape[1]
    predicted = _box_outputs(cells)
    steps = torch.arange(grid, device=cells.device, dtype=cells.dtype)
    x = (predicted[..., 0] + steps[:, None]) / grid
    y = (predicted[..., 1] + steps[:, None, None]) / grid
    return from_centers(torch.stack([x, y, predicted[..., 2].square(), predicted[..., 3].square()], -1))


def _full(channels: int) -> nn.Sequential:
    """The 24 convolutional layers of the paper."""
    layers: list[nn.Module] = []
    for word in _FULL.split():
        if word == "M":
            layers.append(nn.MaxPool2d(2))
            continue
        numbers = [int(number) for number in word.split("/")]
        outputs, kernel, stride = [*numbers, *(3, 1)[len(numbers) - 1 :]]
        layers += [nn.Conv2d(channels, outputs, kernel, stride, kernel // 2), nn.LeakyReLU(0.1, inplace=True)]
        channels = outputs
    return nn.Sequential(*layers)


def _small(channels: int, size: tuple[int, int]) -> nn.Sequential:
    """Six layers with batch norm; strides are chosen so that 7 pixels remain of the short side."""
    layers: list[nn.Module] = []
    left = min(size)
    for outputs in _SMALL:
        halve = left // 2 >= GRID
        left = left // 2 if halve else left
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.1, inplace=True),
            *([nn.MaxPool2d(2)] if halve else []),
        ]
        channels = outputs
    return nn.Sequential(*layers)


MODEL = Yolo1
