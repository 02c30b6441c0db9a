"""Auto-PGD: PGD with momentum that chooses its step length itself, on two losses."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.attacks._attack import AttackCard, Best, Loss, Victim, cross_entropy, dlr, margin
from sightline.attacks._ball import Ball

CARD = AttackCard(
    name="apgd",
    summary="Auto-PGD on the cross-entropy, then on the difference of logits ratio.",
    paper="Croce and Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse "
    "parameter-free attacks, ICML 2020",
    needs="gradients",
    norms=("linf", "l2"),
    steps=50,
)
MOMENTUM = 0.75
SUCCESSES = 0.75
"""Share of steps that must raise the loss, else the step is halved (rho)."""


def run(
    victim: Victim, images: Tensor, labels: Tensor, ball: Ball, steps: int, rng: torch.Generator
) -> Tensor:
    """Attacked images.

    Args:
        victim: The attacked function.
        images: (B, C, *S) float32 in [0, 1].
        labels: (B,) int64.
        ball: How far an image may be changed.
        steps: Steps on each loss. The second is tried on images that the first leaves right.
        rng: Source of the starts.

    Returns:
        (B, C, *S) in the ball and in [0, 1]; of all that were tried, those with the smallest margin.
    """
    best = Best(victim, images, labels)
    for loss in (cross_entropy, dlr):
        start = ball.sample(images, rng)  # of all images, so that what is drawn does not depend on successes
        left = (best.margin >= 0).nonzero()[:, 0]
        if not len(left):
            break
        part = Best(victim, images[left], labels[left])
        _climb(victim, start[left], images[left], labels[left], ball, steps, loss, part)
        images_so_far, margins = best.images.clone(), best.margin.clone()
        images_so_far[left], margins[left] = part.images, part.margin
        best.offer(images_so_far, margins)
    return best.images


def checkpoints(steps: int) -> list[int]:
    """Steps after which the step length is judged: close together at the end (section 3.1 of the paper)."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    return sorted({-int(-share * steps // 1) for share in shares[1:] if share < 1} - {0})


def _climb(
    victim: Victim,
    now: Tensor,
    clean: Tensor,
    labels: Tensor,
    ball: Ball,
    steps: int,
    loss: Loss,
    best: Best,
) -> None:
    """Offer `best` every image on the way from (B, C, *S) starts to larger losses."""
    shape = (-1, *[1] * (clean.ndim - 1))
    length = torch.full((len(clean),), 2 * ball.eps, device=clean.device)
    logits, top, gradient = victim.gradient(now, labels, loss)
    best.offer(now, margin(logits, labels))
    peak, slope = now.clone(), gradient.clone()  # where the loss was largest, and its gradient there
    before, previous, last = now, top.clone(), top.clone()
    rises = torch.zeros_like(length)
    halved = torch.zeros(len(clean), dtype=torch.bool, device=clean.device)
    judged, marks = 0, checkpoints(steps)
    for step in range(1, steps + 1):
        ahead = ball.project(now + length.reshape(shape) * ball.direction(gradient), clean)
        share = MOMENTUM if step > 1 else 1.0
        mixed = now + share * (ahead - now) + (1 - share) * (now - before)
        before, now = now, ball.project(mixed, clean)
        logits, values, gradient = victim.gradient(now, labels, loss)
        best.offer(now, margin(logits, labels))
        rises += values > last
        last = values
        higher = values > top
        top = torch.where(higher, values, top)
        peak[higher], slope[higher] = now[higher], gradient[higher]
        if step in marks:
            few = rises < SUCCESSES * (step - judged)
            stuck = ~halved & (top <= previous)
            halved = few | stuck
            length = torch.where(halved, length / 2, length)
            now, gradient = now.clone(), gradient.clone()
            now[halved], gradient[halved] = peak[halved], slope[halved]
            before, last = torch.where(halved.reshape(shape), now, before), torch.where(halved, top, last)
            previous, judged, rises = top.clone(), step, torch.zeros_like(rises)
