"""Integrated gradients: the evidence shared out among the pixels, from two baselines."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.core.targets.base import Targets
from sightline.explanation.card import ExplainCard
from sightline.explanation.fills import blurred, percent, rank_correlation
from sightline.explanation.subject import Subject

CARD = ExplainCard(
    name="integrated-gradients",
    summary="Gradients along the way from a black and from a blurred image, times the difference.",
    paper="Sundararajan et al., Axiomatic Attribution for Deep Networks, ICML 2017",
    needs="gradients",
    follows_image=True,
)
STEPS = 64
AGREE = 0.5
"""Rank correlation of the maps from both baselines below which they are said to disagree."""


def run(subject: Subject, images: Tensor, about: Targets, rng: torch.Generator) -> Tensor:
    """Mean of the attributions from both baselines, summed over the channels; parts against the statement are
    negative."""
    del rng
    results = [attributions(subject, images, about, start) for start in (images * 0, blurred(images))]
    for i in range(len(images)):
        agree = rank_correlation(results[0][0][i], results[1][0][i])
        errors = " and ".join(percent(float(error[i]), 1) for _, error in results)
        words = "agree" if agree >= AGREE else "DISAGREE: the baseline decides what the map shows"
        subject.notes.append(f"black and blurred baseline {words} (rank correlation {agree:.2f})")
        subject.notes.append(f"completeness error {errors} (black, blurred)")
    return (results[0][0] + results[1][0]) / 2


def attributions(
    subject: Subject, images: Tensor, about: Targets, start: Tensor, steps: int = STEPS
) -> tuple[Tensor, Tensor]:
    """Attributions (B, *S) by the midpoint rule, and (B,) completeness errors: how far their sum is from the
    difference of the evidence, as a share of it."""
    total = torch.zeros_like(images)
    for k in range(steps):
        total += subject.gradient(start + (k + 0.5) / steps * (images - start), about)[1]
    parts = (images - start) * total / steps
    with torch.no_grad():
        change = subject.evidence(images, about) - subject.evidence(start, about)
    error = (parts.flatten(1).sum(1) - change).abs() / change.abs().clamp(min=1e-6)
    return parts.sum(1), error
