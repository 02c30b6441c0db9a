"""Arithmetic of objects that `Instances` shares: overlap with candidates, and squares for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.core.targets._windows import Window, distinct


class Objects(Protocol):
    """Objects of N images; see `Instances`."""

    @property
    def counts(self) -> Tensor:
        """(N,) objects of each image."""

    @property
    def boxes(self) -> Tensor:
        """(M, 4) in pixels."""

    @property
    def labels(self) -> Tensor:
        """(M,) classes."""

    @property
    def scores(self) -> Tensor | None:
        """(M,) in [0, 1]."""

    @property
    def image(self) -> Tensor:
        """(M,) image of each object."""


def overlaps(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4) with boxes (..., 4), of shapes that broadcast."""
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1) for boxes in (first, second)]
    return shared / (areas[0] + areas[1] - shared).clamp(min=1e-9)


def object_likeness(about: Objects, prediction: Objects) -> Tensor:
    """(N,) how much a prediction still says that there is an object: the highest product of overlap and score
    among its objects of the same class, 0 where there is none; the mean over the objects of an image
    (Petsiuk et al., D-RISE, CVPR 2021, section 3.2, with the class as a condition).
    """
    same = about.image[:, None] == prediction.image
    same = same & (about.labels[:, None] == prediction.labels)
    alike = overlaps(about.boxes[:, None], prediction.boxes) * same
    if prediction.scores is not None:
        alike = alike * prediction.scores.to(alike)
    best = torch.cat([alike, alike.new_zeros(len(alike), 1)], 1).amax(1)
    total = best.new_zeros(len(about.counts)).index_add_(0, about.image, best)
    return total / about.counts.clamp(min=1)


def object_evidence(about: Objects, outputs: dict[str, Tensor]) -> Tensor:
    """(N,) logit of the score of the candidate that an object comes from, before suppression: the one of its
    class with the highest product of overlap and score. 0, without a gradient, where no candidate of the
    class lies there.

    Args:
        about: One object for each image, in pixels of the images.
        outputs: "boxes" (N, Q, 4), "scores" and "labels" (N, Q), as of `Model.postprocess`.
    """
    boxes, scores, labels = (outputs[name] for name in ("boxes", "scores", "labels"))
    with torch.no_grad():
        rank = overlaps(about.boxes[:, None].to(boxes), boxes) * scores
        rank = rank * (labels == about.labels[:, None].to(labels))
        best, row = rank.max(1, keepdim=True)
    return torch.where(best > 0, scores.gather(1, row).logit(eps=1e-6), 0.0)[:, 0]


def distinct_objects(moved: Objects, owner: Tensor, windows: Sequence[Window]) -> Tensor:
    """(M,) bool: which objects of tiles stay, as `_windows.distinct` says.

    Args:
        moved: Objects of T tiles, with scores, in pixels of the whole images.
        owner: (T,) int64 image of each tile, rising.
        windows: Where the tiles lie.
    """
    tile = moved.image
    image = owner[tile]
    assert moved.scores is not None
    keep = torch.zeros(len(tile), dtype=torch.bool)
    for i in sorted(set(image.tolist())):
        rows, of_it = (image == i).nonzero().flatten(), (owner == i).nonzero().flatten()
        boxes, labels, scores = (v[rows].numpy() for v in (moved.boxes, moved.labels, moved.scores))
        mine = (tile[rows] - of_it[0]).numpy()
        stay = distinct(boxes, labels, scores, mine, [windows[t] for t in of_it.tolist()])
        keep[rows[torch.from_numpy(stay)]] = True
    return keep


def squares_and_bars(n: int, size: int, seed: int) -> tuple[NDArray[np.uint8], Tensor, Tensor]:
    """One bright square or bar in each dark image: (n, size, size, 3) images, (n, 4) boxes, (n,) labels."""
    rng, labels, h = np.random.default_rng(seed), np.arange(n) % 2, size // 3
    images, boxes = rng.integers(0, 60, (n, size, size, 3), dtype=np.uint8), []
    for image, label in zip(images, labels, strict=True):
        w = h // 2 if label else h
        y, x = int(rng.integers(0, size - h)), int(rng.integers(0, size - w))
        image[y : y + h, x : x + w] += 150
        boxes.append([x, y, x + w, y + h])
    return images, torch.tensor(boxes).float(), torch.from_numpy(labels)
