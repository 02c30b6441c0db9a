"""Fast gradient sign method: one step to the edge of the ball, along the gradient of the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.attacks._attack import AttackCard, Best, Victim, cross_entropy, margin
from sightline.attacks._ball import Ball

CARD = AttackCard(
    name="fgsm",
    summary="Fast gradient sign method: one step along the gradient.",
    paper="Goodfellow, Shlens, Szegedy, Explaining and harnessing adversarial examples, ICLR 2015",
    needs="gradients",
    norms=("linf", "l2"),
    steps=1,
)


def run(
    victim: Victim, images: Tensor, labels: Tensor, ball: Ball, steps: int, rng: torch.Generator
) -> Tensor:
    """Attacked images.

    Args:
        victim: The attacked function.
        images: (B, C, *S) float32 in [0, 1].
        labels: (B,) int64.
        ball: How far an image may be changed.
        steps: Not used: it is one.
        rng: Not used: nothing is drawn.

    Returns:
        (B, C, *S) in the ball and in [0, 1]; an image that the step does not bring closer to
        an error stays as it is.
    """
    del steps, rng
    best = Best(victim, images, labels)
    gradient = victim.gradient(images, labels, cross_entropy)[2]
    attacked = ball.project(images + ball.eps * ball.direction(gradient), images)
    best.offer(attacked, margin(victim(attacked), labels))
    return best.images
