"""Synthetic scenes of shapes with exact targets: boxes, masks, key points, ids. Pure functions of a
generator.

One scene serves every task: its class list, its number of shapes, boxes, masks, corners, and where the
shapes are at another time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHAPES = ("circle", "cross", "square", "star", "triangle")
POINTS = 5


@dataclass(frozen=True)
class Shape:
    """One shape in a scene.

    Attributes:
        kind: Index into `SHAPES`.
        center: (x, y) in pixels.
        radius: Of the circle around it, in pixels.
        angle: Turn in radians.
        color: (3,) in [0, 255].
        speed: (dx, dy) in pixels per frame.
    """

    kind: int
    center: tuple[float, float]
    radius: float
    angle: float
    color: tuple[float, float, float]
    speed: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Scene:
    """An image of n shapes with all targets.

    Attributes:
        image: (H, W, 3) uint8.
        labels: (n,) int64 index into `SHAPES`.
        boxes: (n, 4) float32 xyxy in pixels, around what is visible.
        masks: (n, H, W) bool, what is visible of each; later shapes cover earlier ones.
        points: (n, 5, 3) float32 x, y and visibility (2 seen, 1 covered or outside): the centre, and where
            the rim is at the shape's own top, right, bottom and left.
        ids: (n,) int64, the same for a shape in all frames.
        areas: (n,) int64 visible pixels.
    """

    image: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray
    points: np.ndarray
    ids: np.ndarray
    areas: np.ndarray


def scene(
    rng: np.random.Generator, size: tuple[int, int] = (64, 64), count: int | None = None, most: int = 4
) -> Scene:
    """One random scene.

    Args:
        rng: Where all chance comes from.
        size: (height, width) in pixels, 16 or more.
        count: Number of shapes; 1 to `most` by chance if left out.
        most: Largest number of shapes.
    """
    return clip(rng, 1, size, count, most)[0]


def clip(
    rng: np.random.Generator,
    frames: int,
    size: tuple[int, int] = (64, 64),
    count: int | None = None,
    most: int = 4,
) -> list[Scene]:
    """Frames of one scene whose shapes move straight on, over a background that stands still."""
    n = int(rng.integers(1, most + 1)) if count is None else count
    shapes = place(rng, size, n)
    back = background(rng, size)
    noise = rng.normal(0, 4, (frames, *size, 1))
    return [_draw(back + noise[t], shapes, t) for t in range(frames)]


def drawn(rng: np.random.Generator, size: tuple[int, int], shapes: list[Shape]) -> Scene:
    """A scene of given shapes."""
    return _draw(background(rng, size) + rng.normal(0, 4, (*size, 1)), shapes, 0)


def class_map(scene: Scene) -> np.ndarray:
    """(H, W) uint8: 0 where the background is, else 1 + index into `SHAPES`."""
    classes_of_pixels = np.zeros(scene.image.shape[:2], dtype=np.uint8)
    for label, mask in zip(scene.labels, scene.masks, strict=True):
        classes_of_pixels[mask] = label + 1
    return classes_of_pixels


def place(rng: np.random.Generator, size: tuple[int, int], n: int) -> list[Shape]:
    """n shapes at random positions, mostly apart from each other."""
    h, w = size
    shapes: list[Shape] = []
    largest = 0.3 * min(h, w) / np.sqrt(max(n, 1)) + 0.08 * min(h, w)
    for _ in range(n):
        radius = float(rng.uniform(0.6, 1.0) * largest)
        spots = np.column_stack([rng.uniform(radius, w - radius, 20), rng.uniform(radius, h - radius, 20)])
        gaps = [
            min((float(np.hypot(*(s - o.center))) - radius - o.radius for o in shapes), default=0.0)
            for s in spots
        ]
        free = [i for i, gap in enumerate(gaps) if gap >= 0]
        x, y = spots[free[0] if free else int(np.argmax(gaps))]
        shapes.append(
            Shape(
                kind=int(rng.integers(len(SHAPES))),
                center=(float(x), float(y)),
                radius=radius,
                angle=float(rng.uniform(-0.4, 0.4)),
                color=tuple(rng.uniform(90, 255, 3).tolist()),
                speed=tuple((rng.normal(0, 0.03, 2) * min(h, w)).tolist()),
            )
        )
    return shapes


def background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) float: a coloured slope, stripes, and lines and dots that are no shape."""
    h, w = size
    y, x = np.mgrid[0:h, 0:w] / max(h, w)
    base, slope = rng.uniform(20, 90, 3), rng.uniform(-40, 40, (2, 3))
    image = base + x[..., None] * slope[0] + y[..., None] * slope[1]
    turn, wave = rng.uniform(0, np.pi), rng.uniform(4, 12)
    stripes = np.sin(2 * np.pi * wave * (x * np.cos(turn) + y * np.sin(turn)) + rng.uniform(0, 6))
    image = image + stripes[..., None] * rng.uniform(0, 14)
    for _ in range(int(rng.integers(1, 4))):
        a, b = rng.uniform(0, 1, 2), rng.uniform(0, np.pi)
        near = np.abs((x - a[0]) * np.cos(b) + (y - a[1]) * np.sin(b)) < 0.008
        image[near] = rng.uniform(60, 200, 3)
    for _ in range(int(rng.integers(2, 7))):
        a = rng.uniform(0, 1, 2)
        image[(x - a[0]) ** 2 + (y - a[1]) ** 2 < 0.015**2] = rng.uniform(60, 255, 3)
    return np.asarray(image)


def inside(shape: Shape, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points lie in a shape: x and y of any one form, in pixels; the same form, bool."""
    c, s = np.cos(shape.angle), np.sin(shape.angle)
    dx, dy = (x - shape.center[0]) / shape.radius, (y - shape.center[1]) / shape.radius
    u, v = c * dx + s * dy, -s * dx + c * dy
    kind = SHAPES[shape.kind]
    if kind == "circle":
        return np.asarray(u * u + v * v <= 0.85**2)
    if kind == "square":
        return np.asarray(np.maximum(np.abs(u), np.abs(v)) <= 0.7)
    if kind == "cross":
        far, near = np.maximum(np.abs(u), np.abs(v)), np.minimum(np.abs(u), np.abs(v))
        return np.asarray((far <= 0.9) & (near <= 0.28))
    if kind == "triangle":
        return np.asarray((v <= 0.5) & (np.sqrt(3) * np.abs(u) - v <= 1.0))
    r, turn = np.hypot(u, v), np.mod(np.arctan2(u, -v), 2 * np.pi / 5)
    turn = np.minimum(turn, 2 * np.pi / 5 - turn)
    inner = 0.42
    edge = inner * np.sin(np.pi / 5) / (np.sin(np.pi / 5 - turn) * inner + np.sin(turn))
    return np.asarray(r <= edge)


def _draw(back: np.ndarray, shapes: list[Shape], t: int) -> Scene:
    """The shapes at time t, later ones over earlier ones; rims are smoothed over 3 x 3 points a pixel."""
    h, w = back.shape[:2]
    image, n = back.copy(), len(shapes)
    masks = np.zeros((n, h, w), dtype=bool)
    moved = [_at(shape, t) for shape in shapes]
    for k, shape in enumerate(moved):
        cover = _cover(shape, h, w)
        image += cover[..., None] * (np.array(shape.color) - image)
        masks[:k] &= cover < 0.5
        masks[k] = cover >= 0.5
    return Scene(
        image=np.clip(np.rint(image), 0, 255).astype(np.uint8),
        labels=np.array([shape.kind for shape in shapes], dtype=np.int64),
        boxes=np.array([_box(mask) for mask in masks], dtype=np.float32).reshape(n, 4),
        masks=masks,
        points=np.array([_points(moved[k], masks[k]) for k in range(n)], np.float32).reshape(n, POINTS, 3),
        ids=np.arange(n, dtype=np.int64),
        areas=masks.sum((1, 2)).astype(np.int64),
    )


def _cover(shape: Shape, h: int, w: int) -> np.ndarray:
    """(H, W) share of each pixel that a shape covers, by 3 x 3 points; looked at only where it can be."""
    cover = np.zeros((h, w))
    x, y = np.clip(shape.center, 0, (w, h))
    reach = shape.radius + 1
    left, right = max(int(x - reach), 0), min(int(x + reach) + 2, w)
    top, bottom = max(int(y - reach), 0), min(int(y + reach) + 2, h)
    xs, ys = (np.arange(3 * left, 3 * right) + 0.5) / 3, (np.arange(3 * top, 3 * bottom) + 0.5) / 3
    hit = inside(shape, xs[None, :], ys[:, None])
    cover[top:bottom, left:right] = hit.reshape(bottom - top, 3, right - left, 3).mean((1, 3))
    return cover


def _at(shape: Shape, t: int) -> Shape:
    x, y = shape.center[0] + t * shape.speed[0], shape.center[1] + t * shape.speed[1]
    return Shape(shape.kind, (x, y), shape.radius, shape.angle, shape.color, shape.speed)


def _box(mask: np.ndarray) -> tuple[float, float, float, float]:
    """Box around a mask, xyxy with the far edge outside the last pixel; zeros where nothing is seen."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(ys):
        return 0.0, 0.0, 0.0, 0.0
    return float(xs[0]), float(ys[0]), float(xs[-1] + 1), float(ys[-1] + 1)


def _points(shape: Shape, mask: np.ndarray) -> list[tuple[float, float, float]]:
    """Centre, and the rim in the shape's own four directions."""
    c, s = np.cos(shape.angle), np.sin(shape.angle)
    points = [(*shape.center, _seen(mask, *shape.center))]
    steps = np.linspace(0.05, 1.05, 201) * shape.radius
    for u, v in ((0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)):
        dx, dy = c * u - s * v, s * u + c * v
        x, y = shape.center[0] + steps * dx, shape.center[1] + steps * dy
        last = int(np.flatnonzero(inside(shape, x, y))[-1])
        short = max(last - 20, 0)  # a little inside, so that the pixel there belongs to the shape
        points.append((float(x[last]), float(y[last]), _seen(mask, float(x[short]), float(y[short]))))
    return points


def _seen(mask: np.ndarray, x: float, y: float) -> float:
    h, w = mask.shape
    return 2.0 if 0 <= x < w and 0 <= y < h and mask[int(y), int(x)] else 1.0
