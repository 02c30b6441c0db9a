"""Corruptions are the same for the same seed and id, grow with the level, and move targets with images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sightline.audits._corruptions import KINDS, corrupt
from sightline.audits.corruptions import _about_center, _moved
from sightline.core.geometry import invert_affine
from sightline.core.sample import Batch
from sightline.data.open import open_data


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.asarray(open_data("shapes:boxes:3").pixels.read(1))


def test_the_kinds_are_those_of_the_field() -> None:
    assert len(KINDS) == 15
    assert {"shot-noise", "glass-blur", "fog", "elastic-transform", "jpeg-compression"} <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_corruption_repeats_by_seed_and_id_and_changes_nothing_else(kind: str, image: np.ndarray) -> None:
    before = image.copy()
    first = corrupt(image, kind, 3, "a.png", 0)
    assert first.dtype == np.uint8
    assert first.shape == image.shape
    assert np.array_equal(first, corrupt(image, kind, 3, "a.png", 0))
    assert np.array_equal(image, before)
    assert not np.array_equal(first, image)
    if "noise" in kind:
        assert not np.array_equal(first, corrupt(image, kind, 3, "b.png", 0))
        assert not np.array_equal(first, corrupt(image, kind, 3, "a.png", 1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_higher_level_changes_more(kind: str, image: np.ndarray) -> None:
    changes = [
        np.abs(corrupt(image, kind, level, "a.png", 0).astype(float) - image).mean() for level in (1, 3, 5)
    ]
    assert changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 3), (28, 28, 1), (5, 64, 3)])
def test_any_shape_is_taken(kind: str, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert corrupt(image, kind, 5, "a", 0).shape == shape


def test_predictions_of_a_moved_image_go_back_to_where_the_objects_are() -> None:
    """A bright pixel at a known place is moved with the map, and the inverse map brings its place back."""
    images = torch.zeros(1, 1, 40, 60, dtype=torch.uint8)
    images[0, 0, 10:12, 20:22] = 255
    affine = torch.eye(2, 3, dtype=torch.float64)[None]
    batch = Batch(images, None, ["a"], affine, torch.tensor([[40, 60]]))
    for matrix in (_about_center(0.8, 0.0), torch.tensor([[-1.0, 0, 1], [0, 1, 0]])):
        moved = _moved(batch, matrix)
        weight = moved.images[0, 0].double()
        rows, columns = torch.meshgrid(torch.arange(40) + 0.5, torch.arange(60) + 0.5, indexing="ij")
        center = torch.stack([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
        assert moved.affine is not None
        back = invert_affine(moved.affine)[0]
        place = back[:, :2] @ center + back[:, 2]
        assert place.tolist() == pytest.approx([21, 11], abs=0.2)
