"""Occlusion: how much less a prediction is said while a window of the image is hidden."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.core.targets.base import Targets
from sightline.explanation.card import ExplainCard
from sightline.explanation.subject import Subject

CARD = ExplainCard(
    name="occlusion",
    summary="Fall of the score while a window of the mean color slides over the image.",
    paper="Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014",
    needs="predictions",
)
WINDOW, STEP = 3 / 16, 1 / 16
"""Side of the window and its step, as shares of the image's sides."""
BATCH = 32


def run(subject: Subject, images: Tensor, about: Targets, rng: torch.Generator) -> Tensor:
    """Mean fall over the windows that cover a pixel; negative where the score rises. Windows reach beyond the
    border, so that pixels there are covered as often. A clip is covered in all its frames."""
    del rng
    return torch.stack([_fall(subject, image, about[[i]]) for i, image in enumerate(images)])


def _fall(subject: Subject, image: Tensor, about: Targets) -> Tensor:
    """(*S) of one image (C, *S)."""
    height, width = image.shape[-2:]
    windows = [(rows, columns) for rows in _spans(height) for columns in _spans(width)]
    fill = image.flatten(1).mean(1).view(-1, *[1] * (image.ndim - 1))
    before = float(subject.likeness(image[None], about))
    total, count = torch.zeros(2, height, width)
    for start in range(0, len(windows), BATCH):
        part = windows[start : start + BATCH]
        hidden = image.repeat(len(part), *[1] * image.ndim)
        for k, (rows, columns) in enumerate(part):
            hidden[k][..., rows, columns] = fill
        for (rows, columns), left in zip(part, subject.likeness(hidden, about).tolist(), strict=True):
            total[rows, columns] += before - left
            count[rows, columns] += 1
    fall: Tensor = total / count.clamp(min=1)
    return fall.expand(image.shape[1:]).clone()


def _spans(side: int) -> list[slice]:
    """Windows along one side."""
    size, step = max(1, round(side * WINDOW)), max(1, round(side * STEP))
    starts = range(step - size, side, step)
    return [slice(max(0, start), min(side, start + size)) for start in starts]
