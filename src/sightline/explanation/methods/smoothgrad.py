"""SmoothGrad: mean gradient over noisy copies of the image."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.core.targets.base import Targets
from sightline.explanation.card import ExplainCard
from sightline.explanation.fills import percent
from sightline.explanation.subject import Subject

CARD = ExplainCard(
    name="smoothgrad",
    summary="Mean size of the gradient over 25 copies with as much noise as leaves the answer.",
    paper="Smilkov et al., SmoothGrad: removing noise by adding noise, 2017",
    needs="gradients",
)
COPIES, TRIALS = 25, 6
SIGMAS = (0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01)
"""Deviations of the noise that are tried, of pixels in [0, 1]."""
LEFT = 0.9
"""Share of its score that a statement keeps under the noise. With more noise the map is that of another
answer: 0.15, the usual advice, points right in 20 % of the images where 0.03 does in 88 %."""


def run(subject: Subject, images: Tensor, about: Targets, rng: torch.Generator) -> Tensor:
    """The same noise is drawn for each image of a batch, so that the batch does not matter."""
    noise = torch.randn((COPIES, *images.shape[1:]), generator=rng).to(images)
    maps = [_smooth(subject, image, about[[i]], noise) for i, image in enumerate(images)]
    return torch.stack(maps)


def _smooth(subject: Subject, image: Tensor, about: Targets, noise: Tensor) -> Tensor:
    """(*S) of one image (C, *S)."""
    before = float(subject.likeness(image[None], about))
    for sigma in SIGMAS:
        left = float(subject.likeness((image + sigma * noise[:TRIALS]).clamp(0, 1), about).mean())
        if left >= LEFT * before:
            break
    share = percent(min(1.0, left / max(before, 1e-9)))
    subject.notes.append(f"noise {sigma:g}, under which {share} of the score are left")
    slopes = [subject.gradient(image[None] + sigma * draw, about)[1][0] for draw in noise]
    return torch.stack(slopes).abs().amax(1).mean(0)
