"""Polygons and masks: rasterize polygons as COCO does, and trace masks to polygons.

A polygon is (P, 2) float64 x, y in pixels. The top left corner of the image is (0, 0), and the center of its
first pixel is (0.5, 0.5). Its last point is joined to its first one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label

from sightline.core.targets._sampled import Map
from sightline.ops.rle import from_rle, rle, rle_counts, rle_text

__all__ = [
    "NOTHING",
    "Part",
    "Polygon",
    "crosses",
    "cut_out",
    "fill",
    "from_rle",
    "join_polygons",
    "rle",
    "rle_counts",
    "rle_text",
    "split_instances",
    "trace",
    "union",
]  # fmt: skip

Polygon = NDArray[np.float64]
Part = tuple[int, int, Map]
"""x and y of the top left pixel, and (h, w) uint8 of the rectangle that a mask lies in, 1 where it is."""

NOTHING: Part = (0, 0, np.zeros((0, 0), dtype=np.uint8))
_FINE = 5  # steps a pixel of the grid that points are rounded to
_FAR = 2.0**31  # pixels; what lies beyond is taken as this far
_BLOCK = 128


def fill(rings: Sequence[Polygon], height: int, width: int) -> Part:
    """Rasterize an object of one or more polygons to a mask; parts outside the image are cut off.

    The rule is COCO's, so that masks equal those of its tools. Points are rounded to fifths of a pixel, and
    edges are drawn on that grid as stair-step lines. The middle fifth of each pixel column decides where the
    outline is crossed. The area between the first and second crossing, the third and fourth, ... is inside
    (even-odd rule). Several polygons are united.

    Source: T.-Y. Lin et al., "Microsoft COCO", ECCV 2014, and the behaviour of its API (pycocotools).

    Raises:
        ValueError: If a coordinate is NaN or infinite.
    """
    parts = [part for part in (_filled(ring, height, width) for ring in rings) if part[2].size]
    return union(parts) if len(parts) != 1 else parts[0]


def union(parts: Sequence[Part]) -> Part:
    """Union of masks."""
    parts = [part for part in parts if part[2].size]
    if not parts:
        return NOTHING
    x1, y1 = min(x for x, _, _ in parts), min(y for _, y, _ in parts)
    x2 = max(x + crop.shape[1] for x, _, crop in parts)
    y2 = max(y + crop.shape[0] for _, y, crop in parts)
    whole = np.zeros((y2 - y1, x2 - x1), dtype=np.uint8)
    for x, y, crop in parts:
        h, w = crop.shape
        whole[y - y1 : y - y1 + h, x - x1 : x - x1 + w] |= crop
    return x1, y1, whole


def cut_out(mask: NDArray[np.generic], x: int = 0, y: int = 0) -> Part:
    """Crop a mask (H, W) to its bounding rectangle; (x, y) is its top left pixel."""
    nonzero = mask != 0
    rows, columns = np.flatnonzero(nonzero.any(1)), np.flatnonzero(nonzero.any(0))
    if not len(rows):
        return NOTHING
    crop = nonzero[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return x + int(columns[0]), y + int(rows[0]), crop.astype(np.uint8)


def split_instances(numbers: NDArray[np.integer]) -> Iterator[tuple[int, Part]]:
    """Split a label map (H, W) into (number, mask) of each object; 0 is background."""
    keys, index = np.unique(numbers, return_inverse=True)
    places = index.reshape(numbers.shape).astype(np.int32) + 1  # find_objects counts from 1
    for k, (key, window) in enumerate(zip(keys.tolist(), find_objects(places), strict=True), 1):
        if key:
            rows, columns = window
            yield key, (columns.start, rows.start, (places[window] == k).astype(np.uint8))


def _filled(points: Polygon, height: int, width: int) -> Part:
    """`fill` of one polygon."""
    if not np.isfinite(points).all():
        raise ValueError("A polygon holds NaN or infinite.")
    columns, rows = _crossings(np.trunc(points.clip(-_FAR, _FAR) * _FINE + 0.5).astype(np.int64), width)
    if not len(columns):
        return NOTHING
    rows = rows.clip(0, height)
    x, y = int(columns.min()), int(rows.min())
    w, h = int(columns.max()) - x + 1, int(rows.max()) - y
    turns = np.zeros((h + 1) * w, dtype=np.uint8)
    np.bitwise_xor.at(turns, (rows - y) * w + columns - x, np.uint8(1))
    return cut_out(np.bitwise_xor.accumulate(turns.reshape(h + 1, w), 0)[:h], x, y)


def _crossings(grid: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Column and row of the first pixel below each crossing of an outline on a grid of fifths of a pixel.

    The middle fifth of column i is from 5 i + 2 to 5 i + 3. An edge is crossed there where its line of steps
    goes from the one to the other; a flat edge has a step in each column of the grid, a steep one in each
    row.
    """
    after = np.roll(grid, -1, 0)
    across, along = np.abs(after - grid).T
    flat = across >= along
    back = np.where(flat, grid[:, 0] > after[:, 0], grid[:, 1] > after[:, 1])
    start, end = (np.where(back[:, None], *pair) for pair in ((after, grid), (grid, after)))
    near, far = np.minimum(grid[:, 0], after[:, 0]), np.maximum(grid[:, 0], after[:, 0])
    first = ((near + 2) // _FINE).clip(0)
    count = (((far - 3) // _FINE).clip(max=width - 1) - first + 1).clip(0)
    edge = np.repeat(np.arange(len(grid)), count)
    column = np.arange(len(edge)) - (np.cumsum(count) - count - first)[edge]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(flat, (end - start)[:, 1] / across, (end - start)[:, 0] / along)
    middle, (x, y), s = _FINE * column + 2, start[edge].T, slope[edge]
    step = middle - x
    row = np.minimum(_rounded(y + s * step), _rounded(y + s * (step + 1)))
    steep = ~flat[edge]
    if steep.any():
        row[steep] = _steep(x[steep], y[steep], s[steep], middle[steep])
    return column, (row + 2) // _FINE


def _steep(
    x: NDArray[np.int64], y: NDArray[np.int64], slope: Polygon, middle: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Row before a steep line from (x, y) downwards steps over the middle of a column, either way."""

    def over(step: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray((_rounded(x + slope * step) > middle) == (slope > 0))

    step = np.ceil((middle + 0.5 - x) / slope).astype(np.int64)
    step = np.where(over(step - 1), step - 1, step)  # what arithmetic missed by a hair
    step = np.where(over(step), step, step + 1)
    return np.asarray(y + step - 1)


def _rounded(values: Polygon) -> NDArray[np.int64]:
    """Round to whole numbers as COCO's C code does: add a half, truncate."""
    return np.trunc(values + 0.5).astype(np.int64)


def trace(mask: NDArray[np.generic], x: int = 0, y: int = 0) -> list[Polygon]:
    """Trace a mask to polygons along pixel edges; `fill` of them gives the same mask, pixel by pixel.

    Args:
        mask: (H, W), what is not 0 being the object.
        x: Column of its top left pixel in the image.
        y: Row of its top left pixel.

    Returns:
        One polygon for each part that hangs together by sides of pixels. Holes are reached by a cut of no
        width; they run against the outer border, so that the non-zero rule sees them too.
    """
    padded = np.pad(np.asarray(mask) != 0, 1)
    parts, _ = label(padded)
    groups: dict[int, list[Polygon]] = {}
    for points in _rings(padded):
        left, top = points[0].astype(int)
        hole = not padded[top + 1, left + 1]  # the first edge runs right from the top left point
        part = int(parts[top + 1 - hole, left + 1])
        groups.setdefault(part, []).append(points[::-1] if hole else points)
    return [join_polygons(rings) + (x, y) for rings in groups.values()]  # noqa: RUF005


def _rings(padded: NDArray[np.bool_]) -> Iterator[Polygon]:
    """Border polygons of a mask that was padded by one pixel, each from its top left point.

    The corners of a border, sorted by rows, are the ends of its level edges in pairs; sorted by columns those
    of its upright ones. Where two pixels touch by a corner there are two corners in one place, each with the
    edges of one pixel.
    """
    a, b, c, d = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    double = (a == d) & (b == c) & (a != b)
    ys, xs = np.nonzero((a ^ b ^ c ^ d) | double)
    place = np.repeat(np.arange(len(ys)), 1 + double[ys, xs])
    y, x = ys[place], xs[place]
    second = np.diff(place, prepend=-1) == 0
    order = np.lexsort((second ^ (double & b)[y, x], y, x))
    upright = np.empty(len(place), dtype=np.int64)
    upright[order[0::2]], upright[order[1::2]] = order[1::2], order[0::2]
    points, to = np.stack([x, y], 1).astype(np.float64), upright.tolist()
    visited = bytearray(len(to))
    for i in range(len(to)):
        ring = []
        while not visited[i]:
            visited[i] = visited[i ^ 1] = 1
            ring += [i, i ^ 1]
            i = to[i ^ 1]
        if ring:
            yield points[ring]


def join_polygons(rings: Sequence[Polygon]) -> Polygon:
    """Join polygons to one by cuts of zero width; the inside (even-odd rule) stays the same."""
    whole = rings[0]
    for ring in rings[1:]:
        near = int(((whole - ring[0]) ** 2).sum(1).argmin())
        whole = np.concatenate([whole[: near + 1], ring, ring[:1], whole[near:]])
    return whole


def crosses(points: Polygon) -> bool:
    """Whether a polygon intersects itself; edges that touch, coincide or form a cut do not count."""
    ends = np.roll(points, -1, 0)
    if not _cross(points, ends):
        return False
    forth, back = (list(map(tuple, np.hstack(e).tolist())) for e in ((points, ends), (ends, points)))
    drawn = set(back)
    undrawn = np.array([edge not in drawn for edge in forth])  # cuts are drawn there and back
    return bool(undrawn.all()) or (bool(undrawn.any()) and _cross(points[undrawn], ends[undrawn]))


def _cross(points: Polygon, ends: Polygon) -> bool:
    """(E,) bool: whether pairs of edges intersect in their interiors."""
    near, far = np.minimum(points[:, 0], ends[:, 0]), np.maximum(points[:, 0], ends[:, 0])
    order = np.argsort(near)
    points, ends, near, far = points[order], ends[order], near[order], far[order]
    least = 1e-9 * float(np.ptp(points, 0).max()) ** 2
    # Sorted by their left ends, edges of a block can meet those only that begin before the block ends.
    for k in range(0, len(points), _BLOCK):
        mine = slice(k, k + _BLOCK)
        near_rows = slice(k, int(np.searchsorted(near, far[mine].max(), "right")))
        first, second = (
            (points[mine, None], ends[mine, None]),
            (points[None, near_rows], ends[None, near_rows]),
        )
        if (_parts(first, second, least) & _parts(second, first, least)).any():
            return True
    return False


def _parts(line: tuple[Polygon, Polygon], edge: tuple[Polygon, Polygon], least: float) -> NDArray[np.bool_]:
    """(E,) bool: whether a line separates the two ends of an edge, beyond rounding errors."""
    a, b = (_side(*line, end) for end in edge)
    return np.asarray(((a > least) & (b < -least)) | ((a < -least) & (b > least)))


def _side(a: Polygon, b: Polygon, point: Polygon) -> Polygon:
    """(E,) twice the signed area of triangles; positive where points lie on one side of the lines a to b."""
    side1, side2 = b - a, point - a
    return np.asarray(side1[..., 0] * side2[..., 1] - side1[..., 1] * side2[..., 0])
