"""Grad-CAM++: Grad-CAM with weights that count each place."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.core.targets.base import Targets
from sightline.explanation.card import ExplainCard
from sightline.explanation.subject import Subject, enlarged

CARD = ExplainCard(
    name="grad-cam-plus-plus",
    summary="Grad-CAM with weights that give small places of a map as much as large ones.",
    paper="Chattopadhay et al., Grad-CAM++, WACV 2018",
    needs="layers",
)


def run(subject: Subject, images: Tensor, about: Targets, rng: torch.Generator) -> Tensor:
    """Equations 10, 11 and 19, with the powers of the gradient in place of higher derivatives."""
    del rng
    maps, slope = subject.activations(images, about)
    axes = tuple(range(2, maps.ndim))
    below = 2 * slope**2 + maps.sum(axes, keepdim=True) * slope**3
    alpha = slope**2 / torch.where(below == 0, 1.0, below)
    weights = (alpha * torch.relu(slope)).sum(axes, keepdim=True)
    return enlarged(torch.relu((weights * maps).sum(1)), images)
