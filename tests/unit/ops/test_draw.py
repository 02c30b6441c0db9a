"""Boxes on images lie where they should, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.ops.draw import PALETTE, boxes, captioned, enlarged

GRAY = np.full((100, 140, 3), 77, dtype=np.uint8)


def changed(image: np.ndarray, box: list[float], **options: object) -> np.ndarray:
    """Which pixels a box of class 0 without a name changes."""
    drawn = boxes(image, [box], [0], **options)  # type: ignore[arg-type]
    return (drawn != image).any(2)


@settings(max_examples=60, deadline=None)
@given(st.integers(-20, 150), st.integers(-20, 110), st.integers(0, 90), st.integers(0, 90))
def test_the_line_straddles_the_edge_and_stays_inside(x: int, y: int, w: int, h: int) -> None:
    box = [x, y, x + w, y + h]
    touched = changed(GRAY, [float(v) for v in box])
    ys, xs = np.nonzero(touched)
    assert len(xs)
    assert xs.min() >= min(x - 1, 138)
    assert ys.min() >= min(y - 1, 98)
    assert xs.max() <= max(x + w, 1)
    assert ys.max() <= max(y + h, 1)
    x1, y1, x2, y2 = max(x, 0), max(y, 0), min(x + w, 140), min(y + h, 100)
    assert not touched[y1 + 2 : max(0, y2 - 2), x1 + 2 : max(0, x2 - 2)].any()


@pytest.mark.parametrize("box", [(0, 0, 5, 5), (135, 95, 140, 100), (0, 95, 5, 100), (60, 40, 65, 45)])
def test_a_box_of_five_pixels_is_seen_and_does_not_hide_what_is_in_it(box: tuple[int, ...]) -> None:
    touched = changed(GRAY, [float(v) for v in box])
    x1, y1, x2, y2 = box
    assert not touched[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].any()
    for line in (
        touched[y1 : y1 + 2],
        touched[y2 - 2 : y2],
        touched[:, x1 : x1 + 2].T,
        touched[:, x2 - 2 : x2].T,
    ):
        assert line.any(0).sum() >= 5  # each of the four edges is there


def test_lines_grow_with_the_image() -> None:
    for side, width in ((100, 2), (640, 2), (1280, 4), (1920, 6)):
        image = np.zeros((side // 2, side, 3), dtype=np.uint8)
        row = changed(image, [side / 4, side / 8, side / 2, side / 4])[round(side * 3 / 16)]
        assert row.sum() == 2 * width


def test_a_class_has_its_own_color_and_the_surest_lies_on_top() -> None:
    box = [20.0, 20.0, 60.0, 60.0]
    for k in (0, 1, 6, 7):
        assert tuple(boxes(GRAY, [box], [k])[20, 40]) == PALETTE[k % 7]
    assert tuple(boxes(GRAY, [box, box], [0, 1], [0.9, 0.5])[20, 40]) == PALETTE[0]
    assert tuple(boxes(GRAY, [box], [5], colors=[(1, 2, 3)])[20, 40]) == (1, 2, 3)


def test_truth_is_dashed() -> None:
    whole = changed(GRAY, [20.0, 20.0, 120.0, 80.0])
    dashed = changed(GRAY, [20.0, 20.0, 120.0, 80.0], dashed=True)
    assert (whole | ~dashed).all()
    assert 0.4 < dashed.sum() / whole.sum() < 0.8


def test_names_are_written_inside_the_image() -> None:
    for box in ([0.0, 0.0, 5.0, 5.0], [130.0, 90.0, 140.0, 100.0], [0.0, 50.0, 140.0, 100.0]):
        plain = boxes(GRAY, [box], [4])
        named = boxes(GRAY, [box], [4], [0.87], ["a", "b", "c", "d", "bus"])
        assert named.shape == plain.shape
        strip = (named == PALETTE[4]).all(2).sum() - (plain == PALETTE[4]).all(2).sum()
        assert strip > 300
        assert (named == 255).all(2).any()  # white words on blue


def test_the_image_is_not_changed_and_gray_becomes_rgb() -> None:
    image = np.zeros((40, 50, 1), dtype=np.uint8)
    drawn = boxes(image, [[5, 5, 20, 20]], [0])
    assert drawn.shape == (40, 50, 3)
    assert not image.any()
    empty = boxes(GRAY, np.zeros((0, 4)), [], [], ["a"])
    assert np.array_equal(empty, GRAY)
    assert empty is not GRAY
    assert np.array_equal(boxes(GRAY, [[np.nan, 0, 5, 5]], [0], [0.5], ["a"]), GRAY)


def test_small_images_grow_by_a_whole_factor() -> None:
    image = np.arange(28 * 28, dtype=np.uint8).reshape(28, 28, 1)
    large, factor = enlarged(image)
    assert factor == 6
    assert np.array_equal(large[::6, ::6, :1], image)
    assert captioned(image, "seven").shape[1] == 168
