"""Rollout: attention of a transformer, multiplied from layer to layer."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.core.targets.base import Targets
from sightline.explanation.attention import attention
from sightline.explanation.card import ExplainCard
from sightline.explanation.subject import Subject, enlarged

CARD = ExplainCard(
    name="rollout",
    summary="Attention of a transformer, multiplied from layer to layer, whatever is asked about.",
    paper="Abnar and Zuidema, Quantifying Attention Flow in Transformers, ACL 2020",
    needs="attention",
    class_blind=True,
)


def run(subject: Subject, images: Tensor, about: Targets, rng: torch.Generator) -> Tensor:
    """Product over the layers of the mean attention of the heads, half of it and half the identity for the
    residual branch (section 3)."""
    del rng
    flow = attention(subject, images, about)
    whole = torch.eye(flow.read.shape[1]).expand(len(images), -1, -1)
    for weights in flow.weights:
        whole = (weights.mean(1) + torch.eye(weights.shape[-1])) / 2 @ whole
    return enlarged(flow.as_map(whole), images)
