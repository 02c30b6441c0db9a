"""Random mirroring along some axes, for inputs of any rank; targets go along."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sightline.core.geometry import identity_affine
from sightline.core.sample import Batch
from sightline.data.transforms.steps import MIN_VISIBLE_SHARE, Step


def flips(axes: Sequence[int], d: int) -> Step:
    """Mirror each item along each axis with probability 1/2.

    Args:
        axes: Spatial axes, counted from the last: 0 mirrors left and right, 1 up and down, 2 front and back.
        d: Spatial dimensions of the targets; an axis beyond them moves none.
    """

    def step(batch: Batch, rng: torch.Generator) -> Batch:
        images = batch.images.clone()
        mirrored = torch.rand(len(batch), len(axes), generator=rng) < 0.5
        affine = identity_affine(len(batch), d)
        for k, axis in enumerate(axes):
            where = mirrored[:, k]
            images[where] = images[where].flip(-1 - axis)
            if axis < d:
                affine[where, axis, axis] = -1
                affine[where, axis, d] = images.shape[-1 - axis]
        sizes = torch.tensor(images.shape[-d:]).expand(len(images), d)
        targets = None if batch.targets is None else batch.targets.warp(affine, sizes, MIN_VISIBLE_SHARE)
        return batch.with_images(images, targets=targets, affine=None, original_sizes=None)

    return step
