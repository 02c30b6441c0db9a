"""Our polygons and run-length codes against pycocotools."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from pycocotools import mask as theirs

from sightline.ops.contours import Part, fill, from_rle, rle, rle_counts, rle_text

HEIGHT, WIDTH = 60, 70

_free = st.floats(-30, 110, allow_nan=False)
_whole = st.integers(-10, 80).map(float)
_fifths = st.integers(-50, 400).map(lambda v: v / 10)
points = st.one_of(_free, _whole, _fifths)
polygons = st.lists(st.tuples(points, points), min_size=3, max_size=12).map(np.array)
sides = st.integers(1, 20)
masks = st.tuples(sides, sides).flatmap(lambda s: arrays(np.uint8, s, elements=st.integers(0, 1)))


def whole(part: Part) -> NDArray[np.uint8]:
    x, y, crop = part
    out = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    out[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    return out


def coco(rings: list[NDArray[np.float64]], height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    codes = theirs.frPyObjects([ring.ravel().tolist() for ring in rings], height, width)
    return np.asarray(theirs.decode(theirs.merge(codes)))


@settings(max_examples=1000, deadline=None)
@given(polygons)
@example(np.array([[0, 0], [70, 0], [70, 60], [0, 60]], dtype=float))
@example(np.array([[3.5, 3.5], [3.5, 3.5], [9, 9], [3.5, 20.1]], dtype=float))
def test_a_polygon_is_filled_as_by_coco(polygon: NDArray[np.float64]) -> None:
    assert (whole(fill([polygon], HEIGHT, WIDTH)) == coco([polygon])).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(polygons, min_size=1, max_size=4))
def test_several_polygons_are_united_as_by_coco(rings: list[NDArray[np.float64]]) -> None:
    assert (whole(fill(rings, HEIGHT, WIDTH)) == coco(rings)).all()


@pytest.mark.parametrize("seed", range(20))
def test_large_polygons_are_filled_as_by_coco(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 60))
    radius = rng.uniform(20, 900, 60)
    polygon = np.stack([700 + radius * np.cos(angles), 400 + radius * np.sin(angles)], 1)
    x, y, crop = fill([polygon], 800, 1300)
    full = np.zeros((800, 1300), dtype=np.uint8)
    full[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    assert (full == coco([polygon], 800, 1300)).all()


@settings(deadline=None)
@given(masks)
def test_run_lengths_are_those_of_coco(mask: NDArray[np.uint8]) -> None:
    code = theirs.encode(np.asfortranarray(mask))
    text = code["counts"].decode()
    assert rle_text(rle(mask)) == text
    assert (from_rle(rle_counts(text), *mask.shape) == mask).all()
    plain = theirs.frPyObjects({"size": list(mask.shape), "counts": rle(mask)}, *mask.shape)
    assert (theirs.decode(plain) == mask).all()


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**28), min_size=1, max_size=20))
def test_long_runs_are_coded_as_by_coco(counts: list[int]) -> None:
    text = theirs.frPyObjects({"size": [1, sum(counts)], "counts": counts}, 1, sum(counts))["counts"].decode()
    assert rle_text(counts) == text
    assert rle_counts(text) == counts
