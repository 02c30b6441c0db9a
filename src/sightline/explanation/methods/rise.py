"""RISE: which pixels are shown when a prediction is said, over random masks; for objects D-RISE."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.core.targets.base import Targets
from sightline.explanation.card import ExplainCard
from sightline.explanation.fills import rank_correlation
from sightline.explanation.subject import Subject

CARD = ExplainCard(
    name="rise",
    summary="Mean score over random masks that show a pixel; of objects by class, overlap and score.",
    paper="Petsiuk et al., RISE, BMVC 2018; Petsiuk et al., D-RISE, CVPR 2021",
    needs="predictions",
)
CELLS, SHOWN = 8, 0.5
"""Cells a side of the random masks, and the chance that one is shown."""
BATCH, MOST = 50, 1000
"""Masks of one half at a time, and in all."""
SETTLED = 0.9
"""Rank correlation of the maps of two halves of the masks from which on no more are drawn."""


def run(subject: Subject, images: Tensor, about: Targets, rng: torch.Generator) -> Tensor:
    """The covariance of score and visibility, divided by how often a pixel was shown. Each image of a batch
    has the same masks."""
    seed = int(torch.randint(2**62, (), generator=rng))
    return torch.stack([_settled(subject, image, about[[i]], seed) for i, image in enumerate(images)])


def _settled(subject: Subject, image: Tensor, about: Targets, seed: int) -> Tensor:
    """(*S) of one image (C, *S): masks are drawn until two halves of them agree."""
    rng = torch.Generator().manual_seed(seed)
    size = (image.shape[-2], image.shape[-1])
    fill = image.flatten(1).mean(1).view(-1, *[1] * (image.ndim - 1))
    shown: list[list[Tensor]] = [[], []]
    scores: list[list[Tensor]] = [[], []]
    agree, n = 0.0, 0
    while n < MOST and agree < SETTLED:
        for half in range(2):
            masks = random_masks(BATCH, size, rng)
            weights = masks.view(BATCH, *[1] * (image.ndim - 2), *size).to(image)
            shown[half].append(masks)
            scores[half].append(subject.likeness(fill + weights * (image - fill), about))
        n += 2 * BATCH
        maps = [_weighted(torch.cat(m), torch.cat(s)) for m, s in zip(shown, scores, strict=True)]
        agree = rank_correlation(*maps)
    words = "settled" if agree >= SETTLED else "NOT SETTLED"
    subject.notes.append(f"{words} after {n} masks (two halves agree {agree:.2f})")
    return ((maps[0] + maps[1]) / 2).expand(image.shape[1:]).clone()


def random_masks(n: int, size: tuple[int, int], rng: torch.Generator) -> Tensor:
    """(n, H, W) in [0, 1]: random cells, enlarged and shifted by up to a cell (RISE, section 3.2)."""
    height, width = size
    cells = (torch.rand((n, 1, CELLS + 1, CELLS + 1), generator=rng) < SHOWN).float()
    step = (-(-height // CELLS), -(-width // CELLS))
    large = F.interpolate(
        cells, ((CELLS + 1) * step[0], (CELLS + 1) * step[1]), mode="bilinear", align_corners=False
    )
    shifts = (torch.rand((n, 2), generator=rng) * torch.tensor(step)).long().tolist()
    return torch.stack([m[0, y : y + height, x : x + width] for m, (y, x) in zip(large, shifts, strict=True)])


def _weighted(masks: Tensor, scores: Tensor) -> Tensor:
    """(H, W): mean of the centered scores over the masks that show a pixel; 0 where scores do not change."""
    centered = (scores - scores.mean()).cpu()
    return torch.einsum("n,nhw->hw", centered, masks) / masks.sum(0).clamp(min=1e-6)
