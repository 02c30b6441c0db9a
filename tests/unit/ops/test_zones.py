"""Counting at lines and in zones: each object once, however its box trembles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.ops.zones import LineCounter, ZoneCounter


def box(x: float, y: float, side: float = 20.0) -> list[float]:
    return [x - side / 2, y - side / 2, x + side / 2, y + side / 2]


def walk(counter: LineCounter | ZoneCounter, way: list[tuple[float, float]], number: int = 1) -> None:
    for x, y in way:
        counter.update([number], [box(x, y)])


@given(st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_crossings_with_jitter_are_counted_without_error(seed: int, objects: int) -> None:
    """Objects of 20 pixels that tremble by 1.5, among boxes of no track; some go over and back, some stand on
    the line."""
    rng = np.random.default_rng(seed)
    line = LineCounter((100, 0, 100, 200))  # downward: its right is where x is smaller
    kinds = rng.integers(0, 4, objects)
    ends = {0: [20, 180], 1: [180, 20], 2: [20, 180, 20], 3: [20, 100, 20]}
    ways = [
        np.interp(np.linspace(0, 1, 60), np.linspace(0, 1, len(ends[k])), ends[k]) for k in kinds.tolist()
    ]
    rows = rng.uniform(10, 190, objects)
    for t in range(60):
        places = [box(*(np.array([ways[i][t], rows[i]]) + rng.normal(0, 1.0, 2))) for i in range(objects)]
        stray = [box(*rng.uniform(0, 200, 2)) for _ in range(3)]
        line.update([*range(1, objects + 1), -1, -1, 0], [*places, *stray])
    there, back = int(np.isin(kinds, [0, 2]).sum()), int(np.isin(kinds, [1, 2]).sum())
    assert (line.to_left, line.to_right) == (there, back)


def test_one_who_stands_on_the_line_is_not_counted_for_hours() -> None:
    rng, line = np.random.default_rng(0), LineCounter((0, 50, 100, 50))
    walk(line, [(50, 20)])
    walk(line, [(50, 50 + float(d)) for d in rng.normal(0, 1, 5000)])
    assert line.counts() == {"to_right": 0, "to_left": 0}
    walk(line, [(50, 80)])
    assert line.counts() == {"to_right": 1, "to_left": 0}


def test_a_line_ends_where_it_ends() -> None:
    line = LineCounter((0, 50, 100, 50))
    walk(line, [(150, 20), (150, 80), (50, 80)])
    assert line.counts() == {"to_right": 0, "to_left": 0}, "around its end"
    walk(line, [(50, 20)])
    assert line.counts() == {"to_right": 0, "to_left": 1}


def test_a_line_near_the_border_of_the_image_sees_those_who_leave() -> None:
    line = LineCounter((6, 0, 6, 100))
    for x in range(60, -10, -2):  # its box is cut off at the border, as those of detectors are
        line.update([1], [[max(0, x - 10), 40, x + 10, 60]])
    assert line.counts() == {"to_right": 1, "to_left": 0}


def test_zone_counts_those_who_come_go_and_were_there() -> None:
    zone = ZoneCounter((50, 50, 150, 50, 150, 150, 50, 150))
    walk(zone, [(100, 100), (200, 100)], number=1)
    walk(zone, [(0, 100), (100, 100), (0, 100), (100, 100)], number=2)
    walk(zone, [(100, 100)], number=-1)
    assert zone.counts() == {"entered": 2, "left": 2, "visitors": 2, "most": 1}
    zone.update([2, 3], [box(100, 100), box(110, 100)])
    assert zone.counts() == {"entered": 2, "left": 2, "visitors": 3, "most": 2}


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_a_zone_of_any_shape_agrees_with_its_drawing(seed: int) -> None:
    from PIL import Image, ImageDraw

    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
    radius = rng.uniform(30, 90, 7)
    corners = np.stack([100 + radius * np.cos(angles), 100 + radius * np.sin(angles)], 1)
    image = Image.new("1", (200, 200))
    ImageDraw.Draw(image).polygon([tuple(c) for c in corners.tolist()], fill=1)
    drawn = np.asarray(image)
    try:
        zone = ZoneCounter(tuple(corners.ravel().tolist()))
    except ValueError:
        return
    for number, (x, y) in enumerate(rng.integers(5, 195, (40, 2)).tolist(), 1):
        around = drawn[y - 3 : y + 4, x - 3 : x + 4]
        if around.all() or not around.any():
            before = zone.visitors
            zone.update([number], [box(x + 0.5, y + 0.5, 2)])
            assert zone.visitors - before == int(around.all())


@pytest.mark.parametrize(("kind", "points", "words"), [
    (LineCounter, (1, 2, 1, 2), "two different points"),
    (LineCounter, (1, 2, 3), "x1,y1,x2,y2"),
    (ZoneCounter, (0, 0, 1, 1), "three corners"),
    (ZoneCounter, (0, 0, 10, 10, 10, 0, 0, 10), "cross itself"),
    (ZoneCounter, (0, 0, 5, 5, 10, 10), "cross itself"),
])  # fmt: skip
def test_what_is_no_line_or_zone_is_refused(kind: type, points: tuple[float, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kind(points)
