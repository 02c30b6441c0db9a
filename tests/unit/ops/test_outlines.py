"""Polygons and run-length codes: what is drawn is filled, and what is traced or coded comes back."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from sightline.ops.contours import (
    Part,
    Polygon,
    crosses,
    cut_out,
    fill,
    from_rle,
    join_polygons,
    rle,
    rle_counts,
    rle_text,
    split_instances,
    trace,
    union,
)

Mask = NDArray[np.uint8]
sides = st.integers(1, 14)
masks = st.tuples(sides, sides).flatmap(lambda s: arrays(np.uint8, s, elements=st.integers(0, 1)))
RING = np.pad(np.zeros((3, 4), dtype=np.uint8), 2, constant_values=1)
NESTED = np.pad(np.pad(RING, 2), 3, constant_values=1)
CORNERS = np.eye(4, dtype=np.uint8)


def whole(part: Part, shape: tuple[int, ...]) -> Mask:
    x, y, crop = part
    out = np.zeros(shape, dtype=np.uint8)
    out[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    return out


def blob(seed: int, side: int = 90) -> tuple[Polygon, Mask]:
    """A star-shaped polygon, and the pixels whose middle it holds (non-zero rule, by cross products)."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 30))
    angles = np.sort(rng.uniform(0, 2 * np.pi, n))
    radius = rng.uniform(10, side / 2 - 1, n)
    points = np.stack([side / 2 + radius * np.cos(angles), side / 2 + radius * np.sin(angles)], 1)
    x, y = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    odd = np.zeros((side, side), dtype=bool)
    for (ax, ay), (bx, by) in zip(points, np.roll(points, -1, 0), strict=True):
        spans = (ay > y) != (by > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            odd ^= spans & (x < ax + (y - ay) / (by - ay) * (bx - ax))
    return points, odd.astype(np.uint8)


def apart_from(points: Polygon, side: int = 90) -> NDArray[np.float64]:
    """Distance of the middle of each pixel from the outline of a polygon."""
    middles = np.stack(np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5), -1)[..., None, :]
    along = np.roll(points, -1, 0) - points
    share = ((middles - points) * along).sum(-1) / (along**2).sum(-1)
    return np.asarray(np.linalg.norm(points + share.clip(0, 1)[..., None] * along - middles, axis=-1).min(-1))


@settings(max_examples=300, deadline=None)
@given(masks)
@example(RING)
@example(NESTED)
@example(CORNERS)
@example(CORNERS[::-1])
@example(1 - np.pad(CORNERS, 1))
@example(1 - np.pad(CORNERS[::-1], 1))
def test_a_traced_mask_is_filled_to_itself(mask: Mask) -> None:
    """Pixel by pixel, with holes, parts and pixels that touch by a corner; also as one polygon."""
    polygons = trace(mask)
    assert (whole(fill(polygons, *mask.shape), mask.shape) == mask).all()
    if polygons:
        assert (whole(fill([join_polygons(polygons)], *mask.shape), mask.shape) == mask).all()
        assert not crosses(join_polygons(polygons))
    moved = trace(mask, 3, 5)
    assert all((b - a == (3, 5)).all() for a, b in zip(polygons, moved, strict=True))


def test_each_part_is_a_polygon_and_runs_round_its_holes_the_other_way() -> None:
    (points,) = trace(RING)
    x, y = points.T
    assert float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2 == RING.sum()
    assert len(trace(NESTED)) == 2
    assert len(trace(CORNERS)) == 4
    assert trace(np.zeros((3, 3))) == []


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_filled_polygon_is_the_pixels_whose_middle_it_holds_give_or_take_its_border(seed: int) -> None:
    points, middle = blob(seed)
    mask = whole(fill([points], 90, 90), (90, 90))
    assert apart_from(points)[mask != middle].max(initial=0) <= 1
    assert float(mask.sum()) == pytest.approx(float(middle.sum()), rel=0.1)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_moving_a_polygon_by_whole_pixels_moves_its_mask(seed: int) -> None:
    points, _ = blob(seed)
    mask = whole(fill([points], 90, 90), (90, 90))
    moved = points + np.array([7, 4])
    assert (whole(fill([moved], 94, 97), (94, 97))[4:, 7:] == mask).all()


def test_polygons_far_away_or_huge_cost_nothing() -> None:
    far = np.array([[1e18, 1e18], [1e18, 2e18], [3e18, 1e18]])
    assert fill([far], 30, 40)[2].size == 0
    huge = np.array([[-1e9, -1e9], [1e9, -1e9], [1e9, 1e9], [-1e9, 1e9]])
    assert fill([huge], 30, 40)[2].sum() == 30 * 40
    with pytest.raises(ValueError, match="NaN"):
        fill([np.array([[0, 0], [1, np.nan], [2, 2]])], 30, 40)
    assert fill([], 30, 40)[2].size == 0


def test_parts_are_cut_out_and_united() -> None:
    mask = np.zeros((9, 8), dtype=np.uint8)
    mask[2:4, 3:7], mask[8, 0] = 5, 1
    part = cut_out(mask)
    assert part[:2] == (0, 2)
    assert (whole(part, mask.shape) == (mask > 0)).all()
    second = union([cut_out(mask * (mask == 5)), cut_out(mask * (mask == 1))])
    assert (whole(second, mask.shape) == (mask > 0)).all()
    assert cut_out(mask * 0)[2].size == 0


def test_objects_of_a_numbered_map_with_any_numbers() -> None:
    numbers = np.zeros((9, 8), dtype=np.int64)
    numbers[1:3, 1:3], numbers[0, 7], numbers[8] = 70_000, 3, 3
    result = dict(split_instances(numbers))
    assert result.keys() == {3, 70_000}
    assert all((whole(part, numbers.shape) == (numbers == key)).all() for key, part in result.items())
    assert [key for key, _ in split_instances(np.ones((2, 2), dtype=np.uint16))] == [1]


def test_edges_that_cross_are_told_from_those_that_touch() -> None:
    assert crosses(np.array([[0, 0], [10, 10], [10, 0], [0, 10]], dtype=float))
    assert not crosses(np.array([[0, 0], [10, 0], [10, 10], [0, 10]], dtype=float))
    assert not crosses(np.array([[0, 0], [5, 5], [10, 0], [10, 10], [5, 5], [0, 10]], dtype=float))
    turn = np.linspace(0, 2 * np.pi, 3000, endpoint=False)
    circle = 100 * np.stack([np.cos(turn), np.sin(turn)], 1)
    assert not crosses(circle)
    circle[[5, 2000]] = circle[[2000, 5]]
    assert crosses(circle)


@given(masks)
def test_run_lengths_come_back_as_numbers_and_as_text(mask: Mask) -> None:
    counts = rle(mask)
    assert (from_rle(counts, *mask.shape) == mask).all()
    assert (from_rle(rle(mask.T), *mask.shape, by_rows=True) == mask).all()
    assert rle_counts(rle_text(counts)) == counts


def test_run_lengths_of_a_known_mask() -> None:
    assert rle(np.array([[0, 1], [0, 1], [1, 0]])) == [2, 3, 1]
    assert rle(np.ones((2, 2))) == [0, 4]


@pytest.mark.parametrize(
    ("counts", "match"),
    [([2, 3], "add up to 5, not to 2 x 3 = 6"), ([7, -1], "whole numbers"), ([1.5, 4.5], "whole numbers"),
     ([10**30], "whole numbers|add up"), ([True, True], "whole numbers"), ([], "add up to 0")],
)  # fmt: skip
def test_run_lengths_that_do_not_fit_are_refused(counts: list[int], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        from_rle(counts, 2, 3)


@pytest.mark.parametrize(("text", "match"), [("5P", "ends within"), ("5 6", "holds"), ("P" * 40, "too long")])
def test_text_that_is_no_code_is_refused(text: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        rle_counts(text)


def test_three_thousand_objects_take_no_minutes() -> None:
    began = time.process_time()
    for seed in range(300):
        points, _ = blob(seed % 5, 40)
        mask = fill([points], 1000, 1000)[2]
        trace(mask)
    assert time.process_time() - began < 60  # a guard against what grows with the image; 1 s is usual
