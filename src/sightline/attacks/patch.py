"""Patch attack: one square of an image takes any value, as a sticker in the scene would."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.attacks._attack import AttackCard, Best, Victim, dlr, margin
from sightline.attacks._ball import Ball

CARD = AttackCard(
    name="patch",
    summary="A square of arbitrary pixels where it does most harm.",
    paper="Brown et al., Adversarial patch, NeurIPS workshop 2017 (here one patch an image, placed by its "
    "gradient)",
    needs="gradients",
    norms=("patch",),
    steps=20,
)
PLACES = 4
"""Places that are tried."""


def run(
    victim: Victim, images: Tensor, labels: Tensor, ball: Ball, steps: int, rng: torch.Generator
) -> Tensor:
    """Attacked images.

    The square goes where the gradient promises most: the sum over its pixels of what the loss gains if each
    goes to black or white. It is filled by steps along the gradient that become shorter.

    Args:
        victim: The attacked function.
        images: (B, C, *S) float32 in [0, 1].
        labels: (B,) int64.
        ball: Of norm "patch"; its radius is the share of the area.
        steps: Steps at each place.
        rng: Source of the noise that squares start with.

    Returns:
        (B, C, *S) in [0, 1], changed in one square; of all that were tried, those with the smallest margin.
    """
    best = Best(victim, images, labels)
    height, width = images.shape[-2:]
    side = min(math.floor(math.sqrt(ball.eps * height * width) + 1e-6), height, width)
    if side < 1:
        return best.images
    gradient = victim.gradient(images, labels, dlr)[2]
    gains = _gains(images, torch.nan_to_num(gradient, 0.0, 0.0, 0.0), side)
    for place in gains.topk(min(PLACES, gains.shape[1])).indices.unbind(1):
        window = _window(place, images, side)
        noise = torch.rand(images.shape, generator=rng).to(images)
        now = torch.where(window, noise, images)
        for step in range(steps):
            logits, _, gradient = victim.gradient(now, labels, dlr)
            best.offer(now, margin(logits, labels))
            length = 2 * (1 - step / steps)  # the first step goes to black or white
            moved = (now + length * torch.nan_to_num(gradient, 0.0, 0.0, 0.0).sign()).clamp(0, 1)
            now = torch.where(window, moved, images)
        best.offer(now, margin(victim(now), labels))
    return best.images


def _gains(images: Tensor, gradient: Tensor, side: int) -> Tensor:
    """(B, P) what the loss gains, to first order, with a square at each of P places."""
    gain = torch.maximum(gradient * (1 - images), gradient * -images)
    while gain.ndim > 4:
        gain = gain.sum(2)
    return F.avg_pool2d(gain.sum(1, keepdim=True), side, 1).flatten(1)


def _window(place: Tensor, images: Tensor, side: int) -> Tensor:
    """(B, 1, *S) bool: the square at the (B,) places, which count row by row."""
    height, width = images.shape[-2:]
    across = width - side + 1
    top, left = (place // across)[:, None], (place % across)[:, None]
    rows, columns = (torch.arange(n, device=images.device)[None] for n in (height, width))
    inside = ((rows >= top) & (rows < top + side))[:, :, None] & (
        (columns >= left) & (columns < left + side)
    )[:, None, :]
    return inside.reshape(len(images), 1, *[1] * (images.ndim - 4), height, width)
