"""A camera that moves: its motion is estimated, and trackers expect objects where it shows them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sightline.runtime.track import TRACKERS, tracker_type
from sightline.runtime.track.base import TrackSettings
from sightline.runtime.track.camera import CameraMotion
from sightline.runtime.track.kalman import BoxFilter

numbers = st.floats(-50, 50)


def seen(scene: np.ndarray, x: float, y: float, zoom: float = 1.0, angle: float = 0.0) -> np.ndarray:
    """The (240, 320) view of a camera whose middle is at x, y of a scene."""
    (a, b), (c, d) = view(zoom, angle)
    to = (a, b, x - a * 160 - b * 120, c, d, y - c * 160 - d * 120)
    image = Image.fromarray(scene).transform((320, 240), Image.Transform.AFFINE, to, Image.Resampling.BICUBIC)
    return np.asarray(image)


def view(zoom: float, angle: float) -> np.ndarray:
    """(2, 2) from a step in the view to one in the scene."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom


def scene() -> np.ndarray:
    """A landscape of blobs of many sizes, (500, 700) uint8."""
    rng, total = np.random.default_rng(0), np.zeros((500, 700))
    for side in (4, 10, 30):
        coarse = rng.normal(size=(500 // side + 1, 700 // side + 1)).astype(np.float32)
        total += np.asarray(Image.fromarray(coarse).resize((700, 500), Image.Resampling.BICUBIC))
    return (127 + 40 * total).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("x", "y", "zoom", "angle"), [
    (300, 220, 1, 0), (305.3, 217.8, 1, 0), (300.4, 220, 1, 0), (370, 240, 1, 0), (300, 220, 1.02, 0),
    (300, 220, 1, 0.02), (304, 223, 0.99, -0.01),
])  # fmt: skip
def test_the_motion_of_a_camera_is_found_to_a_part_of_a_pixel(
    x: float, y: float, zoom: float, angle: float
) -> None:
    camera = CameraMotion()
    assert (camera.update(seen(scene(), 300, 220)) == np.eye(2, 3)).all()
    motion = camera.update(seen(scene(), x, y, zoom, angle))
    places = np.array([[20, 20], [300, 20], [160, 120], [300, 220]])
    there = (places - [160, 120] + [300 - x, 220 - y]) @ np.linalg.inv(view(zoom, angle)).T + [160, 120]
    assert places @ motion[:, :2].T + motion[:, 2] == pytest.approx(there, abs=0.3)


def test_where_nothing_is_known_the_camera_counts_as_still() -> None:
    """A plain wall, a cut to another scene, frames of another size, and noise on a still scene."""
    camera, rng = CameraMotion(), np.random.default_rng(0)
    for image in (
        np.full((240, 320, 3), 90, np.uint8),
        np.full((240, 320, 3), 90, np.uint8),
        rng.integers(0, 255, (240, 320, 3), dtype=np.uint8),
        rng.integers(0, 255, (240, 320), dtype=np.uint8),
        seen(scene(), 300, 220)[:200],
        *((seen(scene(), 300, 220) + rng.normal(0, 3, (240, 320))).clip(0, 255) for _ in range(4)),
    ):
        assert (camera.update(np.asarray(image, dtype=np.uint8)) == np.eye(2, 3)).all()


@given(st.lists(st.tuples(numbers, numbers, st.floats(2, 60), st.floats(2, 60)), min_size=1, max_size=4),
       st.floats(0.8, 1.2), st.sampled_from([0.0, np.pi / 2, np.pi]), numbers, numbers)  # fmt: skip
@settings(deadline=None)
def test_it_does_not_matter_whether_the_camera_or_the_object_moves_first(
    boxes: list[tuple[float, float, float, float]], scale: float, angle: float, x: float, y: float
) -> None:
    """State and covariance are moved alike; of a turn by right angles exactly."""
    corners = np.array([[a, b, a + w, b + h] for a, b, w, h in boxes])
    motion = np.column_stack([view(1 / scale, angle), [x, y]])
    first, other = BoxFilter(), BoxFilter()
    for part in (first, other):
        part.add(corners)
        part.predict(1.0)
        part.update(np.arange(len(corners)), corners + 3)
    first.warp(motion)
    first.predict(2.0)
    other.predict(2.0)
    other.warp(motion)
    assert first.state[:2] == pytest.approx(other.state[:2], abs=1e-6)
    assert first.state[2:] == pytest.approx(other.state[2:], rel=0.5, abs=1e-6), "noise by the size then"


@pytest.mark.parametrize("name", TRACKERS.names())
def test_identities_stay_on_a_shaking_film(name: str) -> None:
    """Three objects in a row are shifted by more than their distance; a still film is as without."""
    kind, rng, whole = tracker_type(name), np.random.default_rng(1), scene()
    here = np.array([[260.0 + 30 * k, 200, 280 + 30 * k, 240] for k in range(3)])
    identities = {}
    for shaken in (0, 35):
        for moved in (False, True):
            tracker, camera = kind(TrackSettings(min_iou=kind.defaults.min_iou)), CameraMotion()
            rows = []
            for x, y in rng.uniform(-shaken, shaken, (12, 2)).round():
                motion = camera.update(seen(whole, 300 + x, 220 + y))
                if moved:
                    tracker.move(motion)
                rows.append(tracker.update(here - [140 + x, 100 + y] * 2).tolist())
            identities[shaken, moved] = rows
    assert identities[35, True] == identities[0, True] == identities[0, False] == [[1, 2, 3]] * 12
    assert identities[35, False] != identities[35, True]


def test_the_camera_of_a_real_film_stands_still(data_folder: Callable[[str], Path]) -> None:
    """People walk through TUD-Campus; only the background counts."""
    camera = CameraMotion()
    files = sorted((data_folder("tud_campus_mot") / "TUD-Campus" / "img1").glob("*.jpg"))[:30]
    assert all((camera.update(np.asarray(Image.open(file))) == np.eye(2, 3)).all() for file in files)
