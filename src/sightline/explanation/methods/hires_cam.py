"""HiResCAM: feature maps times their gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.core.targets.base import Targets
from sightline.explanation.card import ExplainCard
from sightline.explanation.subject import Subject, enlarged

CARD = ExplainCard(
    name="hires-cam",
    summary="Feature maps of a layer times their gradient at each place.",
    paper="Draelos and Carin, Use HiResCAM instead of Grad-CAM, 2020",
    needs="layers",
)


def run(subject: Subject, images: Tensor, about: Targets, rng: torch.Generator) -> Tensor:
    """The positive part of the sum over the maps (equation 4)."""
    del rng
    maps, slope = subject.activations(images, about)
    return enlarged(torch.relu((slope * maps).sum(1)), images)
