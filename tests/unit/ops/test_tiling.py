"""Tiles cover an image, and an object that several show is told once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.targets._windows import SAME_OBJECT_IOU, Window, distinct
from sightline.ops.tiling import tile_windows

sides = st.integers(1, 90)


@given(sides, sides, st.integers(4, 40))
def test_tiles_cover_the_image_and_overlap(height: int, width: int, side: int) -> None:
    viewed = np.zeros((height, width), dtype=int)
    for x, y, w, h in tile_windows(height, width, side):
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height
        viewed[y : y + h, x : x + w] += 1
    assert viewed.min() == 1 if max(height, width) <= side else viewed.min() >= 1
    if width > side:
        starts = sorted({x for x, *_ in tile_windows(height, width, side)})
        assert max(np.diff(starts)) <= max(1, int(0.8 * side)) + 1


def plainly(boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray, tile: np.ndarray) -> list[int]:
    """One box after the other, from the best on, against all that stay."""
    selected: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        for j in selected:
            low, high = np.maximum(boxes[i, :2], boxes[j, :2]), np.minimum(boxes[i, 2:], boxes[j, 2:])
            shared = np.clip(high - low, 0, None).prod()
            least = min((boxes[k, 2:] - boxes[k, :2]).prod() for k in (i, j))
            if labels[i] == labels[j] and tile[i] != tile[j] and shared / max(least, 1e-9) > SAME_OBJECT_IOU:
                break
        else:
            selected.append(int(i))
    return selected


@given(st.integers(0, 2**32 - 1), st.integers(20, 100), st.integers(20, 100), st.integers(0, 60))
def test_objects_are_told_once_by_the_plain_definition(seed: int, height: int, width: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    windows: list[Window] = tile_windows(height, width, 20)
    tile = rng.integers(0, len(windows), n)
    x, y, w, h = np.array(windows, dtype=np.float32)[tile].reshape(-1, 4).T
    near = rng.integers(0, 12, (n, 2))
    far = near + rng.integers(1, 9, (n, 2))  # whole numbers: no share lies on the edge by rounding
    boxes = np.column_stack([x + near[:, 0], y + near[:, 1], x + far[:, 0], y + far[:, 1]]).astype(np.float32)
    boxes = np.minimum(boxes, np.column_stack([x + w, y + h, x + w, y + h]))
    labels, scores = rng.integers(0, 2, n), rng.integers(0, 9, n).astype(np.float32) / 9
    result = distinct(boxes, labels, scores, tile, windows)
    assert result.tolist() == plainly(boxes, labels, scores, tile)
