"""Resize policies: the scaled size and offset of an image for each of them. No torch, no numpy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

ResizeMode = Literal["stretch", "crop", "letterbox", "rect"]
Sides = tuple[int, int]
"""Height and width, or y and x."""

RECT_MULTIPLE = 32
"""What the sides of the rectangle of an image are multiples of: the largest stride of a network."""
HALVED = (8, 4, 2)
"""Parts of its size that a JPEG can be decoded at, the smallest first."""


def input_shape(stored: Sides, size: Sides, resize: ResizeMode) -> Sides:
    """(height, width) of the input that an image becomes: `size`, or with rect the smallest rectangle, with
    sides that are multiples of `RECT_MULTIPLE`, that holds the image once its long side is the long side of
    `size`. It depends on nothing but the image, so that its prediction does not depend on its batch.

    Args:
        stored: Height and width of the image.
        size: As in `resized_shape`.
        resize: As in `resized_shape`.
    """
    if resize != "rect":
        return size
    block = max(stored) * RECT_MULTIPLE
    height, width = (-(-max(size) * side // block) * RECT_MULTIPLE for side in stored)
    return height, width


def equal_shapes(shapes: Iterable[tuple[int, ...]]) -> list[list[int]]:
    """Rows of inputs with equal shapes, which can be one batch; in the order in which they come first."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, shape in enumerate(shapes):
        groups.setdefault(shape, []).append(row)
    return list(groups.values())


def fixed(resize: ResizeMode) -> ResizeMode:
    """The policy where all inputs must have one size: letterbox instead of rect."""
    return "letterbox" if resize == "rect" else resize


def resized_shape(stored: Sides, size: Sides, resize: ResizeMode) -> tuple[Sides, Sides]:
    """(height, width) that an image is scaled to, and (y, x) offset of its top left corner in the input.

    Args:
        stored: Height and width of the image.
        size: Of the view; with rect, its long side is that of every view.
        resize: stretch scales each side by itself; crop scales the short side and cuts the middle out;
            letterbox scales the long side and fills up; rect does so in the image's own rectangle.
    """
    (h, w), (height, width) = stored, input_shape(stored, size, resize)
    if resize == "stretch":
        return size, (0, 0)
    if resize == "crop":
        scale = max(height / h, width / w)
        inner = max(height, round(h * scale)), max(width, round(w * scale))
        return inner, (-((inner[0] - height) // 2), -((inner[1] - width) // 2))
    scale = min(height / h, width / w)
    inner = min(height, max(1, round(h * scale))), min(width, max(1, round(w * scale)))
    return inner, ((height - inner[0]) // 2, (width - inner[1]) // 2)


def jpeg_draft_scale(stored: Sides, size: Sides, resize: ResizeMode) -> int:
    """Scale denominator for JPEG decoding: 1, 2, 4 or 8.

    The decoded image is never smaller than the scaled one, and is then scaled to the same size as without it.
    """
    inner, _ = resized_shape(stored, size, resize)
    for by in HALVED:
        less = -(-stored[0] // by), -(-stored[1] // by)
        if (
            stored[0] >= by * inner[0]
            and stored[1] >= by * inner[1]
            and resized_shape(less, size, resize)[0] == inner
            and input_shape(less, size, resize) == input_shape(stored, size, resize)
        ):
            return by
    return 1
