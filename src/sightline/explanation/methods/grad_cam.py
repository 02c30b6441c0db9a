"""Grad-CAM: feature maps, weighted by their mean gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.core.targets.base import Targets
from sightline.explanation.card import ExplainCard
from sightline.explanation.subject import Subject, enlarged

CARD = ExplainCard(
    name="grad-cam",
    summary="Feature maps of a layer, each weighted by the mean of its gradient.",
    paper="Selvaraju et al., Grad-CAM, ICCV 2017",
    needs="layers",
)


def run(subject: Subject, images: Tensor, about: Targets, rng: torch.Generator) -> Tensor:
    """The positive part of the weighted sum (equations 1 and 2)."""
    del rng
    maps, slope = subject.activations(images, about)
    weights = slope.flatten(2).mean(2).view(*slope.shape[:2], *[1] * (slope.ndim - 2))
    return enlarged(torch.relu((weights * maps).sum(1)), images)
