"""Resize policies: the scaled size and offset of an image for stretch, crop and pad. No torch, no numpy."""

from __future__ import annotations

from typing import Literal

ResizeMode = Literal["stretch", "crop", "letterbox"]
Sides = tuple[int, int]
"""Height and width, or y and x."""

HALVED = (8, 4, 2)
"""Parts of its size that a JPEG can be decoded at, the smallest first."""


def resized_shape(stored: Sides, size: Sides, resize: ResizeMode) -> tuple[Sides, Sides]:
    """(height, width) that an image is scaled to, and (y, x) offset of its top left corner in the input.

    Args:
        stored: Height and width of the image.
        size: Of the view.
        resize: stretch scales each side by itself; crop scales the short side and cuts the middle out;
            letterbox scales the long side and fills up.
    """
    (h, w), (height, width) = stored, size
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
        ):
            return by
    return 1
