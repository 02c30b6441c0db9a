"""What hides pixels, what a prediction is without them, and how alike two maps are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.core.targets.base import Targets
from sightline.explanation.subject import Subject

SHARES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Shares of the pixels that are removed, and shown alone."""
BLUR = 8
"""Pixels are blurred over an eighth of the image's sides."""


def mean_color(images: Tensor) -> Tensor:
    """The mean color of each image, everywhere."""
    return images.flatten(2).mean(2).view(*images.shape[:2], *[1] * (images.ndim - 2)).expand_as(images)


def blurred(images: Tensor) -> Tensor:
    """Images without detail: each side reduced to an eighth, and enlarged again."""
    small = [max(1, min(side, BLUR)) for side in images.shape[-2:]]
    flat = images.transpose(1, 2).flatten(0, 1) if images.ndim == 5 else images
    soft = F.interpolate(flat, small, mode="bilinear", antialias=True, align_corners=False)
    soft = F.interpolate(soft, tuple(images.shape[-2:]), mode="bilinear", align_corners=False)
    if images.ndim == 5:
        soft = soft.view(images.shape[0], images.shape[2], *soft.shape[1:]).transpose(1, 2)
    return soft.clamp(0, 1)


def shuffled(images: Tensor) -> Tensor:
    """The same pixels at random places."""
    flat = images.flatten(2)
    order = torch.randperm(flat.shape[2], generator=torch.Generator().manual_seed(0))
    return flat[:, :, order].view_as(images)


FILLS = {"mean color": mean_color, "blur": blurred, "shuffled pixels": shuffled}


@dataclass(frozen=True)
class Decision:
    """Which share of the pixels decides.

    Attributes:
        share: Smallest share of the pixels without which most fills change the prediction; nan: none of up to
            one half.
        fills: How many of the three fills do.
        without: What is predicted without them, by the first fill that changes it; None if none does.
        alone: Least likeness of the prediction that is left when only they are shown.
        enough: Smallest share that, shown alone, keeps the prediction with all fills; nan if none does.
        pixels: (*S) bool: these pixels.
    """

    share: float
    fills: int
    without: Targets | None
    alone: float
    enough: float
    pixels: Tensor


def decision(subject: Subject, image: Tensor, heat: Tensor, about: Targets, inside: Tensor) -> Decision:
    """Remove the pixels with the most evidence, and show them alone, with three fills each.

    Args:
        subject: What is explained.
        image: (1, C, *S).
        heat: (*S) its map.
        about: What the map is about: a statement of the model's prediction.
        inside: (*S) bool: pixels of the image; the others are padding.
    """
    order = heat.masked_fill(~inside, -torch.inf).flatten().argsort(descending=True, stable=True)
    fills = torch.cat([fill(image) for fill in FILLS.values()])
    before = float(subject.likeness(image, about))
    share, without, pixels, changed = float("nan"), None, torch.zeros_like(inside), 0
    enough = float("nan")
    for part in SHARES:
        chosen = torch.zeros(inside.numel(), dtype=torch.bool)
        chosen[order[: max(1, round(part * int(inside.sum())))]] = True
        mask = chosen.view_as(inside)
        variants = torch.cat([torch.where(mask, fills, image), torch.where(mask | ~inside, image, fills)])
        prediction = subject.predict(variants)
        lost = gone(about, prediction, before)
        if changed < 2 and int(lost[:3].sum()) > changed:
            changed, pixels = int(lost[:3].sum()), mask
            share = part if changed >= 2 else share
            without = prediction[int(lost[:3].nonzero()[0])]
            alone = float(about[[0] * 3].likeness(prediction[[3, 4, 5]]).min())
        if enough != enough and not lost[3:].any():
            enough = part
        if changed >= 2 and enough == enough:
            break
    if changed < 2:
        return Decision(float("nan"), changed, None, 0.0, enough, pixels)
    return Decision(share, changed, without, alone, enough, pixels)


def gone(about: Targets, prediction: Targets, before: float) -> Tensor:
    """(B,) bool: predictions that do not say a statement any more: of exclusive classes another one; of
    anything else, less than half of the likeness that there was."""
    many = about[[0] * len(prediction)]
    return many.differs(prediction) if about.exclusive else many.likeness(prediction) < before / 2


def percent(share: float, digits: int = 0) -> str:
    """A share as "9 %"."""
    return f"{100 * share:.{digits}f} %"


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Spearman's rank correlation of two maps; 0 where one is constant."""
    ranks = [_ranks(value.detach().flatten().double()) for value in (first, second)]
    a, b = (r - r.mean() for r in ranks)
    spread = a.norm() * b.norm()
    return float(a @ b / spread) if spread > 0 else 0.0


def _ranks(values: Tensor) -> Tensor:
    """Mean ranks, so that equal values have equal ones."""
    _, inverse, counts = torch.unique(values, return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
    ranks: Tensor = (counts.cumsum(0) - (counts - 1) / 2).double()[inverse]
    return ranks
