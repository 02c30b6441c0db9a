"""Projected gradient descent (PGD): many small steps along the gradient, from random places of the ball."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.attacks._attack import AttackCard, Best, Victim, cross_entropy, margin
from sightline.attacks._ball import Ball

CARD = AttackCard(
    name="pgd",
    summary="Projected gradient descent: small steps from random starts.",
    paper="Madry et al., Towards deep learning models resistant to adversarial attacks, ICLR 2018",
    needs="gradients",
    norms=("linf", "l2"),
    steps=20,
)
STEP = 2.5
"""Length of all steps together, in radii of the ball: enough to cross it, and to turn around."""


def run(
    victim: Victim,
    images: Tensor,
    labels: Tensor,
    ball: Ball,
    steps: int,
    rng: torch.Generator,
    restarts: int = 2,
) -> Tensor:
    """Attacked images.

    Args:
        victim: The attacked function.
        images: (B, C, *S) float32 in [0, 1].
        labels: (B,) int64.
        ball: How far an image may be changed.
        steps: Steps from each start.
        rng: Source of the starts.
        restarts: Starts. Images that are classified wrongly are not attacked again.

    Returns:
        (B, C, *S) in the ball and in [0, 1]; of all that were tried, those with the smallest margin.
    """
    best = Best(victim, images, labels)
    length = STEP * ball.eps / max(1, steps)
    for _ in range(restarts):
        now = ball.sample(images, rng)  # of all images, so that what is drawn does not depend on successes
        for _ in range(steps):
            logits, _, gradient = victim.gradient(now, labels, cross_entropy)
            best.offer(now, margin(logits, labels))
            now = ball.project(now + length * ball.direction(gradient), images)
        best.offer(now, margin(victim(now), labels))
        if bool((best.margin < 0).all()):
            break
    return best.images
