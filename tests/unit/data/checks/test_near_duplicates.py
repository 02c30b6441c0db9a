"""Planted near-duplicates are found; different images are not taken for copies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.near_duplicates import CHANGES, plant

from sightline.core.dataset import Dataset
from sightline.data.checks import near_duplicates
from sightline.data.checks.duplicates import group_duplicates
from sightline.data.open import open_data
from sightline.data.scan import scan
from sightline.ops.near_duplicates import descriptors, neighbors, spectra
from tests.unit.data.checks.conftest import findings, labeled, random_images

Planted = tuple[Dataset, np.ndarray, np.ndarray, np.ndarray, bool]


@pytest.fixture(scope="module")
def photos(data_folder: Callable[[str], Path]) -> np.ndarray:
    """900 photographs, 32 x 32, without near-duplicates among themselves."""
    images = open_data(data_folder("cifar10")).pixels.array[:900]  # type: ignore[attr-defined]
    pairs, _ = near_duplicates.search(scan(labeled(images)))
    return np.delete(images, np.unique(pairs[:, 1]), 0)


@pytest.fixture(scope="module")
def planted(photos: np.ndarray) -> Planted:
    copies, source, kind = plant(photos, 25, seed=3)
    dataset = labeled(np.concatenate([photos, copies]))
    return dataset, source, kind, *near_duplicates.search(scan(dataset))


def test_planted_copies_are_found_and_hardly_anything_else(
    planted: Planted,
) -> None:
    dataset, source, kind, pairs, strict = planted
    n = len(dataset) - len(source)
    assert not strict
    right = [(a, b) for a, b in pairs.tolist() if b >= n and source[b - n] == a]
    assert len(right) >= 0.95 * len(source)
    assert len(right) >= 0.95 * len(pairs)
    hit = np.array([b - n for _, b in right])
    for k, change in enumerate(CHANGES):
        assert (kind[hit] == k).sum() >= 22, change.__name__


def test_the_order_of_the_images_does_not_matter(
    planted: Planted,
) -> None:
    dataset, _, _, pairs, _ = planted
    order = np.random.default_rng(0).permutation(len(dataset))
    mixed, _ = near_duplicates.search(scan(dataset.subset(order)))
    back = np.sort(order[mixed], 1)
    different = set(map(tuple, pairs.tolist())) ^ set(map(tuple, back.tolist()))
    assert len(different) <= 0.01 * len(pairs)


def test_search_in_cells_finds_nearly_as_much(planted: Planted) -> None:
    dataset, source, _, _, _ = planted
    d = descriptors(spectra(scan(dataset).thumbs))
    n = len(dataset) - len(source)
    wanted = set(zip(source.tolist(), range(n, len(dataset)), strict=True))
    result = set(map(tuple, near_duplicates.candidates(d, exact=10)[0].tolist()))
    assert len(wanted & result) >= 0.9 * len(wanted)


def test_across_splits_it_is_an_error_above_five_per_cent(photos: np.ndarray) -> None:
    images = np.concatenate([photos[:400], photos[:14, :, ::-1]])
    splits = np.array(["train"] * 200 + ["test"] * 214, dtype=object)
    reported = findings(labeled(images).with_splits(splits))
    assert reported["near-duplicates-across-splits"].severity == "error"
    assert reported["near-duplicates-across-splits"].items[:2] == ("000 = 400", "001 = 401")
    first = findings(labeled(images[:401]).with_splits(splits[:401]))
    assert first["near-duplicates-across-splits"].severity == "warning"
    assert "near-duplicates" not in first


def test_without_splits_they_stay_together(photos: np.ndarray) -> None:
    images = np.concatenate([photos[:100], photos[:3, :, ::-1]])
    dataset = labeled(images)
    viewed = scan(dataset)
    result = {f.name: f for f in near_duplicates.run(dataset, viewed)}
    assert result["near-duplicates"].items == ("000 = 100", "001 = 101", "002 = 102")
    number = group_duplicates(dataset, viewed)
    assert (number[:3] == number[100:]).all()
    part = viewed.subset(np.array([100, 5, 0]))
    assert part.near is not None
    assert part.near.tolist() == [[0, 2]]
    assert group_duplicates(dataset.subset([100, 5, 0]), part).tolist()[0::2] in ([0, 0], [1, 1])


def test_digits_are_alike_by_nature_and_not_reported() -> None:
    assert not [n for n in findings(open_data("digits")) if n.startswith("near")]


def test_flat_and_noisy_images_are_no_copies_of_each_other() -> None:
    rng = np.random.default_rng(0)
    noise = (128 + rng.normal(0, 2, (200, 32, 32, 3))).round().astype(np.uint8)
    pairs, _ = near_duplicates.search(scan(labeled(noise)))
    assert len(pairs) == 0


def test_one_image_or_none_is_no_trouble() -> None:
    for n in (0, 1, 2, 3):
        dataset = labeled(random_images(3)[:n])
        assert near_duplicates.search(scan(dataset))[0].shape == (0, 2)


def test_neighbors_are_the_best_ones() -> None:
    d = torch.nn.functional.normalize(torch.randn(700, 9, generator=torch.Generator().manual_seed(0)))
    index, value = neighbors(d, d, 5, torch.arange(700))
    dots = d @ d.T
    dots.fill_diagonal_(-9)
    torch.testing.assert_close(value, dots.topk(5, 1).values)
    torch.testing.assert_close(dots.gather(1, index), value)
