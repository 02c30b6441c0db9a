"""Random part of the time of clips."""

from __future__ import annotations

import torch

from sightline.core.sample import Batch
from sightline.data.transforms.steps import Step


def time_crop(shortest: float) -> Step:
    """Take a random part of the time of each clip (B, C, T, H, W), with as many frames; some are repeated.

    Args:
        shortest: Length of the shortest part, as a share.
    """

    def step(batch: Batch, rng: torch.Generator) -> Batch:
        clips = batch.images
        last = clips.shape[2] - 1
        length, start = torch.rand(2, len(clips), 1, generator=rng)
        length = last * (shortest + (1 - shortest) * length)
        places = start * (last - length) + length * torch.linspace(0, 1, last + 1)
        rows = torch.arange(len(clips))[:, None]
        frames = clips.transpose(1, 2)[rows, places.round().long()]
        return batch.with_images(frames.transpose(1, 2).contiguous())

    return step
