"""Random transforms of whole batches: flip, shift, affine, resized crop, color jitter, cutout.

Each transform takes (batch, generator) and returns a new batch. Images are (B, C, H, W), uint8 or float, in
main memory; they keep type and shape. All random numbers come from the generator. Targets with a position
(boxes, masks, points) are transformed too; objects with less than a fifth left in the image are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from sightline.core.geometry import invert_affine
from sightline.core.sample import Batch

Step = Callable[[Batch, torch.Generator], Batch]

MIN_VISIBLE_SHARE = 0.2
"""Share of an object that must be left in the image."""

_BITS = 5
_FIXED_POINT_ONE = 1 << _BITS  # gains up to 3 times 255 fit into 16 bits


def compose(*steps: Step | None) -> Step | None:
    """Compose: apply the steps one after the other; None if there is none."""
    present = [transform for transform in steps if transform is not None]
    if len(present) < 2:
        return present[0] if present else None

    def step(batch: Batch, rng: torch.Generator) -> Batch:
        for transform in present:
            batch = transform(batch, rng)
        return batch

    return step


def random_choice(steps: list[Step]) -> Step | None:
    """Random choice: apply one of the steps to each batch, with equal probability; None if there is none."""
    if len(steps) < 2:
        return steps[0] if steps else None
    return lambda batch, rng: steps[int(torch.randint(len(steps), (), generator=rng))](batch, rng)


def random_translate(share: float, flip: bool) -> Step:
    """Random translation by whole pixels with reflected borders, and random horizontal flip.

    Args:
        share: Largest move, as a share of each side.
        flip: Whether to mirror left and right with probability 1/2.
    """

    def step(batch: Batch, rng: torch.Generator) -> Batch:
        images = batch.images
        n, channels, height, width = images.shape
        reach = [min(round(side * share), side - 1) for side in (height, width)]
        down, right = (torch.randint(0, 2 * r + 1, (n,), generator=rng).numpy() for r in reach)
        wide = _mirrored_border(_mirrored_border(images.permute(0, 2, 3, 1), 1, reach[0]), 2, reach[1])
        # Rows as plain runs of numbers: each image is then a window, copied row by row.
        rows = wide.reshape(n, height + 2 * reach[0], -1).numpy()
        windows = sliding_window_view(rows, (height, width * channels), axis=(1, 2))
        moved = torch.from_numpy(windows[np.arange(n), down, right * channels])
        moved = moved.view(n, height, width, channels)
        mirrored = torch.rand(n, generator=rng) < 0.5 if flip else torch.zeros(n, dtype=torch.bool)
        moved[mirrored] = moved[mirrored].flip(2)
        sign, turn = _flip(mirrored, width)
        tx, ty = (
            (reach[1] - torch.from_numpy(right)) * sign + turn,
            reach[0] - torch.from_numpy(down).double(),
        )
        return _warp_batch(
            batch, moved.permute(0, 3, 1, 2), _scaled(sign.double(), torch.ones_like(ty), tx, ty)
        )

    return step


def random_affine(degrees: float, scale: float, share: float) -> Step:
    """Random affine transform: rotate, scale and translate each image; areas from outside are black.

    Args:
        degrees: Largest turn either way.
        scale: Largest change of size either way, each side by itself, as a share.
        share: Largest move, as a share of each side.
    """

    def step(batch: Batch, rng: torch.Generator) -> Batch:
        images = batch.images
        n, _, height, width = images.shape
        draws = torch.rand(5, n, generator=rng) * 2 - 1
        angle = draws[0] * math.radians(degrees)
        sx, sy = 1 / (1 + draws[1] * scale), 1 / (1 + draws[2] * scale)
        sine, cosine = torch.sin(angle), torch.cos(angle)
        # Both axes of the grid go from -1 to 1, so that a turn must know the shape.
        across = torch.stack([sx * cosine, -sy * sine * height / width, 2 * share * draws[3]], dim=1)
        down = torch.stack([sx * sine * width / height, sy * cosine, 2 * share * draws[4]], dim=1)
        grid = torch.stack([across, down], dim=1).view(-1, 3) @ _places(height, width)
        grid = grid.view(n, 2, height, width).permute(0, 2, 3, 1)  # F.affine_grid takes 20 times as long
        moved = _like(F.grid_sample(images.float(), grid, align_corners=False), images)
        return _warp_batch(
            batch, moved, invert_affine(_in_pixels(torch.stack([across, down], dim=1), height, width))
        )

    return step


def random_resized_crop(area: tuple[float, float], flip: bool) -> Step:
    """Random resized crop: cut a random rectangle out of each image and resize it to the image's size.

    Args:
        area: Smallest and largest share of the image; sides are in a ratio of 3/4 to 4/3.
        flip: Whether to mirror left and right with probability 1/2.

    Source:
        Szegedy et al., Going Deeper with Convolutions, CVPR 2015.
    """

    def step(batch: Batch, rng: torch.Generator) -> Batch:
        images = batch.images
        n, _, height, width = images.shape
        draws = torch.rand(n, 5, generator=rng)
        share = (area[0] + draws[:, 0] * (area[1] - area[0])).sqrt()
        ratio = torch.exp((draws[:, 1] * 2 - 1) * math.log(4 / 3) / 2)
        h = (share * height * ratio).round().clamp(1, height).long()
        w = (share * width / ratio).round().clamp(1, width).long()
        top = (draws[:, 2] * (height - h + 1)).long()
        left = (draws[:, 3] * (width - w + 1)).long()
        out = torch.empty_like(images)
        where = torch.stack([top, left, h, w, (draws[:, 4] < 0.5).long()], 1).tolist()
        for i, (y, x, dy, dx, mirrored) in enumerate(where):
            part = images[i : i + 1, :, y : y + dy, x : x + dx]
            # uint8 with antialias is the vectorised kernel of torch
            part = F.interpolate(part, (height, width), mode="bilinear", antialias=True)
            out[i] = part[0].flip(-1) if flip and mirrored else part[0]
        sx, sy = width / w.double(), height / h.double()
        sign, turn = _flip((draws[:, 4] < 0.5) if flip else torch.zeros(n, dtype=torch.bool), width)
        return _warp_batch(batch, out, _scaled(sx * sign, sy, -left * sx * sign + turn, -top * sy))

    return step


def color_jitter(strength: float) -> Step:
    """Color jitter: change brightness and contrast of each image.

    Args:
        strength: Largest change of each factor either way: 0.2 gives factors of 0.8 to 1.2.
    """

    def step(batch: Batch, rng: torch.Generator) -> Batch:
        images = batch.images
        bright, contrast = 1 + strength * (2 * torch.rand(2, len(batch), generator=rng) - 1)
        middle = images[..., ::4, ::4].float().mean((1, 2, 3))
        gain, offset = bright * contrast, middle * bright * (1 - contrast)
        if images.dtype != torch.uint8:
            changed = images * gain.view(-1, 1, 1, 1) + offset.view(-1, 1, 1, 1)
            return batch.with_images(changed.clamp_(0, 1))
        # Fixed point in 16 bits, one image at a time so that it stays in the processor's cache:
        # ten times as fast as by floats.
        out = torch.empty_like(images)
        factors = zip(
            (gain * _FIXED_POINT_ONE).round().int().tolist(),
            (offset * _FIXED_POINT_ONE).tolist(),
            strict=True,
        )
        for i, (times, plus) in enumerate(factors):
            changed = images[i].to(torch.int16).mul_(times).add_(round(plus) + _FIXED_POINT_ONE // 2)
            out[i] = changed.bitwise_right_shift_(_BITS).clamp_(0, 255)
        return batch.with_images(out)

    return step


def random_erasing(share: float) -> Step:
    """Cutout (random erasing): cover a square of each image with mid gray.

    Args:
        share: Side of the square as a share of the image's; it may stick out over the border.

    Source:
        DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017.
    """

    def step(batch: Batch, rng: torch.Generator) -> Batch:
        images = batch.images.clone()
        n, _, height, width = images.shape
        sides = torch.tensor([round(height * share), round(width * share)])
        corner = (torch.rand(n, 2, generator=rng) * torch.tensor([height, width])).long() - sides // 2
        low, high = corner.clamp(min=0).tolist(), (corner + sides).tolist()
        for i, ((top, left), (bottom, right)) in enumerate(zip(low, high, strict=True)):
            images[i, :, top:bottom, left:right] = 128 if images.dtype == torch.uint8 else 0.5
        return batch.with_images(images)

    return step


def _warp_batch(batch: Batch, images: Tensor, matrices: Tensor) -> Batch:
    """The batch with images (B, C, H, W) and targets transformed by affine matrices (B, 2, 3) in pixels."""
    sizes = torch.tensor(images.shape[-2:]).expand(len(images), 2)
    targets = None if batch.targets is None else batch.targets.warp(matrices, sizes, MIN_VISIBLE_SHARE)
    return batch.with_images(images, targets=targets, affine=None, original_sizes=None)


def _scaled(sx: Tensor, sy: Tensor, tx: Tensor, ty: Tensor) -> Tensor:
    """(B, 2, 3) affine matrices x' = sx x + tx, y' = sy y + ty, from (B,) each."""
    none = torch.zeros_like(sx)
    return torch.stack([torch.stack([sx, none, tx], 1), torch.stack([none, sy, ty], 1)], 1)


def _flip(mirrored: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """(B,) factor and (B,) offset of x, for a horizontal flip of the images where `mirrored` (B,) is set."""
    return 1 - 2.0 * mirrored, width * mirrored.double()


def _mirrored_border(images: Tensor, axis: int, reach: int) -> Tensor:
    """Reflection padding: a border of `reach` pixels on both ends of an axis."""
    size = images.shape[axis]
    before = images.narrow(axis, 1, reach).flip(axis)
    after = images.narrow(axis, size - reach - 1, reach).flip(axis)
    return torch.cat([before, images, after], dim=axis)


def _places(height: int, width: int) -> Tensor:
    """(3, height * width): x, y and 1 of every pixel center, with x and y in [-1, 1]."""
    x, y = ((torch.arange(side) * 2 + 1) / side - 1 for side in (width, height))
    return torch.stack([x.repeat(height), y.repeat_interleave(width), torch.ones(height * width)])


def _in_pixels(grid: Tensor, height: int, width: int) -> Tensor:
    """(B, 2, 3) affine matrices in [-1, 1] coordinates, converted to pixel coordinates."""
    half = torch.tensor([width / 2, height / 2], dtype=torch.float64)
    turn = grid[:, :, :2].double() * half[:, None] / half
    shift = grid[:, :, 2].double() * half + half - turn @ half
    return torch.cat([turn, shift[:, :, None]], 2)


def _like(images: Tensor, other: Tensor) -> Tensor:
    """Convert float images to the type of `other`; if that is uint8, round and clip to [0, 255]."""
    if other.dtype != torch.uint8:
        return images.to(other.dtype)
    return images.add_(0.5).to(torch.int32).to(torch.uint8)  # twice as fast as straight to uint8
