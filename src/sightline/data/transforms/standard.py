"""Standard augmentation that suits most images, in three strengths."""

from __future__ import annotations

from sightline.data.transforms.steps import (
    Step,
    color_jitter,
    compose,
    random_affine,
    random_erasing,
    random_resized_crop,
    random_translate,
)
from sightline.errors import UnknownName

STRENGTHS = ("none", "light", "standard", "strong")
SMALL = 64


def standard(strength: str, *, flip: bool, size: tuple[int, int], gray: bool) -> Step | None:
    """Standard augmentation for training images.

    Images of at most 64 pixels a side are shifted by up to 1/8. If they are also gray and must not be
    mirrored, they are treated as characters: they are rotated and scaled by a few degrees and per cent.
    Larger images get random resized crops and changes of brightness and contrast. Strong also covers a square
    (cutout).

    Args:
        strength: none, light, standard or strong.
        flip: Whether images may be mirrored.
        size: (height, width) in pixels.
        gray: Whether they have one channel.

    Returns:
        Step that takes (batch, generator) and gives a new batch, or None for "none".

    Raises:
        UnknownName: If there is no such strength.
    """
    if strength not in STRENGTHS:
        raise UnknownName("augmentation", strength, STRENGTHS)
    level = STRENGTHS.index(strength) - 1
    if level < 0:
        return None
    if max(size) > SMALL:
        steps = [
            random_resized_crop(((0.7, 0.35, 0.25)[level], 1.0), flip),
            color_jitter((0.1, 0.2, 0.4)[level]),
        ]
    elif gray and not flip:
        degrees, scale, share = ((5, 0.05, 0.04), (10, 0.1, 0.08), (15, 0.15, 0.1))[level]
        steps = [random_affine(degrees, scale, share)]
    else:
        steps = [random_translate((1 / 16, 1 / 8, 1 / 8)[level], flip)]
    if level == 2:
        steps.append(random_erasing(0.25))
    return compose(*steps)
