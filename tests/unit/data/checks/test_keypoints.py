"""The check of keypoints finds what was done to sound data, and nothing in sound data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Finding
from sightline.core.skeleton import Skeleton
from sightline.core.targets.keypoints import Keypoints
from sightline.data.checks import CHECKS
from sightline.data.io.pixels import Arrays
from sightline.data.open import open_data
from sightline.data.scan import scan
from sightline.ops.mean_pose import align, exchanged

NAMES = ("nose", "left_ear", "right_ear", "left_hip", "right_hip", "tail")
SHAPE = np.array([[0, -3], [-1.2, -2], [1.2, -2], [-1.0, 2], [1.0, 2], [0, 4]])
SIZE = 200


def posed(n: int = 40, seed: int = 0) -> Dataset:
    """An animal seen from above, turned, moved and scaled by chance, in each of n images."""
    rng = np.random.default_rng(seed)
    angles, scales = rng.uniform(0, 2 * np.pi, n), rng.uniform(5, 12, n)
    turns = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]).transpose(2, 0, 1)
    shapes = SHAPE + rng.normal(0, 0.15, (n, *SHAPE.shape))
    points = shapes @ turns.transpose(0, 2, 1) * scales[:, None, None] + rng.uniform(70, 130, (n, 1, 2))
    return dataset(points)


def dataset(points: np.ndarray, visibility: np.ndarray | None = None) -> Dataset:
    """One object in each image."""
    n, joints = points.shape[:2]
    visible = np.full((n, joints), 2) if visibility is None else visibility
    targets = Keypoints.of(
        torch.full((n, 2), SIZE), torch.ones(n, dtype=torch.int64), torch.from_numpy(points).float(),
        torch.from_numpy(visible), Skeleton.from_names(NAMES[:joints]),
    )  # fmt: skip
    pixels = Arrays(np.zeros((n, 4, 4, 1), np.uint8))
    return Dataset("posed", "posed", [f"{i:03d}" for i in range(n)], pixels, targets, Classes(("animal",)))


def check(data: Dataset) -> dict[str, Finding]:
    """Findings of this check alone."""
    return {f.name: f for f in CHECKS.load("keypoints").run(data, scan(data))}


def moved(data: Dataset, change: Callable[[np.ndarray], None]) -> Dataset:
    """The same data with other points; boxes stay."""
    targets = data.targets_as(Keypoints)
    points = targets.points.numpy().copy()
    change(points)
    return replace(data, targets=replace(targets, points=torch.from_numpy(points)))


def test_sound_data_have_no_finding() -> None:
    assert not check(posed())


@pytest.mark.parametrize("seed", range(5))
def test_exchanged_sides_are_found_and_no_others(seed: int) -> None:
    def exchange(points: np.ndarray) -> None:
        points[3, [1, 2, 3, 4]] = points[3, [2, 1, 4, 3]]
        points[7, [1, 2]] = points[7, [2, 1]]

    finding = check(moved(posed(seed=seed), exchange))["keypoints-swapped"]
    assert finding.severity == "warning"
    assert finding.items == (
        "003: left_ear - right_ear, left_hip - right_hip", "007: left_ear - right_ear"
    )  # fmt: skip


def test_sides_that_a_pose_does_not_tell_are_not_judged() -> None:
    def behind(points: np.ndarray) -> None:
        points[::3, [1, 2, 3, 4]] = points[::3, [2, 1, 4, 3]]

    assert not check(moved(posed(), behind))


def test_few_objects_or_no_pairs_are_not_judged() -> None:
    points = posed(5).targets_as(Keypoints).points.numpy()
    points[0, [1, 2]] = points[0, [2, 1]]
    assert not exchanged(points, np.ones(points.shape[:2], dtype=bool), ((1, 2),))
    many = posed().targets_as(Keypoints).points.numpy()
    assert not exchanged(many, np.ones(many.shape[:2], dtype=bool), ())


def test_alignment_undoes_shift_turn_and_scale_and_keeps_a_mirrored_one_apart() -> None:
    mean = SHAPE[:, 0] + 1j * SHAPE[:, 1]
    labeled = np.ones((1, len(mean)), dtype=bool)
    other = (mean * 3 * np.exp(0.7j) + 20 - 4j)[None]
    assert align(other, labeled, mean)[0] == pytest.approx(mean)
    assert np.abs(align(other.conj(), labeled, mean)[0] - mean).max() > 1


def test_points_outside_the_image_and_their_box() -> None:
    def change(points: np.ndarray) -> None:
        points[2, 5] = (SIZE + 5, 30)
        points[4, :4] += 90

    findings = check(moved(posed(), change))
    assert findings["keypoints-outside"].items[0] == "002: tail 205 30"
    assert "004" in findings["boxes-apart-from-keypoints"].items
    assert "002" not in findings["boxes-apart-from-keypoints"].items


def test_points_at_one_place_and_objects_twice() -> None:
    def change(points: np.ndarray) -> None:
        points[2, 5] = points[2, 0]

    data = moved(posed(), change)
    assert check(data)["keypoints-at-one-place"].items == ("002: nose and tail",)
    targets = data.targets_as(Keypoints)
    first = targets[0]
    twice = Keypoints.cat([first, first]).reassign_images(torch.zeros(2, dtype=torch.int64), first.sizes)
    assert check(replace(posed(1), targets=twice))["duplicate-objects"].items == ("000 object 2",)


def test_missing_points() -> None:
    data = posed()
    targets = data.targets_as(Keypoints)
    visible = targets.visibility.clone()
    visible[:, 5] = 0
    visible[1] = 0
    visible[2, 0] = 0
    findings = check(replace(data, targets=replace(targets, visibility=visible)))
    assert findings["keypoints-never-labeled"].items == ("tail",)
    assert findings["objects-without-keypoints"].items == ("001",)
    assert findings["keypoint-counts-differ"].items == ("002 (4)",)


def test_the_real_mouse_has_its_ears_exchanged_in_one_frame(data_folder: Callable[[str], object]) -> None:
    data = open_data(str(data_folder("dlc_openfield")))
    assert check(data)["keypoints-swapped"].items == ("labeled-data/m4s1/img0102.jpg: leftear - rightear",)
