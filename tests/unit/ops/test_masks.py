"""Overlaps of masks that are kept as crops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.targets.bitmaps import CroppedMasks
from sightline.ops import masks
from sightline.ops.masks import iou, ious, shared


def plain(a: np.ndarray, b: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Overlaps by the definition."""
    both = (a[:, None] & b).sum((2, 3))
    either = np.where(crowd, a.sum((1, 2))[:, None], (a[:, None] | b).sum((2, 3)))
    return np.where(both > 0, both / np.maximum(either, 1), 0.0)


def drawn(rng: np.random.Generator, n: int) -> np.ndarray:
    """Spotted rectangles of all sizes in an image of 9 x 11, some without any pixel."""
    result = np.zeros((n, 9, 11), dtype=bool)
    for first in result:
        (y1, y2), (x1, x2) = np.sort(rng.integers(0, 10, 2)), np.sort(rng.integers(0, 12, 2))
        first[y1:y2, x1:x2] = rng.random((y2 - y1, x2 - x1)) < rng.choice([0.3, 1.0])
    return result


def test_by_hand() -> None:
    a, b = np.zeros((2, 1, 8, 8), dtype=bool)
    a[0, :4, :4] = True  # 16 pixels
    b[0, 2:4, 2:8] = True  # 12, of which 4 are shared
    first, second = CroppedMasks.of(a), CroppedMasks.of(b)
    assert iou(first, second).tolist() == [[4 / 24]]
    assert iou(first, second, torch.tensor([True])).tolist() == [[4 / 16]]
    assert iou(second, first, torch.tensor([True])).tolist() == [[4 / 12]]
    assert [int(x[0]) for x in shared(first, second, np.array([0]), np.array([0]))] == [4, 16, 12]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 6), m=st.integers(0, 6))
def test_overlaps_are_those_of_whole_images(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, crowd = drawn(rng, n), drawn(rng, m), rng.random(m) < 0.3
    expected = plain(a, b, crowd)
    first, second = CroppedMasks.of(a), CroppedMasks.of(b)
    assert np.array_equal(iou(first, second, torch.tensor(crowd)).numpy(), expected)
    of, other = (x.ravel() for x in np.indices((n, m)))
    for least in (0.0, 0.5, 0.9):
        result = ious(first, second, of, other, crowd, least).reshape(n, m)
        assert np.array_equal(np.where(result >= least, result, 0), np.where(expected >= least, expected, 0))


def test_it_does_not_matter_how_many_masks_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    a, b = (CroppedMasks.of(drawn(rng, 12)) for _ in range(2))
    whole = iou(a, b)
    monkeypatch.setattr(masks, "_BUFFER_BYTES", 20)
    assert torch.equal(iou(a, b), whole)


def test_no_mask_is_no_pair() -> None:
    none = CroppedMasks.of(np.zeros((0, 4, 4)))
    assert iou(none, CroppedMasks.of(np.ones((2, 4, 4)))).shape == (0, 2)
    assert iou(CroppedMasks.of(np.zeros((1, 4, 4))), CroppedMasks.of(np.zeros((1, 4, 4)))).tolist() == [[0.0]]
