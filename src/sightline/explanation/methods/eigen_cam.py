"""Eigen-CAM: the first principal component of the feature maps."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.core.targets.base import Targets
from sightline.explanation.card import ExplainCard
from sightline.explanation.subject import Subject, enlarged

CARD = ExplainCard(
    name="eigen-cam",
    summary="First principal component of a layer's maps: what stands out, whatever is asked about.",
    paper="Muhammad and Yeasin, Eigen-CAM, IJCNN 2020",
    needs="layers",
    class_blind=True,
)


def run(subject: Subject, images: Tensor, about: Targets, rng: torch.Generator) -> Tensor:
    """The positive part of the component, signed so that it goes with the mean of the maps."""
    del rng
    maps, _ = subject.activations(images, about)
    flat = maps.flatten(2).mT  # (B, cells, K)
    centered = (flat - flat.mean(1, keepdim=True)).double()
    _, _, right = torch.linalg.svd(centered, full_matrices=False)
    component = (centered @ right[:, 0, :, None])[:, :, 0]
    sign = (component * centered.mean(2)).sum(1, keepdim=True).sign()
    grid = torch.relu(component * sign).to(maps).view(len(maps), *maps.shape[2:])
    return enlarged(grid, images)
