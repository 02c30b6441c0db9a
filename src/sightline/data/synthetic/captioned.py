"""Synthetic scenes of two shapes with captions of a closed grammar."""

from __future__ import annotations

import numpy as np

from sightline.data.synthetic.shapes import SHAPES, Shape, drawn

COLORS = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (60, 80, 240),
    "yellow": (235, 220, 50),
    "white": (240, 240, 240),
    "purple": (160, 60, 190),
}
RELATIONS = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
"""Where the first of two is from the second, and the second from the first."""


def captioned_scene(
    rng: np.random.Generator, size: tuple[int, int] = (64, 64)
) -> tuple[np.ndarray, tuple[str, str]]:
    """An image of two shapes, and what is in it: "a red star left of a blue square", and the same from the
    other end.

    Args:
        rng: Where all chance comes from.
        size: (height, width) in pixels, 32 or more.

    Returns:
        (H, W, 3) uint8, and two sentences.
    """
    relation = list(RELATIONS)[rng.integers(len(RELATIONS))]
    shapes, words = [], []
    along = rng.uniform([0.2, 0.68], [0.32, 0.8])
    if relation in ("right of", "below"):
        along = along[::-1]
    across = rng.uniform(0.35, 0.65) + rng.uniform(-0.08, 0.08, 2)
    for a, b in zip(along, across, strict=True):
        x, y = (a, b) if relation in ("left of", "right of") else (b, a)
        kind, name = int(rng.integers(len(SHAPES))), list(COLORS)[rng.integers(len(COLORS))]
        color = tuple(np.clip(np.array(COLORS[name]) + rng.uniform(-15, 15, 3), 0, 255).tolist())
        radius = float(rng.uniform(0.14, 0.19) * min(size))
        center = (x * size[1], y * size[0])
        shapes.append(Shape(kind, center, radius, float(rng.uniform(-0.4, 0.4)), color))
        words.append(f"a {name} {SHAPES[kind]}")
    first = f"{words[0]} {relation} {words[1]}"
    return drawn(rng, size, shapes).image, (first, f"{words[1]} {RELATIONS[relation]} {words[0]}")
