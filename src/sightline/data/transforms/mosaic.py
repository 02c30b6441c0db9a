"""Mosaic, mixup and multi-scale resizing for images with objects."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.data.transforms.steps import MIN_VISIBLE_SHARE, Step


def mosaic(share: float, scale: tuple[float, float] = (0.4, 1.0)) -> Step:
    """Mosaic: replace an image by parts of four images of the batch around a random point.

    Args:
        share: Share of the images that are replaced, in [0, 1].
        scale: Smallest and largest factor by which the parts are made smaller.

    Returns:
        Step for batches with `Instances`; objects are cut and moved with their images.

    Source:
        Bochkovskiy et al., YOLOv4: Optimal Speed and Accuracy of Object Detection, 2020, section 3.
    """

    def step(batch: Batch, rng: torch.Generator) -> Batch:
        n, (height, width) = len(batch), batch.images.shape[-2:]
        chosen = (torch.rand(n, generator=rng) < share).nonzero().flatten()
        if not len(chosen):
            return batch
        images, parts = batch.images.clone(), [batch.targets]
        middle = torch.rand(len(chosen), 2, generator=rng) * 0.4 + 0.3
        rows = (middle[:, 0] * height).round().long()
        columns = (middle[:, 1] * width).round().long()
        for corner in range(4):
            down, right = divmod(corner, 2)
            top, left = rows * down, columns * right
            tall = rows if not down else height - rows
            wide = columns if not right else width - columns
            other = chosen if corner == 0 else torch.randint(n, (len(chosen),), generator=rng)
            draws = torch.rand(len(chosen), 3, generator=rng)
            where = _windows(tall, wide, height, width, scale, draws)
            _paste(images, batch.images, chosen, other, where, (top, left, tall, wide))
            places = _places(where, tall, wide)
            part = batch.targets[other].warp(places, torch.stack([tall, wide], 1), MIN_VISIBLE_SHARE)
            whole = torch.tensor([height, width]).expand(len(chosen), 2)
            parts.append(part.warp(_shift(left, top), whole))
        return batch.with_images(images, targets=_merged(parts, chosen), affine=None, original_sizes=None)

    return step


def mixup_boxes(share: float) -> Step:
    """Mixup for detection: blend two images of the batch half and half, and keep the objects of both.

    Args:
        share: Share of the images that this is done to, in [0, 1].

    Source:
        Zhang et al., Bag of Freebies for Training Object Detection Neural Networks, 2019, section 3.1.
    """

    def step(batch: Batch, rng: torch.Generator) -> Batch:
        n = len(batch)
        chosen = (torch.rand(n, generator=rng) < share).nonzero().flatten()
        other = torch.randint(n, (len(chosen),), generator=rng)
        if not len(chosen):
            return batch
        weight = (0.4 + 0.2 * torch.rand(len(chosen), generator=rng))[:, None, None, None]
        images = batch.images.clone()
        mixed = torch.lerp(images[chosen].float(), images[other].float(), weight)
        images[chosen] = mixed.round_().to(images.dtype) if images.dtype == torch.uint8 else mixed
        both = Instances.cat([batch.targets, batch.targets[other]])
        image = torch.cat([torch.arange(n), chosen])[both.image]
        targets = both.reassign_images(image, batch.targets.sizes)
        return batch.with_images(images, targets=targets, affine=None, original_sizes=None)

    return step


def multiscale_resize(reach: float, stride: int) -> Step:
    """Multi-scale training: resize each batch to a random size.

    Args:
        reach: Largest change of the sides either way, as a share.
        stride: What the sides stay multiples of.
    """

    def step(batch: Batch, rng: torch.Generator) -> Batch:
        before = batch.images.shape[-2:]
        factor = 1 + reach * (2 * float(torch.rand((), generator=rng)) - 1)
        size = [max(stride, round(side * factor / stride) * stride) for side in before]
        if list(before) == size:
            return batch
        images = F.interpolate(batch.images, size, mode="bilinear", antialias=True)
        places = torch.zeros(len(batch), 2, 3, dtype=torch.float64)
        places[:, 0, 0], places[:, 1, 1] = size[1] / before[1], size[0] / before[0]
        sizes = torch.tensor(size).expand(len(batch), 2)
        targets = batch.targets.warp(places, sizes)
        return batch.with_images(images, targets=targets, affine=None, original_sizes=None)

    return step


def _windows(
    tall: Tensor, wide: Tensor, height: int, width: int, scale: tuple[float, float], draws: Tensor
) -> Tensor:
    """(B, 4) top, left, height, width of the source parts that are scaled down to (tall, wide)."""
    factor = scale[0] + draws[:, 0] * (scale[1] - scale[0])
    # No part can be larger than its image.
    factor = torch.maximum(factor, torch.maximum(tall / height, wide / width))
    h = (tall / factor).round().long().clamp(max=height)
    w = (wide / factor).round().long().clamp(max=width)
    top, left = (draws[:, 1] * (height - h + 1)).long(), (draws[:, 2] * (width - w + 1)).long()
    return torch.stack([top, left, h, w], 1)


def _paste(
    images: Tensor, source: Tensor, chosen: Tensor, other: Tensor, where: Tensor, to: tuple[Tensor, ...]
) -> None:
    """Copy parts (B, 4) of some images, resized, into others, in place."""
    for k, (i, j) in enumerate(zip(chosen.tolist(), other.tolist(), strict=True)):
        y, x, h, w = where[k].tolist()
        top, left, tall, wide = (int(t[k]) for t in to)
        part = source[j : j + 1, :, y : y + h, x : x + w]
        part = F.interpolate(part, (tall, wide), mode="bilinear", antialias=True)
        images[i, :, top : top + tall, left : left + wide] = part[0]


def _places(where: Tensor, tall: Tensor, wide: Tensor) -> Tensor:
    """(B, 2, 3) affine matrices from the whole image to its part, resized to (tall, wide)."""
    places = torch.zeros(len(where), 2, 3, dtype=torch.float64)
    sy, sx = tall / where[:, 2], wide / where[:, 3]
    places[:, 0, 0], places[:, 0, 2] = sx, -where[:, 1] * sx
    places[:, 1, 1], places[:, 1, 2] = sy, -where[:, 0] * sy
    return places


def _shift(right: Tensor, down: Tensor) -> Tensor:
    """(B, 2, 3) affine matrices of a translation in pixels, right (B,) and down (B,)."""
    places = torch.eye(2, 3, dtype=torch.float64).repeat(len(right), 1, 1)
    places[:, 0, 2], places[:, 1, 2] = right, down
    return places


def _merged(parts: list[Instances], chosen: Tensor) -> Instances:
    """Merge `Instances`: objects of the first part, with those of the chosen images replaced."""
    first, n = parts[0], len(parts[0])
    remaining = torch.ones(n, dtype=torch.bool)
    remaining[chosen] = False
    everything = Instances.cat([first.select(remaining[first.image]), *parts[1:]])
    image = torch.cat([torch.arange(n), chosen.repeat(len(parts) - 1)])[everything.image]
    return everything.reassign_images(image, first.sizes)
