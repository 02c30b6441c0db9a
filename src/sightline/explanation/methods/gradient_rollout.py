"""Gradient rollout: attention of a transformer, weighted by its gradient, summed up over the layers."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.core.targets.base import Targets
from sightline.explanation.attention import attention
from sightline.explanation.card import ExplainCard
from sightline.explanation.subject import Subject, enlarged

CARD = ExplainCard(
    name="gradient-rollout",
    summary="Attention of a transformer where it speaks for the statement, followed through the layers.",
    paper="Chefer et al., Generic Attention-model Explainability, ICCV 2021",
    needs="attention",
)


def run(subject: Subject, images: Tensor, about: Targets, rng: torch.Generator) -> Tensor:
    """Relevance of the patches: each layer adds the positive part of attention times gradient, the mean over
    the heads, times the relevance so far (equations 5 and 6)."""
    del rng
    flow = attention(subject, images, about)
    identity = torch.eye(flow.read.shape[1]).expand(len(images), -1, -1)
    relevance = identity
    for weights, slope in zip(flow.weights, flow.slopes, strict=True):
        relevance = relevance + torch.relu(weights * slope).mean(1) @ relevance
    return enlarged(flow.as_map(relevance - identity), images)
