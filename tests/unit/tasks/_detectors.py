"""Small detectors of all libraries, and images for them."""

from __future__ import annotations

import copy
import importlib.util
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.tasks.detect import MODELS

THERE = importlib.util.find_spec("transformers") is not None
NEEDS = pytest.mark.skipif(not THERE, reason="the extra 'transformers' is not installed")
SIDE = {"ssd": 96}
SMALL = {
    "faster-rcnn": "resnet18",
    "fcos": "resnet18",
    "retinanet": "resnet18",
    "ssd": "mobilenet",
    "rtdetr": "tiny",
    "dfine": "tiny",
}
TORCHVISION = [n for n in SMALL if n not in ("rtdetr", "dfine")]
METHODS = [pytest.param(n, marks=() if n in TORCHVISION else NEEDS) for n in SMALL]
CLASSES = ("red", "green", "blue")
COLORS = torch.tensor([[230, 30, 30], [30, 220, 40], [40, 60, 240]], dtype=torch.uint8)


def settings(method: str, **changed: Any) -> dict[str, Any]:
    side = SIDE.get(method, 64)
    result = {
        "classes": list(CLASSES),
        "variant": SMALL[method],
        "size": [side, side],
        "mean": [0.4, 0.4, 0.4],
        "std": [0.2, 0.2, 0.2],
        "channels": 3,
        "conf": 0.01,
        "max_objects": 20,
        "nms": 1.0 if method in ("rtdetr", "dfine") else 0.5,
    }
    return {**result, **changed}


@cache
def _built(method: str, side: int | None) -> Any:
    torch.manual_seed(0)
    return MODELS.load(method).MODEL(settings(method, **({"size": [side, side]} if side else {})))


def build(method: str, side: int | None = None) -> Any:
    return copy.deepcopy(_built(method, side))


def image_batch(side: int, objects: list[list[tuple[int, ...]]]) -> Batch:
    """Coloured rectangles (label, x1, y1, x2, y2) in sixty-fourths of the side, on grey."""
    images = torch.full((len(objects), 3, side, side), 60, dtype=torch.uint8)
    boxes = torch.tensor([o[1:] for image in objects for o in image]).reshape(-1, 4) * side // 64
    labels = torch.tensor([o[0] for image in objects for o in image], dtype=torch.int64)
    counts = torch.tensor([len(image) for image in objects])
    target = Instances(counts, torch.tensor([[side, side]] * len(objects)), boxes.float(), labels)
    for i, label, (x1, y1, x2, y2) in zip(target.image.tolist(), labels, boxes.tolist(), strict=True):
        images[i, :, y1:y2, x1:x2] = COLORS[label][:, None, None]
    return Batch(images, target, [str(i) for i in range(len(objects))])


FOUR = [
    [(0, 4, 6, 30, 40), (2, 36, 30, 62, 60)],
    [(1, 8, 20, 40, 60), (0, 44, 2, 62, 24)],
    [(2, 2, 2, 34, 22), (1, 30, 34, 60, 62)],
    [(0, 20, 10, 50, 44)],
]


def batch_for(method: str, objects: list[list[tuple[int, ...]]] = FOUR) -> Batch:
    return image_batch(SIDE.get(method, 64), objects)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
