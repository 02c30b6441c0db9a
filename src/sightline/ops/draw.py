"""Drawing of predictions on images, one function for each target type."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

MIN_WIDTH_PX = 160
"""Images narrower than this are enlarged by a whole factor, so that the words fit."""

Color = tuple[int, int, int]
Edges = tuple[int, int, int, int]

PALETTE: tuple[Color, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167),
)  # fmt: skip
"""Colours that colour-blind eyes tell apart (Okabe and Ito, Color Universal Design, 2008), without black."""

_MORE: tuple[Color, ...] = (
    (120, 120, 120), (136, 34, 85), (51, 34, 136), (170, 255, 195), (140, 86, 75), (255, 0, 0), (0, 255, 255),
    (255, 0, 255), (255, 179, 186), (20, 70, 70), (153, 153, 51), (60, 20, 20), (0, 0, 255),
)  # fmt: skip

_SIDE = 640  # pixels of the longer side at which a line is two pixels wide


def enlarged(image: NDArray[np.uint8], least: int = MIN_WIDTH_PX) -> tuple[NDArray[np.uint8], int]:
    """Enlarge an image by a whole factor to at least `least` pixels wide: (RGB image, factor).

    Args:
        image: (H, W, C) uint8, C is 1 or 3.
        least: Pixels.
    """
    rgb = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    factor = max(1, -(-least // rgb.shape[1]))
    return (rgb if factor == 1 else rgb.repeat(factor, axis=0).repeat(factor, axis=1)), factor


def stretched(
    values: NDArray[np.floating[Any]], low: float | None = None, high: float | None = None
) -> NDArray[np.uint8]:
    """Numbers as an image: (H, W, 3) uint8 from dark to bright.

    Args:
        values: (C, H, W) of any range, C is 1 or 3.
        low: What becomes 0; None: the least of them.
        high: What becomes 255; None: the greatest.
    """
    start = float(values.min()) if low is None else low
    stop = float(values.max()) if high is None else high
    unit = (values - start) / (stop - start) if stop > start else np.zeros_like(values)
    gray = (unit.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    return np.repeat(gray, 3, axis=2) if gray.shape[2] == 1 else gray


def captioned(image: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """Add a line of text in a white strip below an image.

    Args:
        image: (H, W, C) uint8, C is 1 or 3.
        text: What to write.

    Returns:
        (H', W', 3) uint8.
    """
    rgb, _ = enlarged(image)
    size = max(12, rgb.shape[1] // 28)
    strip = Image.new("RGB", (rgb.shape[1], int(size * 1.8)), "white")
    ImageDraw.Draw(strip).text((size // 3, size // 3), text, fill="black", font=_font(size))
    return np.concatenate([rgb, np.asarray(strip)], axis=0)


def boxes(
    image: NDArray[np.uint8],
    boxes: ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    colors: Sequence[Color] = PALETTE,
    dashed: bool = False,
) -> NDArray[np.uint8]:
    """Draw boxes and their classes on a copy of an image; the box with the highest score is on top.

    Lines are two pixels wide where the longer side has up to 640 pixels, and grow with the image. They
    straddle the edge of the box, so that a tiny object stays visible, and stay inside the image.

    Args:
        image: (H, W, C) uint8, C is 1 or 3; not changed.
        boxes: (M, 4) x1, y1, x2, y2 in pixels, the far edge outside the last pixel.
        labels: (M,) class index; it chooses the colour, always the same one.
        scores: (M,) in [0, 1], written behind the name, or None.
        names: Name of each class, or None to write nothing.
        colors: RGB of class 0, 1, ...; begun again after the last. One colour gives all classes the same.
        dashed: Broken lines, to tell target from prediction.

    Returns:
        (H, W, 3) uint8, a new array.
    """
    out = np.array(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image)
    where = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    classes = np.asarray(labels, dtype=np.int64).reshape(-1)
    sure = None if scores is None else np.asarray(scores, dtype=np.float64).reshape(-1)
    ranked = np.arange(len(where)) if sure is None else np.argsort(sure, kind="stable")
    order = [int(i) for i in ranked if np.isfinite(where[i]).all()]
    thick = max(2, round(2 * max(out.shape[:2]) / _SIDE))
    frames = {i: _outside(where[i], thick, out.shape[:2]) for i in order}
    for i in order:
        _outline(out, frames[i], thick, colors[classes[i] % len(colors)], dashed)
    if names is None or not order:
        return out
    drawn = Image.fromarray(out)
    for i in order:
        text = names[classes[i]] + ("" if sure is None else f" {sure[i]:.2f}")
        _tag(drawn, frames[i], text, colors[classes[i] % len(colors)], thick)
    return np.array(drawn)


def paths(image: NDArray[np.uint8], lines: Iterable[tuple[NDArray[np.float64], Color]]) -> NDArray[np.uint8]:
    """Draw lines through points on a copy of an image, such as the way of an object.

    Args:
        image: (H, W, C) uint8, C is 1 or 3; not changed.
        lines: (P, 2) x and y in pixels of the points of each line, and its color.

    Returns:
        (H, W, 3) uint8, a new array.
    """
    drawn = Image.fromarray(np.array(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image))
    draw, thick = ImageDraw.Draw(drawn), max(1, round(2 * max(drawn.size) / _SIDE))
    for points, color in lines:
        whole = [(float(x), float(y)) for x, y in points[np.isfinite(points).all(1)]]
        draw.line(whole, fill=color, width=thick, joint="curve")
    return np.array(drawn)


def tags(
    image: NDArray[np.uint8], words: Iterable[tuple[tuple[float, float], str, Color]]
) -> NDArray[np.uint8]:
    """Write words beside points on a copy of an image.

    Args:
        image: (H, W, C) uint8, C is 1 or 3; not changed.
        words: x and y in pixels, the words, and their color.

    Returns:
        (H, W, 3) uint8, a new array.
    """
    drawn = Image.fromarray(np.array(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image))
    thick = max(2, round(2 * max(image.shape[:2]) / _SIDE))
    for (x, y), text, color in words:
        left, top = (int(min(max(v, 0), side - 1)) for v, side in zip((x, y), drawn.size, strict=True))
        _tag(drawn, (left, top, left, top), text, color, thick)
    return np.array(drawn)


def _outside(box: NDArray[np.float64], thick: int, size: Sequence[int]) -> Edges:
    """Outer edge of a box's line in whole pixels, clipped to the image, at least one line wide."""
    height, width = size
    x1, y1 = (max(0, int(np.floor(v + 0.5)) - thick // 2) for v in box[:2])
    x2, y2 = (int(np.floor(v + 0.5)) + thick // 2 for v in box[2:])
    x1, y1 = min(x1, max(0, width - thick)), min(y1, max(0, height - thick))
    return x1, y1, min(width, max(x2, x1 + thick)), min(height, max(y2, y1 + thick))


def _outline(
    out: NDArray[np.uint8], frame: tuple[int, int, int, int], thick: int, color: Color, dashed: bool
) -> None:
    """Draw the frame of a box in place on (H, W, 3) uint8."""
    x1, y1, x2, y2 = frame
    dash = 4 * thick if dashed else max(out.shape[:2])
    gap = 3 * thick if dashed else 0
    for at in range(x1, x2, dash + gap):
        end = min(at + dash, x2)
        out[y1 : min(y1 + thick, y2), at:end] = color
        out[max(y2 - thick, y1) : y2, at:end] = color
    for at in range(y1, y2, dash + gap):
        end = min(at + dash, y2)
        out[at:end, x1 : min(x1 + thick, x2)] = color
        out[at:end, max(x2 - thick, x1) : x2] = color


def _tag(drawn: Any, frame: Edges, text: str, color: Color, thick: int) -> None:
    """Draw a label strip in the box's color above, below or inside the box, where there is room."""
    size = 6 * thick
    font, draw = _font(size), ImageDraw.Draw(drawn)
    x1, y1, _, y2 = frame
    width, height = int(np.ceil(font.getlength(text))) + thick * 2, int(size * 1.3)
    left = max(0, min(x1, drawn.width - width))
    top = y1 - height
    if top < 0:
        top = y2 if y2 - y1 < 2 * height and y2 + height <= drawn.height else y1
    draw.rectangle((left, top, left + width - 1, top + height - 1), fill=color)
    bright = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 128  # luma of ITU-R 601
    draw.text(
        (left + thick, top + height / 2), text, fill="black" if bright else "white", font=font, anchor="lm"
    )


@lru_cache(maxsize=16)
def _font(size: int) -> Any:
    """Default font of Pillow at a size in pixels."""
    return ImageFont.load_default(size)


def color_of(k: int) -> Color:
    """Color of class k: from the palette, then further distinct colors, then generated hues."""
    if k < len(PALETTE) + len(_MORE):
        return (*PALETTE, *_MORE)[k]
    hue = (k * 0.618034) % 1  # the golden ratio keeps neighbours far apart
    value = (0.95, 0.65)[k % 2]
    return tuple(round(255 * v) for v in colorsys.hsv_to_rgb(hue, 0.75, value))  # type: ignore[return-value]


def regions(
    image: NDArray[np.uint8], classes: NDArray[np.uint8], void: int, strength: float = 0.55
) -> NDArray[np.uint8]:
    """Tint each pixel of an image by its class, with thin dark lines between classes.

    Args:
        image: (H, W, C) uint8, C is 1 or 3; not changed.
        classes: (H, W) class index; pixels of `void` keep their own colour.
        void: Value of pixels without a class.
        strength: How much of the class's colour is in the mix, in [0, 1].

    Returns:
        (H, W, 3) uint8, a new array.
    """
    rgb = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    table = np.array([color_of(k) for k in range(256)], dtype=np.float32)
    valid = (classes != void)[..., None]
    mixed = (1 - strength) * rgb + strength * table[classes]
    border = np.zeros(classes.shape, dtype=bool)
    border[:, 1:] |= classes[:, 1:] != classes[:, :-1]
    border[1:] |= classes[1:] != classes[:-1]
    out: NDArray[np.uint8] = np.where(valid, mixed, rgb).astype(np.uint8)
    out[border] //= 2
    return out


def difference(
    image: NDArray[np.uint8], predicted: NDArray[np.uint8], target: NDArray[np.uint8], void: int
) -> NDArray[np.uint8]:
    """Grayed image with pixels in red where two class maps (H, W) differ."""
    pale = 128 + image.mean(2, keepdims=True) / 2
    gray: NDArray[np.uint8] = pale.repeat(3, axis=2).astype(np.uint8)
    gray[(predicted != target) & (target != void)] = (213, 30, 30)
    return gray


def keypoints(
    image: NDArray[np.uint8],
    points: NDArray[Any],
    visible: NDArray[Any],
    limbs: Sequence[tuple[int, int]],
    colors: Sequence[Color],
    radius: float | None = None,
) -> NDArray[np.uint8]:
    """Draw the points of objects on a copy of an image, and lines between connected ones.

    Args:
        image: (H, W, C) uint8, C is 1 or 3; not changed.
        points: (M, J, 2) x, y in pixels.
        visible: (M, J) int: 0 not drawn, 1 drawn as a ring (hidden), 2 as a disc.
        limbs: Indices of connected points.
        colors: RGB of each of the J points; a limb has the color of its second point.
        radius: Of a point in pixels; None: twice the width of a line.

    Returns:
        (H, W, 3) uint8, a new array.
    """
    drawn = Image.fromarray(
        np.ascontiguousarray(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image)
    )
    thick = max(2, round(2 * max(image.shape[:2]) / _SIDE))
    pen, radius = ImageDraw.Draw(drawn), 2 * thick if radius is None else radius
    for place, shown in zip(np.asarray(points, dtype=np.float64) - 0.5, np.asarray(visible), strict=True):
        shown = np.where(np.isfinite(place).all(1), shown, 0)
        for a, b in limbs:
            if shown[a] and shown[b]:
                pen.line([*place[a], *place[b]], fill=colors[b], width=thick)
        for (x, y), how, color in zip(place.tolist(), shown.tolist(), colors, strict=True):
            edges = (x - radius, y - radius, x + radius, y + radius)
            if how == 1:
                pen.ellipse(edges, outline=color, width=thick)
            elif how:
                pen.ellipse(edges, fill=color, outline="black")
    return np.array(drawn)


def objects(
    image: NDArray[np.uint8],
    parts: Iterable[tuple[int, int, NDArray[np.uint8]]],
    labels: ArrayLike,
    strength: float = 0.45,
) -> NDArray[np.uint8]:
    """Tint the mask of each object, and draw its border.

    Args:
        image: (H, W, C) uint8, C is 1 or 3; not changed.
        parts: For each object x, y and (h, w) mask of the part of the image that it lies in.
        labels: (M,) number that chooses each object's colour: its class, or its own number.
        strength: How much of the colour is in the mix, in [0, 1].

    Returns:
        (H, W, 3) uint8, a new array.
    """
    out = np.array(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image)
    for (x, y, mask), label in zip(parts, np.asarray(labels).tolist(), strict=True):
        window = out[y : y + mask.shape[0], x : x + mask.shape[1]]
        inside = mask[: window.shape[0], : window.shape[1]] != 0
        color = np.array(color_of(int(label)), dtype=np.float32)
        wide = np.pad(inside, 1)
        inner = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
        window[inside] = ((1 - strength) * window[inside] + strength * color).astype(np.uint8)
        window[inside & ~inner] = color.astype(np.uint8)
    return out


def legend(image: NDArray[np.uint8], entries: Sequence[tuple[str, Color]]) -> NDArray[np.uint8]:
    """Add a legend of colors in a white strip below an image.

    Args:
        image: (H, W, 3) uint8.
        entries: Word and colour of each.
    """
    if not entries:
        return image
    size = max(12, image.shape[1] // 36)
    font, gap = _font(size), size // 2
    x = gap
    rows: list[list[tuple[int, str, Color]]] = [[]]
    for word, color in entries:
        width = size + gap // 2 + int(np.ceil(font.getlength(word))) + gap
        if x + width > image.shape[1] and rows[-1]:
            x = gap
            rows.append([])
        rows[-1].append((x, word, color))
        x += width
    high = int(size * 1.5)
    strip = Image.new("RGB", (image.shape[1], high * len(rows) + gap), "white")
    pen = ImageDraw.Draw(strip)
    for k, row in enumerate(rows):
        top = k * high + gap // 2
        for x, word, color in row:
            pen.rectangle((x, top, x + size - 1, top + size - 1), fill=color)
            pen.text((x + size + gap // 2, top + size / 2), word, fill="black", font=font, anchor="lm")
    return np.concatenate([image, np.asarray(strip)], axis=0)
