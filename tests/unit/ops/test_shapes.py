"""Scenes whose target must agree with their pixels."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.data.open import open_data
from sightline.data.synthetic.shapes import SHAPES, Shape, clip, inside, scene


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(16, 90), st.integers(16, 90), st.integers(0, 5))
def test_boxes_masks_and_points_agree(seed: int, h: int, w: int, n: int) -> None:
    result = scene(np.random.default_rng(seed), (h, w), n)
    assert result.image.shape == (h, w, 3)
    assert result.masks.shape == (n, h, w)
    assert (result.masks.sum(0) <= 1).all()
    for k in range(n):
        ys, xs = np.nonzero(result.masks[k])
        assert result.areas[k] == len(ys)
        if len(ys):
            assert result.boxes[k].tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        for x, y, viewed in result.points[k]:
            assert viewed in (1, 2)
            if viewed == 2:
                assert result.boxes[k][0] - 2 <= x <= result.boxes[k][2] + 2
                assert result.boxes[k][1] - 2 <= y <= result.boxes[k][3] + 2


def test_scenes_repeat_by_seed_and_differ_by_seed() -> None:
    first, same, other = (scene(np.random.default_rng(s)).image for s in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_shapes_have_their_known_areas() -> None:
    y, x = (np.mgrid[0:800, 0:800] + 0.5) / 2
    expected = {
        "circle": np.pi * 0.85**2,
        "square": 1.4**2,
        "cross": 2 * 1.8 * 0.56 - 0.56**2,
        "triangle": 1.5**2 / np.sqrt(3),
        "star": 10 * 0.5 * 0.42 * np.sin(np.pi / 5),
    }
    for k, name in enumerate(SHAPES):
        shape = Shape(k, (200.0, 200.0), 100.0, 0.3, (0.0, 0.0, 0.0))
        area = inside(shape, x, y).sum() / 4 / 100**2
        assert abs(area - expected[name]) < 0.01


def test_clips_keep_ids_and_move_as_told() -> None:
    frames = clip(np.random.default_rng(3), 4, (64, 64), 2)
    assert all(frame.ids.tolist() == [0, 1] for frame in frames)
    steps = np.diff([frame.points[0, 0, :2] for frame in frames], axis=0)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[0], steps.shape), atol=1e-3)


def test_the_data_sets_made_of_them() -> None:
    first, multi, count = (open_data(f"shapes:{kind}:40") for kind in ("one", "multi", "count"))
    assert first.classes is not None
    assert first.classes.names == SHAPES
    assert first.targets.value.shape == (40,)
    assert multi.targets.value.shape == (40, 5)
    assert count.outputs == ("count",)
    assert set(count.targets.value.ravel().tolist()) <= {1.0, 2.0, 3.0, 4.0}
    assert (multi.targets.value.sum(1) <= count.targets.value.ravel()).all()
    again = open_data("shapes:one:20")
    np.testing.assert_array_equal(again.pixels.read(7), first.pixels.read(7))
    assert open_data("shapes:5", target_type="number").outputs == ("count",)
