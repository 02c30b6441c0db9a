"""Gradient: how much each pixel moves the evidence."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.core.targets.base import Targets
from sightline.explanation.card import ExplainCard
from sightline.explanation.subject import Subject

CARD = ExplainCard(
    name="gradient",
    summary="Size of the gradient of the evidence at each pixel, the largest over the channels.",
    paper="Simonyan et al., Deep Inside Convolutional Networks, ICLR Workshop 2014",
    needs="gradients",
)


def run(subject: Subject, images: Tensor, about: Targets, rng: torch.Generator) -> Tensor:
    """The largest absolute gradient over the channels."""
    del rng
    return subject.gradient(images, about)[1].abs().amax(1)
