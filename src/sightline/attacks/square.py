"""Square attack: random squares of the largest change, kept where they help. It needs no gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sightline.attacks._attack import AttackCard, Best, Victim, margin
from sightline.attacks._ball import Ball

CARD = AttackCard(
    name="square",
    summary="Square attack: random search with squares; a black box suffices.",
    paper="Andriushchenko et al., Square attack: a query-efficient black-box adversarial attack via random "
    "search, ECCV 2020",
    needs="scores",
    norms=("linf", "l2"),
    steps=1000,
)
AREA = 0.8
"""Share of the area that the first squares have."""
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Shares of all queries after which the area is halved (section 3.2 of the paper)."""


def run(
    victim: Victim, images: Tensor, labels: Tensor, ball: Ball, steps: int, rng: torch.Generator
) -> Tensor:
    """Attacked images. In l2, squares are added and the change is scaled to the radius, which is simpler than
    the windows of the paper.

    Args:
        victim: The attacked function.
        images: (B, C, *S) float32 in [0, 1].
        labels: (B,) int64.
        ball: How far an image may be changed.
        steps: Queries for each image at most; images that are classified wrongly get no more.
        rng: Source of the squares.

    Returns:
        (B, C, *S) in the ball and in [0, 1]; of all that were tried, those with the smallest margin.
    """
    best = Best(victim, images, labels)
    if steps < 1 or ball.eps == 0:
        return best.images
    attacked = ball.project(images + ball.eps * ball.direction(_stripes(images, rng)), images)
    best.offer(attacked, margin(victim(attacked), labels))
    change = best.images - images
    for step in range(1, steps):
        squares = _squares(images, step / steps, rng)
        left = (best.margin >= 0).nonzero()[:, 0]
        if not len(left):
            break
        square, clean = squares[left], images[left]
        trial = torch.where(square != 0, 0.0, change[left]) if ball.norm == "linf" else change[left]
        trial = ball.project(clean + trial + _height(ball, square) * square, clean)
        margins = margin(victim(trial), labels[left])
        better = margins < best.margin[left]
        rows = left[better]
        best.images[rows], best.margin[rows] = trial[better], margins[better]
        change[rows] = trial[better] - clean[better]
    return best.images


def _height(ball: Ball, square: Tensor) -> Tensor:
    """Height of the change in (B, C, *S) squares of ones: in l2 a square alone fills the ball."""
    if ball.norm == "linf":
        return torch.tensor(ball.eps, device=square.device)
    count = square.abs().flatten(1).sum(1).clamp(min=1)
    return (ball.eps / count.sqrt()).reshape(-1, *[1] * (square.ndim - 1))


def _signs(shape: tuple[int, ...], rng: torch.Generator, like: Tensor) -> Tensor:
    """Random signs, -1 and 1."""
    return (torch.randint(0, 2, shape, generator=rng) * 2 - 1).to(like)


def _stripes(images: Tensor, rng: torch.Generator) -> Tensor:
    """(B, C, *S) vertical stripes of one pixel, each of a random sign."""
    shape = (*images.shape[:2], *[1] * (images.ndim - 3), images.shape[-1])
    return _signs(shape, rng, images).expand_as(images)


def _squares(images: Tensor, progress: float, rng: torch.Generator) -> Tensor:
    """(B, C, *S) with 1 or -1 in a random square of each image, one sign a channel, and 0 elsewhere."""
    height, width = images.shape[-2:]
    area = AREA / 2 ** sum(progress > share for share in HALVINGS)
    side = max(1, min(round(math.sqrt(area * height * width)), height, width))
    count, extra = len(images), [1] * (images.ndim - 4)
    top = torch.randint(0, height - side + 1, (count, 1), generator=rng)
    left = torch.randint(0, width - side + 1, (count, 1), generator=rng)
    rows, columns = torch.arange(height)[None], torch.arange(width)[None]
    inside_rows = (rows >= top) & (rows < top + side)
    inside_columns = (columns >= left) & (columns < left + side)
    window = (inside_rows[:, :, None] & inside_columns[:, None, :]).to(images)
    signs = _signs((count, images.shape[1], *extra, 1, 1), rng, images)
    return signs * window.reshape(count, 1, *extra, height, width)
