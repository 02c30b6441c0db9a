"""LayerCAM: feature maps, weighted at each place by its own gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.core.targets.base import Targets
from sightline.explanation.card import ExplainCard
from sightline.explanation.subject import Subject, enlarged

CARD = ExplainCard(
    name="layercam",
    summary="Feature maps of a layer, weighted at each place by the positive gradient there.",
    paper="Jiang et al., LayerCAM, IEEE TIP 2021",
    needs="layers",
    layer="fine",
)


def run(subject: Subject, images: Tensor, about: Targets, rng: torch.Generator) -> Tensor:
    """The positive part of the sum over the maps (equations 6 and 7)."""
    del rng
    maps, slope = subject.activations(images, about)
    return enlarged(torch.relu((torch.relu(slope) * maps).sum(1)), images)
