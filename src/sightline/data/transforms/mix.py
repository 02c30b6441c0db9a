"""Mixup and CutMix: mixtures of two images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sightline.core.sample import Batch

Step = Callable[[Batch, torch.Generator], Batch]


def mixup(alpha: float, classes: int = 0) -> Step:
    """Mixup: blend each image, and its target, with another one of the batch.

    Args:
        alpha: Shares are drawn from Beta(alpha, alpha), one for each image; 0.2 is mild, 1 is uniform.
        classes: Number of classes, for labels.

    Returns:
        Step whose labels carry soft targets in `scores`; `value` stays that of the first image.

    Source:
        Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018.
    """
    if alpha <= 0:
        raise ValueError(f"mixup needs alpha > 0. Received {alpha}.")

    def step(batch: Batch, rng: torch.Generator) -> Batch:
        other, share = _partners(len(batch), alpha, rng)
        weight = share[:, None, None, None].to(batch.images.device)
        images = batch.images.float()
        mixed = torch.lerp(images[other.to(images.device)], images, weight)
        if batch.images.dtype == torch.uint8:
            mixed = mixed.round_().to(torch.uint8)
        return batch.with_images(mixed, targets=batch.targets.mix(other, share, classes))

    return step


def cutmix(alpha: float, classes: int = 0) -> Step:
    """CutMix: paste a rectangle of another image of the batch into each one; targets are mixed by area.

    Args:
        alpha: The share of the first image is drawn from Beta(alpha, alpha); 1 is usual.
        classes: Number of classes, for labels.

    Returns:
        Step whose labels carry soft targets in `scores`; `value` stays that of the first image.

    Source:
        Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers, ICCV 2019.
    """
    if alpha <= 0:
        raise ValueError(f"cutmix needs alpha > 0. Received {alpha}.")

    def step(batch: Batch, rng: torch.Generator) -> Batch:
        other, share = _partners(len(batch), alpha, rng)
        height, width = batch.images.shape[-2:]
        inside = _rectangles(1 - share, height, width, rng)
        share = 1 - inside.flatten(1).float().mean(1)
        device = batch.images.device
        images = torch.where(inside[:, None].to(device), batch.images[other.to(device)], batch.images)
        return batch.with_images(images, targets=batch.targets.mix(other, share, classes))

    return step


def _rectangles(area: Tensor, height: int, width: int, rng: torch.Generator) -> Tensor:
    """Random rectangles with the aspect ratio of the image, clipped at the border.

    Args:
        area: (B,) share of the image that each covers if it is not cut off, in [0, 1].
        height: Pixels.
        width: Pixels.
        rng: Draws the centres.

    Returns:
        (B, height, width) bool, true inside.
    """
    half = area.sqrt() / 2
    center = torch.rand(2, len(area), generator=rng)
    rows, columns = (
        _between(middle - half, middle + half, side)
        for middle, side in zip(center, (height, width), strict=True)
    )
    return rows[:, :, None].logical_and(columns[:, None, :])


def _between(low: Tensor, high: Tensor, side: int) -> Tensor:
    """(B, side) bool: which pixels of a side lie between two relative positions (B,)."""
    at = torch.arange(side)
    return (at >= (low * side).round()[:, None]).logical_and(at < (high * side).round()[:, None])


def _partners(n: int, alpha: float, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """(n,) int64 index of another image for each, and (n,) float weight of the first one."""
    other = torch.randperm(n, generator=rng)
    # torch offers no Beta draws from a generator of one's own
    seed = int(torch.randint(2**62, (), generator=rng))
    share = np.random.default_rng(seed).beta(alpha, alpha, size=n)
    return other, torch.from_numpy(share).float()
