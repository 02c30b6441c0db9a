"""The scan measures what the pixels say, alike for files and arrays, and never stops at a bad file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sightline.core.dataset import Dataset
from sightline.core.targets.label import ClassLabels
from sightline.data.io.pixels import Arrays, Files
from sightline.data.scan import scan


def dataset(pixels: Arrays | Files) -> Dataset:
    n = len(pixels)
    return Dataset(
        "t", "toy", [str(i) for i in range(n)], pixels, ClassLabels(torch.zeros(n, dtype=torch.int64))
    )


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 20, 30, 3), dtype=np.uint8)


def test_files_and_arrays_of_the_same_pixels_measure_the_same(images: np.ndarray, tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    memory, disk = scan(dataset(Arrays(images))), scan(dataset(Files(paths)), workers=2)
    for name in ("pixels", "width", "height", "channels", "low", "high", "thumbs", "reasons"):
        np.testing.assert_array_equal(getattr(memory, name), getattr(disk, name), err_msg=name)
    np.testing.assert_allclose(memory.mean, disk.mean, rtol=1e-6)
    np.testing.assert_allclose(memory.square, disk.square, rtol=1e-6)
    assert all(f is not None and f.format == "png" for f in disk.facts)


def test_mean_and_std_are_those_of_the_pixels(images: np.ndarray) -> None:
    some = np.array([1, 4, 8])
    mean, std = scan(dataset(Arrays(images))).mean_std(some)
    np.testing.assert_allclose(mean, images[some].mean((0, 1, 2)) / 255, rtol=1e-5)
    np.testing.assert_allclose(std, images[some].std((0, 1, 2)) / 255, rtol=1e-4)
    mean, std = scan(dataset(Arrays(images))).mean_std(some, channels=1)
    luma = images[some] @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose((mean[0], std[0]), (luma.mean() / 255, luma.std() / 255), rtol=1e-4)


def test_bad_files_leave_a_reason_and_the_rest_is_measured(images: np.ndarray, tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    Image.fromarray(images[0]).save(paths[0])
    paths[1].write_bytes(b"")
    viewed = scan(dataset(Files(paths)))
    assert viewed.readable.tolist() == [True, False, False]
    assert viewed.reasons.tolist()[:2] == ["", "empty"]
    assert viewed.reasons[2] != ""
    assert set(viewed.details) == {1, 2}
    np.testing.assert_allclose(viewed.mean_std(np.arange(3))[0], images[0].mean((0, 1)) / 255, rtol=1e-5)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_has_a_reason(images: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(images[0]).save(path)
    path.chmod(0)
    assert not scan(dataset(Files([path]))).readable.any()


def test_subset_is_the_scan_of_the_subset(images: np.ndarray) -> None:
    whole, order = dataset(Arrays(images)), np.array([6, 0, 3])
    part, again = scan(whole).subset(order), scan(whole.subset(order))
    for name in ("pixels", "bytes", "low", "mean", "thumbs"):
        np.testing.assert_array_equal(getattr(part, name), getattr(again, name), err_msg=name)


def test_gray_has_four_equal_means() -> None:
    gray = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 1), dtype=np.uint8)
    viewed = scan(dataset(Arrays(gray)))
    np.testing.assert_allclose(viewed.mean, np.repeat(gray.mean((1, 2)) / 255, 4, 1), rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 3]), st.integers(0, 255))
def test_images_of_any_size_have_a_thumbnail_of_their_own_brightness(
    height: int, width: int, channels: int, value: int
) -> None:
    image = np.full((1, height, width, channels), value, np.uint8)
    viewed = scan(dataset(Arrays(image)))
    assert viewed.thumbs.shape == (1, 32, 32)
    assert np.abs(viewed.thumbs.astype(int) - value).max() <= 1
    assert (viewed.width[0], viewed.height[0], viewed.channels[0]) == (width, height, channels)
